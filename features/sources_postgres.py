"""Rows of PostgreSQL: copied to a text of its own, then typed as its table is."""

from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from ibis.common.exceptions import TableNotFound

from features.connection import connect
from features.project import Source
from features.sources_raw import literal, quote

_EXACT = {  # PostgreSQL type -> DuckDB type; others are read as text
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
}
_UNDEFINED_TABLE = "42P01"  # as PostgreSQL numbers its errors
_UNBOUNDED = "DECIMAL(38, 12)"  # numbers without a declared precision, where all of them fit


class PostgresReader:
    """A relation or query of PostgreSQL; `backend` is Ibis's."""

    is_text = False

    def __init__(self, backend: Any, source: Source) -> None:
        self.backend = backend
        self.name = source.relation or "query"
        self.loaded_at = source.loaded_at
        query = (source.query or "").strip().rstrip(";")
        named = ".".join(quote(part) for part in self.name.split("."))
        self.rows = f"({query}) AS rows" if query else named
        backend.con.execute("SET TIME ZONE 'UTC'")
        backend.con.execute("SET datestyle = 'ISO'")
        self.kinds = self._kinds()

    def _kinds(self) -> dict[str, str]:
        """DuckDB types of the columns; Ibis's own error where there is no such table."""
        with self.backend.con.cursor() as cursor:
            try:
                cursor.execute(f"SELECT * FROM {self.rows} LIMIT 0")
            except Exception as error:
                if getattr(error, "sqlstate", None) == _UNDEFINED_TABLE:
                    raise TableNotFound(str(error)) from None
                raise
            types = self.backend.con.adapters.types
            return {one.name: _kind(one, types.get(one.type_code)) for one in cursor.description}

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.kinds)

    def _newer(self) -> str:
        return f"coalesce({quote(self.loaded_at or '')} > %s, FALSE)"

    def count_until(self, newest: Any) -> int:
        """Rows whose load time is not greater, or missing."""
        query = f"SELECT count(*) FROM {self.rows} WHERE NOT {self._newer()}"
        with self.backend.con.cursor() as cursor:
            return int(cursor.execute(query, [newest]).fetchone()[0])

    def write(self, path: Path, newer_than: Any) -> None:
        """Write the rows, or only those with a greater load time, as Parquet."""
        newer = f" WHERE {self._newer()}" if newer_than is not None else ""
        order = f" ORDER BY {quote(self.loaded_at)}" if self.loaded_at else ""
        query = f"COPY (SELECT * FROM {self.rows}{newer}{order}) TO STDOUT (FORMAT csv)"
        copied = path.with_suffix(".copy")
        given = [newer_than] if newer_than is not None else None
        with (
            self.backend.con.cursor() as cursor,
            cursor.copy(query, given) as rows,
            copied.open("wb") as out,
        ):
            for piece in rows:
                out.write(piece)
        _type_texts(copied, path, dict(self.kinds))
        copied.unlink()

    def newest(self, con: DuckDBPyConnection, path: Path) -> str | None:
        """The greatest load time of the rows that were written."""
        greatest = f"SELECT max({quote(self.loaded_at or '')})::VARCHAR"
        row = con.execute(f"{greatest} FROM read_parquet({literal(path)})").fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Leave the database."""
        self.backend.disconnect()


def _kind(column: Any, known: Any) -> str:
    """The DuckDB type that holds every value of a column."""
    name = known.name if known is not None else "text"
    if name == "numeric":
        if column.precision is None or column.scale is None:
            return _UNBOUNDED
        is_exact = column.precision <= 38 and 0 <= column.scale <= column.precision
        return f"DECIMAL({column.precision}, {column.scale})" if is_exact else _UNBOUNDED
    return _EXACT.get(name, "VARCHAR")


def _type_texts(copied: Path, path: Path, kinds: dict[str, str]) -> None:
    """A CSV of texts as Parquet; a column of numbers too large for a decimal stays a text."""
    names = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in kinds)
    read = (
        f"read_csv({literal(copied)}, auto_detect = false, header = false, delim = ',',"
        f" quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false,"
        f" columns = {{{names}}})"
    )
    with connect() as con:
        con.execute("SET memory_limit = '1GB'")
        wide = [name for name, kind in kinds.items() if kind == _UNBOUNDED]
        if wide:
            misfits = ", ".join(
                f"count({quote(n)}) - count(TRY_CAST({quote(n)} AS {_UNBOUNDED}))" for n in wide
            )
            counts = con.execute(f"SELECT {misfits} FROM {read}").fetchone() or ()
            kinds |= {name: "VARCHAR" for name, n in zip(wide, counts, strict=True) if n}
        shown = ", ".join(f"{quote(n)}::{kind} AS {quote(n)}" for n, kind in kinds.items())
        con.execute(f"COPY (SELECT {shown} FROM {read}) TO {literal(path)} (FORMAT parquet)")
