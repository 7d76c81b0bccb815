"""The one door to a source: files, a query over files, or a table of a connection."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from duckdb import DuckDBPyConnection

from features.project import Project
from features.sources_connection import land_connection
from features.sources_files import land_files
from features.sources_landed import Landing, key_of
from features.sources_macros import MACROS
from features.sources_query import input_files, open_query
from features.sources_raw import Landed, Unit, columns_of, literal


def land_source(
    con: DuckDBPyConnection, project: Project, table: str, position: int, landing: Landing
) -> Landed:
    """The rows of a source as Parquet; what landed before and is the same is not read again.

    Raises
    ------
    SourceError
        What cannot be found, reached or read, in one line.
    """
    source = project.sources[table][position]
    if source.connection is not None:
        return land_connection(con, project, table, position, landing)
    if source.inputs:
        return _land_query(con, project, table, position, landing)
    return land_files(con, project, table, position, landing)


def _land_query(
    con: DuckDBPyConnection, project: Project, table: str, position: int, landing: Landing
) -> Landed:
    """The answer of a query over files, as one unit."""
    source = project.sources[table][position]
    files = input_files(project, table, source)
    how = source.model_dump_json(include={"inputs", "query", "delimiter", "header"})
    key = key_of(how, *MACROS, *(f"{file}:{landing.digest(file)}" for file in files))
    if any(one.connection for one in source.inputs.values()):
        landing.forget([key])  # what a table holds is not known before it is read
    rejects = landing.rejects(key)

    def ask(path: Path) -> dict[str, Any]:
        with TemporaryDirectory(dir=landing.folder) as scratch:
            raw = open_query(con, project, table, position, Path(scratch))
            shown = f"SELECT * EXCLUDE (_file, _row) FROM {raw.view}"
            con.execute(f"COPY ({shown}) TO {literal(path)} (FORMAT parquet)")
            if raw.rejects:
                con.execute(f"COPY (FROM {raw.rejects}) TO {literal(rejects)} (FORMAT parquet)")
        return {"is_text": raw.is_text, "rejects": raw.rejects is not None}

    said = landing.land(key, ask)
    unit = Unit(source.origin, landing.path(key), key, rejects if said["rejects"] else None)
    columns = columns_of(con, [unit.path])
    return Landed(source, table, position, (unit,), columns, said["is_text"], files)
