"""Subscriptions, invoices and payments of a block, row by row from its history."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from simulation import accounts as entry
from simulation import arrow, hazards
from simulation.accounts import History
from simulation.kinds import DAY, HOUR, MINUTE, NEVER, Flags, Floats, Ints
from simulation.people import Traits
from simulation.plans import CURRENCIES, PROMO_PERCENT, after_promotion, unit_amount
from simulation.world import World

REASONS = ("too_expensive", "not_using", "poor_support", "missing_features", "competitor",
           "closing", "payment_failed")  # fmt: skip
FAILURES = ("insufficient_funds", "expired_card", "card_declined", "not_received")
STATUSES = ("active", "trialing", "past_due", "canceled", "paused")
EVENING = (
    entry.CHANGED,
    entry.CANCEL_REQUESTED,
    entry.ENDED_NOW,
    entry.ENDED_OWING,
    entry.PAUSED_ON,
)
CHOSEN = (entry.CANCEL_REQUESTED, entry.ENDED_NOW, entry.ENDED_OWING)
ENDS = (entry.ENDED_NOW, entry.ENDED_OWING, entry.ENDED_UNPAID)
UNSEEN = (entry.RETRY_FAILED, entry.TREATED, entry.CONTROL)  # no change of a subscription
LATE_PAYMENTS = 0.01


@dataclass(frozen=True)
class Dated:
    """A history with the moment of each entry and, for ends, why."""

    history: History
    at: Ints  # microseconds since 1970
    reason: Ints  # positions in REASONS; len(REASONS) where nothing ended

    def only(self, *kinds: int) -> "Dated":
        """The entries of some kinds."""
        keep = np.isin(self.history.kind, kinds)
        return Dated(self.history.only(*kinds), self.at[keep], self.reason[keep])


def date(rng: np.random.Generator, history: History, who: Traits) -> Dated:
    """Moments of entries: billing in office hours, decisions in the evening, a move at night."""
    evening = 18 * HOUR + rng.integers(6 * HOUR, size=len(history.day))
    morning = who.bill_time[history.who]
    clock = np.where(np.isin(history.kind, EVENING), evening, morning)
    clock = np.where(history.kind == entry.MIGRATED, 2 * HOUR, clock)
    return Dated(history, history.day * DAY + clock, _reasons(rng, history))


def _reasons(rng: np.random.Generator, history: History) -> Ints:
    """A dearer price speaks first, then friction of support, a quiet customer of no use."""
    draw, other, dear = rng.random((3, len(history.kind)))
    mixed = np.searchsorted(np.array([0.34, 0.44, 0.50, 0.70, 0.88]), other, side="right")
    state = history.after.state
    why = np.where((state // 2 <= 1) & (draw < 0.45), 1, mixed)
    why = np.where((state % 2 == 1) & (draw < 0.6), 2, why)
    after = history.after
    dearer = hazards.lately(history.day, after.repriced_on, after.promo_until) > 1.0
    why = np.where(dearer & (dear < 0.6), 0, why)
    why = np.where(history.kind == entry.ENDED_UNPAID, len(REASONS) - 1, why)
    ended = np.isin(history.kind, (*CHOSEN, entry.ENDED_UNPAID))
    return np.where(ended, why, len(REASONS))


def subscriptions(dated: Dated, who: Traits, world: World) -> dict[str, pa.Array]:
    """One row per change; a scheduled end is a second row, known when it was asked for."""
    rows = dated.only(*(set(range(entry.KINDS)) - set(UNSEEN)))
    asked = np.flatnonzero(rows.history.kind == entry.CANCEL_REQUESTED)
    row = np.concatenate([np.arange(len(rows.at)), asked])
    scheduled = np.arange(len(row)) >= len(rows.at)
    kind, after, customer = rows.history.kind[row], rows.history.after, rows.history.who[row]
    known = rows.at[row]
    at = np.where(scheduled, after.ends_on[row] * DAY + who.bill_time[customer], known)
    ended = scheduled | np.isin(kind, ENDS)
    free = np.isin(kind, (entry.SIGNED_FREE, entry.TRIAL_LAPSED))
    trial = kind == entry.SIGNED_TRIAL
    term_end = np.where(trial, after.trial_end[row], after.period_end[row])
    term_end = np.where(ended, at, np.minimum(term_end, NEVER) * DAY + who.bill_time[customer])
    reason = np.where(ended, rows.reason[row], len(REASONS))
    asked_for = np.isin(kind, CHOSEN)
    status = np.select(
        [trial, kind == entry.FAILED, ended, kind == entry.PAUSED_ON], [1, 2, 3, 4], 0
    )
    plan = np.where(free, 0, after.plan[row])
    return {
        "customer_id": arrow.ids("c", who.number[customer]),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(known),
        "subscription_id": arrow.ids("s", who.number[customer], after.subscription[row]),
        "plan_id": _plan_ids(world, plan, rows.history.day[row]),
        "status": arrow.labels(status, STATUSES),
        "quantity": arrow.decimals(after.seats[row] * arrow.MILLION),
        **_price(rows.history, who, world, row, free),
        "current_period_end": arrow.moments(np.where(free, 0, term_end), ~free),
        "auto_renew": pa.array(~(asked_for | ended | free | trial)),
        "cancel_requested_at": arrow.moments(known, asked_for),
        "end_reason": arrow.labels(reason, (*REASONS, None)),
    }


def _plan_ids(world: World, plan: Ints, day: Ints) -> pa.Array:
    """Ids of plans; the second paid one had another before the migration."""
    model = world.model
    names = [*(plan.plan_id for plan in model.plans), model.legacy]
    return arrow.labels(
        np.where((plan == 2) & (day < world.migration), len(names) - 1, plan), names
    )


def _price(
    history: History, who: Traits, world: World, row: Ints, free: Flags
) -> dict[str, pa.Array]:
    """Term, price and discount of some entries."""
    after, customer = history.after, history.who[row]
    term = np.where(free, 1, after.term[row])
    plan, currency = np.where(free, 0, after.plan[row]), who.currency[customer]
    amount = unit_amount(
        world.model, plan, term, who.price[customer], after.price_list[row], currency
    )
    has = ~free & (after.promo_until[row] != NEVER) & (history.day[row] < after.promo_until[row])
    ends = np.where(has, after.promo_until[row] * DAY + who.bill_time[customer], 0)
    percent = np.full(len(row), PROMO_PERCENT * arrow.MILLION)
    return {
        "interval": arrow.labels((term > 1).astype(np.int64), ("month", "year")),
        "interval_count": pa.array(np.maximum(term // 12, 1)),
        "unit_amount": arrow.decimals(amount),
        "currency": arrow.labels(currency, CURRENCIES),
        "discount_percent": arrow.decimals(percent, has),
        "discount_kind": arrow.labels(1 - has.astype(np.int64), ("repeating", None)),
        "discount_ends_at": arrow.moments(ends, has),
    }


def _bought_more(history: History) -> Flags:
    """Changes that raise the price."""
    after = history.after
    more = (after.plan > after.was_plan) | (after.seats > after.was_seats)
    flags: Flags = (history.kind == entry.CHANGED) & more
    return flags


def _remaining(history: History) -> Floats:
    """Share of the paid period that is left."""
    length = np.where(history.after.term > 1, 365.0 * (history.after.term // 12), 30.0)
    share: Floats = np.clip((history.after.period_end - history.day) / length, 0.0, 1.0)
    return share


def _amounts(history: History, who: Traits, world: World) -> Ints:
    """What each entry charges or pays back, in millionths, whole cents."""
    after, customer = history.after, history.who
    price, currency = who.price[customer], who.currency[customer]

    promoted = (after.promo_until != NEVER) & (history.day < after.promo_until)

    def of(plan: Ints, seats: Ints) -> Ints:
        one = unit_amount(world.model, plan, after.term, price, after.price_list, currency)
        return after_promotion(one * seats, promoted)

    full = of(after.plan, after.seats)
    before = of(after.was_plan, after.was_seats)
    part = np.where(history.kind == entry.CHANGED, full - before, full) * _remaining(history)
    in_part = np.isin(history.kind, (entry.CHANGED, entry.ENDED_NOW))
    cents = np.rint(np.where(in_part, part, full) / 10_000).astype(np.int64)
    millionths: Ints = cents * 10_000
    return millionths


def _charged(dated: Dated, keep: Flags) -> Dated:
    at = np.flatnonzero(keep)
    h = dated.history
    return replace(
        dated,
        history=History(h.kind[at], h.day[at], h.who[at], h.after.take(at)),
        at=dated.at[at],
        reason=dated.reason[at],
    )


def invoices(dated: Dated, who: Traits, world: World) -> dict[str, pa.Array]:
    """One per paid period, and one for the rest of the period when more is bought."""
    billed = np.isin(dated.history.kind, (entry.STARTED, entry.RENEWED, entry.FAILED))
    rows = _charged(dated, billed | _bought_more(dated.history))
    history, number = rows.history, who.number[rows.history.who]
    transfer = who.payer[history.who] == 0
    changed = (history.kind == entry.CHANGED).astype(np.int64)
    return {
        "customer_id": arrow.ids("c", number),
        "occurred_at": arrow.moments(rows.at),
        "known_at": arrow.moments(rows.at),
        "invoice_id": arrow.ids("i", number, history.after.invoice),
        "subscription_id": arrow.ids("s", number, history.after.subscription),
        "amount": arrow.decimals(_amounts(history, who, world)),
        "currency": arrow.labels(who.currency[history.who], CURRENCIES),
        "due_at": arrow.moments(rows.at + np.where(transfer, 14, 0) * DAY),
        "kind": arrow.labels(changed, ("subscription", "proration")),
    }


def payments(
    rng: np.random.Generator, dated: Dated, who: Traits, world: World
) -> dict[str, pa.Array]:
    """Attempts to pay, retries, and refunds of yearly terms that end at once."""
    kinds = (entry.STARTED, entry.RENEWED, entry.FAILED, entry.RETRY_FAILED, entry.RECOVERED)
    refund = (dated.history.kind == entry.ENDED_NOW) & (dated.history.after.term > 1)
    paid = np.isin(dated.history.kind, kinds) | _bought_more(dated.history) | refund
    rows = _charged(dated, paid)
    history, number = rows.history, who.number[rows.history.who]
    failed = np.isin(history.kind, (entry.FAILED, entry.RETRY_FAILED))
    refunded = history.kind == entry.ENDED_NOW
    n = len(rows.at)
    new = np.r_[True, history.who[1:] != history.who[:-1]]
    ordinal = np.arange(n) - np.maximum.accumulate(np.where(new, np.arange(n), 0)) + 1
    code = np.where(who.payer[history.who] == 0, 3, rng.integers(3, size=n))
    at = rows.at + 5 * MINUTE
    late = (rng.random(n) < LATE_PAYMENTS) * rng.integers(HOUR, 3 * DAY, size=n)
    return {
        "customer_id": arrow.ids("c", number),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at + late),
        "payment_id": arrow.ids("p", number, ordinal),
        "invoice_id": arrow.ids("i", number, history.after.invoice),
        "status": arrow.labels(
            np.where(failed, 1, np.where(refunded, 2, 0)), ("succeeded", "failed", "refunded")
        ),
        "amount": arrow.decimals(_amounts(history, who, world)),
        "currency": arrow.labels(who.currency[history.who], CURRENCIES),
        "failure_code": arrow.labels(np.where(failed, code, 4), (*FAILURES, None)),
    }
