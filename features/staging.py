"""Staging: every source read, mapped, checked and written as canonical Parquet, none lost."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from features.checks import Finding, RowCount, empty_table, needed_tables
from features.connection import connect
from features.errors import ProjectError, SourceError
from features.project import Project
from features.sources import land_source
from features.sources_landed import Landing
from features.sources_map import Mapped, map_source
from features.sources_raw import show
from features.sources_types import Reading
from features.staging_table import StagingTable
from features.staging_write import Written, write_quarantine, write_table

FORMAT = 1
MEMORY = "2GB"  # beyond it DuckDB spills to disk
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Staged:
    """The canonical tables of a project on disk, with the account of how they came about."""

    project: Project
    tables: dict[str, Path]
    counts: dict[str, RowCount]
    findings: tuple[Finding, ...]
    fingerprint: str
    known_until: datetime | None  # None: no table has a date
    periods: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # first, last fact
    rows: dict[str, int] = field(default_factory=dict)  # of the staged file
    unused: dict[str, tuple[str, ...]] = field(default_factory=dict)  # file -> columns
    notes: tuple[str, ...] = ()

    @property
    def data_end(self) -> datetime:
        """Exclusive end of what is known, naive UTC.

        Raises
        ------
        SourceError
            When no table of the project has a date (a snapshot).
        """
        if self.known_until is None:
            raise SourceError("the sources hold no dates, so there is no data_end")
        return self.known_until


def _quiet(_: str) -> None:
    """Progress that nobody watches."""


def stage(project: Project, *, progress: Progress | None = None) -> Staged:
    """Read, map, check and write every table of a project.

    Raises
    ------
    SourceError
        A file, table or column is missing or mistyped, or more rows are bad than
        `limits.quarantine_share` allows; the bad rows are in the quarantine folder then, and
        the tables staged before stay as they were.
    """
    outputs = project.outputs
    outputs.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".staging-", dir=outputs))
    try:
        with connect() as con:
            con.execute(f"SET memory_limit = '{MEMORY}'")
            con.execute(f"SET temp_directory = '{scratch / 'spill'}'")
            staged = _stage(con, project, scratch, progress or _quiet)
        _publish(scratch / "staged", outputs / "staged")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return staged


def _publish(new: Path, place: Path) -> None:
    """Put a complete folder in the place of the old one."""
    old = new.with_name("old")
    if place.exists():
        place.rename(old)
    new.rename(place)


def _stage(con: DuckDBPyConnection, project: Project, scratch: Path, say: Progress) -> Staged:
    folder, quarantine = scratch / "staged", project.outputs / "quarantine"
    folder.mkdir()
    landing = Landing(project.outputs / "landed")
    shutil.rmtree(quarantine, ignore_errors=True)
    quarantine.mkdir()
    mapped = _map_all(con, project, landing, say)
    tables = [StagingTable(con, project, name, sources) for name, sources in mapped.items()]
    known_until = _known_until(project, tables)
    needed = needed_tables(project)
    findings: list[Finding] = []
    for table in tables:
        say(f"checking {table.name}")
        findings += table.check(known_until)
        findings += empty_table(table.name, table.count, is_needed=table.name in needed)
        write_quarantine(table, quarantine / f"{table.name}.parquet")
    _stop([one.text for one in findings if one.level == "error"], [one.text for one in findings])
    written = {}
    for table in tables:
        say(f"writing {table.name}")
        written[table.name] = write_table(table, folder / f"{table.name}.parquet", known_until)
    staged = _account(project, tables, written, tuple(findings), known_until)
    (folder / "staged.json").write_text(json.dumps(_as_json(staged), indent=1), encoding="utf-8")
    return staged


def _map_all(
    con: DuckDBPyConnection, project: Project, landing: Landing, say: Progress
) -> dict[str, tuple[Mapped, ...]]:
    """Every source mapped; all that cannot be are told at once."""
    labels = tuple(sorted({t.label for t in project.targets.values() if t.label is not None}))
    mapped: dict[str, tuple[Mapped, ...]] = {}
    faults = [
        f"sources.{name}: missing, needed by {by}"
        for name, by in needed_tables(project).items()
        if name not in project.sources
    ]
    for name in _order(project):
        say(f"reading {name}")
        for position, source in enumerate(project.sources[name]):
            how = Reading(project.timezone, source.date_format)
            try:
                raw = show(con, land_source(con, project, name, position, landing))
                one = map_source(con, raw, how, labels if name == "snapshots" else ())
            except SourceError as error:
                faults.append(str(error))
                continue
            mapped[name] = (*mapped.get(name, ()), one)
    _stop(faults, [f"error: {fault}" for fault in faults])
    return mapped


def _order(project: Project) -> list[str]:
    """Customers first: every other table is held against them."""
    return sorted(project.sources, key=lambda name: (name != "customers", name))


def _stop(errors: list[str], lines: list[str]) -> None:
    """Raise the first error, counting the others; `lines` has them all."""
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise SourceError(errors[0].removeprefix("error: ") + more, lines=lines)


def _known_until(project: Project, tables: list[StagingTable]) -> datetime | None:
    """The project's data_end, else the midnight (in its time zone) after the newest known_at."""
    if project.data_end is not None:
        return project.utc(project.data_end)
    newest = max((t.newest for t in tables if t.newest is not None), default=None)
    if newest is None:
        return None
    zone = ZoneInfo(project.timezone)
    local = newest.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone)
    midnight = datetime(local.year, local.month, local.day) + timedelta(days=1)
    return project.utc(midnight)


