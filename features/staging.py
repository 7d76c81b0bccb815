"""Staging: every source read, mapped, checked and written as canonical Parquet, none lost."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from features.connection import connect
from features.project import Project
from features.sources_landed import Landing
from features.staged import Staged, open_staged, place_of, signature
from features.staging_memory import Published
from features.staging_publish import alone, publish
from features.staging_run import Run

__all__ = ["Staged", "open_staged", "signature", "stage"]

MEMORY = "2GB"  # beyond it DuckDB spills to disk
Progress = Callable[[str], None]


def _quiet(_: str) -> None:
    """Progress that nobody watches."""


def stage(project: Project, *, progress: Progress | None = None, afresh: bool = False) -> Staged:
    """Read, map, check and write every table of a project, only what is new where that is enough.

    Parameters
    ----------
    progress : callable or None
        Told each step in a few words.
    afresh : bool
        Whether to forget what was read and staged before.

    Raises
    ------
    SourceError
        A file, table or column is missing or mistyped, or more rows are bad than
        `limits.quarantine_share` allows; the bad rows are in the quarantine folder then, and
        the tables staged before stay as they were.
    """
    with alone(project.outputs):
        return _stage(project, progress or _quiet, afresh=afresh)


def _stage(project: Project, say: Progress, *, afresh: bool) -> Staged:
    outputs = project.outputs
    if afresh:
        shutil.rmtree(outputs / "landed", ignore_errors=True)
    landing = Landing(outputs / "landed")
    published = None if afresh else Published.read(place_of(project), signature(project))
    scratch = Path(tempfile.mkdtemp(prefix=".staging-", dir=outputs))
    try:
        with connect() as con:
            con.execute(f"SET memory_limit = '{MEMORY}'")
            con.execute(f"SET temp_directory = '{scratch / 'spill'}'")
            staged = Run(con, project, landing, published, say).stage(scratch / "staged")
        publish(scratch / "staged", place_of(project))
    except BaseException:
        landing.undo()
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    landing.sweep()
    return staged
