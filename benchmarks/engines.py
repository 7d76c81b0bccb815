"""Where each engine ends: time and memory of a build as the events grow, on DuckDB and on Spark.

    python benchmarks/engines.py [1000000 10000000 100000000] [--spark-up-to N] [--folder DIR]

A company's uses of 24 months, 250 of each customer, are staged; then all features of the catalogue
that uses allow are built for every customer at twelve as-of dates. Every step runs in a process of
its own, so that its time holds its start (on Spark also Java's) and its peak memory is its own.
Frames of both engines must be equal bit by bit. What was generated is deleted after each size.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from cases.windows_case import as_of_dates
from growth import prepare

from features.build import build
from features.project import load_project
from features.staging import open_staged, stage

HERE = Path(__file__).parent
SIZES = (1_000_000, 10_000_000, 100_000_000)
EVENTS_EACH = 250  # of a customer
DATES = 12
SPARK = f"local[{os.cpu_count()}]"
Result = dict[str, Any]


def staging(folder: Path) -> Result:
    """The company's files as staged tables; on DuckDB, whatever the engine."""
    seconds, staged = _timed(lambda: stage(load_project(folder)))
    return {"seconds": seconds, "rows": staged.rows["usage"]}


def building(engine: str) -> Callable[[Path], Result]:
    """A build on an engine, from its start to the finished frame."""

    def run(folder: Path) -> Result:
        project = load_project(folder)
        there = project.model_copy(update={"engine": engine})
        staged = replace(open_staged(project), project=there)
        ids = pd.read_parquet(folder / "customers.parquet")["customer_id"]
        dates = [pd.DataFrame({"customer_id": ids, "as_of": at}) for at in as_of_dates(DATES)]
        pairs = pd.concat(dates, ignore_index=True)
        seconds, built = _timed(lambda: build(staged, pairs, names=["usage"]))
        rows = pd.util.hash_pandas_object(built.features, index=False)
        return {"seconds": seconds, "features": built.features.shape[1], "hash": int(rows.sum())}

    return run


STEPS = {"staging": staging, "DuckDB": building("duckdb"), f"Spark {SPARK}": building(SPARK)}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def measure(step: str, folder: Path) -> Result:
    """One step in this process, with the work and memory of it and of those it started."""
    found = STEPS[step](folder)
    cpu = time.process_time()
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peaks = {"java": 0, "python": here}
    for child in psutil.Process().children(recursive=True):
        kind = "java" if "java" in child.name() else "python"
        peaks[kind] += _peak_of(child.pid)
        cpu += sum(child.cpu_times()[:2])
    return found | {"cpu": cpu} | {name: bytes_ / 1e9 for name, bytes_ in peaks.items()}


def _peak_of(pid: int) -> int:
    """Bytes a process ever held at once, as the kernel counted."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def run(step: str, folder: Path) -> Result:
    """A step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Result = json.loads(done.stdout)
    sys.stderr.write(f"{folder.name}, {step}: {found['seconds']:.1f} s\n")
    return found


def measured(events: int, folder: Path, spark_up_to: int) -> dict[str, Result]:
    """All steps of one size; the generated files are gone after it."""
    steps = [step for step in STEPS if "Spark" not in step or events <= spark_up_to]
    try:
        prepare(folder, events, customers_of(events))
        found = {step: run(step, folder) for step in steps}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    hashes = {one["hash"] for one in found.values() if "hash" in one}
    if len(hashes) != 1:
        raise SystemExit(f"the engines differ at {events:,} events")
    return found


def customers_of(events: int) -> int:
    """How many customers have so many events."""
    return max(events // EVENTS_EACH, 1)


def table(results: dict[int, dict[str, Result]]) -> str:
    """The results as Markdown."""
    features = next(iter(results.values()))["DuckDB"]["features"]
    about = (
        f"{EVENTS_EACH} events of each customer over 24 months, 2 % known late; {features} features"
        f" at {DATES} as-of dates. {os.cpu_count()} cores,"
        f" {psutil.virtual_memory().total / 1e9:.0f} GB, DuckDB {version('duckdb')}, PySpark"
        f" {version('pyspark')}, Python {platform.python_version()}."
        f" `make bench` (or `python benchmarks/engines.py`), {datetime.now(UTC):%Y-%m-%d}."
    )
    rows = [_row(n, step, one) for n, steps in results.items() for step, one in steps.items()]
    head = [
        "| events | customers | step | seconds | CPU seconds | peak GB, Python | peak GB, Java |",
        "|---:|---:|---|---:|---:|---:|---:|",
    ]
    return "\n".join(["# Engines", "", about, "", *head, *rows, ""])


def _row(events: int, step: str, one: Result) -> str:
    java = f"{one['java']:.2f}" if one["java"] else ""
    cells = (f"{events:,}", f"{customers_of(events):,}", step, f"{one['seconds']:.1f}")
    return f"| {' | '.join(cells)} | {one['cpu']:.0f} | {one['python']:.2f} | {java} |"


def main() -> None:
    """Measure every size; print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--spark-up-to", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "engines")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        sys.stdout.write(json.dumps(measure(given.step, given.folder)))
        return
    folder = given.folder.resolve()
    results = {n: measured(n, folder / str(n), given.spark_up_to) for n in given.sizes}
    text = table(results)
    sys.stdout.write(text)
    (HERE / "results" / "engines.md").write_text(text)


if __name__ == "__main__":
    main()
