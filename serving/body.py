"""Reads a JSON body strictly: UTF-8, finite numbers of a sane size, shallow, no repeated keys."""

import json
import math
from typing import Any, Final

from fastapi import Request

from serving.errors import ApiError, invalid, token

MAX_DEPTH: Final = 12
MAX_NUMBER: Final = 1e18  # larger is a mistake, and would lose digits as a float anyway
MAX_TEXT: Final = 10_000


def parse(body: bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    ApiError
        400 when it is not JSON in UTF-8; 422 with a JSON pointer when a value cannot be used.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ApiError(
            400, "malformed", f"the body must be UTF-8; byte {error.start} is not"
        ) from None
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ApiError(400, "malformed", f"the body is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise _too_deep("") from None
    except ValueError:  # an integer with more digits than Python converts
        raise _too_large("") from None
    check(value)
    return value


class _Repeated:
    """Stands for a key that an object gave twice; `check` says where."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict that remembers a repeated key, so that it can be refused with its pointer."""
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return {name: _Repeated()}
        seen.add(name)
    return result


def check(value: Any, pointer: str = "", depth: int = 0) -> None:
    """Refuse what JSON can say but no field of ours can hold."""
    if depth > MAX_DEPTH:
        raise _too_deep(pointer)
    if isinstance(value, dict):
        for name, item in value.items():
            _check_text(name, pointer)
            check(item, f"{pointer}/{token(name)}", depth + 1)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            check(item, f"{pointer}/{place}", depth + 1)
    elif isinstance(value, _Repeated):
        raise invalid(pointer, "repeated_key", f"{pointer}: the key is given twice")
    elif isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, int | float):
        _check_number(value, pointer)


def _check_text(value: str, pointer: str) -> None:
    if len(value) > MAX_TEXT:
        raise invalid(pointer, "text_too_long", f"{pointer}: text is limited to {MAX_TEXT} signs")
    if "\x00" in value or not _encodable(value):
        raise invalid(pointer, "text_not_unicode", f"{pointer}: text must be Unicode without NUL")


def _encodable(value: str) -> bool:
    """False for a lone surrogate, which JSON can escape but UTF-8 cannot write."""
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)


def _check_number(value: float, pointer: str) -> None:
    if math.isnan(value):
        raise invalid(pointer, "number_not_finite", f"{pointer}: NaN is not a number; send null")
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise _too_large(pointer)


def _too_large(pointer: str) -> ApiError:
    detail = f"{pointer or 'the body'}: numbers must be finite and within +-{MAX_NUMBER:.0e}"
    return invalid(pointer, "number_out_of_range", detail)


def _too_deep(pointer: str) -> ApiError:
    detail = f"{pointer or 'the body'}: values may be nested {MAX_DEPTH} deep"
    return invalid(pointer, "too_deep", detail)


class StrictRequest(Request):
    """A request whose body is limited and whose JSON is read by `parse`."""

    async def body(self) -> bytes:
        """The whole body, read no further than the limit."""
        if not hasattr(self, "_body"):
            limit = self.app.state.services.settings.max_body_bytes
            declared = self.headers.get("content-length", "0")
            if declared.isdecimal() and int(declared) > limit:
                raise _too_long(limit)
            self._body = await self._read(limit)
        return self._body

    async def _read(self, limit: int) -> bytes:
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > limit:
                raise _too_long(limit)
            chunks.append(chunk)
        return b"".join(chunks)

    async def json(self) -> Any:
        """The body's value; FastAPI calls this once per request."""
        return parse(await self.body())


def _too_long(limit: int) -> ApiError:
    return ApiError(413, "body_too_large", f"the body is limited to {limit:,} bytes")


def check_content(request: Request) -> None:
    """415 unless the body says it is plain JSON in UTF-8."""
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise ApiError(
            415,
            "unsupported_media_type",
            "send Content-Type: application/json in UTF-8; "
            f"got {request.headers.get('content-type', 'none')!r}",
        )
    if encoding := request.headers.get("content-encoding"):
        raise ApiError(
            415,
            "unsupported_media_type",
            f"Content-Encoding {encoding!r} is not read; send it plain",
        )
