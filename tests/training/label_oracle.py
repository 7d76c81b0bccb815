"""Labels and eligibility again, one customer at a time, row by row in plain Python."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from oracle_money import Item, priced
from oracle_view import DAY, OLD, Row, Rows, View, known_at

from features.project import Target

TICK = timedelta(microseconds=1)
SWITCH = timedelta(hours=24)
NEVER = datetime(9999, 1, 1)


@dataclass
class Step:
    """MRR from a moment on, what of it the customer chose, and why it changed."""

    at: datetime
    mrr: int
    own: int
    cause: str


@dataclass
class Run:
    """Coverage from a moment to another, and why it ended."""

    start: datetime
    end: datetime | None = None
    cause: str = ""


def known(company: Rows, table: str, customer: str, before: datetime) -> list[Row]:
    """Rows of a customer known before a moment, in time order."""
    rows = [r for r in company.get(table, []) if r["customer_id"] == customer]
    found = [row for row in rows if known_at(row) < before]
    return sorted(found, key=lambda row: (row["occurred_at"], known_at(row)))


def items_of(company: Rows, customer: str, before: datetime) -> list[Item]:
    """The customer's subscriptions, each with the rows known before a moment, priced."""
    plans = company.get("plans", [])
    effective = [p | {"occurred_at": max(p["occurred_at"] or OLD, known_at(p))} for p in plans]
    entities: dict[str, list[Row]] = {}
    for row in known(company, "subscriptions", customer, before):
        entities.setdefault(row["subscription_id"], []).append(priced(row, effective))
    return [Item(rows) for rows in entities.values()]


def cause_of(item: Item, moment: datetime) -> str:
    """Why what one subscription earned fell to nothing."""
    row = item.at(moment)
    if row is None or row["status"] == "paused":
        return "pause"
    unpaid = item.is_out(row, moment) or row.get("end_reason") == "payment_failed"
    return "involuntary" if unpaid else "end"


def steps_of(items: list[Item]) -> list[Step]:
    """MRR at every moment where it changes."""
    steps: list[Step] = []
    mrr = own = 0
    for moment in sorted({moment for item in items for moment in item.moments()}):
        change = [item.amount(moment) - item.amount(moment - TICK) for item in items]
        mine = sum(item.own_change(moment) for item in items)
        if not sum(change) and not mine:
            continue
        mrr, own = mrr + sum(change), own + mine
        greatest = max(range(len(items)), key=lambda place: abs(change[place]))
        steps.append(Step(moment, mrr, own, cause_of(items[greatest], moment)))
    return steps


def held(steps: Iterable[Step], before: datetime) -> Step | None:
    """The step that holds just before a moment."""
    return max((s for s in steps if s.at < before), key=lambda s: s.at, default=None)


def runs_of(steps: list[Step], target: Target) -> list[Run]:
    """Unbroken coverage: a gap that closes strictly before its wait is over is none."""
    runs: list[Run] = []
    for step in steps:
        last = runs[-1] if runs else None
        if step.mrr <= 0:
            if last is not None and last.end is None:
                last.end, last.cause = step.at, step.cause
        elif last is not None and last.end is not None and step.at < last.end + wait(last, target):
            last.end = None
        elif last is None or last.end is not None:
            runs.append(Run(step.at))
    return runs


def churned(steps: list[Step], as_of: datetime, target: Target) -> str | None:
    """The cause if coverage ends in the window and stays away; "" if not, None if it had ended."""
    begun = [run for run in runs_of(steps, target) if run.start < as_of]
    if not begun or (begun[-1].end or NEVER) < as_of:
        return None
    ends = begun[-1].end or NEVER
    return begun[-1].cause if ends < as_of + target.horizon_days * DAY else ""


def wait(run: Run, target: Target) -> timedelta:
    """How long coverage may be away; after a pause as long as pauses may last, if that is more."""
    grace, pause = target.grace_days * DAY, (target.pause_days or 0) * DAY
    return max(grace, pause) if run.cause == "pause" else grace


def label(company: Rows, customer: str, as_of: datetime, target: Target, before: datetime) -> Any:  # noqa: PLR0911
    """1, 0 or None of a row, whoever is eligible."""
    end = as_of + target.horizon_days * DAY
    if target.kind in ("silence", "inactivity"):
        table = "orders" if target.kind == "silence" else "usage"
        rows = [r for r in known(company, table, customer, before) if not r.get("is_return")]
        return int(not any(as_of <= row["occurred_at"] < end for row in rows))
    items = items_of(company, customer, before)
    steps = steps_of(items)
    if target.kind == "churn":
        cause = churned(steps, as_of, target)
        return None if cause is None else int(cause != "")
    if target.kind == "conversion":
        first = min((step.at for step in steps if step.mrr > 0), default=NEVER)
        return None if first < as_of else int(first < end)
    base = held(steps, as_of)
    if base is None or base.mrr <= 0:
        return None
    window = [step for step in steps if as_of <= step.at < end]
    if target.kind == "upsell":
        rises = [min(step.mrr - base.mrr, step.own - base.own) for step in window]
        return int(any(rise > 0 and rise >= target.min_increase * base.mrr for rise in rises))
    if target.kind == "contraction":
        falls = any(0 < step.mrr < base.mrr for step in window)
        return int(falls and not any(ends_for_good(s, window) for s in window))
    return bought(company, customer, as_of, target, before, steps, items)


