"""What rows show only together: proofs beside a fault, and warnings of values that could be read.

A date with day and month swapped is often a date all the same; an amount may be a thousand times
too large and still a number. Neither is set aside: the finding says what speaks against it.
"""

from features.checks import Finding, finding
from features.sources_raw import literal, literals, quote
from features.staging_table import StagingTable

ENORMOUS = 1_000  # times what 95 % of the rows stay below
EXAMPLES = 3
_ENOUGH = 100  # rows, before their spread says anything
_LARGE = 5_000_000  # rows; of a larger table that goes on only the new part is looked at
_AMOUNTS = ("amount", "unit_amount", "quantity", "mrr", "rate", "discount_amount")


def hints(table: StagingTable) -> dict[str, str]:
    """What may explain a fault, by fault; in a few words with the number of rows."""
    found: dict[str, str] = {}
    cases = {code: case for code, case in _explanations(table).items() if case is not None}
    for code, (test, says) in cases.items():
        counted = table.con.execute(
            f"SELECT _fault, count_if({test}) AS n FROM faulty_{table.name}"
            f" WHERE _fault LIKE {literal('%: ' + code)} GROUP BY _fault HAVING n > 0"
        ).fetchall()
        found |= {str(fault): says.format(n=f"{n:,}") for fault, n in counted}
    return found


def _explanations(table: StagingTable) -> dict[str, tuple[str, str] | None]:
    """Fault code -> SQL that holds for the rows it explains, and what to say of them."""
    has_customers = "customers" in table.project.sources and table.name != "customers"
    padded = (
        "ltrim(customer_id, '0') IN (SELECT ltrim(customer_id, '0') FROM known_customers)",
        "{n} would be there without leading zeros",
    )
    return {
        "not_timestamp": (
            f"coalesce({_swapped(table)} IS NOT NULL, FALSE)",
            "{n} would be a date with day and month swapped, others may be read wrongly",
        ),
        "not_decimal": (
            "coalesce(isfinite(TRY_CAST(_value AS DOUBLE)), FALSE)",
            "{n} too large to be an amount",
        ),
        "unknown_customer": padded if has_customers else None,
    }


def _swapped(table: StagingTable) -> str:
    """SQL of a value that could not be read, with its day and month in each other's place."""
    cases = []
    for one in table.mapped:
        written = one.raw.source.date_format
        if written is None:
            continue
        other = written.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
        cases.append(
            f"WHEN {one.raw.position} THEN try_strptime(_value, {literal(other)})::TIMESTAMP"
        )
    plain = "try_strptime(left(_value, 10), '%Y-%d-%m')"
    return f"CASE _source {' '.join(cases)} ELSE {plain} END" if cases else plain


def looks(table: StagingTable, parts: list[str]) -> list[Finding]:
    """Warnings of a table's staged rows, which are used all the same."""
    if not parts or table.count.used < 1:
        return []
    if table.before and table.count.used > _LARGE:
        parts = parts[-1:]
    rows = f"read_parquet({literals(parts)})"
    return [*_low_days(table, rows), *_enormous(table, rows), *_no_currency(table, rows)]


def odd_cells(table: StagingTable) -> list[Finding]:
    """Cells of attributes that are unlike the others of their column, in rows that are used."""
    odd = {name: fault for one in table.mapped for name, fault in one.odd.items()}
    if not odd:
        return []
    key = next(k for k in (*table.table.key, "customer_id") if table.has(k))
    rows = f"FROM checked_{table.name} WHERE _fault IS NULL"
    columns = {name: quote("odd:" + name) for name in odd}
    counts = table.con.execute(
        f"SELECT {', '.join(f'count({one})' for one in columns.values())} {rows}"
    ).fetchone() or (0,) * len(odd)
    found = []
    for (name, column), count in zip(columns.items(), counts, strict=True):
        if not count:
            continue
        keys, values = table.con.execute(
            f"SELECT min_by({quote(key)}::VARCHAR, (_source, _file, _row), {EXAMPLES}),"
            f" list_sort(list(DISTINCT {column}))[:{EXAMPLES}] {rows} AND {column} IS NOT NULL"
        ).fetchone() or ([], [])
        found.append(finding(table.name, f"{name}: {odd[name]}", count, keys, values=values))
    return found


def _low_days(table: StagingTable, rows: str) -> list[Finding]:
    """Dates none of which has a day after the 12th: day and month may be swapped."""
    if not table.has("occurred_at"):
        return []
    low, days, months, count, first = table.con.execute(
        "SELECT coalesce(max(day(occurred_at)) < 13, FALSE), count(DISTINCT day(occurred_at)),"
        " count(DISTINCT month(occurred_at)), count(occurred_at),"
        f" min(occurred_at::DATE::VARCHAR, 3) FROM {rows}"
    ).fetchone() or (False, 0, 0, 0, None)
    if not low or days < 6 or months < 2 or count < _ENOUGH:
        return []
    return [finding(table.name, "occurred_at: low_days", count, first or ())]


def _enormous(table: StagingTable, rows: str) -> list[Finding]:
    """Amounts far beyond all others."""
    found = []
    key = next((k for k in (*table.table.key, "customer_id") if table.has(k)), None)
    for column in _AMOUNTS:
        if not table.has(column) or table.columns[column] != "decimal":
            continue
        size = f"abs({quote(column)})::DOUBLE"
        top, usual, count = table.con.execute(
            f"SELECT max({size}), approx_quantile({size}, 0.95), count({size}) FROM {rows}"
            f" WHERE {quote(column)} <> 0"
        ).fetchone() or (None, None, 0)
        if count < _ENOUGH or not usual or top <= ENORMOUS * usual:
            continue
        shown = quote(key) if key else f"{quote(column)}::VARCHAR"
        n, keys, values = table.con.execute(
            f"SELECT count(*), max_by({shown}::VARCHAR, {size}, 3),"
            f" max({quote(column)}, 3) FROM {rows} WHERE {size} > {ENORMOUS * usual}"
        ).fetchone() or (0, [], [])
        came = [f"{value:f}".rstrip("0").rstrip(".") for value in values]
        found.append(finding(table.name, f"{column}: enormous", n, keys, values=came))
    return found


def _no_currency(table: StagingTable, rows: str) -> list[Finding]:
    """Amounts without a currency where others have one."""
    if not table.has("currency"):
        return []
    column = next((c for c in ("amount", "unit_amount", "rate") if table.has(c)), None)
    key = next((k for k in (*table.table.key, "customer_id") if table.has(k)), None)
    if column is None or key is None:
        return []
    missing = f"currency IS NULL AND {quote(column)} IS NOT NULL"
    n, others, keys = table.con.execute(
        f"SELECT count_if({missing}), count(currency),"
        f" min({quote(key)}::VARCHAR, 3) FILTER ({missing}) FROM {rows}"
    ).fetchone() or (0, 0, [])
    if not n or not others:
        return []
    hint = f"read as {table.project.currency}, the project's"
    return [finding(table.name, "currency: no_currency", n, keys, hint=hint)]
