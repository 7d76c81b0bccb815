"""How each kind of database gives its rows: in pieces, exactly, and never changed by the reading.

PostgreSQL writes them with COPY, SQLite (whose columns hold values of any type) as texts, and
every other Ibis backend, DuckDB's files among them, as Arrow batches.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from features.errors import SourceError
from features.project import Source
from features.sources_postgres import PostgresReader
from features.sources_raw import literal, quote

PIECE = 100_000  # rows in memory at once
_SQLITE = (".sqlite", ".sqlite3", ".db")
_DUCKDB = (".duckdb", ".ddb")

Moment = str | int | float  # a load time, as JSON holds it


class Reader(Protocol):
    """A relation or query of a connection that can be read."""

    name: str
    loaded_at: str | None
    is_text: bool

    def columns(self) -> list[str]:
        """Names of the columns."""

    def count_until(self, newest: Moment) -> int:
        """Rows whose load time is not greater, or missing."""

    def write(self, path: Path, newer_than: Moment | None) -> None:
        """Write the rows, or only those with a greater load time, as Parquet."""

    def newest(self, con: DuckDBPyConnection, path: Path) -> Moment | None:
        """The greatest load time of the rows that were written."""

    def close(self) -> None:
        """Leave the database."""


def open_reader(url: str, source: Source) -> Reader:
    """Connect to a URL or a file.

    Raises
    ------
    SourceError
        When the relation, the file or the package of a backend is not there; anything that a
        driver raises.
    """
    scheme, parted, rest = url.partition("://")
    if not parted:
        return _open_file(Path(url), source)
    if scheme == "sqlite":
        return _SqliteReader(Path(rest.partition("?")[0]), source)
    if scheme == "duckdb":
        return _open_duckdb(Path(rest.partition("?")[0]), source)
    backend = _connect(url, scheme, source)
    try:
        if scheme in {"postgres", "postgresql"}:
            return PostgresReader(backend, source)
        return _IbisReader(backend, source)
    except BaseException:
        backend.disconnect()
        raise


def _connect(url: str, scheme: str, source: Source) -> ibis.BaseBackend:
    """Ibis's backend of a URL; an error that names the package to install where it is missing."""
    try:
        return ibis.connect(url)
    except ImportError as error:
        extra = scheme.replace("postgresql", "postgres")
        raise SourceError(
            f"connections.{source.connection}.url: {scheme}:// needs a package that is not"
            f" installed ({error.__cause__ or error}):"
            f" `pip install 'ibis-framework[{extra}]'`"
        ) from None


def _open_file(file: Path, source: Source) -> Reader:
    if file.name.lower().endswith(_SQLITE):
        return _SqliteReader(file, source)
    if file.name.lower().endswith(_DUCKDB):
        return _open_duckdb(file, source)
    known = ", ".join((*_SQLITE, *_DUCKDB))
    raise SourceError(
        f"connections.{source.connection}.url: {str(file)!r} is neither a URL such as"
        f" postgres://host/database nor a file that ends in {known}"
    )


def _open_duckdb(file: Path, source: Source) -> Reader:
    return _IbisReader(ibis.duckdb.connect(_existing(file, source), read_only=True), source)


def _existing(file: Path, source: Source) -> Path:
    if not file.is_file():
        raise SourceError(f"connections.{source.connection}.url: no such file {str(file)!r}")
    return file


