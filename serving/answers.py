"""Answers made of prebuilt JSON bytes, with strong ETags; no model is validated on the way out."""

import hashlib
from typing import Any, Final

from fastapi import Request
from pydantic_core import to_json
from starlette.responses import Response

from serving.views import Problem

_JSON: Final = "application/json"
_PROBLEM: Final = {
    400: "Malformed request or unknown parameter",
    404: "Not found",
    410: "The scoring run of the cursor is gone",
    413: "The body is larger than 2 MB",
    415: "The body is not JSON in UTF-8",
    422: "Well-formed, but a value cannot be used",
    500: "The service failed",
    503: "No model, or the store cannot be reached",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for OpenAPI."""
    return {
        status: {
            "description": _PROBLEM[status],
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in (*statuses, 500, 503)
    }


def not_modified() -> dict[int | str, dict[str, Any]]:
    """The 304 answer of an operation with an ETag, for OpenAPI."""
    return {304: {"description": "The score is the one the client holds"}}


def answer(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(to_json(value), status, media_type=_JSON)


def tagged(value: Any, request: Request) -> Response:
    """`value` as JSON with a strong ETag; 304 without a body when the client holds it."""
    body = to_json(value)
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    held = request.headers.get("if-none-match")
    if held is not None and _matches(held, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, _JSON)


def _matches(held: str, tag: str) -> bool:
    """Weak comparison, as RFC 9110 asks for If-None-Match."""
    tags = [item.strip().removeprefix("W/") for item in held.split(",")]
    return "*" in tags or tag in tags


PROBLEM_SCHEMA = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
