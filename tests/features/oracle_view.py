"""What the oracle of the features is made of: rows visible at a moment, and plain sums of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from oracle_money import Money, subscription_money

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Number = float | int | Decimal | None
DAY = timedelta(days=1)
OLD = datetime(1970, 1, 1)


def known_at(row: Row) -> datetime:
    return row.get("known_at") or row["occurred_at"] or OLD


def is_visible(row: Row, as_of: datetime) -> bool:
    return (row["occurred_at"] or OLD) < as_of and known_at(row) < as_of


@dataclass
class View:
    """What may be seen of one customer at one moment."""

    company: Rows
    customer_id: str
    as_of: datetime

    def rows(self, table: str, start: int = 0, end: int = 0) -> list[Row]:
        """Visible rows of `[as_of - end, as_of - start)`, in days and time order; end 0 is ever."""
        upper = self.as_of - start * DAY
        lower = self.as_of - end * DAY if end else OLD
        found = [
            row
            for row in self.company.get(table, [])
            if row["customer_id"] == self.customer_id
            and is_visible(row, self.as_of)
            and lower <= (row["occurred_at"] or OLD) < upper
        ]
        return sorted(found, key=lambda row: (row["occurred_at"] or OLD, known_at(row)))

    def days_since(self, moment: datetime | None) -> float | None:
        return None if moment is None else (self.as_of - moment) / DAY

    @cached_property
    def money(self) -> Money:
        """What the subscriptions of the customer earn, from the rows visible now."""
        plans = [row for row in self.company.get("plans", []) if is_visible(row, self.as_of)]
        known = [
            row
            for row in self.company.get("subscriptions", [])
            if row["customer_id"] == self.customer_id and known_at(row) < self.as_of
        ]
        return subscription_money(known, plans, self.as_of)

    @cached_property
    def profile(self) -> Row:
        """The customer's last version."""
        return (self.rows("customers") or [{}])[-1]


Oracle = Callable[[View], Any]
ORACLE: dict[str, Oracle] = {}


def ratio(over: Number, under: Number) -> float | None:
    if over is None or under is None or float(under) <= 0:
        return None
    return float(over) / float(under)


def last(rows: Iterable[Row]) -> datetime | None:
    return max((row["occurred_at"] for row in rows), default=None)


def first(rows: Iterable[Row]) -> datetime | None:
    return min((row["occurred_at"] for row in rows), default=None)


def days(rows: Iterable[Row]) -> set[date]:
    return {row["occurred_at"].date() for row in rows}


def distinct(rows: Iterable[Row], column: str) -> int:
    return len({row[column] for row in rows} - {None})


def top_share(rows: Iterable[Row]) -> float | None:
    kinds = Counter(row["event"] for row in rows if row["event"] is not None)
    return ratio(max(kinds.values(), default=0), kinds.total())


def total(rows: Iterable[Row], column: str) -> Decimal:
    return sum((or_zero(row[column]) for row in rows), Decimal(0))


def or_zero(value: Decimal | None) -> Decimal:
    return Decimal(0) if value is None else value


def count_if(column: str, *values: str) -> Callable[[list[Row]], int]:
    return lambda rows: sum(row[column] in values for row in rows)


def windows(
    name: str, table: str, spans: Iterable[int], value: Callable[[list[Row]], Number]
) -> None:
    """Add a measure over each window; 0 is ever."""
    for span in spans:
        column = f"{name}_{span}d" if span else f"{name}_ever"
        ORACLE[column] = lambda v, span=span: value(v.rows(table, 0, span))


def feature(name: str) -> Callable[[Oracle], Oracle]:
    def add(function: Oracle) -> Oracle:
        ORACLE[name] = function
        return function

    return add


def bought(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if not row.get("is_return")]


def returned(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.get("is_return")]


def order_names(rows: Iterable[Row]) -> int:
    return len({row.get("order_id", row["occurred_at"].date()) for row in bought(rows)} - {None})


def mean(values: Iterable[Decimal | None]) -> float | None:
    known = [value for value in values if value is not None]
    return ratio(sum(known, Decimal(0)), len(known))
