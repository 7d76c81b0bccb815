"""One table between its sources and canonical Parquet: rows counted, judged, accounted for."""

from dataclasses import dataclass, field
from datetime import datetime

from duckdb import DuckDBPyConnection, Error

from features.checks import Finding, RowCount, domain_fault, finding, future_fault
from features.errors import SourceError
from features.project import Project
from features.sources_map import Mapped
from features.sources_raw import quote
from features.tables import TABLES, Table

EXAMPLES = 3
REPEATS_LOOKED_AT = 5_000_000  # rows; of larger tables whole customers are sampled
_ORDER = "(_source, _file, _row)"


@dataclass(frozen=True)
class Survey:
    """What one scan tells about the mapped rows of a table."""

    kept: int  # rows that the project file keeps
    faulty: int
    newest_known: datetime | None  # of rows without a fault, as are the next two
    newest_occurred: datetime | None
    newest_request: datetime | None


@dataclass
class StagingTable:
    """The rows of one canonical table over all its sources.

    The view `judged_NAME` holds them typed, with `_fault`; `check` makes `checked_NAME`, in which
    rows of the future and repeated keys are faults as well.
    """

    con: DuckDBPyConnection
    project: Project
    name: str
    mapped: tuple[Mapped, ...]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.columns = _columns(self.table, self.mapped)
        self._judge()
        self.survey = self._survey()
        self.rejected = sum(
            self._count(f"FROM {m.raw.rejects}") for m in self.mapped if m.raw.rejects
        )
        self.rows_in = self.rejected + sum(self._count(f"FROM {m.raw.view}") for m in self.mapped)

    @property
    def table(self) -> Table:
        """The declaration of the table."""
        return TABLES[self.name]

    @property
    def newest(self) -> datetime | None:
        """The newest moment at which a sound row became known; ends of periods do not count."""
        if not self.table.has_customer:
            return None
        known = (self.survey.newest_known, self.survey.newest_request)
        return max((moment for moment in known if moment is not None), default=None)

    def _count(self, rest: str) -> int:
        row = self.con.execute(f"SELECT count(*) {rest}").fetchone()
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
        known = ", coalesce(known_at, occurred_at) AS known_at" if self._has("known_at") else ""
        self.con.execute(
            f"CREATE VIEW judged_{self.name} AS SELECT * REPLACE ({fault} AS _fault,"
            f" {value} AS _value{known})"
            f" FROM (SELECT *{filled} FROM ({rows}))"
        )
        if self.name == "customers":
            self._evaluate(
                "CREATE TEMP TABLE known_customers AS SELECT DISTINCT customer_id"
                " FROM judged_customers WHERE _fault IS NULL"
            )

    def _has(self, column: str) -> bool:
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
            f"max({name}) FILTER (_fault IS NULL)" if self._has(name) else "NULL"
            for name in ("known_at", "occurred_at", "cancel_requested_at")
        )
        row = self._evaluate(
            f"SELECT count(*), count(_fault), {newest} FROM judged_{self.name}"
        ).fetchone()
        return Survey(*row) if row else Survey(0, 0, None, None, None)

    def check(self, known_until: datetime | None) -> list[Finding]:
        """Every fault of the table, and the account of its rows in `count`.

        Parameters
        ----------
        known_until : datetime or None
            Exclusive end of what is known; None where nothing has a date.
        """
        late = self._add_late(known_until)
        again = self._add_repeated_keys()
        bad = self.rejected
        if late or again or self.survey.faulty:
            bad += self._count(f"FROM checked_{self.name} WHERE _fault IS NOT NULL")
        looked_at = self.survey.kept + self.rejected
        self.count = RowCount(self.rows_in, looked_at - bad, self.rows_in - looked_at, bad)
        limit = self.project.limits.quarantine_share
        share = bad / looked_at if looked_at and bad / looked_at > limit else None
        findings = self._faults(share, limit) if bad else []
        return findings + self._repeats()

    def _add_late(self, known_until: datetime | None) -> bool:
        """Rows of the future become faulty; whether there may be some."""
        newest = (
            self.survey.newest_known,
            self.survey.newest_occurred,
            self.survey.newest_request,
        )
        late = known_until is not None and any(m is not None and m >= known_until for m in newest)
        fault = (
            future_fault(self.name, tuple(self.columns), known_until)
            if late and known_until is not None
            else None
        )
        replaced = f" REPLACE (coalesce(_fault, {fault}) AS _fault)" if fault else ""
        self.con.execute(
            f"CREATE VIEW dated_{self.name} AS SELECT *{replaced} FROM judged_{self.name}"
        )
        return fault is not None

    def _add_repeated_keys(self) -> bool:
        """Sound rows after the first of a key become faulty; whether there are some."""
        key = [quote(column) for column in self.table.key if self._has(column)]
        repeated = bool(key) and bool(
            self._count(  # equal hashes are rare enough to look twice
                f"- count(DISTINCT hash({', '.join(key)})) FROM dated_{self.name}"
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
            f"CREATE VIEW checked_{self.name} AS SELECT * REPLACE ({fault} AS _fault)"
            f" FROM dated_{self.name}"
        )
        return repeated

    def _faults(self, share: float | None, limit: float) -> list[Finding]:
        """One finding per fault, most rows first."""
        key = next((k for k in (*self.table.key, "customer_id") if self._has(k)), None)
        row = "'row ' || (_row + 1)"
        shown = f"coalesce({quote(key)}::VARCHAR, {row})" if key else row
        grouped = self.con.execute(
            f"SELECT _fault, count(*) AS n, min_by({shown}, {_ORDER}, {EXAMPLES}),"
            f" min_by(_value, {_ORDER}, {EXAMPLES}) FILTER (_value IS NOT NULL)"
            f" FROM checked_{self.name} WHERE _fault IS NOT NULL"
            " GROUP BY _fault ORDER BY n DESC, _fault"
        ).fetchall()
        found = [
            finding(
                self.name, fault, n, examples, values=_distinct(values), share=share, limit=limit
            )
            for fault, n, examples, values in grouped
        ]
        if self.rejected:
            lines = self._rejected_lines()
            found.append(
                finding(self.name, ": malformed", self.rejected, lines, share=share, limit=limit)
            )
        return found

    def _rejected_lines(self) -> list[str]:
        views = " UNION ALL ".join(f"FROM {m.raw.rejects}" for m in self.mapped if m.raw.rejects)
        rows = self.con.execute(
            f"SELECT 'line ' || _row FROM ({views}) ORDER BY _file, _row LIMIT {EXAMPLES}"
        ).fetchall()
        return [str(line) for (line,) in rows]

    def _repeats(self) -> list[Finding]:
        """Exact repeats where there is no key; in a large table estimated from whole customers."""
        if self.table.key or all(one.raw.source.deduplicate for one in self.mapped):
            return []
        nth = 1 + self.count.used // REPEATS_LOOKED_AT
        rows = (
            f"(SELECT customer_id, hash({', '.join(quote(c) for c in self.columns)}) AS content"
            f" FROM checked_{self.name} WHERE _fault IS NULL AND hash(customer_id) % {nth} = 0)"
        )
        repeats = nth * self._count(f"- count(DISTINCT content) FROM {rows}")
        if not repeats:
            return []
        examples = self.con.execute(
            f"SELECT DISTINCT customer_id FROM {rows} GROUP BY customer_id, content"
            f" HAVING count(*) > 1 ORDER BY customer_id LIMIT {EXAMPLES}"
        ).fetchall()
        if nth > 1:
            self.notes.append(f"{self.name}: repeats are estimated from one customer in {nth}")
        return [finding(self.name, ": repeats", repeats, [one for (one,) in examples])]


def _distinct(values: list[str] | None) -> list[str]:
    return list(dict.fromkeys(values or ()))


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
