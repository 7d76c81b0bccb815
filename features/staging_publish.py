"""A complete folder in the place of the old one, at once, and the sweeping up after killed runs."""

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def publish(new: Path, place: Path) -> None:
    """Make `place` lead to a complete folder; a reader sees the old one or the new, never neither.

    `place` is a link that is replaced in one step; the folder lies beside it.
    """
    folder = place.with_name(f".{place.name}-{uuid.uuid4().hex[:8]}")
    new.rename(folder)
    link = place.with_name(f".{place.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    if place.is_dir() and not place.is_symlink():
        place.rename(place.with_name(f".{place.name}-old"))  # of a version without links
    link.replace(place)
    for other in place.parent.glob(f".{place.name}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def alone(outputs: Path) -> Iterator[None]:
    """Wait for other runs of the same project, and remove what killed ones left behind.

    The operating system holds the lock and gives it back when its process ends, however it ends.
    """
    outputs.mkdir(parents=True, exist_ok=True)
    with (outputs / ".staging.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in outputs.glob(".staging-*"):
            shutil.rmtree(folder, ignore_errors=True)
        yield