def _account(
    project: Project,
    tables: list[StagingTable],
    written: dict[str, Written],
    findings: tuple[Finding, ...],
    known_until: datetime | None,
) -> Staged:
    parts = [FORMAT, str(known_until)]
    parts += [f"{name}:{one.rows}:{one.content}" for name, one in sorted(written.items())]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return Staged(
        project=project,
        tables={t.name: project.outputs / "staged" / f"{t.name}.parquet" for t in tables},
        counts={t.name: t.count for t in tables},
        findings=findings,
        fingerprint=digest,
        known_until=known_until,
        periods={name: one.period for name, one in written.items() if one.period is not None},
        rows={name: one.rows for name, one in written.items()},
        unused=_unused([one for table in tables for one in table.mapped]),
        notes=tuple(note for t in tables for note in t.notes),
    )


def _unused(mapped: list[Mapped]) -> dict[str, tuple[str, ...]]:
    """Columns of each file that none of its sources uses, by file."""
    unused: dict[str, tuple[str, ...]] = {}
    for one in mapped:
        file = one.raw.source.origin
        others = unused.get(file, one.unused)
        unused[file] = tuple(column for column in one.unused if column in others)
    return {file: columns for file, columns in unused.items() if columns}


def signature(project: Project) -> str:
    """Changes when the part of a project that staging reads changes."""
    parts = project.model_dump_json(
        include={"connections", "sources", "timezone", "data_end", "currency", "limits"}
    )
    labels = sorted(t.label for t in project.targets.values() if t.label is not None)
    text = json.dumps([FORMAT, parts, labels, str(project.data_folder)])
    return hashlib.sha256(text.encode()).hexdigest()


def _as_json(staged: Staged) -> dict[str, Any]:
    return {
        "signature": signature(staged.project),
        "fingerprint": staged.fingerprint,
        "known_until": staged.known_until.isoformat() if staged.known_until else None,
        "tables": sorted(staged.tables),
        "counts": {name: asdict(count) for name, count in staged.counts.items()},
        "findings": [one.as_json() for one in staged.findings],
        "periods": {n: [m.isoformat() for m in p] for n, p in staged.periods.items()},
        "rows": staged.rows,
        "unused": {name: list(columns) for name, columns in staged.unused.items()},
        "notes": list(staged.notes),
    }


def open_staged(project: Project) -> Staged:
    """The tables as they were last staged.

    Raises
    ------
    ProjectError
        When they were not, or the project's sources were changed since.
    """
    file = project.outputs / "staged" / "staged.json"
    if not file.is_file():
        raise ProjectError(f"{project.path}: nothing is staged yet; run `retention check` first")
    raw = json.loads(file.read_text(encoding="utf-8"))
    if raw.get("signature") != signature(project):
        raise ProjectError(
            f"{project.path}: the sources were changed since they were staged;"
            " run `retention check` again"
        )
    return Staged(
        project=project,
        tables={name: file.parent / f"{name}.parquet" for name in raw["tables"]},
        counts={name: RowCount(**count) for name, count in raw["counts"].items()},
        findings=tuple(Finding.from_json(one) for one in raw["findings"]),
        fingerprint=raw["fingerprint"],
        known_until=datetime.fromisoformat(raw["known_until"]) if raw["known_until"] else None,
        periods={
            name: (datetime.fromisoformat(first), datetime.fromisoformat(last))
            for name, (first, last) in raw["periods"].items()
        },
        rows=raw["rows"],
        unused={name: tuple(columns) for name, columns in raw["unused"].items()},
        notes=tuple(raw["notes"]),
    )
