"""Every feature of the catalogue again, row by row in plain Python, from its declared meaning."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from oracle_view import (
    DAY,
    ORACLE,
    Number,
    Oracle,
    Row,
    Rows,
    View,
    bought,
    count_if,
    days,
    distinct,
    feature,
    first,
    known_at,
    last,
    mean,
    or_zero,
    order_names,
    ratio,
    returned,
    top_share,
    total,
    windows,
)

__all__ = ["DAY", "ORACLE", "Row", "Rows", "View", "bought", "days", "known_at", "last"]


def _usage() -> None:
    def use(v: View, start: int = 0, end: int = 0) -> list[Row]:
        return v.rows("usage", start, end)

    windows("usage_events", "usage", (7, 28, 90, 180), len)
    windows("usage_quantity", "usage", (7, 28, 90, 180), lambda r: total(r, "quantity"))
    windows("active_days", "usage", (7, 28, 90, 180), lambda r: len(days(r)))
    windows("active_users", "usage", (28, 90), lambda r: distinct(r, "user_id"))
    windows("event_kinds", "usage", (28, 90), lambda r: distinct(r, "event"))
    windows("usage_top_kind_share", "usage", (28, 90), top_share)
    since_first = ORACLE["days_since_first_use"] = lambda v: v.days_since(first(use(v)))
    since_last = ORACLE["days_since_last_use"] = lambda v: v.days_since(last(use(v)))
    measures: dict[str, Callable[[list[Row]], Number]] = {
        "active_days": lambda r: len(days(r)),
        "usage_events": len,
        "active_users": lambda r: distinct(r, "user_id"),
    }
    for name, value in measures.items():
        prev = ORACLE[f"{name}_prev_28d"] = lambda v, value=value: value(use(v, 28, 56))
        ORACLE[f"{name}_trend_28d"] = lambda v, value=value, prev=prev: ratio(
            value(use(v, 0, 28)), prev(v)
        )

    def pace(short: int, long: int, value: Callable[[list[Row]], Number]) -> Oracle:
        return lambda v: ratio(
            ratio(value(use(v, 0, short)), short), ratio(value(use(v, 0, long)), long)
        )

    ORACLE["usage_pace_7d_28d"] = pace(7, 28, len)
    ORACLE["usage_pace_28d_90d"] = pace(28, 90, len)
    ORACLE["quantity_pace_28d_90d"] = pace(28, 90, lambda r: total(r, "quantity"))
    ORACLE["active_days_share_28d"] = lambda v: len(days(use(v, 0, 28))) / 28
    ORACLE["usage_per_active_day_28d"] = lambda v: ratio(
        len(use(v, 0, 28)), len(days(use(v, 0, 28)))
    )
    ORACLE["seats_used_share_28d"] = lambda v: ratio(
        distinct(use(v, 0, 28), "user_id"), v.money.seats
    )
    ORACLE["quantity_per_seat_28d"] = lambda v: ratio(
        total(use(v, 0, 28), "quantity"), v.money.seats
    )

    @feature("active_days_share_180d")
    def share(v: View) -> float | None:
        span = since_first(v)
        return None if span is None else len(days(use(v, 0, 180))) / min(max(span, 1), 180)

    @feature("usage_silence_ratio_90d")
    def silence(v: View) -> float | None:
        found = sorted(days(use(v, 0, 90)))
        gaps = [(later - earlier).days for earlier, later in pairwise(found)]
        return ratio(since_last(v), sum(gaps) / len(gaps)) if gaps else None


def _purchases() -> None:
    def order(v: View, start: int = 0, end: int = 0) -> list[Row]:
        return bought(v.rows("orders", start, end))

    windows("orders_placed", "orders", (28, 90, 180, 0), order_names)
    windows("order_days", "orders", (28, 90, 180, 0), lambda r: len(days(bought(r))))
    windows("order_amount", "orders", (28, 90, 180, 365, 0), lambda r: total(bought(r), "amount"))
    windows("order_lines", "orders", (90, 180), lambda r: len(bought(r)))
    windows("products_ordered", "orders", (90, 180), lambda r: distinct(bought(r), "product"))

    def sent_back(v: View) -> Decimal:
        return sum(
            (abs(or_zero(r["amount"])) for r in returned(v.rows("orders", 0, 180))), Decimal(0)
        )

    ORACLE["return_amount_180d"] = sent_back
    ORACLE["return_share_180d"] = lambda v: ratio(sent_back(v), total(order(v, 0, 180), "amount"))
    since_last = ORACLE["days_since_last_order"] = lambda v: v.days_since(last(order(v)))
    since_first = ORACLE["days_since_first_order"] = lambda v: v.days_since(first(order(v)))

    @feature("order_gap_mean")
    def gap(v: View) -> float | None:
        dates = days(order(v))
        return (since_first(v) - since_last(v)) / (len(dates) - 1) if len(dates) > 1 else None

    ORACLE["order_silence_ratio"] = lambda v: ratio(since_last(v), gap(v))
    ORACLE["order_recency_share"] = lambda v: ratio(since_last(v), since_first(v))
    ORACLE["order_value_mean"] = lambda v: ratio(total(order(v), "amount"), order_names(order(v)))
    ORACLE["orders_placed_prev_90d"] = lambda v: order_names(order(v, 90, 180))
    ORACLE["orders_trend_90d"] = lambda v: ratio(
        order_names(order(v, 0, 90)), order_names(order(v, 90, 180))
    )

    @feature("order_rate")
    def rate(v: View) -> float | None:
        since = since_first(v)
        return None if since is None else 30 * len(days(order(v))) / max(since, 30)


def _billing() -> None:
    def of(v: View, status: str, span: int = 0) -> list[Row]:
        return [row for row in v.rows("payments", 0, span) if row["status"] == status]

    windows("failed_payments", "payments", (28, 90, 180, 0), count_if("status", "failed"))
    windows("succeeded_payments", "payments", (90, 180, 0), count_if("status", "succeeded"))
    windows("refunds", "payments", (180,), count_if("status", "refunded"))
    for span in (90, 180):
        ORACLE[f"paid_amount_{span}d"] = lambda v, span=span: total(
            of(v, "succeeded", span), "amount"
        )
    ORACLE["days_since_failed_payment"] = lambda v: v.days_since(last(of(v, "failed")))
    ORACLE["days_since_last_payment"] = lambda v: v.days_since(last(of(v, "succeeded")))
    for span in (180, 0):
        ORACLE[f"failed_payment_share_{f'{span}d' if span else 'ever'}"] = lambda v, span=span: (
            ratio(
                len(of(v, "failed", span)),
                len(of(v, "failed", span)) + len(of(v, "succeeded", span)),
            )
        )
    ORACLE["mrr"] = lambda v: v.money.mrr
    ORACLE["mrr_per_seat"] = lambda v: ratio(v.money.mrr, v.money.seats)
    ORACLE["mrr_per_active_day_28d"] = lambda v: ratio(
        v.money.mrr, len(days(v.rows("usage", 0, 28)))
    )
    ORACLE["days_past_due"] = lambda v: v.money.days_past_due
    ORACLE["days_since_price_rise"] = lambda v: v.days_since(v.money.rose_at)
    ORACLE["price_rise_share"] = lambda v: v.money.rose_by


def _lifecycle() -> None:
    @feature("age_days")
    def age(v: View) -> float | None:
        seen = [row["occurred_at"] for row in v.rows("customers")]
        if seen and None not in seen:
            return v.days_since(min(seen))
        facts = [first(v.rows("usage")), first(bought(v.rows("orders"))), v.money.first_paid_at]
        return v.days_since(min((f for f in facts if f is not None), default=None))

    ORACLE["tenure_days"] = lambda v: v.days_since(v.money.first_paid_at)
    ORACLE["coverage_days"] = lambda v: v.days_since(v.money.covered_since)
    ORACLE["days_since_mrr_change"] = lambda v: v.days_since(v.money.last_change_at)
    ORACLE["earlier_churns"] = lambda v: v.money.churns
    ORACLE["subscription_changes"] = lambda v: v.money.changes
    ORACLE["upgrades_180d"] = lambda v: v.money.upgrades
    ORACLE["downgrades_180d"] = lambda v: v.money.downgrades
    ORACLE["plan"] = lambda v: v.money.largest.get("plan_id")
    ORACLE["plan_tier"] = lambda v: v.money.tier
    ORACLE["interval_months"] = lambda v: v.money.interval_months
    ORACLE["seats"] = lambda v: v.money.seats
    ORACLE["auto_renew"] = lambda v: v.money.largest.get("auto_renew")
    ORACLE["days_to_renewal"] = lambda v: (
        None if v.money.renewal_at is None else (v.money.renewal_at - v.as_of) / DAY
    )


def _support() -> None:
    def open_since(v: View) -> list[datetime]:
        """When each open ticket was (re)opened; ties of the clock go to the greatest change."""
        newest: dict[str, Row] = {}
        tie = lambda row: (row["occurred_at"], known_at(row), row["change"])  # noqa: E731
        for row in sorted(v.rows("tickets"), key=tie):
            newest[row["ticket_id"]] = row
        return [r["occurred_at"] for r in newest.values() if r["change"] != "resolved"]

    def opened(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row["change"] == "opened"]

    windows("tickets_opened", "tickets", (28, 90, 180), count_if("change", "opened"))
    windows("tickets_reopened", "tickets", (90,), count_if("change", "reopened"))
    windows(
        "urgent_tickets",
        "tickets",
        (90,),
        lambda r: sum(str(row["priority"]).lower() in ("urgent", "high") for row in opened(r)),
    )
    ORACLE["days_since_last_ticket"] = lambda v: v.days_since(last(opened(v.rows("tickets"))))
    ORACLE["csat_mean_180d"] = lambda v: mean([r["csat"] for r in v.rows("tickets", 0, 180)])
    ORACLE["open_tickets"] = lambda v: len(open_since(v))
    ORACLE["oldest_open_ticket_days"] = lambda v: v.days_since(min(open_since(v), default=None))


def _voices() -> None:
    def scores(v: View) -> list[Decimal]:
        rows = [row for row in v.rows("surveys") if row["score"] is not None]
        rows.sort(key=lambda row: (row["occurred_at"], known_at(row), row["score"]))
        return [row["score"] for row in rows]

    windows("survey_answers", "surveys", (90, 180), len)
    windows("touches_out", "touches", (28, 90), count_if("direction", "out"))
    windows("touches_in", "touches", (28, 90), count_if("direction", "in"))
    ORACLE["days_since_last_survey"] = lambda v: v.days_since(last(v.rows("surveys")))
    ORACLE["days_since_last_touch"] = lambda v: v.days_since(last(v.rows("touches")))
    ORACLE["survey_score_last"] = lambda v: (scores(v) or [None])[-1]
    ORACLE["survey_score_change"] = lambda v: (
        scores(v)[-1] - scores(v)[-2] if len(scores(v)) > 1 else None
    )
    ORACLE["survey_score_mean"] = lambda v: mean(scores(v))
    for column in ("segment", "country", "acquisition_channel"):
        ORACLE[column] = lambda v, column=column: v.profile.get(column)


for _family in (_usage, _purchases, _billing, _lifecycle, _support, _voices):
    _family()
