"""Renders templates into answers: one environment, one set of headers, versioned static files."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from serving.pages import words
from serving.templates import templates

_HERE: Final = Path(__file__).parent
_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of the service, with what all of them use."""
    return templates(static=static_url, words=words)


@lru_cache(maxsize=32)
def static_url(name: str) -> str:
    """A file's address with its content's hash, so that browsers never keep an old one."""
    content = (_HERE / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.blake2b(content, digest_size=6).hexdigest()}"


def page(template: str, context: Mapping[str, Any], status: int = 200) -> Response:
    """A template as an answer."""
    html = environment().get_template(template).render(context)
    return HTMLResponse(html, status, _HEADERS)