def ends_for_good(step: Step, window: list[Step]) -> bool:
    """Whether MRR is gone, and not only between a cancellation and the next subscription."""
    later = [other.at for other in window if other.at > step.at]
    return step.mrr <= 0 and not (later and min(later) - step.at <= SWITCH)


def bought(
    company: Rows,
    customer: str,
    as_of: datetime,
    target: Target,
    before: datetime,
    steps: list[Step],
    items: list[Item],
) -> int | None:
    """Whether the product is bought in the window, for the first time."""
    if target.product_in == "subscriptions":
        at = paid_for(items, target.product)
        paid = at
    else:
        rows = known(company, str(target.product_in), customer, before)
        at = [row["occurred_at"] for row in rows if is_sale(row, target)]
        needs = target.product_in == "usage"
        paid = [m for m in at if not needs or covered_at(steps, m)]
    if any(moment < as_of for moment in at):
        return None
    end = as_of + target.horizon_days * DAY
    return int(any(as_of <= moment < end for moment in paid))


def covered_at(steps: list[Step], moment: datetime) -> bool:
    step = held(steps, moment + TICK)
    return step is not None and step.mrr > 0


def paid_for(items: list[Item], plan: str | None) -> list[datetime]:
    """Moments at which a subscription to the plan earns."""
    return [
        moment
        for item in items
        for moment in item.moments()
        if (item.at(moment) or {}).get("plan_id") == plan and item.amount(moment) > 0
    ]


def is_sale(row: Row, target: Target) -> bool:
    """Whether a row is the product, neither given back nor given away."""
    if target.product_in == "usage":
        return bool(row["event"] == target.product)
    is_paid = row["amount"] is None or row["amount"] > 0
    return bool(row["product"] == target.product and not row["is_return"] and is_paid)


def reason(  # noqa: PLR0911 - as many as the rules
    company: Rows, customer: str, as_of: datetime, target: Target
) -> str | None:
    """Why a customer cannot train at a moment, by what was known then."""
    view = View(company, customer, as_of)
    money, covered = view.money, view.money.mrr > 0
    if (view.profile.get("objected_at") or as_of) < as_of:
        return "objection_recorded"
    table = {"silence": "orders", "inactivity": "usage"}.get(target.kind)
    if table is not None:
        seen = [r["occurred_at"] for r in view.rows(table) if not r.get("is_return")]
        if not seen:
            return "not_eligible"
        if max(seen) < as_of - target.active_days * DAY:
            return "already_churned"
        return too_new(view, target)
    if money.changes and not covered and not money.is_paused:
        return "already_churned"
    if target.kind == "churn" and money.end_announced:
        return "cancellation_scheduled"
    if not is_meant(view, target, covered=covered):
        return "not_eligible"
    if target.kind != "conversion" and not covered:
        return "trial_only" if money.is_trial else "not_eligible"
    return too_new(view, target)


def is_meant(view: View, target: Target, *, covered: bool) -> bool:
    """Whether the customer is one of those that a conversion or a cross-sell is for."""
    if target.kind == "cross_sell":
        before = view.as_of
        if target.product_in == "subscriptions":
            at = paid_for(items_of(view.company, view.customer_id, before), target.product)
        else:
            rows = known(view.company, str(target.product_in), view.customer_id, before)
            at = [row["occurred_at"] for row in rows if is_sale(row, target)]
        return not any(moment < before for moment in at)
    if target.kind != "conversion":
        return True
    if view.money.changes or covered:
        return False
    orders = [row for row in view.rows("orders") if not row["is_return"]]
    is_buyer = bool(orders) and not view.rows("subscriptions")
    kind = "trial" if view.money.is_trial else "one_time_buyer" if is_buyer else "free"
    return target.audience in (None, kind)


def too_new(view: View, target: Target) -> str | None:
    seen = [row["occurred_at"] for row in view.rows("customers")]
    if seen and None not in seen and view.as_of - min(seen) < target.min_age_days * DAY:
        return "too_new"
    if not seen or None in seen:
        facts = [r["occurred_at"] for r in view.rows("usage")]
        facts += [r["occurred_at"] for r in view.rows("orders") if not r["is_return"]]
        facts += [view.money.first_paid_at] if view.money.first_paid_at else []
        if facts and view.as_of - min(facts) < target.min_age_days * DAY:
            return "too_new"
    return None
