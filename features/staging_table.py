"""One table on its way from mapped sources to canonical Parquet: counted, checked, split, written."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from duckdb import DuckDBPyConnection, Error

from features.checks import Finding, RowCount, domain_fault, finding, future_fault
from features.errors import SourceError
from features.project import Project
from features.sources import literal, quote
from features.sources_map import Mapped
from features.tables import TABLES

HIDDEN = ("_fault", "_value", "_source", "_file", "_row")
EXAMPLES = 3
REPEATS_SAMPLE = 5_000_000  # rows; larger tables are looked at in whole customers


class StagingTable:
    """The rows of one canonical table over all its sources.

    After `check`: `count`, `notes`; after `write`: `written`, `period`, `content`.
    """

    def __init__(
        self, con: DuckDBPyConnection, project: Project, name: str, mapped: tuple[Mapped, ...]
    ) -> None:
        self.con, self.project, self.name, self.mapped = con, project, name, mapped
        self.table = TABLES[name]
        self.notes: list[str] = []
        self.columns = self._columns()
        self.has_periods = "ends_at" in self.columns
        self._combine()
        self.rows_in, self.kept, self.rejected = self._tally()
        self.newest = self._newest()

    def _columns(self) -> dict[str, str]:
        """Columns over all sources with canonical types, in canonical order."""
        found: dict[str, str] = {}
        for one in self.mapped:
            found |= one.columns
        if "starts_at" in found:
            found |= {"occurred_at": "timestamp", "status": "string"}
            del found["starts_at"]
        if "occurred_at" in self.table.names and "known_at" in self.table.names:
            found |= {"occurred_at": "timestamp", "known_at": "timestamp"}
        order = [*self.table.names, *(n for n in found if n not in self.table.names)]
        return {name: found[name] for name in order if name in found}

    def _combine(self) -> None:
        """The view `judged_NAME`: rows of all sources with the first fault of each."""
        parts = " UNION ALL BY NAME ".join(_shaped(one) for one in self.mapped)
        has_customers = "customers" in self.project.sources
        fault = domain_fault(self.name, tuple(self.columns), has_customers=has_customers)
        known = (
            ", coalesce(known_at, occurred_at) AS known_at" if "known_at" in self.columns else ""
        )
        filled = _missing(self.columns, self.mapped)
        self.con.execute(
            f"CREATE VIEW judged_{self.name} AS SELECT * REPLACE ({fault} AS _fault{known}) FROM"
            f" (SELECT *{filled} FROM ({parts}))"
        )
        if self.name == "customers":
            self.con.execute(
                "CREATE TEMP TABLE known_customers AS SELECT DISTINCT customer_id"
                " FROM judged_customers WHERE _fault IS NULL"
            )

    def _one(self, sql: str) -> tuple[int, ...]:
        try:
            row = self.con.execute(sql).fetchone()
        except Error as error:
            message = str(error).splitlines()[0]
            raise SourceError(f"sources.{self.name}: cannot be evaluated: {message}") from error
        return row or ()

    def _tally(self) -> tuple[int, int, int]:
        """Rows of the files, rows that the project file keeps, lines that are no rows."""
        raw = sum(self._one(f"SELECT count(*) FROM {m.raw.view}")[0] for m in self.mapped)
        kept = self._one(f"SELECT count(*) FROM judged_{self.name}")[0]
        rejected = sum(
            self._one(f"SELECT count(*) FROM {m.raw.rejects}")[0]
            for m in self.mapped
            if m.raw.rejects
        )
        return raw + rejected, kept, rejected

    def _newest(self) -> datetime | None:
        """The newest moment at which a sound row became known; ends of periods do not count."""
        if "known_at" not in self.columns or not self.table.has_customer:
            return None
        known = "greatest(known_at, cancel_requested_at)" if self.has_cancel else "known_at"
        row = self.con.execute(
            f"SELECT max({known}) FROM judged_{self.name} WHERE _fault IS NULL"
        ).fetchone()
        return row[0] if row else None

    @property
    def has_cancel(self) -> bool:
        """Whether sources say when an end was asked for."""
        return "cancel_requested_at" in self.columns

    def check(self, known_until: datetime | None) -> list[Finding]:
        """Find every fault; afterwards the view `sound_NAME` holds the rows that have none."""
        self._late(known_until)
        self._repeated_keys()
        findings = self._faults()
        bad = sum(one.count for one in findings)
        self.count = RowCount(
            self.rows_in,
            self.kept + self.rejected - bad,
            self.rows_in - self.kept - self.rejected,
            bad,
        )
        if not findings:
            return self._repeats()
        share = bad / (self.kept + self.rejected)
        stops = share > self.project.limits.quarantine_share
        return findings if not stops else [_as_error(one) for one in findings]

    def _late(self, known_until: datetime | None) -> None:
        fault = future_fault(self.name, tuple(self.columns), known_until) if known_until else None
        replaced = f" REPLACE (coalesce(_fault, {fault}) AS _fault)" if fault else ""
        self.con.execute(
            f"CREATE VIEW dated_{self.name} AS SELECT *{replaced} FROM judged_{self.name}"
        )

    def _repeated_keys(self) -> None:
        """Rows after the first of a key get the fault `duplicate_key`."""
        key = [quote(column) for column in self.table.key if column in self.columns]
        again = 0
        if key:
            again = self._one(
                f"SELECT count(*) - count(DISTINCT hash({', '.join(key)})) FROM dated_{self.name}"
                " WHERE _fault IS NULL"
            )[0]
        view = f"CREATE VIEW checked_{self.name} AS SELECT *"
        if not again:
            self.con.execute(f"{view} FROM dated_{self.name}")
            return
        fault = (
            f"CASE WHEN _fault IS NULL AND row_number() OVER (PARTITION BY {', '.join(key)},"
            " _fault IS NULL ORDER BY _source, _file, _row) > 1"
            f" THEN '{self.table.key[0]}: duplicate_key' ELSE _fault END"
        )
        self.con.execute(f"{view} REPLACE ({fault} AS _fault) FROM dated_{self.name}")

    def _faults(self) -> list[Finding]:
        """One finding per fault, most rows first."""
        key = self.table.key[0] if self.table.key else "customer_id"
        shown = (
            f"coalesce({quote(key)}::VARCHAR, 'row ' || (_row + 1))"
            if key in self.columns
            else "'row ' || (_row + 1)"
        )
        grouped = self.con.execute(
            f"SELECT _fault, count(*) AS n, min_by({shown}, (_source, _file, _row), {EXAMPLES}),"
            f" list_distinct(min_by(_value, (_source, _file, _row), {EXAMPLES}) FILTER (_value IS NOT NULL))"
            f" FROM checked_{self.name} WHERE _fault IS NOT NULL GROUP BY _fault ORDER BY n DESC, _fault"
        ).fetchall()
        found = [
            finding(self.name, fault, n, examples, level="warning", values=sorted(values or ()))
            for fault, n, examples, values in grouped
        ]
        if self.rejected:
            views = " UNION ALL ".join(
                f"FROM {m.raw.rejects}" for m in self.mapped if m.raw.rejects
            )
            lines = self.con.execute(
                f"SELECT 'line ' || _row FROM ({views}) ORDER BY _file, _row LIMIT {EXAMPLES}"
            ).fetchall()
            found.append(
                finding(
                    self.name,
                    "line: malformed",
                    self.rejected,
                    [one for (one,) in lines],
                    level="warning",
                )
            )
        return found

    def _repeats(self) -> list[Finding]:
        return []

    def quarantine(self, file: Path) -> None:
        """Write the bad rows as they came, with the reason."""
        if not self.count.quarantined:
            return
        parts = []
        for one in self.mapped:
            shown = ", ".join(f"r.{quote(c)}::VARCHAR AS {quote(c)}" for c in one.raw.columns)
            parts.append(
                f"SELECT b._fault AS reason, b._file AS source_file, b._row + 1 AS source_row, {shown}"
                f" FROM (SELECT * FROM checked_{self.name} WHERE _fault IS NOT NULL AND _source ="
                f" {one.raw.position}) b JOIN {one.raw.view} r USING (_file, _row)"
            )
            if one.raw.rejects:
                parts.append(
                    "SELECT reason, _file AS source_file, _row AS source_row, line AS source_line"
                    f" FROM {one.raw.rejects}"
                )
        union = " UNION ALL BY NAME ".join(parts)
        self.con.execute(f"COPY ({union}) TO {literal(file)} (FORMAT parquet)")

    def write(self, file: Path, known_until: datetime | None) -> None:
        """Write the sound rows as canonical Parquet, in the order they were read."""
        names = [quote(name) for name in self.columns if name != "ends_at"]
        rows = f"SELECT {', '.join(names)} FROM checked_{self.name} WHERE _fault IS NULL"
        if self.has_periods:
            rows = self._changes(names, known_until)
        self.con.execute(f"COPY ({rows}) TO {literal(file)} (FORMAT parquet)")
        dated = "occurred_at" in self.columns
        span = "min(occurred_at), max(occurred_at)" if dated else "NULL, NULL"
        row = self.con.execute(
            f"SELECT count(*), sum(hash({', '.join(names)})), {span} FROM read_parquet({literal(file)})"
        ).fetchone()
        self.written, self.content, first, last = row or (0, 0, None, None)
        self.period: tuple[datetime, datetime] | None = (first, last) if first else None

    def _changes(self, names: Sequence[str], known_until: datetime | None) -> str:
        """Periods as changes: each starts active, and ends when its end has become known."""
        sound = f"(SELECT * FROM checked_{self.name} WHERE _fault IS NULL)"
        cancel = "cancel_requested_at" if self.has_cancel else "NULL::TIMESTAMP"
        known = f"least(coalesce({cancel}, ends_at), ends_at)"
        start = {"cancel_requested_at": "NULL::TIMESTAMP"}
        end = {
            "occurred_at": "ends_at",
            "known_at": known,
            "status": f"CASE WHEN {cancel} IS NULL THEN 'expired' ELSE 'canceled' END",
        }
        limit = f" AND {known} < TIMESTAMP {literal(known_until)}" if known_until else ""
        covered = (
            f"EXISTS (FROM {sound} o WHERE o.subscription_id = p.subscription_id AND"
            " o.occurred_at <= p.ends_at AND (o.ends_at > p.ends_at OR"
            " (o.ends_at IS NULL AND o.occurred_at > p.occurred_at)))"
        )
        return (
            f"{_replaced(names, start)} FROM {sound} UNION ALL {_replaced(names, end)}"
            f" FROM {sound} p WHERE ends_at IS NOT NULL{limit} AND NOT {covered}"
        )


def _replaced(names: Sequence[str], replaced: dict[str, str]) -> str:
    """SELECT of columns, some with another value."""
    bare = {name.strip('"'): name for name in names}
    shown = [f"{replaced[n]} AS {q}" if n in replaced else q for n, q in bare.items()]
    return "SELECT " + ", ".join(shown)


def _shaped(one: Mapped) -> str:
    """A source's rows; a period is one row dated at its start, with `ends_at`."""
    if one.raw.source.shape == "periods":
        status = "coalesce(status, 'active')" if "status" in one.columns else "'active'"
        dropped = "starts_at, status" if "status" in one.columns else "starts_at"
        return (
            f"SELECT * EXCLUDE ({dropped}), starts_at AS occurred_at, {status} AS status"
            f" FROM {one.view}"
        )
    return f"FROM {one.view}"


def _missing(columns: dict[str, str], mapped: tuple[Mapped, ...]) -> str:
    """Columns that staging adds to rows that came without them."""
    given = set().union(*(one.columns for one in mapped))
    if any(one.raw.source.shape == "periods" for one in mapped):
        given |= {"occurred_at", "status"}
    absent = [name for name in ("occurred_at", "known_at") if name in columns and name not in given]
    return "".join(f", NULL::TIMESTAMP AS {name}" for name in absent)


def _as_error(one: Finding) -> Finding:
    text = one.text.replace("warning: ", "error: ", 1).replace("; left out of ", "; stops ")
    return Finding("error", one.table, one.column, one.code, one.count, one.examples, text)
