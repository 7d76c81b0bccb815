"""One run of staging: which tables go on from the last run, and all of them checked and written."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from features.checks import Finding, empty_table, needed_tables
from features.errors import SourceError
from features.project import Project, Source
from features.sources import land_source
from features.sources_landed import Landing
from features.sources_map import Mapped, map_source
from features.sources_raw import Landed, literal, show
from features.sources_sql import guess_types
from features.sources_types import Reading
from features.staged import FORMAT, Staged, as_json, place_of
from features.staging_looks import looks, odd_cells
from features.staging_memory import KNOWN_CUSTOMERS, Before, Memory, Published, can_continue
from features.staging_report import faults, rejected_lines, repeated, repeats
from features.staging_table import StagingTable
from features.staging_write import Written, write_held, write_quarantine, write_table


@dataclass
class Run:
    """The tables of a project on their way from what landed to what is published."""

    con: DuckDBPyConnection
    project: Project
    landing: Landing
    published: Published | None
    say: Callable[[str], None]
    landed: dict[str, list[Landed]] = field(default_factory=dict)
    before: dict[str, Before | None] = field(default_factory=dict)
    mapped: dict[str, tuple[Mapped, ...]] = field(default_factory=dict)
    tables: dict[str, StagingTable] = field(default_factory=dict)

    def stage(self, folder: Path) -> Staged:
        """Write every table into a new folder; see `features.staging.stage`."""
        for made in (folder, folder / "held", folder / "quarantine"):
            made.mkdir()
        self._read()
        for name in self.mapped:
            self._open(name)
        known_until = known_until_of(self.project, list(self.tables.values()))
        if self.published and not _goes_on(self.published.known_until, known_until):
            self._start_afresh(self.tables)
        findings = self._check(folder / "quarantine", known_until)
        written, memories = {}, {}
        for name, table in self.tables.items():
            self.say(f"writing {name}")
            written[name] = write_table(table, folder / name, known_until)
            findings += looks(table, [str(folder / name / part) for part in written[name].parts])
            if can_continue(self.con, name, self.landed[name]):
                write_held(table, folder / "held" / f"{name}.parquet")
                memories[name] = asdict(self._memory(table, written[name]))
        if "customers" in self.tables:
            known = literal(folder / "held" / KNOWN_CUSTOMERS)
            self.con.execute(f"COPY known_customers TO {known} (FORMAT parquet)")
        staged = self._account(written, tuple(findings), known_until)
        saved = json.dumps(as_json(staged) | {"memory": memories}, indent=1)
        (folder / "staged.json").write_text(saved, encoding="utf-8")
        return staged

    def _read(self) -> None:
        """Every source on disk and mapped; all that cannot be are told at once."""
        errors = [
            f"sources.{name}: missing, needed by {by}"
            for name, by in needed_tables(self.project).items()
            if name not in self.project.sources
        ]
        for name in sorted(self.project.sources, key=lambda name: (name != "customers", name)):
            self.say(f"reading {name}")
            try:
                self._land(name, errors)
                self._map(name, errors)
            except SourceError as error:
                errors.append(str(error))
        _stop(errors, [f"error: {error}" for error in errors])

    def _land(self, name: str, errors: list[str]) -> None:
        self.landed[name] = []
        for position in range(len(self.project.sources[name])):
            try:
                one = land_source(self.con, self.project, name, position, self.landing)
                self.landed[name].append(one)
            except SourceError as error:
                errors.append(str(error))
        goes_on = self.published and can_continue(self.con, name, self.landed[name])
        self.before[name] = (
            self.published.before(name, self.landed[name]) if self.published and goes_on else None
        )

    def _map(self, name: str, errors: list[str]) -> None:
        """Map the rows of a table, only those that are new where it goes on."""
        before = self.before[name]
        faults: list[str] = []
        mapped = []
        for number, landed in enumerate(self.landed[name]):
            try:
                mapped.append(self._map_one(landed, before, number))
            except SourceError as error:
                faults.append(str(error))
        self.mapped[name] = tuple(mapped)
        if before and (faults or not _alike(before.memory, mapped)):
            self.before[name] = None
            self._map(name, errors)
            return
        errors += faults

    def _map_one(self, landed: Landed, before: Before | None, number: int) -> Mapped:
        labels = {t.label for t in self.project.targets.values() if t.label is not None}
        how = Reading(self.project.timezone, landed.source.date_format)
        return map_source(
            self.con,
            show(self.con, landed, before.new[number] if before else None),
            how,
            tuple(sorted(labels)) if landed.table == "snapshots" else (),
            before.memory.tallies[number] if before else {},
        )

    def _open(self, name: str) -> None:
        """The table over its mapped rows; afresh where the new ones meddle with the old."""
        one = StagingTable(self.con, self.project, name, self.mapped[name], self.before[name])
        self.tables[name] = one
        if one.overlaps():
            self._start_afresh([name])
        if name == "customers" and self.published and self._lost_customers(self.published):
            self._start_afresh([other for other in self.mapped if other != name])

    def _start_afresh(self, names: Iterable[str]) -> None:
        """Map all rows of these tables, not only the new ones."""
        for name in [name for name in names if self.before[name]]:
            self.before[name] = None
            errors: list[str] = []
            self._map(name, errors)
            _stop(errors, errors)
            if name in self.tables:
                self.tables[name] = StagingTable(
                    self.con, self.project, name, self.mapped[name], None
                )

    def _lost_customers(self, published: Published) -> bool:
        """Whether a customer that rows were held against is gone."""
        if not published.known_customers.is_file():
            return True
        lost = self.con.execute(
            f"SELECT count(*) FROM read_parquet({literal(published.known_customers)})"
            " WHERE customer_id NOT IN (SELECT customer_id FROM known_customers)"
        ).fetchone()
        return lost is None or lost[0] > 0

    def _check(self, folder: Path, known_until: datetime | None) -> list[Finding]:
        """All findings; errors stop, with the bad rows in the quarantine folder."""
        needed = needed_tables(self.project)
        findings: list[Finding] = []
        for name, table in self.tables.items():
            self.say(f"checking {name}")
            table.check(known_until)
            table.repeats = repeats(table)
            findings += [*faults(table), *repeated(table), *odd_cells(table)]
            findings += empty_table(name, table.count, is_needed=name in needed)
            write_quarantine(table, folder / f"{name}.parquet")
        shown = self.project.outputs / "quarantine"
        shutil.rmtree(shown, ignore_errors=True)
        shutil.copytree(folder, shown)
        lines = [one.text for one in findings]
        _stop([one.text for one in findings if one.level == "error"], lines)
        return findings

    def _memory(self, table: StagingTable, written: Written) -> Memory:
        return Memory(
            units=[[[u.name, u.digest] for u in one.units] for one in self.landed[table.name]],
            columns=[dict(one.columns) for one in self.landed[table.name]],
            kinds=[dict(one.columns) for one in table.mapped],
            tallies=[dict(one.tallies) for one in table.mapped],
            rows_in=table.rows_in,
            kept=table.survey.kept,
            rejected=table.rejected,
            rejected_lines=rejected_lines(table),
            repeats=table.repeats,
            parts=written.parts,
            rows=written.rows,
            content=written.content,
            newest=written.newest,
            oldest=written.period[0].isoformat() if written.period else None,
            years=written.years,
        )

    def _account(
        self,
        written: dict[str, Written],
        findings: tuple[Finding, ...],
        known_until: datetime | None,
    ) -> Staged:
        parts = [FORMAT, str(known_until)]
        parts += [f"{name}:{one.rows}:{one.content}" for name, one in sorted(written.items())]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        tables = self.tables.values()
        return Staged(
            project=self.project,
            tables={name: _path(self.project, name, one.parts) for name, one in written.items()},
            counts={t.name: t.count for t in tables},
            findings=findings,
            fingerprint=digest,
            known_until=known_until,
            periods={name: one.period for name, one in written.items() if one.period is not None},
            rows={name: one.rows for name, one in written.items()},
            unused=_unused([one for table in tables for one in table.mapped]),
            notes=tuple(note for t in tables for note in t.notes),
        )


def known_until_of(project: Project, tables: Sequence[StagingTable]) -> datetime | None:
    """The project's data_end, else the midnight (in its time zone) after the newest known_at."""
    if project.data_end is not None:
        return project.utc(project.data_end)
    moments = [table.newest(table.lonely_from()) for table in tables]
    newest = max((moment for moment in moments if moment is not None), default=None)
    if newest is None:
        return None
    newest = min(newest, datetime(9999, 12, 30))
    local = newest.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(project.timezone))
    return project.utc(datetime(local.year, local.month, local.day) + timedelta(days=1))


