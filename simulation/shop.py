"""Goods bought again and again: orders and returned goods, and the truth about silence."""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulation import accounts as entry
from simulation import arrow, hazards, hidden, reasons
from simulation.accounts import Accounts, History, Log
from simulation.kinds import ABSENT, DAY, HOUR, NEVER, PAID, Floats, Ints
from simulation.life import Lives, Paths
from simulation.paying import HORIZON_DAYS, MOVES, point
from simulation.people import PROPENSITY, Traits
from simulation.plans import CURRENCIES, LISTED
from simulation.truth import table_of
from simulation.world import PRICE_RISE, World

PRODUCTS = ("coffee", "tea", "filters", "mugs", "grinder", "chocolate", "gift_box", "syrup")
CENTS = np.array([1_290, 890, 450, 1_500, 8_900, 690, 3_900, 790])
WANTED = np.array([0.34, 0.16, 0.14, 0.07, 0.03, 0.14, 0.05, 0.07])
BY_LEVEL = np.array([0.0012, 0.0060, 0.0180, 0.0320, 0.0500])  # orders a day
FRICTION_ORDERS = 0.6
BY_STATE = np.repeat(BY_LEVEL, 2) * np.tile([1.0, FRICTION_ORDERS], len(BY_LEVEL))
RETURNED = 0.06  # share of lines that come back
LATE = 0.01


def live_shopping(
    rng: np.random.Generator, who: Traits, world: World, as_of: Container[int]
) -> Lives:
    """Pass the days of a block of shoppers: the hidden state and the experiments."""
    n, days = len(who), world.end - world.start
    paths, log, now = Paths.empty(days, n), Log(), Accounts.empty(n)
    moves = hidden.cumulative(hidden.transitions())
    settled = hidden.cumulative(hidden.stationary(hidden.transitions()))
    newcomer = hidden.cumulative(hidden.NEWCOMER)
    now.signup, now.seats, now.plan = who.signup.copy(), np.ones(n, int), np.ones(n, int)
    now.state = hidden.draw(settled, rng.random(n))
    now.mode = np.where(who.signup < world.start, PAID, ABSENT)
    standing: dict[int, Accounts] = {}
    for day in range(world.start, world.end + 1):
        if day in as_of:
            standing[day] = now.take(np.arange(n))
        if day == world.end:
            break
        first, arm, move = rng.random((3, n))
        new = np.flatnonzero(who.signup == day)
        now.state[new] = 2 * hidden.draw(newcomer, first[new])
        if day in world.waves:
            here = np.flatnonzero(now.mode == PAID)
            treated = arm[here] < PROPENSITY[who.segment[here]]
            now.treated_on[here] = np.where(treated, day, NEVER)
            log.add(entry.TREATED, day, here[treated], now)
            log.add(entry.CONTROL, day, here[~treated], now)
        now.mode[new] = PAID
        paths.note(day - world.start, now)
        paths.treated[day - world.start] = hazards.treated(day, now.treated_on, who.response) != 1.0
        now.state = hidden.draw(moves[now.state], move)
    return Lives(History.of(log), paths, standing)


def _rate(who: Traits, day: Ints | int, treated_on: Ints, world: World) -> Floats:
    """The factor on `BY_STATE`: who leaves less for a treatment buys more."""
    factor: Floats = who.intensity * who.appetite * world.season(day)
    return factor / hazards.treated(day, treated_on, who.response)


@dataclass(frozen=True)
class _Lines:
    """Lines of orders, arrays of shape (n,)."""

    customer: Ints
    order: Ints  # counted per customer, from 1
    at: Ints
    product: Ints
    quantity: Ints


def orders(
    rng: np.random.Generator, paths: Paths, who: Traits, world: World
) -> dict[str, pa.Array]:
    """Lines of orders, and of goods that came back 4 to 24 days later."""
    lines = _lines(rng, paths, who, world)
    back = np.flatnonzero(rng.random(len(lines.at)) < RETURNED)
    row = np.concatenate([np.arange(len(lines.at)), back])
    is_return = np.arange(len(row)) >= len(lines.at)
    wait = rng.integers(4 * DAY, 24 * DAY, size=len(row))
    at = lines.at[row] + np.where(is_return, wait, 0)
    late = (rng.random(len(row)) < LATE) * rng.integers(DAY, 5 * DAY, size=len(row))
    customer, product = lines.customer[row], lines.product[row]
    quantity, currency = lines.quantity[row], who.currency[customer]
    dearer = np.where(lines.at[row] >= world.price_rise * DAY, PRICE_RISE, 1.0)
    price = np.rint(CENTS[product] * LISTED[currency] * dearer).astype(np.int64)
    keep = np.flatnonzero(at < world.end * DAY)
    keep = keep[np.lexsort((is_return[keep], product[keep], at[keep], customer[keep]))]
    columns = {
        "customer_id": arrow.ids("c", who.number[customer]),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at + late),
        "order_id": arrow.ids("o", who.number[customer], lines.order[row]),
        "amount": arrow.decimals(price * quantity * 10_000),
        "currency": arrow.labels(currency, CURRENCIES),
        "quantity": arrow.decimals(quantity * arrow.MILLION),
        "product": arrow.labels(product, PRODUCTS),
        "is_return": pa.array(is_return),
    }
    return {name: column.take(pa.array(keep)) for name, column in columns.items()}


