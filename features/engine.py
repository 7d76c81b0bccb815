"""The tables of one company on an engine: Ibis expressions, on DuckDB by default."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import gettempdir

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.connection import hush
from features.tables import TABLES, Column

_IBIS_TYPES = {
    "string": "string",
    "timestamp": "timestamp(6)",
    "decimal": "decimal(18, 6)",
    "integer": "int64",
    "boolean": "boolean",
}


class Tables(Mapping[str, ir.Table]):
    """Canonical tables by name; a table that a company lacks is not in the mapping."""

    def __init__(self, connection: ibis.BaseBackend, tables: Mapping[str, ir.Table]) -> None:
        self.connection = connection
        self._tables = dict(tables)

    def __getitem__(self, name: str) -> ir.Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def has(self, table: str, columns: tuple[str, ...] = ()) -> bool:
        """Whether the company has the table and those optional columns of it."""
        return table in self._tables and set(columns) <= set(self._tables[table].columns)


def open_duckdb(memory_limit: str | None = None, threads: int | None = None) -> ibis.BaseBackend:
    """A DuckDB session that spills to disk beyond `memory_limit`, half of the machine's if None."""
    connection = ibis.duckdb.connect()
    connection.raw_sql(f"SET memory_limit = '{memory_limit or _half_of_memory()}'")
    connection.raw_sql(f"SET temp_directory = '{Path(gettempdir(), 'retention-duckdb')}'")
    connection.raw_sql("SET preserve_insertion_order = false")
    hush(connection.con)
    if threads is not None:
        connection.raw_sql(f"SET threads = {threads}")
    return connection


def _half_of_memory() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{pages * size // (2 << 20)}MiB"


def open_tables(files: Mapping[str, Path], connection: ibis.BaseBackend | None = None) -> Tables:
    """The staged Parquet files (or globs), by canonical name, as Ibis tables."""
    connection = connection or open_duckdb()
    tables = {name: connection.read_parquet(str(path)) for name, path in files.items()}
    return Tables(connection, tables)


def tables_of(frames: Mapping[str, pd.DataFrame]) -> Tables:
    """Small canonical tables from memory, cast to canonical types; `known_at` is filled."""
    connection = open_duckdb()
    tables = {}
    for name, frame in frames.items():
        known_at = frame["known_at"] if "known_at" in frame else frame["occurred_at"]
        data = frame.assign(known_at=known_at)
        known = {column.name: column for column in TABLES[name].columns}
        schema = {c: _ibis_type(known[c]) for c in data.columns if c in known}
        connection.con.register(name, pa.Table.from_pandas(data, preserve_index=False))
        raw = connection.table(name)
        casts = {c: raw[c].cast(kind) for c, kind in schema.items()}
        tables[name] = raw.mutate(**casts)
    return Tables(connection, tables)


def to_frame(table: ir.Table) -> pd.DataFrame:
    """A small table as pandas: moments to the microsecond, missing text as None or NaN."""
    frame: pd.DataFrame = table.to_pyarrow().to_pandas()
    return frame


def _ibis_type(column: Column) -> str:
    return _IBIS_TYPES[column.type]