def _path(project: Project, name: str, parts: Sequence[str]) -> Path:
    """The file of a table, or the folder of its parts."""
    folder = place_of(project) / name
    return folder if len(parts) > 1 else folder / parts[0]


def _goes_on(before: datetime | None, now: datetime | None) -> bool:
    """Whether the end of the data did not move back."""
    return before == now or (before is not None and now is not None and before <= now)


def _alike(memory: Memory, mapped: Sequence[Mapped]) -> bool:
    """Whether the new rows are read as the old ones were."""
    return all(
        one.columns == kinds and guess_types(one.tallies) == guess_types(tallies)
        for one, kinds, tallies in zip(mapped, memory.kinds, memory.tallies, strict=True)
    )


def _stop(errors: list[str], lines: list[str]) -> None:
    """Raise the first error, counting the others; `lines` has them all."""
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise SourceError(errors[0].removeprefix("error: ") + more, lines=lines)


def _unused(mapped: list[Mapped]) -> dict[str, tuple[str, ...]]:
    """Columns of each file that none of its sources uses, and no query names, by file."""
    unused: dict[str, tuple[str, ...]] = {}
    for one in mapped:
        source = one.raw.source
        file = source.origin if source.query is None else f"{source.origin}: query"
        others = unused.get(file, one.unused)
        unused[file] = tuple(column for column in one.unused if column in others)
    for file, words in _asked([one.raw.source for one in mapped]).items():
        unused[file] = tuple(column for column in unused.get(file, ()) if column not in words)
    return {file: columns for file, columns in unused.items() if columns}


def _asked(sources: list[Source]) -> dict[str, set[str]]:
    """The words of all queries that read a file, by file."""
    asked: dict[str, set[str]] = {}
    for source in sources:
        for one in source.inputs.values():
            if source.query is not None and one.file is not None:
                asked.setdefault(one.file, set()).update(re.findall(r"\w+", source.query))
    return asked
