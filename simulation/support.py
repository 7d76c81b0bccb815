"""Tickets, surveys and touches of a block: what customers say, and what is said to them."""

import numpy as np
import pyarrow as pa

from simulation import accounts as entry
from simulation import arrow
from simulation.accounts import History
from simulation.billing import REASONS, Dated
from simulation.kinds import ABSENT, DAY, HOUR, LEFT, MINUTE, PAID, Flags, Floats, Ints
from simulation.life import Paths
from simulation.people import PROPENSITY, Traits
from simulation.world import World

PRIORITIES = ("low", "normal", "high", "urgent")
CHANGES = ("opened", "resolved", "reopened")
ROUTINE = 0.006  # small questions a day with one seat
REOPENED = 0.08
ANSWERS_CSAT = 0.45
NPS_EVERY = 91
EXIT_ANSWERS = 0.6
LATE = 0.02
TOUCH_RATE = np.array([0.004, 0.012, 0.030])  # by segment, per day
CAMPAIGNS = ("webinar", "newsletter", "release_notes", None)


def _office(rng: np.random.Generator, n: int) -> Ints:
    """A time of day in office hours."""
    clock: Ints = 9 * HOUR + rng.integers(8 * HOUR, size=n)
    return clock


def _present(paths: Paths) -> Flags:
    flags: Flags = (paths.mode != ABSENT) & (paths.mode != LEFT)
    return flags


