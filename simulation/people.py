"""Who the customers are: traits that never change, drawn once, and the `customers` table."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulation import arrow
from simulation.kinds import DAY, FREE, HOUR, MINUTE, PAID, TRIAL, Flags, Floats, Ints
from simulation.plans import CURRENCY

SEGMENTS = ("small", "mid", "enterprise")
CHANNELS = ("organic", "paid_ads", "referral", "partner", "outbound")
COUNTRIES = ("US", "GB", "DE", "FR", "CA", "AU", "NL", "IN", "BR")
INDUSTRIES = ("software", "retail", "health", "finance", "education", "media", "manufacturing")
OWNERS = tuple(f"csm-{n:02d}" for n in range(1, 13))
_FIRST = ("Blue", "North", "Bright", "Stone", "River", "Clear", "High", "Iron", "Green", "Silver",
          "Oak", "Swift", "Red", "Open", "West", "Nova")  # fmt: skip
_SECOND = ("field", "bridge", "works", "point", "harbor", "line", "peak", "forge", "leaf", "gate",
           "stream", "park", "light", "path", "crest", "hill")  # fmt: skip
_LAST = ("Labs", "Group", "Systems", "Partners", "Studio", "Health", "Logistics", "Media")
# Chances, by segment, of a plan above the first and above the second.
_ABOVE = np.array([[0.38, 0.07], [0.75, 0.30], [0.95, 0.70]])
EXISTING = 0.45  # share of customers who signed up before the data begin


@dataclass(frozen=True)
class Traits:
    """A block of customers, arrays of shape (n,); days since 1970, positions in tuples."""

    number: Ints  # over all blocks, from 1
    signup: Ints
    route: Ints  # FREE, TRIAL or PAID
    segment: Ints
    channel: Ints
    country: Ints
    industry: Ints
    employees: Ints
    plan: Ints  # the plan a first purchase is of
    seats: Ints
    annual: Flags
    price: Floats  # paid share of the list price
    payer: Ints  # 0 transfer, 1 card, 2 weak card
    risk: Floats  # factors on the hazards
    growth: Floats
    appetite: Floats
    intensity: Floats  # use per seat
    bill_time: Ints  # microseconds of the day

    def __len__(self) -> int:
        return len(self.number)


def draw_traits(rng: np.random.Generator, first: int, n: int, start: int, end: int) -> Traits:
    """Traits of customers `first` to `first + n - 1`, signed up before `end` (days)."""
    existing = rng.random(n) < EXISTING
    age = np.minimum(1 + rng.exponential(380.0, n), 1_400).astype(np.int64)
    fresh = start + ((end - start) * rng.random(n) ** 0.9).astype(np.int64)
    mix = rng.random(n)
    route = np.where(mix < 0.35, FREE, np.where(mix < 0.65, TRIAL, PAID))
    segment = rng.choice(3, n, p=[0.66, 0.26, 0.08])
    plan = 1 + (rng.random(n)[:, None] < _ABOVE[segment]).sum(axis=1)
    seats = 1 + rng.poisson(np.array([2.2, 9.0, 30.0])[segment] * rng.gamma(2.0, 0.5, n))
    annual = rng.random(n) < np.array([0.18, 0.4, 0.65])[segment]
    price = np.where(rng.random(n) < 0.3, rng.choice([0.8, 0.85, 0.9, 0.95], n), 1.0)
    channel = rng.choice(5, n, p=[0.34, 0.26, 0.16, 0.12, 0.12])
    payer = np.where(rng.random(n) < 0.2, 0, np.where(rng.random(n) < 0.82, 1, 2))
    return Traits(
        number=np.arange(first, first + n),
        signup=np.where(existing, start - age, fresh),
        route=np.where(existing, np.where(mix < 0.2, FREE, PAID), route),
        segment=segment,
        channel=channel,
        country=rng.choice(9, n, p=[0.4, 0.13, 0.12, 0.08, 0.07, 0.06, 0.05, 0.05, 0.04]),
        industry=rng.integers(len(INDUSTRIES), size=n),
        employees=np.rint(seats * rng.lognormal(1.0, 0.6, n) + 1).astype(np.int64),
        plan=plan,
        seats=seats,
        annual=annual,
        price=price,
        payer=payer,
        risk=churn_risk(plan, price, channel, segment) * rng.lognormal(0.0, 0.2, n),
        growth=np.where(rng.random(n) < 0.35, 2.0, 0.55) * np.array([0.85, 1.15, 1.4])[segment],
        appetite=np.array([0.9, 0.8, 1.7, 1.2, 1.2])[channel] * rng.lognormal(0.0, 0.25, n),
        intensity=rng.lognormal(0.0, 0.3, n),
        bill_time=8 * HOUR + rng.integers(9 * 60, size=n) * MINUTE,
    )


def churn_risk(plan: Ints, price: Floats, channel: Ints, segment: Ints) -> Floats:
    """The part of a customer's risk that shows in the tables: entry plan, price, channel, size."""
    risk: Floats = np.exp(
        np.array([0.0, 0.30, 0.0, -0.30])[plan]
        + 1.5 * (price - 1.0)
        + np.array([0.0, 0.30, -0.30, -0.10, 0.15])[channel]
        + np.array([0.12, -0.10, -0.35])[segment]
    )
    return risk


def customers_table(rng: np.random.Generator, who: Traits, end: int) -> dict[str, pa.Array]:
    """Versions of customers: sign-up, and for a few another owner or an objection."""
    n = len(who)
    signed = who.signup * DAY + who.bill_time - 10 * MINUTE
    owner = rng.integers(len(OWNERS), size=n)
    later = signed + ((end * DAY - signed) * rng.random(n)).astype(np.int64)
    draw = rng.random(n)
    moved, objects = draw < 0.08, draw > 0.993
    row = np.concatenate([np.arange(n), np.flatnonzero(moved | objects)])
    second = np.arange(len(row)) >= n
    words = rng.integers(len(_FIRST), size=(n, 3))
    names = [f"{_FIRST[a]}{_SECOND[b]} {_LAST[c % len(_LAST)]}" for a, b, c in words]
    hosts = [name.lower().replace(" ", "-") for name in names]
    new_owner = np.where(second & moved[row], (owner[row] + 5) % len(OWNERS), owner[row])
    objected = second & objects[row]
    number = who.number[row]
    at = np.where(second, later[row], signed[row])
    return {
        "customer_id": arrow.ids("c", number),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at),
        "name": pa.array([names[i] for i in row], pa.string()),
        "segment": arrow.labels(who.segment[row], SEGMENTS),
        "country": arrow.labels(who.country[row], COUNTRIES),
        "currency": arrow.constant(CURRENCY, len(row)),
        "owner_id": arrow.labels(new_owner, OWNERS),
        "acquisition_channel": arrow.labels(who.channel[row], CHANNELS),
        "email": pa.array([f"team@{hosts[i]}-{who.number[i]}.example" for i in row], pa.string()),
        "external_ids": pa.array([f'{{"crm": "001{k:09d}"}}' for k in number], pa.string()),
        "objected_at": arrow.moments(at, objected),
        "industry": arrow.labels(who.industry[row], INDUSTRIES),
        "employees": pa.array(who.employees[row], pa.int64()),
    }
