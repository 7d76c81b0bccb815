"""The tables of one company on an engine: Ibis expressions, on DuckDB by default."""

import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir
from types import ModuleType
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from features.connection import hush
from features.errors import EngineError
from features.staged import glob_of
from features.tables import TABLES, Column

if TYPE_CHECKING:
    from features.staging import Staged

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
    tables = {name: connection.read_parquet(glob_of(path)) for name, path in files.items()}
    return Tables(connection, tables)


def tables_for(staged: "Staged") -> Tables:
    """The staged tables on the engine that the project names.

    Raises
    ------
    EngineError
        When Spark is named and PySpark, Java or the cluster is missing.
    """
    engine = staged.project.engine
    connection = open_duckdb() if engine == "duckdb" else _spark(engine).connect(engine)
    return open_tables(staged.tables, connection)


def map_partitions(
    engine: str, function: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray
) -> np.ndarray:
    """`function` of the rows of a matrix, here or, on Spark, in one pass over its partitions.

    `function` gives as many values as it gets rows, each from its row alone.
    """
    if engine == "duckdb":
        return function(matrix)
    mapped: np.ndarray = _spark(engine).map_partitions(engine, function, matrix)
    return mapped


def _spark(engine: str) -> ModuleType:
    """`features.spark`, which needs what the base install lacks."""
    try:
        return import_module("features.spark")
    except ModuleNotFoundError as error:
        raise EngineError(
            f"engine {engine!r} needs PySpark, and {error.name!r} is not installed:"
            " `pip install .[spark]`, and Java 17"
        ) from None


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