def _cases(
    rng: np.random.Generator, paths: Paths, start: int
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Serious cases (friction) and routine ones: customer, day, opened, resolved, priority."""
    open_ = (paths.state % 2 == 1) & _present(paths)
    padded = np.zeros((open_.shape[0] + 2, open_.shape[1]), dtype=np.int8)
    padded[1:-1] = open_
    turn = np.diff(padded, axis=0)
    who, first = np.nonzero(turn.T == 1)
    last = np.nonzero(turn.T == -1)[1]
    n = len(who)
    serious_to = (start + last) * DAY + _office(rng, n)
    serious_to = np.where(last == open_.shape[0], 1 << 62, serious_to)  # still open at the end
    rate = ROUTINE * _present(paths) * np.sqrt(np.maximum(paths.seats, 1))
    day, customer = np.nonzero(rng.random(rate.shape) < rate)
    m = len(day)
    asked = (start + day) * DAY + _office(rng, m)
    solved = asked + (2 * HOUR + rng.exponential(1.6 * DAY, m)).astype(np.int64)
    return (
        np.concatenate([who, customer]),
        np.concatenate([first, day]),
        np.concatenate([(start + first) * DAY + _office(rng, n), asked]),
        np.concatenate([serious_to, solved]),
        np.concatenate([2 + (rng.random(n) < 0.3), (rng.random(m) < 0.6).astype(np.int64)]),
    )


def tickets(
    rng: np.random.Generator, paths: Paths, who: Traits, world: World
) -> dict[str, pa.Array]:
    """Openings, resolutions and reopenings that happen before the end.

    Those of the second help desk from before the import are known in bulk on the day of it.
    """
    start, end = world.start, world.end
    customer, day, opened, resolved, priority = _cases(rng, paths, start)
    order = np.lexsort((opened, customer))
    customer, day, opened, resolved, priority = (
        a[order] for a in (customer, day, opened, resolved, priority)
    )
    resolved = np.maximum(resolved, opened + HOUR)
    n = len(order)
    new = np.r_[True, customer[1:] != customer[:-1]]
    ordinal = np.arange(n) - np.maximum.accumulate(np.where(new, np.arange(n), 0)) + 1
    again = np.flatnonzero((rng.random(n) < REOPENED) & (resolved < end * DAY))
    back = resolved[again] + rng.integers(HOUR, 4 * DAY, size=len(again))
    closed = back + rng.integers(HOUR, 4 * DAY, size=len(again))
    case = np.concatenate([np.arange(n), np.arange(n), again, again])
    change = np.repeat([0, 1, 2, 1], [n, n, len(again), len(again)])
    at = np.concatenate([opened, resolved, back, closed])
    level = paths.state[day, customer] // 2
    mood = np.clip(np.rint(2.4 + 0.45 * level + rng.normal(0.0, 0.9, n)), 1, 5).astype(np.int64)
    mood = np.maximum(mood - (priority >= 2), 1)
    answers = (change == 1) & (rng.random(len(case)) < ANSWERS_CSAT)
    keep = at < end * DAY
    case, change, at, answers = case[keep], change[keep], at[keep], answers[keep]
    number = who.number[customer[case]]
    imported = world.import_day * DAY + 2 * HOUR
    known = np.where(who.second_desk[customer[case]], np.maximum(at, imported), at)
    return {
        "customer_id": arrow.ids("c", number),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(known),
        "ticket_id": arrow.ids("t", number, ordinal[case]),
        "change": arrow.labels(change, CHANGES),
        "priority": arrow.labels(priority[case], PRIORITIES),
        "csat": arrow.decimals(mood[case] * arrow.MILLION, answers),
    }


def surveys(
    rng: np.random.Generator, paths: Paths, who: Traits, dated: Dated, start: int
) -> dict[str, pa.Array]:
    """A quarterly NPS question, and why they left of some who did."""
    days, n = paths.mode.shape
    asked = (np.arange(days)[:, None] + rng.integers(NPS_EVERY, size=n)) % NPS_EVERY == 0
    level = paths.state // 2
    answers = asked & (paths.mode == PAID) & (rng.random((days, n)) < 0.12 + 0.06 * level)
    day, customer = np.nonzero(answers)
    score: Floats = 2.4 + 1.7 * level[day, customer] + rng.normal(0.0, 1.6, len(day))
    score -= 2.0 * (paths.state[day, customer] % 2)
    said = dated.only(entry.CANCEL_REQUESTED, entry.ENDED_NOW, entry.ENDED_OWING)
    told = np.flatnonzero(rng.random(len(said.at)) < EXIT_ANSWERS)
    at = np.concatenate([(start + day) * DAY + _office(rng, len(day)), said.at[told] + MINUTE])
    is_nps = np.arange(len(at)) < len(day)
    points = np.concatenate([np.clip(np.rint(score), 0, 10), np.zeros(len(told))])
    reason = np.concatenate([np.full(len(day), len(REASONS)), said.reason[told]])
    late = (rng.random(len(at)) < LATE) * is_nps * rng.integers(DAY, 4 * DAY, size=len(at))
    return {
        "customer_id": arrow.ids("c", who.number[np.r_[customer, said.history.who[told]]]),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at + late),
        "kind": arrow.labels(1 - is_nps.astype(np.int64), ("nps", "exit")),
        "score": arrow.decimals(points.astype(np.int64) * arrow.MILLION, is_nps),
        "reason": arrow.labels(reason, (*REASONS, None)),
    }


def touches(rng: np.random.Generator, paths: Paths, who: Traits, start: int) -> dict[str, pa.Array]:
    """Contacts by the owner, more with the large; they change nothing."""
    rate = TOUCH_RATE[who.segment] * _present(paths)
    day, customer = np.nonzero(rng.random(rate.shape) < rate)
    n = len(day)
    inbound = rng.random(n) < 0.25
    campaign = ~inbound & (rng.random(n) < 0.35)
    at = (start + day) * DAY + _office(rng, n)
    late = (rng.random(n) < LATE) * rng.integers(DAY, 3 * DAY, size=n)
    return {
        "customer_id": arrow.ids("c", who.number[customer]),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at + late),
        "channel": arrow.labels(
            np.where(campaign, 0, rng.integers(3, size=n)), ("email", "call", "meeting")
        ),
        "direction": arrow.labels(inbound.astype(np.int64), ("out", "in")),
        "kind": arrow.labels(campaign.astype(np.int64), ("check_in", "campaign")),
        "campaign": arrow.labels(np.where(campaign, rng.integers(3, size=n), 3), CAMPAIGNS),
    }


def treatments(treated: History, who: Traits) -> dict[str, pa.Array]:
    """Assignments of the experiments, with the chance of being treated."""
    customer = treated.who
    days = treated.day.astype("datetime64[D]").astype("datetime64[M]").astype(str)
    is_control = treated.kind == entry.CONTROL
    at = arrow.moments(treated.day * DAY + 12 * HOUR)
    chance = np.rint(PROPENSITY[who.segment[customer]] * arrow.MILLION).astype(np.int64)
    names = [f"care_{day.replace('-', '_')}" for day in days.tolist()]
    return {
        "customer_id": arrow.ids("c", who.number[customer]),
        "occurred_at": at,
        "known_at": at,
        "experiment": pa.array(names, pa.string()),
        "arm": arrow.labels(is_control.astype(np.int64), ("personal_call", "control")),
        "propensity": arrow.decimals(chance),
        "is_control": pa.array(is_control),
    }
