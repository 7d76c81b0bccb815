"""Small companies drawn at random: late rows, ties, gaps, events on every edge of a window."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

Row = dict[str, Any]
Rows = dict[str, list[Row]]
START = datetime(2023, 1, 1)
HOUR = timedelta(hours=1)
EDGES = (0, 7, 28, 56, 90, 180, 365)

COLUMNS = {
    "customers": (
        "customer_id occurred_at known_at segment owner_id country acquisition_channel objected_at"
    ),
    "plans": "plan_id occurred_at known_at tier interval interval_count unit_amount",
    "subscriptions": (
        "customer_id occurred_at known_at subscription_id plan_id status quantity interval"
        " interval_count unit_amount discount_amount discount_percent discount_kind"
        " discount_ends_at current_period_end auto_renew cancel_requested_at end_reason"
    ),
    "payments": "customer_id occurred_at known_at payment_id status amount",
    "orders": "customer_id occurred_at known_at order_id amount product is_return",
    "usage": "customer_id occurred_at known_at event quantity user_id",
    "tickets": "customer_id occurred_at known_at ticket_id change priority csat",
    "surveys": "customer_id occurred_at known_at kind score",
    "touches": "customer_id occurred_at known_at direction",
}


class Draw:
    """Draws a company around given as-of moments."""

    def __init__(self, seed: int, as_of: list[datetime]) -> None:
        self.random = random.Random(seed)
        self.as_of = as_of
        self.late = self.random.uniform(0.02, 0.15)

    def moment(self) -> datetime:
        """Any hour or microsecond of a bit more than a year, often just on an edge."""
        kind = self.random.random()
        if kind < 0.25:
            edge = self.random.choice(self.as_of) - timedelta(days=self.random.choice(EDGES))
            return edge - timedelta(microseconds=self.random.choice((0, 0, 1, -1)))
        at = START + self.random.randrange(24 * 430) * HOUR
        if kind < 0.5:
            return at + timedelta(microseconds=self.random.randrange(3_600_000_000))
        return at.replace(hour=0) if kind < 0.7 else at

    def clocks(self, customer: str, at: datetime | None = None) -> Row:
        """The two clocks of a fact; a few are told late, some of those just on an as-of."""
        at = at or self.moment()
        known = at
        if self.random.random() < self.late:
            later = [moment for moment in self.as_of if moment >= at]
            known = at + self.random.randrange(1, 24 * 90) * HOUR
            if later and self.random.random() < 0.3:
                known = self.random.choice(later)
        return {"customer_id": customer, "occurred_at": at, "known_at": known}

    def amount(self, top: int = 300) -> Decimal:
        return Decimal(self.random.randrange(100, top * 100)) / 100

    def maybe(self, value: Any, chance: float = 0.85) -> Any:
        return value if self.random.random() < chance else None


def company(seed: int, as_of: list[datetime], n_customers: int = 6) -> Rows:
    """A company of all tables; the last customer has no facts at all."""
    draw = Draw(seed, as_of)
    names = [f"c{n}" for n in range(n_customers)]
    rows: Rows = {table: [] for table in COLUMNS}
    rows["plans"] = list(_plans(draw))
    for name in names:
        rows["customers"] += _versions(draw, name)
    for name in names[:-1]:
        for table, maker, most in (
            ("usage", _use, 60),
            ("orders", _order, 25),
            ("payments", _payment, 15),
            ("surveys", _survey, 8),
            ("touches", _touch, 12),
        ):
            if draw.random.random() < 0.85:
                rows[table] += [maker(draw, name) for _ in range(draw.random.randrange(most))]
        rows["tickets"] += _tickets(draw, name)
        for number in range(draw.random.choice((0, 1, 1, 2, 3))):
            rows["subscriptions"] += _life(draw, name, f"{name}s{number}")
    for kind in rows.values():
        draw.random.shuffle(kind)
    return rows


def frames_of(rows: Rows) -> dict[str, pd.DataFrame]:
    """The tables for `features.engine.tables_of`; columns of the first row, else all of them."""
    frames = {}
    for table, found in rows.items():
        columns = list(found[0]) if found else COLUMNS[table].split()
        frame = pd.DataFrame(found, columns=columns, dtype=object)
        for column in columns:
            if column.endswith(("_at", "current_period_end")):
                frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
        frames[table] = frame
    return frames


def _plans(draw: Draw) -> list[Row]:
    versions = []
    for number in range(3):
        moments = [None, *(START + timedelta(days=d) for d in (draw.random.randrange(50, 400),))]
        for at in moments[: draw.random.choice((1, 2))]:
            price = {
                "interval": draw.random.choice(("month", "year")),
                "interval_count": 1,
                "unit_amount": draw.maybe(draw.amount()),
            }
            clocks = {"plan_id": f"p{number}", "occurred_at": at, "known_at": at}
            versions.append(clocks | {"tier": draw.random.randrange(5)} | price)
    return versions


def _versions(draw: Draw, name: str) -> list[Row]:
    dated = draw.random.random() < 0.9
    drawn = [draw.moment() for _ in range(draw.random.choice((1, 1, 2, 3)))] if dated else [None]
    moments = list(dict.fromkeys(drawn))  # each once; a set's order would differ between runs
    return [
        (
            draw.clocks(name, at)
            if at
            else {"customer_id": name, "occurred_at": None, "known_at": None}
        )
        | {
            "segment": draw.maybe(draw.random.choice("AB")),
            "owner_id": draw.maybe(draw.random.choice("xyz")),
            "country": draw.maybe(draw.random.choice(("DE", "FR"))),
            "acquisition_channel": draw.maybe("ads", 0.5),
            "objected_at": draw.maybe(draw.moment(), 0.2),
        }
        for at in moments
    ]


def _use(draw: Draw, name: str) -> Row:
    quantity = draw.maybe(Decimal(draw.random.randrange(1, 9_000_000)) / 1_000_000)
    user, event = draw.maybe(draw.random.choice("uvwxyz")), draw.maybe(draw.random.choice("ab"))
    return draw.clocks(name) | {"event": event, "quantity": quantity, "user_id": user}


def _order(draw: Draw, name: str) -> Row:
    back = draw.maybe(draw.random.random() < 0.2, 0.9)
    amount = draw.maybe(draw.amount() * (-1 if back and draw.random.random() < 0.5 else 1), 0.9)
    return draw.clocks(name) | {
        "order_id": f"o{draw.random.randrange(12)}",
        "amount": amount,
        "product": draw.maybe(draw.random.choice("xyz")),
        "is_return": back,
    }


def _payment(draw: Draw, name: str) -> Row:
    status = draw.random.choice(("succeeded", "succeeded", "failed", "refunded"))
    number = f"y{draw.random.random()}"
    amount = draw.maybe(draw.amount())
    return draw.clocks(name) | {"payment_id": number, "status": status, "amount": amount}


def _survey(draw: Draw, name: str) -> Row:
    score = draw.maybe(Decimal(draw.random.randrange(11)), 0.8)
    return draw.clocks(name) | {"kind": "nps", "score": score}


def _touch(draw: Draw, name: str) -> Row:
    return draw.clocks(name) | {"direction": draw.maybe(draw.random.choice(("in", "out")))}


def _tickets(draw: Draw, name: str) -> list[Row]:
    rows = []
    for number in range(draw.random.randrange(5)):
        at = draw.moment()
        for change in ("opened", "resolved", "reopened", "resolved")[: draw.random.randrange(1, 5)]:
            csat = draw.maybe(Decimal(draw.random.randrange(1, 6)), 0.7)
            rows.append(
                draw.clocks(name, at)
                | {"ticket_id": f"{name}t{number}", "change": change}
                | {"priority": draw.maybe(draw.random.choice(("low", "High", "urgent")))}
                | {"csat": csat if change == "resolved" else None}
            )
            at += draw.random.choice((0, 1, 30, 400, 2000)) * HOUR
    return rows


def _life(draw: Draw, name: str, subscription: str) -> list[Row]:
    """Changes of one subscription; an end may be told before it comes."""
    at, rows = draw.moment(), []
    state: Row = _terms(draw) | {"status": draw.random.choice(("trialing", "active"))}
    for _ in range(draw.random.randrange(1, 8)):
        row = draw.clocks(name, at) | {"subscription_id": subscription} | state
        if state["status"] in ("canceled", "expired") and draw.random.random() < 0.5:
            row["known_at"] = at - draw.random.randrange(24 * 60) * HOUR
        rows.append(row)
        at += draw.random.randrange(1, 24 * 80) * HOUR
        change = draw.random.random()
        if change < 0.3:
            state = state | {"quantity": Decimal(draw.random.randrange(1, 20))}
        elif change < 0.45:
            state = state | _terms(draw)
        status = ("active", "active", "past_due", "past_due", "paused", "canceled", "expired")
        reason = draw.maybe("payment_failed", 0.2)
        state = state | {"status": draw.random.choice(status), "end_reason": reason}
    return rows


def _terms(draw: Draw) -> Row:
    """Plan, price and discount; without a price the plan's holds."""
    has_price = draw.random.random() < 0.7
    discounted = draw.random.random() < 0.3
    interval = draw.random.choice(("day", "week", "month", "month", "quarter", "year"))
    return {
        "plan_id": draw.maybe(f"p{draw.random.randrange(4)}"),
        "quantity": draw.maybe(Decimal(draw.random.randrange(1, 20))),
        "interval": interval if has_price else None,
        "interval_count": draw.maybe(draw.random.choice((1, 1, 2, 4)), 0.7) if has_price else None,
        "unit_amount": draw.amount() if has_price else None,
        "discount_amount": draw.maybe(Decimal(2), 0.5) if discounted else None,
        "discount_percent": draw.maybe(Decimal(15), 0.5) if discounted else None,
        "discount_kind": draw.random.choice(("once", "forever", None)) if discounted else None,
        "discount_ends_at": draw.maybe(draw.moment(), 0.5) if discounted else None,
        "current_period_end": draw.maybe(draw.moment()),
        "auto_renew": draw.maybe(draw.random.random() < 0.5, 0.7),
        "cancel_requested_at": draw.maybe(draw.moment(), 0.1),
        "end_reason": None,
    }
