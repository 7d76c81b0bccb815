"""What MLflow says, held back; and what is said when its address fails: one line, no password."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.store.db import utils as mlflow_databases

__all__ = ["fault", "few_tries", "quiet", "shown"]

FIRST_TRIES = 3  # where MLflow would try for minutes (a server) or for an hour (a database)
FIRST_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}
SILENT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it does so with a server only
}


@contextmanager
def quiet(level: int = logging.WARNING) -> Iterator[None]:
    """MLflow's chatter held back: no bars, no addresses, and of messages only warnings or worse."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        with _unless_set(SILENT):
            yield
    finally:
        for logger, kept in zip(loggers, levels, strict=True):
            logger.setLevel(kept)


@contextmanager
def few_tries() -> Iterator[None]:
    """MLflow gives up soon; what the environment says of its patience stands."""
    tries = mlflow_databases.MAX_RETRY_COUNT
    mlflow_databases.MAX_RETRY_COUNT = FIRST_TRIES
    try:
        with _unless_set(FIRST_PATIENCE):
            yield
    finally:
        mlflow_databases.MAX_RETRY_COUNT = tries


@contextmanager
def _unless_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for a while, but those that the environment has already."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def shown(address: str) -> str:
    """The address without user, password and query; a file's is shown whole."""
    scheme, found, rest = address.partition("://")
    if not found or scheme.startswith("sqlite"):
        return address
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(head) :]:  # where the host begins cannot be told: a password may hold `?`
        return f"{scheme}://..."
    return f"{scheme}://{head.rpartition('@')[2]}"


def fault(error: BaseException, address: str) -> str:
    """What went wrong at the bottom of an error, in one line that names `address` as shown."""
    texts = [text for one in _chain(error) if (text := _bottom(one))]
    lines = (texts[-1] if texts else str(error)).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    return re.sub(r"://\S*@", "://", said.replace(address, shown(address)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _bottom(error: BaseException) -> str:
    """What the system (a socket, a file) or a database driver said, empty for others."""
    if isinstance(error, TimeoutError):
        return error.strerror or "timed out"
    if isinstance(error, OSError):
        return error.strerror or ""
    return str(getattr(error, "orig", None) or "")  # SQLAlchemy's wrapping of a driver's error
