"""What every request and answer carries, in plain ASGI: request id, trace, host check, headers."""

import re
import uuid
from ipaddress import ip_address
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import REQUEST_ID, ApiError, problem_response

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _named_host(value: str) -> str:
    """`[::1]:8000` and `localhost:8000` without the port."""
    return value[: value.find("]") + 1] if value.startswith("[") else value.partition(":")[0]


class Envelope:
    """Outermost layer of the app.

    Scores are for this machine only, as there are no keys. A request for any other host name than
    a loopback one is refused (421), since a page elsewhere may make its name resolve to this
    machine; so is a caller from elsewhere, should the server listen more widely than it may.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope[REQUEST_ID] = request_id
        trace = headers.get("traceparent", "")
        stamp = _stamp(send, request_id, trace if _TRACEPARENT.fullmatch(trace) else "")
        caller = scope.get("client")
        from_here = caller is None or is_loopback(caller[0])
        if from_here and is_loopback(_named_host(headers.get("host", ""))):
            await self.app(scope, receive, stamp)
            return
        error = ApiError(421, "host_not_allowed", "this service answers its own machine only")
        await problem_response(Request(scope), error)(scope, receive, stamp)


def _stamp(send: Send, request_id: str, trace: str) -> Send:
    """`send`, with the common headers on the first message."""

    async def stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = request_id
            headers["X-Content-Type-Options"] = "nosniff"
            if trace:
                headers["traceparent"] = trace
        await send(message)

    return stamped