def _lines(rng: np.random.Generator, paths: Paths, who: Traits, world: World) -> _Lines:
    """One to four different products for each order drawn."""
    days = np.arange(world.start, world.end)
    rate = BY_STATE[paths.state] * (who.intensity * who.appetite)
    rate *= world.season(days)[:, None] * (paths.mode == PAID)
    rate /= np.where(paths.treated, who.response, 1.0)
    counts = rng.poisson(rate)
    customer, day = np.nonzero(counts.T)
    repeat = counts[day, customer]
    customer, day = np.repeat(customer, repeat), np.repeat(day, repeat)
    n = len(day)
    at = days[day] * DAY + 8 * HOUR + rng.integers(14 * HOUR, size=n)
    at -= at % 1_000_000  # seconds
    order = np.lexsort((at, customer))
    customer, at = customer[order], at[order]
    new = np.r_[True, customer[1:] != customer[:-1]][:n]
    number = np.arange(n) - np.maximum.accumulate(np.where(new, np.arange(n), 0)) + 1
    many = np.minimum(1 + rng.poisson(0.9, n), 4)
    row = np.repeat(np.arange(n), many)
    place = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
    first = np.searchsorted(np.cumsum(WANTED)[:-1], rng.random(n), side="right")
    step = 1 + 2 * rng.integers(4, size=n)  # odd, so that no product comes twice
    product = (first[row] + place * step[row]) % len(PRODUCTS)
    return _Lines(customer[row], number[row], at[row], product, 1 + rng.poisson(0.35, len(row)))


def silence(now: Accounts, who: Traits, as_of: Ints, treated_on: Ints, world: World) -> Floats:
    """Chance of no order within the horizon."""
    mass = point(now.state)
    for ahead in range(HORIZON_DAYS):
        factor = _rate(who, as_of + ahead, treated_on, world)
        mass = MOVES @ (mass * np.exp(-BY_STATE[:, None] * factor))
    chance: Floats = mass.sum(axis=0)
    return chance


def silence_table(standing: dict[int, Accounts], who: Traits, world: World) -> pa.Table:
    """Per customer and as-of after sign-up: state, chance of silence, reason, effect."""
    parts = []
    for day, everyone in standing.items():
        here = np.flatnonzero(everyone.signup < day)
        now, mine = everyone.take(here), who.take(here)
        as_of = np.full(len(here), day)
        parts.append(table_of(mine, as_of, now.state, *_known(now, mine, as_of, world)))
    return pa.concat_tables(parts)


def _known(now: Accounts, who: Traits, as_of: Ints, world: World) -> tuple[dict[str, Floats], Ints]:
    """Chances by name, and the driving reason family."""
    expected = untreated = silence(now, who, as_of, now.treated_on, world)
    treated = silence(now, who, as_of, as_of, world)
    wave = world.wave_after(as_of)
    if wave[0] < as_of[0] + HORIZON_DAYS:
        share = PROPENSITY[who.segment]
        expected = share * silence(now, who, as_of, wave, world) + (1.0 - share) * expected
    if (as_of - now.treated_on < hazards.TREATED_DAYS).any():
        untreated = silence(now, who, as_of, np.full(len(as_of), NEVER), world)
    named = {
        "silence": expected,
        "silence_treated": treated,
        "silence_untreated": untreated,
        "treatment_effect": treated - untreated,
    }
    ones = np.ones(len(as_of))
    steady = BY_LEVEL[reasons.STEADY]
    factors = [
        steady / BY_LEVEL[hidden.level(now.state)],
        np.where(hidden.friction(now.state) == 1, 1.0 / FRICTION_ORDERS, 1.0),
        ones,
        1.0 / world.season(as_of),
        1.0 / (who.intensity * who.appetite),
    ]
    return named, reasons.driving(factors, expected)
