"""Writing a checked table: sound rows as canonical Parquet, bad rows aside with the reason."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.sources_raw import literal, quote
from features.staging_memory import Memory
from features.staging_table import CLOCKS, StagingTable


@dataclass(frozen=True)
class Written:
    """What the staged parts of a table hold; `content` does not depend on the order of rows."""

    parts: list[str]
    rows: int
    content: int
    period: tuple[datetime, datetime] | None  # first and last occurred_at
    newest: dict[str, str]  # clock -> newest moment
    years: dict[str, int]  # of known_at -> rows


def write_quarantine(table: StagingTable, file: Path) -> None:
    """Write the bad rows as they came: `reason`, `source_file`, `source_row`, the file's columns.

    A line that is no row has its text in `source_line` and its line number in `source_row`.
    """
    if not table.count.quarantined:
        return
    parts = []
    for one in table.mapped:
        shown = ", ".join(f"r.{quote(c)}::VARCHAR AS {quote(c)}" for c in one.raw.columns)
        parts.append(
            "SELECT b._fault AS reason, b._file AS source_file, b._row + 1 AS source_row,"
            f" {shown} FROM (SELECT * FROM checked_{table.name} WHERE _fault IS NOT NULL"
            f" AND _source = {one.raw.position}) b JOIN {one.raw.view} r USING (_file, _row)"
        )
        if one.raw.rejects:
            parts.append(
                "SELECT reason, _file AS source_file, _row AS source_row, line AS source_line"
                f" FROM {one.raw.rejects}"
            )
    if table.before and table.before.quarantine:
        parts.append(
            f"SELECT q.* REPLACE (coalesce(f._fault, q.reason) AS reason)"
            f" FROM read_parquet({literal(table.before.quarantine)}) q"
            f" LEFT JOIN faulty_{table.name} f ON f._file = q.source_file"
            f" AND f._row + 1 = q.source_row"
            f" WHERE f._fault IS NOT NULL OR q.reason LIKE 'line: %'"
        )
    table.con.execute(
        f"COPY (SELECT * FROM ({' UNION ALL BY NAME '.join(parts)})"
        f" ORDER BY source_file, source_row) TO {literal(file)} (FORMAT parquet)"
    )


def write_held(table: StagingTable, file: Path) -> None:
    """Write the bad rows as they were read, for a later run to judge again."""
    if table.count.quarantined > table.rejected:
        table.con.execute(f"COPY (FROM faulty_{table.name}) TO {literal(file)} (FORMAT parquet)")


def write_table(table: StagingTable, folder: Path, known_until: datetime | None) -> Written:
    """Write the sound rows as canonical Parquet, as one more part where the table is continued."""
    folder.mkdir()
    old = table.before.parts if table.before else []
    for part in old:
        _link(part, folder / part.name)
    names = [name for name in table.columns if name != "ends_at"]
    sound = f"(SELECT * FROM checked_{table.name} WHERE _fault IS NULL)"
    rows = f"SELECT {_list(names)} FROM {sound}"
    if "ends_at" in table.columns:
        rows = _changes(table, names, sound, known_until)
    file = folder / f"part-{len(old):05}.parquet"
    table.con.execute(f"COPY ({rows}) TO {literal(file)} (FORMAT parquet)")
    return _measure(table, names, file, old)


def _measure(table: StagingTable, names: Sequence[str], file: Path, old: Sequence[Path]) -> Written:
    """What the new part holds, added to what was known of the old ones; an empty one goes."""
    span = "min(occurred_at), max(occurred_at)" if "occurred_at" in names else "NULL, NULL"
    clocks = ", ".join(f"max({c})::VARCHAR" if c in names else "NULL" for c in CLOCKS)
    years = "histogram(year(known_at))" if "known_at" in names else "NULL"
    row = table.con.execute(
        f"SELECT count(*), coalesce(sum(hash({_list(names)})), 0)::VARCHAR, {span}, {clocks},"
        f" {years} FROM read_parquet({literal(file)})"
    ).fetchone() or (0, "0", None, None, None, None, None, None)
    count, content, first, last, *newest, found = row
    moments = {c: str(m) for c, m in zip(CLOCKS, newest, strict=True) if m is not None}
    tally = {str(year): int(n) for year, n in (found or {}).items()}
    if not count and old:
        file.unlink()
    parts = [part.name for part in old] + ([file.name] if count or not old else [])
    period = (first, last) if first else None
    written = Written(parts, count, int(content), period, moments, tally)
    return _together(table.before.memory, written) if table.before else written


def _together(memory: Memory, new: Written) -> Written:
    """The whole of a table that was continued."""
    newest = {**memory.newest}
    for clock, moment in new.newest.items():
        newest[clock] = max(moment, newest.get(clock, moment), key=datetime.fromisoformat)
    years = {y: memory.years.get(y, 0) + new.years.get(y, 0) for y in {*memory.years, *new.years}}
    ends = [datetime.fromisoformat(memory.oldest)] if memory.oldest else []
    ends += [datetime.fromisoformat(memory.newest["occurred_at"])] if memory.oldest else []
    ends += new.period or ()
    return Written(
        new.parts,
        memory.rows + new.rows,
        memory.content + new.content,
        (min(ends), max(ends)) if ends else None,
        newest,
        years,
    )


def _link(old: Path, new: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        new.hardlink_to(old)
    except OSError:
        shutil.copyfile(old, new)


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)


def _changes(
    table: StagingTable, names: Sequence[str], sound: str, known_until: datetime | None
) -> str:
    """Periods as changes: active at the start, over at the end once the end is known.

    An end that is neither announced nor reached by `known_until` is not known and not written,
    nor is one at which another period of the same subscription goes on.
    """
    asked = "cancel_requested_at" if "cancel_requested_at" in names else "NULL::TIMESTAMP"
    known = f"least(coalesce({asked}, ends_at), ends_at)"
    start = {"cancel_requested_at": "NULL::TIMESTAMP", "end_reason": "NULL::VARCHAR"}
    end = {
        "occurred_at": "ends_at",
        "known_at": known,
        "status": f"CASE WHEN {asked} IS NULL THEN 'expired' ELSE 'canceled' END",
    }
    reached = f"{known} < TIMESTAMP {literal(known_until)}" if known_until else "TRUE"
    running = table.con.execute(
        f"SELECT count(*) FROM {sound} WHERE ends_at IS NOT NULL AND NOT {reached}"
    ).fetchone()
    if running and running[0]:
        table.notes.append(
            f"{table.name}: {running[0]:,} periods run beyond data_end; their end is not known yet"
        )
    goes_on = (
        f"EXISTS (FROM {sound} o WHERE o.subscription_id = p.subscription_id"
        " AND o.occurred_at <= p.ends_at AND (o.ends_at > p.ends_at"
        " OR (o.ends_at IS NULL AND o.occurred_at > p.occurred_at)))"
    )
    return (
        f"{_with(names, start)} FROM {sound} p UNION ALL {_with(names, end)} FROM {sound} p"
        f" WHERE ends_at IS NOT NULL AND {reached} AND NOT {goes_on}"
    )


def _with(names: Sequence[str], replaced: dict[str, str]) -> str:
    """SELECT of columns, some with another value."""
    shown = [f"{replaced[n]} AS {quote(n)}" if n in replaced else quote(n) for n in names]
    return "SELECT " + ", ".join(shown)
