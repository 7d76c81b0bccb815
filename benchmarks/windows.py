"""Window features from one pass over the events, against the plain join in the same DuckDB.

    python benchmarks/windows.py [--events 50000000] [--customers 200000] [--folder DIR]

Each part runs twice, each time in a process of its own, so that its peak memory is its own; the
shorter time and the larger peak count. The sums of all 48 columns must be the same in both. The
SQL of both sides is kept in `benchmarks/sql/`.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
from cases.windows_case import (
    WINDOWS,
    as_of_dates,
    declare_measures,
    generate,
    plain_join,
)

from features.declare import MEASURES
from features.engine import open_duckdb, open_tables
from features.grid import Grid
from features.reduce import scan
from features.windows import compute_windows

HERE = Path(__file__).parent
MEMORY = "12GB"
THREADS = 2
RUNS = 2


@dataclass(frozen=True)
class Case:
    """What a part works on."""

    events: Path
    customers: int
    dates: int


def baseline(case: Case) -> dict[str, Any]:
    """The plain join, its result held as Arrow."""
    sql = plain_join(case.events, as_of_dates(case.dates))
    kept = sql.replace(str(case.events), "usage.parquet")
    (HERE / "sql" / "plain_join.sql").write_text(f"{kept}\n")
    with duckdb.connect() as con:
        con.execute(f"SET threads = {THREADS}; SET memory_limit = '{MEMORY}'")
        con.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        start = time.perf_counter()
        found = con.execute(sql).to_arrow_table()
        seconds = time.perf_counter() - start
    columns = [name for name in found.column_names if name not in ("customer_id", "as_of")]
    sums = {name: float(pa.compute.sum(found[name]).as_py()) for name in columns}
    return {"seconds": seconds, "sums": sums, "columns": len(columns)}


def ours(case: Case) -> dict[str, Any]:
    """The same columns from the window engine, for every customer and date."""
    names = declare_measures()
    tables = open_tables({"usage": case.events}, open_duckdb(MEMORY, THREADS))
    ids = pa.array([f"c{number:07d}" for number in range(case.customers)], pa.string())
    grid = Grid.of(as_of_dates(case.dates), WINDOWS)
    query = scan(tables["usage"], [MEASURES[name] for name in names], grid, ids)
    (HERE / "sql" / "scan.sql").write_text(f"{ibis.to_sql(query)}\n")
    start = time.perf_counter()
    query.to_pyarrow()
    scanned = time.perf_counter() - start
    customer = np.repeat(np.arange(case.customers), case.dates)
    as_of = np.tile(np.arange(case.dates), case.customers)
    wanted = {name: {(0, days) for days in WINDOWS} for name in names}
    start = time.perf_counter()
    found = compute_windows(tables, wanted, grid, ids, customer, as_of)
    seconds = time.perf_counter() - start
    sums = {f"{name}_{days}d": float(v.sum()) for (name, (_, days)), v in found.items()}
    return {"seconds": seconds, "scan": scanned, "sums": sums, "columns": len(found)}


def read(case: Case) -> dict[str, Any]:
    """Reading every column of the file once."""
    with duckdb.connect() as con:
        con.execute(f"SET threads = {THREADS}; SET enable_progress_bar = false")
        start = time.perf_counter()
        con.execute(
            "SELECT sum(hash(customer_id)), sum(hash(event)), sum(hash(user_id)), sum(quantity),"
            f" max(occurred_at), max(known_at) FROM read_parquet('{case.events}')"
        ).fetchall()
        return {"seconds": time.perf_counter() - start, "sums": {}, "columns": 0}


PARTS = {"read": read, "baseline": baseline, "ours": ours}


def run(part: str, events: Path, customers: int, count: int) -> dict[str, Any]:
    """One part in processes of its own: the shortest times, the largest memory."""
    command = [sys.executable, __file__, "--part", part, "--dates", str(count)]
    command += ["--file", str(events), "--customers", str(customers)]
    answers: list[dict[str, Any]] = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(RUNS)
    ]
    least = {key: min(a[key] for a in answers) for key in ("seconds", "scan") if key in answers[0]}
    return answers[0] | least | {"peak": max(a["peak"] for a in answers)}


def table(results: dict[str, dict[str, Any]], events: int, customers: int) -> str:
    """The results as Markdown."""
    once, twice = results["ours 12"], results["ours 24"]
    plain = results["baseline 12"]
    about = (
        f"{events:,} events of {customers:,} customers over 24 months, 2 % known late; 12 as-of"
        f" dates x {once['columns']} columns (24 dates where said). {os.cpu_count()} cores,"
        f" DuckDB {version('duckdb')}, Ibis {version('ibis-framework')},"
        f" Python {platform.python_version()}. `make bench`, {datetime.now(UTC):%Y-%m-%d}."
    )
    lines = [
        "# Window features",
        "",
        about,
        "",
        "| part | seconds | the scan query alone | peak GB |",
        "|---|---:|---:|---:|",
    ]
    for name, found in results.items():
        scanned = f"{found['scan']:.1f}" if "scan" in found else ""
        lines.append(f"| {name} | {found['seconds']:.1f} | {scanned} | {found['peak']:.2f} |")
    lines += [
        "",
        "| line | needed | measured |",
        "|---|---:|---:|",
        f"| plain join over ours, 12 dates | 3.0 | {plain['seconds'] / once['seconds']:.2f} |",
        f"| peak memory, GB | below 6 | {max(once['peak'], twice['peak']):.2f} |",
        f"| scan, 24 over 12 dates | below 1.3 | {twice['scan'] / once['scan']:.2f} |",
        f"| in all, 24 over 12 dates | below 1.8 | {twice['seconds'] / once['seconds']:.2f} |",
        f"| over reading the file once | | {once['seconds'] / results['read']['seconds']:.1f} |",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all parts, check that both sides agree, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=HERE / ".data")
    parser.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--dates", type=int, default=12, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        found = PARTS[given.part](Case(given.file, given.customers, given.dates))
        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        sys.stdout.write(json.dumps(found))
        return
    (HERE / "sql").mkdir(exist_ok=True)
    events = given.folder.resolve() / f"usage_{given.events}_{given.customers}.parquet"
    if not events.exists():
        generate(events, given.events, given.customers)
    results = {"read": run("read", events, given.customers, 12)}
    for part, count in (("ours", 12), ("ours", 24), ("baseline", 12)):
        results[f"{part} {count}"] = run(part, events, given.customers, count)
    _agree(results["ours 12"]["sums"], results["baseline 12"]["sums"])
    text = table(results, given.events, given.customers)
    sys.stdout.write(text)
    (HERE / "results" / "windows.md").write_text(text)


def _agree(ours: dict[str, float], plain: dict[str, float]) -> None:
    """Raise when a column's sum differs between the two sides."""
    differ = {name: (ours[name], plain[name]) for name in plain if ours[name] != plain[name]}
    if differ:
        raise SystemExit(f"the two sides differ: {differ}")


if __name__ == "__main__":
    main()
