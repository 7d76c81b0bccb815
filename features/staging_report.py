"""The findings of a checked table, and of its exact repeats."""

from collections.abc import Sequence
from typing import Any

from features.checks import Finding, finding
from features.sources_raw import literals, quote
from features.staging_looks import EXAMPLES, hints
from features.staging_table import StagingTable

REPEATS_LOOKED_AT = 5_000_000  # rows; of larger tables whole customers are sampled
_ORDER = "(_source, _file, _row)"


def faults(table: StagingTable) -> list[Finding]:
    """One finding per fault, most rows first; errors where too many rows of the table are bad."""
    count = table.count
    looked_at = count.used + count.quarantined
    limit = table.project.limits.quarantine_share
    bad = count.quarantined
    share = bad / looked_at if looked_at and bad / looked_at > limit else None
    if not bad:
        return []
    why = hints(table)
    found = [
        finding(
            table.name,
            fault,
            n,
            examples,
            values=_distinct(values),
            share=share,
            limit=limit,
            hint=why.get(fault, ""),
        )
        for fault, n, examples, values in _grouped(table)
    ]
    if table.rejected:
        lines = [f"line {row}" for _, row in rejected_lines(table)]
        found.append(
            finding(table.name, ": malformed", table.rejected, lines, share=share, limit=limit)
        )
    return found


def _grouped(table: StagingTable) -> list[tuple[Any, ...]]:
    """Fault, rows, three keys and three values that came."""
    key = next((k for k in (*table.table.key, "customer_id") if table.has(k)), None)
    row = "'row ' || (_row + 1)"
    shown = f"coalesce({quote(key)}::VARCHAR, {row})" if key else row
    return table.con.execute(
        f"SELECT _fault, count(*) AS n, min_by({shown}, {_ORDER}, {EXAMPLES}),"
        f" min_by(_value, {_ORDER}, {EXAMPLES}) FILTER (_value IS NOT NULL)"
        f" FROM faulty_{table.name} GROUP BY _fault ORDER BY n DESC, _fault"
    ).fetchall()


def rejected_lines(table: StagingTable) -> list[list[Any]]:
    """File and number of the first lines that are no rows."""
    views = [f"SELECT _file, _row FROM {m.raw.rejects}" for m in table.mapped if m.raw.rejects]
    lines = [list(line) for line in table.before.memory.rejected_lines] if table.before else []
    if views:
        rows = table.con.execute(
            f"SELECT _file, _row FROM ({' UNION ALL '.join(views)}) ORDER BY ALL LIMIT {EXAMPLES}"
        ).fetchall()
        lines += [list(row) for row in rows]
    return sorted(lines)[:EXAMPLES]


def repeated(table: StagingTable) -> list[Finding]:
    """The finding of exact repeats, where there are some."""
    count, customers = table.repeats
    return [finding(table.name, ": repeats", count, customers)] if count else []


def repeats(table: StagingTable) -> tuple[int, list[str]]:
    """Exact repeats where there is no key, and three customers that have some.

    In a large table they are estimated from whole customers; where a table is continued, the new
    rows are held against each other and against the staged ones of the same moments.
    """
    if table.table.key or all(one.raw.source.deduplicate for one in table.mapped):
        return 0, []
    if table.before:
        return _more_repeats(table, *table.before.memory.repeats)
    nth = 1 + table.count.used // REPEATS_LOOKED_AT
    rows = (
        f"(SELECT customer_id, {_content(table)} AS content FROM checked_{table.name}"
        f" WHERE _fault IS NULL AND hash(customer_id) % {nth} = 0)"
    )
    found = nth * table.scalar(f"SELECT count(*) - count(DISTINCT content) FROM {rows}")
    if not found:
        return 0, []
    if nth > 1:
        table.notes.append(f"{table.name}: repeats are estimated from one customer in {nth}")
    return found, _customers_of(table, f"SELECT customer_id, content FROM {rows}")


def _more_repeats(
    table: StagingTable, known: int, customers: Sequence[str]
) -> tuple[int, list[str]]:
    """Repeats of a continued table: those known, and those that the new rows make."""
    content = _content(table)
    table.con.execute(
        f"CREATE OR REPLACE TEMP TABLE new_{table.name} AS SELECT customer_id, occurred_at,"
        f" {content} AS content FROM checked_{table.name} WHERE _fault IS NULL"
    )
    parts = literals(table.before.parts if table.before else [])
    old = (
        f"SELECT customer_id, {content} AS content FROM read_parquet({parts}) WHERE occurred_at IN"
        f" (SELECT DISTINCT occurred_at FROM new_{table.name})"
    )
    table.con.execute(
        f"CREATE OR REPLACE TEMP TABLE met_{table.name} AS SELECT DISTINCT customer_id, content"
        f" FROM ({old}) WHERE content IN (SELECT content FROM new_{table.name})"
    )
    more = table.scalar(
        f"SELECT count(*) - count(DISTINCT content) FILTER (content NOT IN"
        f" (SELECT content FROM met_{table.name})) FROM new_{table.name}"
    )
    if not more:
        return known, list(customers)
    both = (
        f"SELECT customer_id, content FROM new_{table.name}"
        f" UNION ALL SELECT customer_id, content FROM met_{table.name}"
    )
    return known + more, sorted({*customers, *_customers_of(table, both)})[:EXAMPLES]


def _content(table: StagingTable) -> str:
    return f"hash({', '.join(quote(column) for column in table.columns)})"


def _customers_of(table: StagingTable, rows: str) -> list[str]:
    """The first customers with a content that comes twice."""
    found = table.con.execute(
        f"SELECT DISTINCT customer_id FROM ({rows}) GROUP BY customer_id, content"
        f" HAVING count(*) > 1 ORDER BY customer_id LIMIT {EXAMPLES}"
    ).fetchall()
    return [customer for (customer,) in found]


def _distinct(values: list[str] | None) -> list[str]:
    return list(dict.fromkeys(values or ()))
