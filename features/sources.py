"""The one door to a source: files, a query over files, or a table of a connection."""

from pathlib import Path

from duckdb import DuckDBPyConnection

from features.errors import SourceError
from features.project import Project
from features.sources_files import open_files
from features.sources_query import open_query
from features.sources_raw import RawSource


def open_source(
    con: DuckDBPyConnection, project: Project, table: str, position: int, scratch: Path
) -> RawSource:
    """Make the view `raw_<table>_<position>` over the rows of a source, numbered.

    Raises
    ------
    SourceError
        What cannot be found, reached or read, in one line.
    """
    source = project.sources[table][position]
    if source.connection is not None:
        raise SourceError(f"sources.{table}: connections are not read yet")
    if source.inputs:
        return open_query(con, project, table, position, scratch)
    return open_files(con, project, table, position, scratch)
