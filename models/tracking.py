"""What MLflow says, held back; and what is said when its address fails: one line, no password."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["fault", "quiet", "shown"]


@contextmanager
def quiet(level: int = logging.WARNING) -> Iterator[None]:
    """MLflow's chatter held back: only warnings are said, or what is of a higher level."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, kept in zip(loggers, levels, strict=True):
            logger.setLevel(kept)


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
