"""Use per customer, user and day: follows the hidden health with a lag, seats, weekdays, season."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation import arrow
from simulation.kinds import DAY, FREE, HOUR, TRIAL, Floats, Ints
from simulation.life import Paths
from simulation.people import Traits

EVENTS = ("login", "report_view", "project_edit", "export", "invite", "api_call")
# Shares of the events by level of health; the healthy use more of the product.
MIX = np.array(
    [
        [0.74, 0.15, 0.04, 0.06, 0.00, 0.01],
        [0.60, 0.20, 0.08, 0.08, 0.01, 0.03],
        [0.46, 0.22, 0.14, 0.09, 0.03, 0.06],
        [0.38, 0.22, 0.18, 0.10, 0.04, 0.08],
        [0.32, 0.22, 0.21, 0.10, 0.05, 0.10],
    ]
)
PER_DAY = np.array([2.0, 3.0, 4.0, 1.0, 1.0, 40.0])  # mean quantity of a row
BY_LEVEL = np.array([0.05, 0.30, 0.75, 1.05, 1.45])  # activity a level settles at
LAG_DAYS = 9.0  # activity follows health that slowly
ROWS = 0.50  # rows a day of a steady customer with one seat
BY_MODE = np.array([0.0, 0.5, 1.0, 1.0, 0.0])  # absent, free, trial, paid, left
LEAVING = 0.6  # use after an end is scheduled
FRICTION = 0.8
LATE = 0.02  # share of rows that are known a day or more later


def activity(paths: Paths) -> Floats:
    """Activity of each day, shape (days, n): health by level, smoothed over `LAG_DAYS`."""
    wanted = BY_LEVEL[paths.state // 2] * np.where(paths.state % 2 == 1, FRICTION, 1.0)
    smooth = np.empty_like(wanted)
    current = wanted[0].copy()
    for row, target in zip(smooth, wanted, strict=True):
        current += (target - current) / LAG_DAYS
        row[:] = current
    level: Floats = smooth * np.where(paths.leaving, LEAVING, 1.0) * BY_MODE[paths.mode]
    return level


def season(days: Ints) -> Floats:
    """The calendar's factor on use: quiet weekends, August and year's end."""
    weekend = ((days + 3) % 7) >= 5  # 1970-01-01 was a Thursday
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]").astype(np.int64) % 12
    of_month = (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    holidays = ((month == 11) & (of_month >= 21)) | ((month == 0) & (of_month <= 1))
    factor: Floats = np.where(weekend, 0.25, 1.15) * np.where(month == 7, 0.85, 1.0)
    return np.where(holidays, factor * 0.5, factor)


def usage(
    rng: np.random.Generator, paths: Paths, who: Traits, start: int, end: int
) -> dict[str, pa.Array]:
    """Totals of one kind of use of one user on one day."""
    active = activity(paths)
    seats = np.maximum(paths.seats, 1)
    rate = ROWS * active * np.sqrt(seats) * who.intensity * season(np.arange(start, end))[:, None]
    counts = rng.poisson(rate)
    day, customer = np.nonzero(counts)
    repeat = counts[day, customer]
    day, customer = np.repeat(day, repeat), np.repeat(customer, repeat)
    n = len(day)
    event = _events(rng, paths, day, customer)
    per_seat = np.sqrt(seats[day, customer])
    quantity = 1 + rng.poisson((PER_DAY[event] - 1) * np.minimum(per_seat, 6.0))
    at = (start + day) * DAY + (7 * HOUR + 12 * HOUR * rng.beta(2.0, 2.0, n)).astype(np.int64)
    at -= at % 1_000  # milliseconds
    late = (rng.random(n) < LATE) * rng.integers(DAY, 4 * DAY, size=n)
    order = np.lexsort((at, customer))
    columns = {
        "customer_id": arrow.ids("c", who.number[customer]),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at + late),
        "event": arrow.labels(event, EVENTS),
        "quantity": arrow.decimals(quantity * arrow.MILLION),
        "user_id": _users(rng, active, seats, day, customer, who),
    }
    places = pa.array(order)
    return {name: column.take(places) for name, column in columns.items()}


def _events(rng: np.random.Generator, paths: Paths, day: Ints, customer: Ints) -> Ints:
    """Kinds of use by the day's health; the API is for paid plans above the first."""
    level = (paths.state[day, customer] // 2).astype(np.int64)
    cumulated = np.cumsum(MIX, axis=1)[:, :-1]
    event: Ints = (rng.random(len(day))[:, None] >= cumulated[level]).sum(axis=1)
    small = (paths.plan[day, customer] < 2) | np.isin(paths.mode[day, customer], (FREE, TRIAL))
    return np.where((event == 5) & small, 1, event)


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