class _IbisReader:
    """Any Ibis backend: Arrow batches of the types that it has."""

    is_text = False

    def __init__(self, backend: ibis.BaseBackend, source: Source) -> None:
        self.backend = backend
        self.name = source.relation or "query"
        self.loaded_at = source.loaded_at
        self.rows = self._rows(source)

    def _rows(self, source: Source) -> ir.Table:
        if source.query is not None:
            return self.backend.sql(source.query.strip().rstrip(";"))
        *schema, table = (source.relation or "").split(".")
        return self.backend.table(table, database=tuple(schema) or None)

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.rows.columns)

    def count_until(self, newest: Moment) -> int:
        """Rows whose load time is not greater, or missing."""
        return int(self.rows.filter(~self._is_newer(newest)).count().to_pyarrow().as_py())

    def _is_newer(self, newest: Moment) -> Any:
        """Whether a row's load time is greater; false where it has none."""
        loaded_at = self.rows[self.loaded_at]
        return (loaded_at > ibis.literal(newest).cast(loaded_at.type())).fill_null(False)

    def _wanted(self, newer_than: Moment | None) -> ir.Table:
        """The rows to read, in the order in which they were loaded."""
        rows = self.rows if newer_than is None else self.rows.filter(self._is_newer(newer_than))
        return rows.order_by(rows[self.loaded_at]) if self.loaded_at else rows

    def write(self, path: Path, newer_than: Moment | None) -> None:
        """Write the rows, or only those with a greater load time, as Parquet."""
        batches = self.backend.to_pyarrow_batches(self._wanted(newer_than), chunk_size=PIECE)
        with pq.ParquetWriter(path, batches.schema) as out:
            for batch in batches:
                out.write_batch(batch)

    def newest(self, con: DuckDBPyConnection, path: Path) -> Moment | None:
        """The greatest load time of the rows that were written."""
        greatest = f"SELECT max({quote(self.loaded_at or '')})::VARCHAR"
        row = con.execute(f"{greatest} FROM read_parquet({literal(path)})").fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Leave the database."""
        self.backend.disconnect()


class _SqliteReader:
    """SQLite: every value as the text that SQLite makes of it."""

    is_text = True

    def __init__(self, file: Path, source: Source) -> None:
        place = _existing(file, source).resolve().as_uri()
        self.con = sqlite3.connect(f"{place}?mode=ro", uri=True, isolation_level=None)
        self.con.execute("BEGIN")  # what is read, counted and compared is of one moment
        self.name = source.relation or "query"
        self.loaded_at = source.loaded_at
        query = (source.query or "").strip().rstrip(";")
        self.rows = f"({query})" if query else quote(self.name)

    def columns(self) -> list[str]:
        """Names of the columns."""
        return [column[0] for column in self.con.execute(f"SELECT * FROM {self.rows}").description]

    def _newer(self) -> str:
        return f"coalesce({quote(self.loaded_at or '')} > ?, 0)"

    def count_until(self, newest: Moment) -> int:
        """Rows whose load time is not greater, or missing."""
        query = f"SELECT count(*) FROM {self.rows} WHERE NOT {self._newer()}"
        return int(self.con.execute(query, [newest]).fetchone()[0])

    def write(self, path: Path, newer_than: Moment | None) -> None:
        """Write the rows, or only those with a greater load time, as Parquet."""
        names = self.columns()
        shown = ", ".join(f"CAST({quote(name)} AS TEXT)" for name in names)
        newer = f" WHERE {self._newer()}" if newer_than is not None else ""
        order = f" ORDER BY {quote(self.loaded_at)}" if self.loaded_at else ""
        cursor = self.con.execute(
            f"SELECT {shown} FROM {self.rows}{newer}{order}",
            [newer_than] if newer_than is not None else [],
        )
        schema = pa.schema([(name, pa.string()) for name in names])
        with pq.ParquetWriter(path, schema) as out:
            for rows in _pieces(cursor):
                columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
                out.write_batch(pa.record_batch(columns, schema=schema))

    def newest(self, con: DuckDBPyConnection, path: Path) -> Moment | None:  # noqa: ARG002
        """The greatest load time, by SQLite's own order of values."""
        greatest: Moment | None = self.con.execute(
            f"SELECT max({quote(self.loaded_at or '')}) FROM {self.rows}"
        ).fetchone()[0]
        return greatest

    def close(self) -> None:
        """Leave the database."""
        self.con.close()


def _pieces(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    while rows := cursor.fetchmany(PIECE):
        yield rows
