"""The case the feature benchmark runs: generated events, twelve measures, the plain join beside."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import ibis.expr.types as ir

from features.declare import MEASURES, measure

FIRST = datetime(2024, 11, 1)
DAYS = 730
KINDS = ("login", "report", "export", "api_call")
WINDOWS = (7, 28, 90, 180)
LATE_SHARE = 50  # one row in so many is known up to 23 days late


def generate(path: Path, events: int, customers: int) -> None:
    """Write `events` rows of usage over 24 months as Parquet, in order of time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    with duckdb.connect() as con:
        con.execute(f"""
            COPY (
                SELECT
                    'c' || lpad((hash(i * 7 + 1) % {customers})::VARCHAR, 7, '0') AS customer_id,
                    occurred_at,
                    CASE WHEN hash(i * 3) % {LATE_SHARE} = 0
                        THEN occurred_at + to_seconds((hash(i) % 2000000)::BIGINT)
                        ELSE occurred_at END AS known_at,
                    {list(KINDS)}[1 + (hash(i * 11) % {len(KINDS)})::INT] AS event,
                    (1 + hash(i * 5) % 20)::DECIMAL(18, 6) AS quantity,
                    'u' || (hash(i * 13) % 50)::VARCHAR AS user_id
                FROM (
                    SELECT i, TIMESTAMP '{FIRST}' + to_microseconds(
                        (i::DOUBLE / {events} * {DAYS * 86400} * 1e6)::BIGINT) AS occurred_at
                    FROM range({events}) AS t(i)
                )
            ) TO '{scratch}' (FORMAT parquet)""")
    scratch.replace(path)


def as_of_dates(count: int) -> list[datetime]:
    """So many moments, evenly over the last year of the events, each a midnight."""
    return [FIRST + timedelta(days=365 + round(360 * k / count)) for k in range(1, count + 1)]


def declare_measures() -> tuple[str, ...]:
    """Register twelve measures as a user would; four windows each make 48 columns."""
    names = []
    for kind in KINDS:
        names += [_register(f"n_{kind}", _is(kind)), _register(f"q_{kind}", _amount(kind))]
    names.append(_register("n_all", lambda usage: usage.occurred_at.notnull()))
    names.append(_register("q_all", lambda usage: usage.quantity))
    names.append(_register("n_large", lambda usage: usage.quantity > 10))
    names.append(_register("n_first_user", lambda usage: usage.user_id == "u1"))
    return tuple(names)


def _is(kind: str) -> Callable[[ir.Table], ir.Value]:
    return lambda usage: usage.event == kind


def _amount(kind: str) -> Callable[[ir.Table], ir.Value]:
    return lambda usage: (usage.event == kind).ifelse(usage.quantity, None)


def _register(name: str, contributes: Callable[[ir.Table], ir.Value]) -> str:
    if name not in MEASURES:
        contributes.__name__ = name
        measure(windows=WINDOWS, unit="events", reason="benchmark")(contributes)
    return name


def plain_join(events: Path, dates: list[datetime]) -> str:
    """The straightforward SQL: every event joined with every as-of that sees it, then grouped."""
    columns = []
    for days in WINDOWS:
        inside = f"e.occurred_at >= a.as_of - INTERVAL {days} DAY"
        for kind in KINDS:
            mine = f"e.event = '{kind}' AND {inside}"
            columns.append(f"count(*) FILTER ({mine}) AS n_{kind}_{days}d")
            columns.append(f"sum(e.quantity) FILTER ({mine}) AS q_{kind}_{days}d")
        columns += [
            f"count(*) FILTER ({inside}) AS n_all_{days}d",
            f"sum(e.quantity) FILTER ({inside}) AS q_all_{days}d",
            f"count(*) FILTER (e.quantity > 10 AND {inside}) AS n_large_{days}d",
            f"count(*) FILTER (e.user_id = 'u1' AND {inside}) AS n_first_user_{days}d",
        ]
    listed = ", ".join(f"(TIMESTAMP '{moment}')" for moment in dates)
    select = ",\n    ".join(columns)
    return (
        f"SELECT e.customer_id, a.as_of,\n    {select}\n"
        f"FROM read_parquet('{events}') AS e\n"
        f"JOIN (VALUES {listed}) AS a(as_of)\n"
        "  ON e.occurred_at < a.as_of AND e.known_at < a.as_of\n"
        f"  AND e.occurred_at >= a.as_of - INTERVAL {max(WINDOWS)} DAY\n"
        "GROUP BY e.customer_id, a.as_of"
    )
