"""A complete folder in the place of the old one, at once, and the sweeping up after killed runs."""

import os
import shutil
import uuid
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


def sweep(outputs: Path) -> None:
    """Remove the work folders of runs that are no more."""
    for folder in outputs.glob(".staging-*"):
        _, _, rest = folder.name.partition("-")
        process = rest.partition("-")[0]
        if not process.isdigit() or not _runs(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
