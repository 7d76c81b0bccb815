"""What the feature benchmark measures: the window engine, and what it is compared with."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from cases.windows_case import KINDS, WINDOWS, as_of_dates, declare_measures, plain_join

from features.declare import MEASURES
from features.engine import Tables, open_duckdb, open_tables
from features.grid import Grid
from features.scan import scan
from features.windows import compute_windows

SQL = Path(__file__).parents[1] / "sql"
MEMORY = "12GB"
THREADS = 2


@dataclass(frozen=True)
class Case:
    """What a part works on."""

    events: Path
    customers: int
    dates: int


def read(case: Case) -> dict[str, Any]:
    """Reading every column of the file once."""
    with duckdb.connect() as con:
        con.execute(f"SET threads = {THREADS}; SET enable_progress_bar = false")
        start = time.perf_counter()
        con.execute(
            "SELECT sum(hash(customer_id)), sum(hash(event)), sum(hash(user_id)), sum(quantity),"
            f" max(occurred_at), max(known_at) FROM read_parquet('{case.events}')"
        ).fetchall()
        return {"seconds": time.perf_counter() - start}


def ours(case: Case) -> dict[str, Any]:
    """The window engine, for every customer and date; then its scan by itself."""
    tables = open_tables({"usage": case.events}, open_duckdb(MEMORY, THREADS))
    found = _build(tables, case)
    names = declare_measures()
    grid, ids = Grid.of(as_of_dates(case.dates), WINDOWS), _ids(case)
    query = scan(tables["usage"], [MEASURES[name] for name in names], grid, ids)
    (SQL / "scan.sql").write_text(f"{ibis.to_sql(query)}\n")
    start = time.perf_counter()
    query.to_pyarrow()
    return found | {"scan": time.perf_counter() - start}


def one_clock(case: Case) -> dict[str, Any]:
    """The window engine over facts that are all known when they happen."""
    tables = open_tables({"usage": case.events}, open_duckdb(MEMORY, THREADS))
    usage = tables["usage"]
    return _build(
        Tables(tables.connection, {"usage": usage.mutate(known_at=usage.occurred_at)}), case
    )


def _build(tables: Tables, case: Case) -> dict[str, Any]:
    names, ids = declare_measures(), _ids(case)
    wanted = {name: {(0, days) for days in WINDOWS} for name in names}
    customer = np.repeat(np.arange(case.customers), case.dates)
    as_of = np.tile(np.arange(case.dates), case.customers)
    start = time.perf_counter()
    grid = Grid.of(as_of_dates(case.dates), WINDOWS)
    found = compute_windows(tables, wanted, grid, ids, customer, as_of)
    seconds = time.perf_counter() - start
    sums = {f"{name}_{days}d": float(v.sum()) for (name, (_, days)), v in found.items()}
    return {"seconds": seconds, "sums": sums}


def _ids(case: Case) -> pa.Array:
    return pa.array([f"c{number:07d}" for number in range(case.customers)], pa.string())


def join(case: Case) -> dict[str, Any]:
    """The plain join of events and as-of dates in the same DuckDB, its result held as Arrow."""
    sql = plain_join(case.events, as_of_dates(case.dates))
    kept = sql.replace(str(case.events), "usage.parquet")
    (SQL / "plain_join.sql").write_text(f"{kept}\n")
    with duckdb.connect() as con:
        con.execute(f"SET threads = {THREADS}; SET memory_limit = '{MEMORY}'")
        con.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        start = time.perf_counter()
        found = con.execute(sql).to_arrow_table()
        seconds = time.perf_counter() - start
    columns = [name for name in found.column_names if name not in ("customer_id", "as_of")]
    sums = {name: float(pa.compute.sum(found[name]).as_py()) for name in columns}
    return {"seconds": seconds, "sums": sums}


def pandas(case: Case) -> dict[str, Any]:
    """A straightforward pandas group-by of the same columns, window by window."""
    start = time.perf_counter()
    frame = pd.read_parquet(case.events)
    frame["quantity"] = frame["quantity"].astype("float64")
    frame["is_large"] = frame["quantity"] > 10
    frame["is_first_user"] = frame["user_id"] == "u1"
    sums: dict[str, float] = {}
    for as_of in as_of_dates(case.dates):
        known = frame[(frame["occurred_at"] < as_of) & (frame["known_at"] < as_of)]
        for days in WINDOWS:
            inside = known[known["occurred_at"] >= as_of - pd.Timedelta(days=days)]
            for name, column in _grouped(inside).items():
                key = f"{name}_{days}d"
                sums[key] = sums.get(key, 0.0) + float(column.sum())
    return {"seconds": time.perf_counter() - start, "sums": sums}


def _grouped(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """The twelve columns of one window, by customer."""
    by_kind = rows.groupby(["customer_id", "event"])["quantity"].agg(["size", "sum"])
    wide = by_kind.unstack(fill_value=0)
    by = rows.groupby("customer_id")
    columns = {f"n_{kind}": wide["size"][kind] for kind in KINDS}
    columns |= {f"q_{kind}": wide["sum"][kind] for kind in KINDS}
    columns["n_all"], columns["q_all"] = by.size(), by["quantity"].sum()
    columns["n_large"], columns["n_first_user"] = by["is_large"].sum(), by["is_first_user"].sum()
    return columns


PARTS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "read": read,
    "ours": ours,
    "one clock": one_clock,
    "join": join,
    "pandas": pandas,
}
