"""What subscriptions earn, in plain Python: the amount at every moment where it may change."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
DAY = timedelta(days=1)
DUNNING = 30 * DAY
PAUSE = 90 * DAY
OLD = datetime(1970, 1, 1)
RUNNING = ("active", "past_due", "trialing", "paused")
PER_MONTH = {
    "month": Fraction(1),
    "quarter": Fraction(1, 3),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}


@dataclass
class Money:
    """Everything a feature or the state asks of a customer's subscriptions at one moment."""

    mrr: float = 0.0
    seats: Decimal | None = None
    days_past_due: float | None = None
    first_paid_at: datetime | None = None
    covered_since: datetime | None = None
    last_change_at: datetime | None = None
    rose_at: datetime | None = None
    rose_by: float | None = None
    churns: int = 0
    changes: int = 0
    upgrades: int = 0
    downgrades: int = 0
    largest: Row = field(default_factory=dict)
    tier: int | None = None
    interval_months: float | None = None
    renewal_at: datetime | None = None
    is_trial: bool = False
    is_paused: bool = False
    end_announced: bool = False


@dataclass
class Item:
    """One subscription: its visible rows, priced, in time order."""

    rows: list[Row]

    def at(self, moment: datetime) -> Row | None:
        """The row in force just after a moment."""
        return next((r for r in reversed(self.rows) if r["occurred_at"] <= moment), None)

    def overdue_since(self, row: Row) -> datetime:
        """When the unbroken run of past-due rows that ends with this one began."""
        place = self.rows.index(row)
        while place and self.rows[place - 1]["status"] == "past_due":
            place -= 1
        return self.rows[place]["occurred_at"]

    def is_out(self, row: Row, moment: datetime) -> bool:
        """Whether dunning has run out."""
        return row["status"] == "past_due" and moment >= self.overdue_since(row) + DUNNING

    def amount(self, moment: datetime) -> int:
        """Millionths a month just after a moment."""
        row = self.at(moment)
        if row is None or row["status"] not in ("active", "past_due") or self.is_out(row, moment):
            return 0
        return monthly(row, moment)

    def moments(self) -> set[datetime]:
        """Where the amount may change."""
        found = {row["occurred_at"] for row in self.rows}
        found |= {self.overdue_since(r) + DUNNING for r in self.rows if r["status"] == "past_due"}
        return found | {row["discount_ends_at"] for row in self.rows if row.get("discount_ends_at")}

    def pauses_at(self, moment: datetime) -> bool:
        """Whether it earned until a moment, and a pause ended that."""
        row = self.at(moment)
        paused = row is not None and row["status"] == "paused"
        return paused and self.amount(moment - timedelta(microseconds=1)) > 0

    def own_change(self, moment: datetime) -> int:
        """The change at a moment that the customer made: start, plan, seats, end."""
        just_before = moment - timedelta(microseconds=1)
        before, after = self.amount(just_before), self.amount(moment)
        old, new = self.at(just_before), self.at(moment)
        if before == after or new is None:
            return 0
        if before and after:
            is_own = old is not new and any(
                old[name] != new[name] for name in ("plan_id", "interval", "quantity")
            )
        elif after:
            is_own = old is None or not (old["status"] == "paused" or self.is_out(old, just_before))
        else:
            unpaid = self.is_out(new, moment) or new.get("end_reason") == "payment_failed"
            is_own = not unpaid and new["status"] != "paused"
        return after - before if is_own else 0


def monthly(row: Row, moment: datetime) -> int:
    """Net recurring price a month in millionths, to the nearest."""
    if row["unit_amount"] is None:
        return 0
    price = Fraction(row["unit_amount"]) * Fraction(seats_of(row))
    ends = row.get("discount_ends_at")
    if row.get("discount_kind") != "once" and not (ends and moment >= ends):
        price *= 1 - Fraction(row.get("discount_percent") or 0) / 100
        price = max(price - Fraction(row.get("discount_amount") or 0), Fraction(0))
    factor = PER_MONTH[row["interval"] or "month"] / (row["interval_count"] or 1)
    return round(price * factor * 1_000_000)


def seats_of(row: Row) -> Decimal:
    return Decimal(1) if row["quantity"] is None else row["quantity"]


