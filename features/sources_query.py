"""A query over several files as one source."""

from pathlib import Path

from duckdb import DuckDBPyConnection

from features.errors import SourceError
from features.project import Project
from features.sources_raw import RawSource


def open_query(
    con: DuckDBPyConnection,  # noqa: ARG001 - as the other origins
    project: Project,
    table: str,
    position: int,
    scratch: Path,  # noqa: ARG001
) -> RawSource:
    """Make the view of a source that joins files."""
    source = project.sources[table][position]
    raise SourceError(f"sources.{table}: {source.origin}: inputs are not read yet")
