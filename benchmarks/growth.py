"""One more day of events: what staging it and building one as-of cost, against a whole build.

    python benchmarks/growth.py [--events 50000000] [--customers 200000] [--folder DIR]

A company's uses come as one file of two years and one file of the day after. The whole: all
features of the catalogue that uses allow, for every customer at twelve as-of dates. The day: the
second file staged beside what is staged, then the same features at one as-of. Both builds read the
staged tables.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import duckdb
import pandas as pd
from cases.windows_case import DAYS, FIRST, as_of_dates, generate

from features.build import build
from features.project import Project, load_project
from features.staging import Staged, stage

HERE = Path(__file__).parent
PROJECT = """
name = "growth"
revenue_model = "subscription"
[sources.customers]
file = "customers.parquet"
[sources.usage]
file = "usage_*.parquet"
[targets.quiet]
kind = "inactivity"
"""
NEEDED = 0.2
Result = TypeVar("Result")


def prepare(folder: Path, events: int, customers: int) -> None:
    """The project, its customers and the events of two years; without the outputs of before."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "retention.toml").write_text(PROJECT)
    (folder / "usage_2.parquet").unlink(missing_ok=True)
    if not (folder / "usage_1.parquet").exists():
        generate(folder / "usage_1.parquet", events, customers)
    with duckdb.connect() as con:
        con.execute(f"""
            COPY (SELECT 'c' || lpad(i::VARCHAR, 7, '0') AS customer_id,
                         TIMESTAMP '{FIRST}' AS occurred_at FROM range({customers}) AS t(i))
            TO '{folder / "customers.parquet"}' (FORMAT parquet)""")


def one_more_day(folder: Path, events: int) -> None:
    """A day's share of the events, the day after the last."""
    with duckdb.connect() as con:
        con.execute(f"""
            COPY (SELECT customer_id, event, quantity, user_id,
                         occurred_at + INTERVAL {DAYS} DAY AS occurred_at,
                         known_at + INTERVAL {DAYS} DAY AS known_at
                  FROM read_parquet('{folder / "usage_1.parquet"}')
                  WHERE occurred_at < TIMESTAMP '{FIRST + timedelta(days=1)}'
                  LIMIT {events // DAYS})
            TO '{folder / "usage_2.parquet"}' (FORMAT parquet)""")


def built(staged: Staged, dates: list[datetime]) -> int:
    """How many features every customer got at those dates."""
    ids = pd.read_parquet(staged.project.folder / "customers.parquet")["customer_id"]
    parts = [pd.DataFrame({"customer_id": ids, "as_of": date}) for date in dates]
    return build(staged, pd.concat(parts, ignore_index=True), names=["usage"]).features.shape[1]


def measure(folder: Path, events: int, customers: int) -> dict[str, float]:
    """Seconds of every step, in order."""
    prepare(folder, events, customers)
    project: Project = load_project(folder)
    seconds: dict[str, float] = {}

    def timed(step: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        done = work()
        seconds[step] = time.perf_counter() - start
        return done

    staged = timed("stage all", lambda: stage(project))
    features = timed("build 12", lambda: built(staged, as_of_dates(12)))
    one_more_day(folder, events)
    grown = timed("stage a day", lambda: stage(project))
    timed("build 1", lambda: built(grown, [FIRST + timedelta(days=DAYS + 1)]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return seconds | {"features": features, "peak": peak}


def table(found: dict[str, float], events: int, customers: int) -> str:
    """The results as Markdown."""
    day = found["stage a day"] + found["build 1"]
    return f"""# One more day

{events:,} events of {customers:,} customers over 24 months, then a day more;
{found["features"]:.0f} features. {os.cpu_count()} cores, DuckDB {version("duckdb")},
Python {platform.python_version()}. `make bench`, {datetime.now(UTC):%Y-%m-%d}.

| step | seconds |
|---|---:|
| stage all | {found["stage all"]:.1f} |
| build at 12 as-of dates | {found["build 12"]:.1f} |
| stage a day more | {found["stage a day"]:.1f} |
| build at 1 as-of date | {found["build 1"]:.1f} |

| line | needed | measured |
|---|---:|---:|
| a day more, over the build at 12 dates | below {NEEDED} | {day / found["build 12"]:.2f} |
| peak memory, GB | | {found["peak"]:.2f} |
"""


def main() -> None:
    """Measure in a process of its own; print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "growth")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.measure:
        sys.stdout.write(json.dumps(measure(folder, given.events, given.customers)))
        return
    command = [sys.executable, __file__, "--measure", "--folder", str(folder)]
    command += ["--events", str(given.events), "--customers", str(given.customers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    text = table(json.loads(done.stdout), given.events, given.customers)
    sys.stdout.write(text)
    (HERE / "results" / "growth.md").write_text(text)


if __name__ == "__main__":
    main()