def priced(row: Row, plans: list[Row]) -> Row:
    """The row with price and interval of the plan's version of its moment, where it has none."""
    if row["unit_amount"] is not None:
        return dict(row)
    versions = [
        plan
        for plan in plans
        if plan["plan_id"] == row["plan_id"] and (plan["occurred_at"] or OLD) <= row["occurred_at"]
    ]
    if not versions:
        return dict(row)
    plan = max(versions, key=lambda p: p["occurred_at"] or OLD)
    gaps = ("interval", "interval_count")
    filled = {name: plan[name] if row[name] is None else row[name] for name in gaps}
    return row | filled | {"unit_amount": plan["unit_amount"]}


def subscription_money(known: list[Row], plans: list[Row], as_of: datetime) -> Money:
    """`known`: rows told before `as_of`, those of later ends that were announced included."""
    entities: dict[str, list[Row]] = {}
    for row in sorted(known, key=lambda r: r["occurred_at"]):
        if row["occurred_at"] < as_of:
            entities.setdefault(row["subscription_id"], []).append(priced(row, plans))
    items = [Item(rows) for rows in entities.values()]
    money = Money()
    _history(money, items, as_of)
    running = [item for item in items if item.rows[-1]["status"] in RUNNING]
    if running:
        _present(money, running, known, plans, as_of)
    else:
        money.is_paused = False
    return money


def _history(money: Money, items: list[Item], as_of: datetime) -> None:
    moments = sorted({m for item in items for m in item.moments() if m < as_of})
    before = 0
    for moment in moments:
        after = sum(item.amount(moment) for item in items)
        own = sum(item.own_change(moment) for item in items)
        if after == before:
            continue
        money.changes += 1
        money.last_change_at = moment
        money.first_paid_at = money.first_paid_at or moment
        if not before:
            money.covered_since = moment
        money.is_paused = not after and pause_at(items, moment) and moment > as_of - PAUSE
        if not after:
            money.churns += 1
            money.covered_since = None
        if before and after and moment >= as_of - 180 * DAY:
            money.upgrades += own > 0
            money.downgrades += own < 0
        if before and after and after - before > own:
            money.rose_at, money.rose_by = moment, (after - before - own) / before
        before = after
    money.mrr = before / 1_000_000


def pause_at(items: list[Item], moment: datetime) -> bool:
    """Whether the greatest change at a moment was a pause."""
    just_before = moment - timedelta(microseconds=1)
    change = {id(item): abs(item.amount(moment) - item.amount(just_before)) for item in items}
    return max(items, key=lambda item: change[id(item)]).pauses_at(moment)


def _present(
    money: Money, running: list[Item], known: list[Row], plans: list[Row], as_of: datetime
) -> None:
    """Totals over the running subscriptions; the rest is that of the dearest one."""
    now = [item.rows[-1] for item in running]
    money.seats = sum((seats_of(row) for row in now), Decimal(0))
    money.days_past_due = max(
        (as_of - item.overdue_since(row)) / timedelta(days=1)
        if row["status"] == "past_due"
        else 0.0
        for item, row in zip(running, now, strict=True)
    )
    money.is_paused = money.is_paused and any(row["status"] == "paused" for row in now)
    money.is_trial = all(row["status"] == "trialing" for row in now)
    periods = [row["current_period_end"] for row in now if row["current_period_end"] is not None]
    money.renewal_at = min(periods, default=None)
    announced = {
        row["subscription_id"]
        for row in known
        if row["status"] in ("canceled", "expired") and row["occurred_at"] >= as_of
    }
    asked = [row.get("cancel_requested_at") for row in now]
    ends = [
        row["subscription_id"] in announced or (when is not None and when < as_of)
        for row, when in zip(now, asked, strict=True)
    ]
    pays = [item.amount(as_of - timedelta(microseconds=1)) > 0 for item in running]
    covering = [end for end, pay in zip(ends, pays, strict=True) if pay]
    money.end_announced = all(covering or ends)
    money.largest = min(now, key=_dearest)
    interval, count = money.largest["interval"], money.largest["interval_count"]
    if interval is not None:
        money.interval_months = float((count or 1) / PER_MONTH[interval])
    tiers = [plan for plan in plans if plan["plan_id"] == money.largest["plan_id"]]
    if tiers:
        money.tier = max(tiers, key=lambda plan: plan["occurred_at"] or OLD)["tier"]


def _dearest(row: Row) -> tuple[Any, ...]:
    """Sorts the greatest price first, a trial last, ties by name."""
    price = Decimal(0) if row["status"] == "trialing" else row["unit_amount"]
    return -(Decimal(1) if price is None else price), row["subscription_id"]
