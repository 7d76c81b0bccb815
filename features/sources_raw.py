"""A source behind one DuckDB view, whatever it came from, and the quoting of its names."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Source

ROW_NUMBERS = ("_file", "_row")


@dataclass(frozen=True)
class Unit:
    """Rows that come and go together: a file, or what one run read from a connection.

    `digest` changes with the content and with the way it was parsed; `rejects` holds the lines
    that are no rows, where the unit was a text.
    """

    name: str  # `_file` of its rows
    path: Path  # of its rows, as Parquet
    digest: str
    rejects: Path | None = None


@dataclass(frozen=True)
class Landed:
    """A source whose rows are all on disk as Parquet, in parts that may be read alone."""

    source: Source
    table: str
    position: int  # of the source within its table
    units: tuple[Unit, ...]
    columns: dict[str, str]  # column of the file -> DuckDB type; text files are all VARCHAR
    is_text: bool
    files: tuple[Path, ...] = ()

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"sources.{self.table}: {self.source.origin}"


@dataclass(frozen=True)
class RawSource:
    """The rows of one source behind one view; `rejects` is a view of lines that are no rows."""

    source: Source
    table: str
    position: int  # of the source within its table
    files: tuple[Path, ...]
    view: str
    columns: dict[str, str]  # column of the file -> DuckDB type; text files are all VARCHAR
    rejects: str | None
    is_text: bool

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"sources.{self.table}: {self.source.origin}"


def quote(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A SQL literal of a text, number or flag."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def literals(values: Sequence[object]) -> str:
    """A SQL list of literals."""
    return f"[{', '.join(literal(value) for value in values)}]"


def missing_column(raw: RawSource, wanted: str, column: str) -> SourceError:
    """The error of a column that the file does not have, with the nearest that it has."""
    folded = {name.lower(): name for name in raw.columns}
    near = difflib.get_close_matches(column.lower(), folded, n=1)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
    return SourceError(
        f"{raw.label}: no column {column!r} for {wanted}; it has {', '.join(raw.columns)}{hint}"
    )


def first_sentence(error: Error) -> str:
    """What DuckDB says, in one line."""
    return str(error).splitlines()[0]


def columns_of(con: DuckDBPyConnection, paths: Sequence[Path]) -> dict[str, str]:
    """Columns over some Parquet files, by name, with DuckDB types."""
    rows = f"SELECT * FROM read_parquet({literals(paths)}, union_by_name = true)"
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE {rows}").fetchall()}


def show(con: DuckDBPyConnection, landed: Landed, units: Sequence[Unit] | None = None) -> RawSource:
    """Make the view `raw_<table>_<position>` over some units of a source, all if None.

    Columns are those of the whole source, whatever units are shown.
    """
    units = landed.units if units is None else units
    name = f"{landed.table}_{landed.position}"
    paths = [unit.path for unit in units]
    there = columns_of(con, paths) if paths else {}
    shown = [_column(column, kind, there) for column, kind in landed.columns.items()]
    if paths:
        names = literals([unit.name for unit in units])
        rows = (
            f"SELECT {', '.join(shown)}, ({names})[file_index::BIGINT + 1] AS _file,"
            f" file_row_number AS _row FROM read_parquet({literals(paths)},"
            " union_by_name = true, file_row_number = true)"
        )
    else:
        rows = f"SELECT {', '.join(shown)}, '' AS _file, 0::BIGINT AS _row WHERE FALSE"
    con.execute(f"CREATE OR REPLACE VIEW raw_{name} AS {rows}")
    rejects = [unit.rejects for unit in units if unit.rejects is not None]
    if rejects:
        con.execute(
            f"CREATE OR REPLACE VIEW rejects_{name} AS"
            f" SELECT * FROM read_parquet({literals(rejects)})"
        )
    return RawSource(
        landed.source,
        landed.table,
        landed.position,
        landed.files,
        f"raw_{name}",
        landed.columns,
        f"rejects_{name}" if rejects else None,
        is_text=landed.is_text,
    )


def _column(column: str, kind: str, there: dict[str, str]) -> str:
    """A column as the whole source has it; null in units that lack it."""
    if column not in there:
        return f"NULL::{kind} AS {quote(column)}"
    if there[column] != kind:
        return f"{quote(column)}::{kind} AS {quote(column)}"
    return quote(column)
