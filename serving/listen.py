"""Listening: the service on a loopback port until it is stopped."""

import socket

import uvicorn

from features.errors import RetentionError
from serving.app import create_app
from serving.settings import Settings


def listen(settings: Settings) -> None:
    """Serve until stopped.

    Raises
    ------
    RetentionError
        If another program holds the port.
    """
    config = uvicorn.Config(create_app(settings), log_level=settings.log_level, access_log=False)
    with _bound(settings.host, settings.port) as listener:
        uvicorn.Server(config).run(sockets=[listener])


def address(settings: Settings) -> str:
    """Where a browser finds the service."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _bound(host: str, port: int) -> socket.socket:
    """A socket that holds the address before anything slow begins."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise RetentionError(
            f"cannot listen on {host} port {port}: {error.strerror}; --port chooses another"
        ) from None
    return listener
