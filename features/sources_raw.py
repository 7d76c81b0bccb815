"""A source behind one DuckDB view, whatever it came from, and the quoting of its names."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from duckdb import Error

from features.errors import SourceError
from features.project import Source

ROW_NUMBERS = ("_file", "_row")


@dataclass(frozen=True)
class RawSource:
    """The files of one source behind one view; `rejects` is a view of lines that are no rows."""

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
