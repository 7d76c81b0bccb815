"""Listening: the service on a loopback port until it is stopped."""

import socket
from collections.abc import Callable
from contextlib import closing, suppress

import uvicorn

from features.errors import RetentionError
from features.project import load_project
from models.registry import Registry
from serving.app import create_app
from serving.settings import Settings
from serving.store import Store


def listen(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until stopped; `announce` is told the address once it is ours.

    Raises
    ------
    RetentionError
        If the project or the store cannot be used, another program holds the port, or the
        service does not start for another reason, which is in its log then.
    """
    # What cannot be reached is said here in one sentence, not in the log of a failed start.
    project = load_project(settings.project, settings.data)
    with closing(Store.for_project(project, settings.store_url)) as store:
        store.migrate()
    Registry.for_project(project, settings.tracking_uri).check()
    config = uvicorn.Config(create_app(settings), log_level=settings.log_level, access_log=False)
    server = uvicorn.Server(config)
    with _bound(settings.host, settings.port) as listener:
        announce(_address(settings))
        with suppress(KeyboardInterrupt):  # how it is meant to be stopped; it has shut down by then
            server.run(sockets=[listener])
    if not server.started:
        raise RetentionError("the service did not start; the lines above say why")


def _address(settings: Settings) -> str:
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
