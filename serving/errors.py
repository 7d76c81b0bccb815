"""Every error as problem details (RFC 9457): one handler, one body, one place for status codes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from features.errors import (
    CustomerNotFoundError,
    ModelNotFoundError,
    RegistryError,
    RetentionError,
    StoreError,
    UnknownFeatureError,
    UnknownTargetError,
)

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID: Final = "retention.request_id"  # key of the ASGI scope, set by `serving.envelope`

# Anything of ours that is not listed is our own fault: 500.
STATUS: Final[Mapping[type[RetentionError], tuple[int, str]]] = {
    CustomerNotFoundError: (404, "customer_not_found"),
    UnknownTargetError: (404, "target_not_found"),
    ModelNotFoundError: (404, "model_not_found"),
    UnknownFeatureError: (503, "model_unusable"),
    StoreError: (503, "store_unavailable"),
    RegistryError: (503, "registry_unavailable"),
}
_CODES: Final = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    421: "host_not_allowed",
}
_log = logging.getLogger("retention.serving")


class ApiError(HTTPException):
    """A refusal with everything its problem document says.

    `errors` holds `{pointer, code, detail}`: a JSON pointer into the body, or `/query/NAME` and
    `/path/NAME` for parameters.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.errors = [dict(error) for error in errors]


def token(name: str) -> str:
    """A name as one step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def fault(pointer: str, code: str, detail: str) -> dict[str, str]:
    """One entry of `errors[]`."""
    return {"pointer": pointer, "code": code, "detail": detail}


def invalid(pointer: str, code: str, detail: str) -> ApiError:
    """422: well-formed, but this one field cannot be used."""
    return ApiError(422, "invalid", detail, errors=[fault(pointer, code, detail)])


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str = "",
    request_id: str = "",
    errors: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """The body of a problem document."""
    return {
        "type": f"urn:problem-type:retention:{code.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "errors": list(errors),
    }


def problem_response(request: Request, error: ApiError) -> Response:
    """`error` as the answer to `request`."""
    request_id = str(request.scope.get(REQUEST_ID, ""))
    body = problem(
        error.status_code,
        error.code,
        str(error.detail),
        instance=request.url.path,
        request_id=request_id,
        errors=error.errors,
    )
    headers = dict(error.headers or {})
    if request_id:
        headers["X-Request-Id"] = request_id
    return Response(to_json(body), error.status_code, headers, MEDIA_TYPE)


def as_api_error(error: Exception) -> ApiError:
    """What a caller is told about any exception; the unexpected tells nothing of its inside."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return _from_validation(error)
    if isinstance(error, StarletteHTTPException):
        code = _CODES.get(error.status_code, "http_error")
        return ApiError(
            error.status_code, code, str(error.detail), headers=cast(Any, error.headers)
        )
    for kind, (status, code) in STATUS.items():
        if isinstance(error, kind):
            return ApiError(status, code, str(error))
    return ApiError(500, "internal_error", "the service failed on this request; it has been logged")


def _from_validation(error: RequestValidationError) -> ApiError:
    """FastAPI's findings, each with its pointer."""
    found = [
        fault(_pointer(item["loc"]), _code(str(item["type"])), str(item["msg"]))
        for item in error.errors()
    ]
    where = found[0]["pointer"] or "the body"
    detail = f"{where}: {found[0]['detail']}" if found else "the request is not valid"
    return ApiError(422, "invalid", detail, errors=found)


def _pointer(loc: Sequence[int | str]) -> str:
    """`("body", "rows", 0)` is `/rows/0`; a parameter keeps where it came from."""
    parts = loc[1:] if loc and loc[0] == "body" else loc
    return "".join(f"/{token(str(part))}" for part in parts)


def _code(kind: str) -> str:
    return {"extra_forbidden": "unknown_field", "missing": "missing"}.get(kind, kind)


def install(app: FastAPI, page: Callable[[Request, ApiError], Response | None]) -> None:
    """Answer every error of `app` with a problem document, or with what `page` makes of it."""

    def respond(request: Request, error: Exception) -> Response:
        answer = as_api_error(error)
        if answer.status_code >= 500:
            _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return page(request, answer) or problem_response(request, answer)

    kinds = (ApiError, RequestValidationError, StarletteHTTPException, RetentionError, Exception)
    for kind in kinds:
        app.add_exception_handler(kind, respond)
