"""Opaque, signed places in a list, bound to one scoring run and one set of filters."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serving.errors import ApiError, fault

_TAG_BYTES: Final = 16
_MAX_LENGTH: Final = 1000


@dataclass(frozen=True)
class Cursor:
    """The run that is walked, what it is filtered and sorted by, and the last row that was sent."""

    run_id: int
    view: str  # `fingerprint` of filters and order
    after: list[Any]


def fingerprint(view: Mapping[str, Any]) -> str:
    """A short hash of filters and order; the size of a page may change on the way."""
    text = json.dumps({k: v for k, v in view.items() if v is not None}, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _tag(body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, body, hashlib.sha256).digest()[:_TAG_BYTES]


def seal(cursor: Cursor, secret: bytes) -> str:
    """The text a client sends back."""
    body = json.dumps([cursor.run_id, cursor.view, cursor.after], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_tag(body, secret) + body).decode().rstrip("=")


def unseal(text: str, secret: bytes) -> Cursor:
    """The inverse of `seal`.

    Raises
    ------
    ApiError
        400 `cursor_invalid` when the text was not made here.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if len(text) > _MAX_LENGTH or not body or not hmac.compare_digest(tag, _tag(body, secret)):
        raise _refused("cursor_invalid", "the cursor was not made by this service; start again")
    run_id, view, after = json.loads(body)
    return Cursor(run_id, view, after)


def open_for(text: str, view: Mapping[str, Any], secret: bytes) -> Cursor:
    """The cursor, when it belongs to these filters.

    Raises
    ------
    ApiError
        400 `cursor_mismatch` when it was made for other filters or another order.
    """
    cursor = unseal(text, secret)
    if cursor.view != fingerprint(view):
        raise _refused(
            "cursor_mismatch", "the cursor belongs to other filters or another order; start again"
        )
    return cursor


def _refused(code: str, detail: str) -> ApiError:
    return ApiError(400, code, detail, errors=[fault("/query/cursor", code, detail)])
