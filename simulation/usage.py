"""Use per customer, user and day: follows the hidden health with a lag, seats, weekdays, season."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation import arrow
from simulation.kinds import DAY, FREE, HOUR, TRIAL, Floats, Ints, month_of
from simulation.life import Paths
from simulation.models import Use
from simulation.people import Traits
from simulation.world import World

BY_LEVEL = np.array([0.05, 0.30, 0.75, 1.05, 1.45])  # activity a level settles at
FRICTION = 0.8
WEEKDAY = 1.15
LATE = 0.02  # share of rows that are known a day or more later


def rate_by_state() -> Floats:
    """Activity that each hidden state settles at, shape (STATES,)."""
    by_state: Floats = np.repeat(BY_LEVEL, 2) * np.tile([1.0, FRICTION], len(BY_LEVEL))
    return by_state


def activity(paths: Paths, use: Use) -> Floats:
    """Activity of each day, shape (days, n): health by level, smoothed over `lag_days`."""
    wanted = rate_by_state()[paths.state]
    smooth = np.empty_like(wanted)
    current = wanted[0].copy()
    for row, target in zip(smooth, wanted, strict=True):
        current += (target - current) / use.lag_days
        row[:] = current
    by_mode = np.array(use.by_mode)[paths.mode]
    level: Floats = smooth * np.where(paths.leaving, use.leaving, 1.0) * by_mode
    return level


def season(days: Ints, use: Use) -> Floats:
    """The calendar's factor on use: weekends, August and year's end."""
    weekend = ((days + 3) % 7) >= 5  # 1970-01-01 was a Thursday
    dates = days.astype("datetime64[D]")
    month = month_of(days)
    of_month = (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    holidays = ((month == 11) & (of_month >= 21)) | ((month == 0) & (of_month <= 1))
    factor: Floats = np.where(weekend, use.weekend, WEEKDAY) * np.where(month == 7, 0.85, 1.0)
    return np.where(holidays, factor * 0.5, factor)


def usage(rng: np.random.Generator, paths: Paths, who: Traits, world: World) -> dict[str, pa.Array]:
    """Totals of one kind of use of one user on one day."""
    use, start = world.model.use, world.start
    active = activity(paths, use)
    seats = np.maximum(paths.seats, 1)
    quiet = season(np.arange(start, world.end), use)[:, None] * (use.rows * world.usage_rate)
    counts = rng.poisson(active * np.sqrt(seats) * who.intensity * quiet)
    customer, day = np.nonzero(counts.T)
    repeat = counts[day, customer]
    day, customer = np.repeat(day, repeat), np.repeat(customer, repeat)
    n = len(day)
    event = _events(rng, paths, use, day, customer)
    per_seat = np.sqrt(seats[day, customer])
    mean = (np.array(use.quantity)[event] - 1) * np.minimum(per_seat, 6.0)
    quantity = 1 + rng.poisson(mean)
    at = (start + day) * DAY + (7 * HOUR + 12 * HOUR * rng.beta(2.0, 2.0, n)).astype(np.int64)
    at -= at % 1_000  # milliseconds
    late = (rng.random(n) < LATE) * rng.integers(DAY, 4 * DAY, size=n)
    event = np.where((event == 1) & (start + day >= world.renaming), len(use.events), event)
    columns = {
        "customer_id": arrow.ids("c", who.number[customer]),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at + late),
        "event": arrow.labels(event, (*use.events, use.renamed)),
        "quantity": arrow.decimals(quantity * arrow.MILLION),
        "user_id": _users(rng, active, seats, day, customer, who),
    }
    places = pa.array(np.argsort(customer * (1 << 52) + at, kind="stable"))
    return {name: column.take(places) for name, column in columns.items()}


def _events(rng: np.random.Generator, paths: Paths, use: Use, day: Ints, customer: Ints) -> Ints:
    """Kinds of use by the day's health; the last may need a paid plan above the first."""
    level = (paths.state[day, customer] // 2).astype(np.int64)
    cumulated = np.cumsum(np.array(use.shares), axis=1)[:, :-1]
    event: Ints = (rng.random(len(day))[:, None] >= cumulated[level]).sum(axis=1)
    small = (paths.plan[day, customer] < 2) | np.isin(paths.mode[day, customer], (FREE, TRIAL))
    return np.where(use.paid_only & small & (event == len(use.events) - 1), 1, event)


def _users(
    rng: np.random.Generator, active: Floats, seats: Ints, day: Ints, customer: Ints, who: Traits
) -> pa.Array:
    """Who of the customer's people it was; growing customers have more of their seats in use."""
    filled = np.where(who.growth[customer] > 1.2, 0.95, 0.65)
    share = np.clip(0.25 + 0.6 * active[day, customer], 0.0, 1.0) * filled
    people = np.maximum(1, np.rint(seats[day, customer] * share)).astype(np.int64)
    person = (people * rng.random(len(day)) ** 1.6).astype(np.int64)
    names = arrow.labels(person, [f"u{k:03d}" for k in range(int(person.max(initial=0)) + 1)])
    return pc.binary_join_element_wise(arrow.ids("c", who.number[customer]), names, "-")
