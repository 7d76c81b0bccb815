"""Errors for people: the same facts as a problem document, as a page."""

from typing import Final

from fastapi import Request
from starlette.responses import Response

from serving.errors import REQUEST_ID, ApiError
from serving.pages.page import page

_HEADINGS: Final = {
    404: "There is nothing here",
    422: "This address cannot be read",
    503: "The scores cannot be read right now",
}


def wants_page(request: Request) -> bool:
    """Whether a browser asks for something outside the API."""
    path = request.url.path
    return not path.startswith(("/v1/", "/static/")) and "text/html" in request.headers.get(
        "accept", ""
    )


def error_page(request: Request, error: ApiError) -> Response | None:
    """`error` as a page that says what to do next; None when a program asked."""
    if not wants_page(request):
        return None
    context = {
        "heading": _HEADINGS.get(error.status_code, "That did not work"),
        "detail": str(error.detail),
        "status": error.status_code,
        "request_id": str(request.scope.get(REQUEST_ID, "")),
    }
    return page("error.html", context, error.status_code)
