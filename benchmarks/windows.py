"""Window features from one pass over the events, against a plain join and against pandas.

    python benchmarks/windows.py [--events 50000000] [--customers 200000] [--folder DIR]

Each part runs in a process of its own, so that its peak memory is its own; where a part runs twice,
the shorter time and the larger peak count. The sums of all 48 columns must be the same wherever
they are computed. The SQL of both sides is kept in `benchmarks/sql/`.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cases.windows_case import generate
from cases.windows_parts import PARTS, Case

HERE = Path(__file__).parent
Result = dict[str, Any]
# name of the row: part, as-of dates, how many times the events, how often it runs
RUNS = {
    "read": ("read", 12, 1, 2),
    "ours, 12 dates": ("ours", 12, 1, 2),
    "ours, 24 dates": ("ours", 24, 1, 2),
    "ours, 12 dates, one clock": ("one clock", 12, 1, 2),
    "ours, 12 dates, twice the events": ("ours", 12, 2, 1),
    "plain join, 12 dates": ("join", 12, 1, 2),
    "pandas, 12 dates": ("pandas", 12, 1, 1),
}


def run(part: str, case: Case, times: int) -> Result:
    """One part in processes of its own: the shortest times, the largest memory."""
    command = [sys.executable, __file__, "--part", part, "--dates", str(case.dates)]
    command += ["--file", str(case.events), "--customers", str(case.customers)]
    answers: list[Result] = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(times)
    ]
    least = {key: min(a[key] for a in answers) for key in ("seconds", "scan") if key in answers[0]}
    return answers[0] | least | {"peak": max(a["peak"] for a in answers)}


def table(results: dict[str, Result], events: int, customers: int) -> str:
    """The results as Markdown."""
    about = (
        f"{events:,} events of {customers:,} customers over 24 months, 2 % known late; 48 columns"
        f" at each as-of date. {os.cpu_count()} cores, DuckDB {version('duckdb')}, Ibis"
        f" {version('ibis-framework')}, pandas {version('pandas')},"
        f" Python {platform.python_version()}. `make bench`, {datetime.now(UTC):%Y-%m-%d}."
    )
    rows = [
        f"| {name} | {one['seconds']:.1f} |"
        f" {format(one['scan'], '.1f') if 'scan' in one else ''} | {one['peak']:.2f} |"
        for name, one in results.items()
    ]
    head = ["| part | seconds | its scan by itself | peak GB |", "|---|---:|---:|---:|"]
    needed = ["| line | needed | measured |", "|---|---:|---:|"]
    return "\n".join(
        ["# Window features", "", about, "", *head, *rows, "", *needed, *_lines(results), ""]
    )


def _lines(results: dict[str, Result]) -> list[str]:
    """What was asked for, beside what was found."""
    once, more = results["ours, 12 dates"], results["ours, 24 dates"]
    double = results["ours, 12 dates, twice the events"]
    seconds = {name: one["seconds"] for name, one in results.items()}
    mine = once["seconds"]
    peak = max(one["peak"] for name, one in results.items() if name.startswith("ours"))
    lines = (
        ("plain join over ours", "4", seconds["plain join, 12 dates"] / mine),
        ("pandas over ours", "5", seconds["pandas, 12 dates"] / mine),
        ("ours over reading the file once", "below 12", mine / seconds["read"]),
        ("two clocks over one", "below 1.2", mine / seconds["ours, 12 dates, one clock"]),
        ("scan, 24 over 12 dates", "below 1.3", more["scan"] / once["scan"]),
        ("in all, 24 over 12 dates", "below 1.8", more["seconds"] / mine),
        ("twice the events over once", "about 2", double["seconds"] / mine),
        ("peak memory of ours, GB", "below 6", peak),
    )
    return [f"| {name} | {needed} | {found:.2f} |" for name, needed, found in lines]


def main() -> None:
    """Run all parts, check that all sides agree, print and keep the table."""
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
    results = {}
    for name, (part, dates, factor, times) in RUNS.items():
        events = _events(given.folder, given.events * factor, given.customers)
        results[name] = run(part, Case(events, given.customers, dates), times)
        sys.stderr.write(f"{name}: {results[name]['seconds']:.1f} s\n")
    for other in ("plain join, 12 dates", "pandas, 12 dates"):
        _agree(results["ours, 12 dates"]["sums"], results[other]["sums"])
    text = table(results, given.events, given.customers)
    sys.stdout.write(text)
    (HERE / "results" / "windows.md").write_text(text)


def _events(folder: Path, events: int, customers: int) -> Path:
    """The file of so many events; made once."""
    path = folder.resolve() / f"usage_{events}_{customers}.parquet"
    if not path.exists():
        generate(path, events, customers)
    return path


def _agree(ours: dict[str, float], other: dict[str, float]) -> None:
    """Raise when a column's sum differs between two sides."""
    differ = {name: (ours[name], other[name]) for name in other if ours[name] != other[name]}
    if differ or len(ours) != len(other):
        raise SystemExit(f"the two sides differ: {differ}")


if __name__ == "__main__":
    main()
