"""Streaks, gaps and last values again, row by row, from their declared meaning."""

import statistics
from collections.abc import Callable
from datetime import date
from itertools import pairwise

from oracle import DAY, ORACLE, Row, View, bought, days, known_at


def use_days(v: View) -> list[date]:
    return sorted(days(v.rows("usage", 0, 90)))


def gaps(found: list[date]) -> list[int]:
    return [(later - earlier).days for earlier, later in pairwise(found)]


def streaks(found: list[date]) -> list[int]:
    """Length of the unbroken run that ends at each day."""
    lengths: list[int] = []
    for place, day in enumerate(found):
        goes_on = place > 0 and day - found[place - 1] == DAY
        lengths.append(lengths[-1] + 1 if goes_on else 1)
    return lengths


def last_value(rows: list[Row], column: str) -> float | None:
    valued = [row for row in rows if row[column] is not None]
    valued.sort(key=lambda row: (row["occurred_at"], known_at(row), row[column]))
    return float(valued[-1][column]) if valued else None


def current(v: View) -> int:
    found = use_days(v)
    is_current = bool(found) and found[-1] >= (v.as_of - DAY).date()
    return streaks(found)[-1] if is_current else 0


def varies(found: list[date]) -> float | None:
    return statistics.stdev(gaps(found)) if len(found) > 2 else None


RHYTHM: dict[str, Callable[[View], float | None]] = {
    "active_streak_90d": current,
    "longest_streak_90d": lambda v: max(streaks(use_days(v)), default=0),
    "active_gap_mean_90d": lambda v: (
        statistics.fmean(gaps(use_days(v))) if len(use_days(v)) > 1 else None
    ),
    "active_gap_sd_90d": lambda v: varies(use_days(v)),
    "order_gap_sd_365d": lambda v: varies(sorted(days(bought(v.rows("orders", 0, 365))))),
    "last_use_quantity": lambda v: last_value(v.rows("usage"), "quantity"),
    "last_order_amount": lambda v: last_value(bought(v.rows("orders")), "amount"),
}
ORACLE.update(RHYTHM)
