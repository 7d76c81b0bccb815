"""One table between its sources and canonical Parquet: rows counted, judged, accounted for."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from duckdb import DuckDBPyConnection, Error

from features.checks import RowCount, domain_fault, future_fault
from features.errors import SourceError
from features.project import Project
from features.sources_map import Mapped
from features.sources_raw import literal, literals, quote
from features.staging_memory import MENDABLE, Before
from features.tables import TABLES, Table

CLOCKS = ("known_at", "occurred_at", "cancel_requested_at")


@dataclass(frozen=True)
class Survey:
    """What one scan tells about the mapped rows of a table."""

    kept: int  # rows that the project file keeps
    faulty: int
    newest: dict[str, datetime]  # clock -> of rows without a fault
    years: dict[int, int]  # of known_at -> rows without a fault


@dataclass
class StagingTable:
    """The rows of one canonical table over all its sources.

    The view `judged_NAME` holds them typed, with `_fault`; `check` makes `checked_NAME`, in which
    rows of the future and repeated keys are faults as well, and `faulty_NAME`, all that is set
    aside. With `before`, the rows are those that are new since, and those to be judged again.
    """

    con: DuckDBPyConnection
    project: Project
    name: str
    mapped: tuple[Mapped, ...]
    before: Before | None = None
    notes: list[str] = field(default_factory=list)
    count: RowCount = field(default=RowCount(0, 0, 0, 0))
    repeats: tuple[int, list[str]] = (0, [])

    def __post_init__(self) -> None:
        self.columns = _columns(self.table, self.mapped)
        self.notes += _mixed(self.name, self.mapped)
        self._judge()
        self.survey = self._survey()
        memory = self.before.memory if self.before else None
        self.rejected = (memory.rejected if memory else 0) + sum(
            self.scalar(f"SELECT count(*) FROM {m.raw.rejects}")
            for m in self.mapped
            if m.raw.rejects
        )
        rows = [self.scalar(f"SELECT count(*) FROM {m.raw.view}") for m in self.mapped]
        self.rows_in = self.rejected + sum(rows)
        if memory:
            self.rows_in += memory.rows_in - memory.rejected

    @property
    def table(self) -> Table:
        """The declaration of the table."""
        return TABLES[self.name]

    def lonely_from(self) -> datetime | None:
        """When the rows of a wrong clock begin: few, and a year without any lies before them."""
        limit = self.project.limits.quarantine_share * sum(self.survey.years.values())
        later = 0
        years = sorted(self.survey.years, reverse=True)
        for year, earlier in pairwise(years):
            later += self.survey.years[year]
            if later > limit:
                return None
            if year - earlier > 1:
                return datetime(year, 1, 1)
        return None

    def newest(self, until: datetime | None) -> datetime | None:
        """The newest moment at which a sound row became known; ends of periods do not count.

        Moments at or after `until`, where it is given, do not count either.
        """
        if not self.table.has_customer:
            return None
        found = [self.survey.newest.get(clock) for clock in ("known_at", "cancel_requested_at")]
        known = [moment for moment in found if moment is not None]
        if until is None or all(moment < until for moment in known):
            return max(known, default=None)
        bound = f"TIMESTAMP {literal(until.isoformat(sep=' '))}"
        shown = [
            f"max({clock}) FILTER ({clock} < {bound})"
            for clock in ("known_at", "cancel_requested_at")
            if clock in self.columns
        ]
        row = self.con.execute(
            f"SELECT {', '.join(shown)} FROM judged_{self.name} WHERE _fault IS NULL"
        ).fetchone()
        old = [self.before.newest(clock) for clock in CLOCKS[::2]] if self.before else []
        return max((m for m in (*(row or ()), *old) if m is not None), default=None)

    def scalar(self, query: str) -> int:
        """The one number of a query."""
        row = self.con.execute(query).fetchone()
        return int(row[0]) if row else 0

    def _judge(self) -> None:
        """Rows of all sources, `known_at` filled, with the first fault of each."""
        rows = " UNION ALL BY NAME ".join(_rows_of(one) for one in self.mapped)
        given = self.con.execute(f"DESCRIBE {rows}").fetchall()
        absent = [name for name in self.columns if name not in {column[0] for column in given}]
        filled = "".join(f", NULL::TIMESTAMP AS {quote(name)}" for name in absent)
        fault, value = domain_fault(
            self.name, tuple(self.columns), has_customers="customers" in self.project.sources
        )
        known = ", coalesce(known_at, occurred_at) AS known_at" if self.has("known_at") else ""
        self.con.execute(
            f"CREATE OR REPLACE VIEW judged_{self.name} AS SELECT * REPLACE ({fault} AS _fault,"
            f" {value} AS _value{known})"
            f" FROM (SELECT *, FALSE AS _again{filled} FROM ({rows}){self._again()})"
        )
        if self.name == "customers":
            self._evaluate(
                "CREATE OR REPLACE TEMP TABLE known_customers AS SELECT DISTINCT customer_id"
                " FROM judged_customers WHERE _fault IS NULL"
            )

    def _again(self) -> str:
        """SQL that adds the rows whose fault may have mended."""
        if self.before is None or self.before.held is None:
            return ""
        return (
            " UNION ALL BY NAME SELECT * REPLACE (NULL AS _fault, NULL AS _value), TRUE AS _again"
            f" FROM read_parquet({literal(self.before.held)}) WHERE {_MENDABLE}"
        )

    def has(self, column: str) -> bool:
        """Whether the table has the column."""
        return column in self.columns

    def _evaluate(self, sql: str) -> DuckDBPyConnection:
        """Run the first query that evaluates what the project file wrote."""
        try:
            return self.con.execute(sql)
        except Error as error:
            message = str(error).splitlines()[0]
            raise SourceError(f"sources.{self.name}: cannot be evaluated: {message}") from error

    def _survey(self) -> Survey:
        newest = ", ".join(
            f"max({name}) FILTER (_fault IS NULL)" if self.has(name) else "NULL" for name in CLOCKS
        )
        years = "histogram(year(known_at)) FILTER (_fault IS NULL)"
        row = self._evaluate(
            f"SELECT count(*) FILTER (NOT _again), count(_fault), {newest},"
            f" {years if self.has('known_at') else 'NULL'} FROM judged_{self.name}"
        ).fetchone()
        kept, faulty, *clocks, found = row or (0, 0, None, None, None, None)
        moments = dict(zip(CLOCKS, clocks, strict=True))
        tally: dict[int, int] = dict(found or {})
        if self.before:
            kept += self.before.memory.kept
            for clock in CLOCKS:
                both = [m for m in (moments[clock], self.before.newest(clock)) if m is not None]
                moments[clock] = max(both, default=None)
            for year, count in self.before.memory.years.items():
                tally[int(year)] = tally.get(int(year), 0) + count
        return Survey(kept, faulty, {c: m for c, m in moments.items() if m is not None}, tally)

    def overlaps(self) -> bool:
        """Whether a key of the new rows was staged before, so that the order decides."""
        if self.before is None or not self.table.key or not self.before.parts:
            return False
        key = ", ".join(quote(column) for column in self.table.key)
        old = f"SELECT {key} FROM read_parquet({literals(self.before.parts)})"
        new = f"SELECT {key} FROM judged_{self.name} WHERE _fault IS NULL"
        return bool(self.scalar(f"SELECT count(*) FROM (({new}) INTERSECT ({old}))"))

    def check(self, known_until: datetime | None) -> None:
        """Find every fault of the rows, and the account of them in `count`.

        Parameters
        ----------
        known_until : datetime or None
            Exclusive end of what is known; None where nothing has a date.
        """
        late = self._add_late(known_until)
        again = self._add_repeated_keys()
        lasting = self._add_faulty()
        bad = self.rejected
        if late or again or self.survey.faulty or lasting:
            bad += self.scalar(f"SELECT count(*) FROM faulty_{self.name}")
        looked_at = self.survey.kept + self.rejected
        self.count = RowCount(self.rows_in, looked_at - bad, self.rows_in - looked_at, bad)

    def _add_late(self, known_until: datetime | None) -> bool:
        """Rows of the future become faulty; whether there may be some."""
        newest = self.survey.newest.values()
        late = known_until is not None and any(moment >= known_until for moment in newest)
        fault = (
            future_fault(self.name, tuple(self.columns), known_until)
            if late and known_until is not None
            else None
        )
        replaced = f" REPLACE (coalesce(_fault, {fault}) AS _fault)" if fault else ""
        self.con.execute(
            f"CREATE OR REPLACE VIEW dated_{self.name} AS SELECT *{replaced}"
            f" FROM judged_{self.name}"
        )
        return fault is not None

    def _add_repeated_keys(self) -> bool:
        """Sound rows after the first of a key become faulty; whether there are some."""
        key = [quote(column) for column in self.table.key if self.has(column)]
        repeated = bool(key) and bool(
            self.scalar(  # equal hashes are rare enough to look twice
                f"SELECT count(*) - count(DISTINCT hash({', '.join(key)})) FROM dated_{self.name}"
                " WHERE _fault IS NULL"
            )
        )
        fault = (
            f"CASE WHEN _fault IS NULL AND row_number() OVER (PARTITION BY {', '.join(key)},"
            f" _fault IS NULL ORDER BY _source, _file, _row) > 1"
            f" THEN '{self.table.key[0]}: duplicate_key' ELSE _fault END"
            if repeated
            else "_fault"
        )
        self.con.execute(
            f"CREATE OR REPLACE VIEW checked_{self.name} AS SELECT * REPLACE ({fault} AS _fault)"
            f" FROM dated_{self.name}"
        )
        return repeated

    def _add_faulty(self) -> bool:
        """All rows set aside, now and for good before; whether there are some of the latter."""
        held = self.before.held if self.before else None
        rows = f"SELECT * EXCLUDE (_again) FROM checked_{self.name} WHERE _fault IS NOT NULL"
        if held is not None:
            lasting = f"SELECT * FROM read_parquet({literal(held)}) WHERE NOT {_MENDABLE}"
            rows += f" UNION ALL BY NAME {lasting}"
        self.con.execute(f"CREATE OR REPLACE VIEW faulty_{self.name} AS {rows}")
        return held is not None


_MENDABLE = f"list_contains({literals(MENDABLE)}, split_part(_fault, ': ', -1))"


def _columns(table: Table, mapped: tuple[Mapped, ...]) -> dict[str, str]:
    """Columns over all sources with canonical types, in canonical order."""
    found: dict[str, str] = {}
    for one in mapped:
        for name, kind in one.columns.items():
            if found.setdefault(name, kind) != kind:
                found[name] = "string"  # an attribute that is a number in one file only
    if "starts_at" in found:
        found |= {"occurred_at": "timestamp", "status": "string"}
        del found["starts_at"]
    if {"occurred_at", "known_at"} <= set(table.names):
        found |= {"occurred_at": "timestamp", "known_at": "timestamp"}
    order = [*table.names, *(name for name in found if name not in table.names)]
    return {name: found[name] for name in order if name in found}


def _mixed(table: str, mapped: tuple[Mapped, ...]) -> list[str]:
    """What is to be told of attributes that are a number in one source only."""
    kinds: dict[str, set[str]] = {}
    for one in mapped:
        for name, kind in one.columns.items():
            kinds.setdefault(name, set()).add(kind)
    return [
        f"{table}.{name}: numbers in one source and no numbers in another, so all are read as text"
        for name, found in kinds.items()
        if len(found) > 1
    ]


def _rows_of(one: Mapped) -> str:
    """A source's rows; a period is one row dated at its start, with `ends_at`."""
    if one.raw.source.shape != "periods":
        return f"SELECT * FROM {one.view}"
    has_status = "status" in one.columns
    status = "coalesce(status, 'active')" if has_status else "'active'"
    dropped = "starts_at, status" if has_status else "starts_at"
    return (
        f"SELECT * EXCLUDE ({dropped}), starts_at AS occurred_at, {status} AS status"
        f" FROM {one.view}"
    )
