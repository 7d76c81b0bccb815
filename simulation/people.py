"""Who the customers are: traits that never change, drawn once, and the `customers` table."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from simulation import arrow
from simulation.kinds import DAY, FREE, HOUR, MINUTE, PAID, TRIAL, Flags, Floats, Ints
from simulation.models import Model
from simulation.plans import CURRENCIES
from simulation.world import World

CHANNELS = ("organic", "paid_ads", "referral", "partner", "outbound")
COUNTRIES = ("US", "GB", "DE", "FR", "CA", "AU", "NL", "IN", "BR")
PAYS_IN = np.array([0, 2, 1, 1, 0, 0, 1, 0, 0])  # currency of each country
OWNERS = tuple(f"csm-{n:02d}" for n in range(1, 13))
_FIRST = ("Blue", "North", "Bright", "Stone", "River", "Clear", "High", "Iron", "Green", "Silver",
          "Oak", "Swift", "Red", "Open", "West", "Nova")  # fmt: skip
_SECOND = ("field", "bridge", "works", "point", "harbor", "line", "peak", "forge", "leaf", "gate",
           "stream", "park", "light", "path", "crest", "hill")  # fmt: skip
_LAST = ("Labs", "Group", "Systems", "Partners", "Studio", "Health", "Logistics", "Media")
_GIVEN = ("Ada", "Ben", "Chloe", "David", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas",
          "Kira", "Liam", "Maya", "Noah", "Olga", "Priya")  # fmt: skip
EXISTING = 0.45  # share of customers who signed up before the data begin
PROMOTED = 0.25  # share of monthly customers whose first months are cheaper
PROPENSITY = np.array([0.5, 0.6, 0.7])  # chance of being treated, by segment
# What a treatment does to the hazard of leaving: it moves some, not others, and wakes a few.
RESPONSE = np.array([0.40, 0.55, 0.70, 0.85, 1.0, 1.0, 1.30])  # by group
HEARD = np.array([1.0, 1.0, 0.5, 1.0, 0.5])  # by channel: how much of it arrives, in logarithms


@dataclass(frozen=True)
class Purchase:
    """What a first purchase is of, arrays of shape (n,)."""

    plan: Ints  # position in the model's plans
    seats: Ints
    term: Ints  # months of a paid period
    promoted: Flags
    price: Floats  # paid share of the list price
    payer: Ints  # 0 transfer, 1 card, 2 weak card


@dataclass(frozen=True)
class Traits(Purchase):
    """A block of customers, arrays of shape (n,); days since 1970, positions in tuples."""

    number: Ints  # over all blocks, from 1
    signup: Ints
    route: Ints  # FREE, TRIAL or PAID
    segment: Ints
    channel: Ints
    country: Ints
    group: Ints  # industry, or age group
    size: Ints  # employees, or persons of a household
    currency: Ints
    risk: Floats  # factors on the hazards
    growth: Floats
    appetite: Floats
    intensity: Floats  # use per seat
    response: Floats  # factor of a treatment on the hazard of leaving
    bill_time: Ints  # microseconds of the day
    second_desk: Flags  # its tickets were in another help desk at first

    def __len__(self) -> int:
        return len(self.number)

    def take(self, who: Ints) -> "Traits":
        """A copy of some rows."""
        return Traits(**{f.name: getattr(self, f.name)[who] for f in fields(self)})


def draw_traits(rng: np.random.Generator, first: int, n: int, world: World) -> Traits:
    """Traits of customers `first` to `first + n - 1`, signed up before the history ends."""
    model = world.model
    existing = rng.random(n) < EXISTING
    age = np.minimum(1 + rng.exponential(380.0, n), 1_400).astype(np.int64)
    fresh = world.start + ((world.end - world.start) * rng.random(n) ** 0.9).astype(np.int64)
    mix = rng.random(n)
    route = np.where(mix < model.free, FREE, np.where(mix < model.free + model.trial, TRIAL, PAID))
    segment = rng.choice(3, n, p=[0.66, 0.26, 0.08])
    channel = rng.choice(5, n, p=[0.34, 0.26, 0.16, 0.12, 0.12])
    country = rng.choice(9, n, p=[0.4, 0.13, 0.12, 0.08, 0.07, 0.06, 0.05, 0.05, 0.04])
    group = rng.integers(len(model.groups), size=n)
    bought = _purchase(rng, segment, model)
    risk = churn_risk(bought.plan, bought.price, channel, segment) * rng.lognormal(0.0, 0.2, n)
    lean = np.array([0.85, 1.15, 1.4])[segment]
    taste = np.array([0.9, 0.8, 1.7, 1.2, 1.2])[channel] * rng.lognormal(0.0, 0.25, n)
    return Traits(
        **vars(bought),
        number=np.arange(first, first + n),
        signup=np.where(existing, world.start - age, fresh),
        route=np.where(existing, np.where(mix < model.existing_free, FREE, PAID), route),
        segment=segment,
        channel=channel,
        country=country,
        group=group,
        size=_size(rng, model, bought.seats),
        currency=PAYS_IN[country] * model.currencies,
        risk=model.leave * risk,
        growth=model.grow * np.where(rng.random(n) < 0.35, 2.0, 0.55) * lean,
        appetite=model.convert * taste,
        intensity=rng.lognormal(0.0, 0.3, n),
        response=RESPONSE[group] ** HEARD[channel],
        bill_time=8 * HOUR + rng.integers(9 * 60, size=n) * MINUTE,
        second_desk=rng.random(n) < 0.10,
    )


def _purchase(rng: np.random.Generator, segment: Ints, model: Model) -> Purchase:
    """What customers of these segments would buy first."""
    n = len(segment)
    long = rng.random(n) < np.array(model.long_terms)[segment]
    term = np.where(long, rng.choice(model.terms, n), 1)
    transfer, weak = rng.random((2, n))
    return Purchase(
        plan=1 + (rng.random(n)[:, None] < np.array(model.above)[segment]).sum(axis=1),
        seats=1 + rng.poisson(np.array(model.seats)[segment] * rng.gamma(2.0, 0.5, n)),
        term=term,
        promoted=(term == 1) & (rng.random(n) < PROMOTED),
        price=np.where(rng.random(n) < 0.3, rng.choice([0.8, 0.85, 0.9, 0.95], n), 1.0),
        payer=np.where(transfer < model.transfer, 0, np.where(weak < 0.82, 1, 2)),
    )


def _size(rng: np.random.Generator, model: Model, seats: Ints) -> Ints:
    """Employees in proportion to seats, or persons of a household."""
    if model.people:
        return 1 + rng.poisson(1.2, len(seats))
    return np.rint(seats * rng.lognormal(1.0, 0.6, len(seats)) + 1).astype(np.int64)


def churn_risk(plan: Ints, price: Floats, channel: Ints, segment: Ints) -> Floats:
    """The part of a customer's risk that shows in the tables: entry plan, price, channel, size."""
    risk: Floats = np.exp(
        np.array([0.0, 0.30, 0.0, -0.30])[plan]
        + 1.5 * (price - 1.0)
        + np.array([0.0, 0.30, -0.30, -0.10, 0.15])[channel]
        + np.array([0.12, -0.10, -0.35])[segment]
    )
    return risk


def customers_table(rng: np.random.Generator, who: Traits, world: World) -> dict[str, pa.Array]:
    """Versions of customers: sign-up, and for a few another owner or an objection."""
    n, end, model = len(who), world.end, world.model
    signed = who.signup * DAY + who.bill_time - 10 * MINUTE
    owner = rng.integers(len(OWNERS), size=n)
    later = signed + ((end * DAY - signed) * rng.random(n)).astype(np.int64)
    draw = rng.random(n)
    moved, objects = draw < 0.08, draw > 0.993
    row = np.concatenate([np.arange(n), np.flatnonzero(moved | objects)])
    second = np.arange(len(row)) >= n
    names, hosts = _names(rng, n, model)
    new_owner = np.where(second & moved[row], (owner[row] + 5) % len(OWNERS), owner[row])
    objected = second & objects[row]
    number = who.number[row]
    at = arrow.moments(np.where(second, later[row], signed[row]))
    return {
        "customer_id": arrow.ids("c", number),
        "occurred_at": at,
        "known_at": at,
        "name": pa.array([names[i] for i in row], pa.string()),
        "segment": arrow.labels(who.segment[row], model.segments),
        "country": arrow.labels(who.country[row], COUNTRIES),
        "currency": arrow.labels(who.currency[row], CURRENCIES),
        "owner_id": arrow.labels(new_owner, OWNERS),
        "acquisition_channel": arrow.labels(who.channel[row], CHANNELS),
        "email": pa.array([f"team@{hosts[i]}-{who.number[i]}.example" for i in row], pa.string()),
        "external_ids": pa.array([f'{{"crm": "001{k:09d}"}}' for k in number], pa.string()),
        "objected_at": arrow.moments(np.where(second, later[row], 0), objected),
        model.attributes[0]: arrow.labels(who.group[row], model.groups),
        model.attributes[1]: pa.array(who.size[row], pa.int64()),
    }


def _names(rng: np.random.Generator, n: int, model: Model) -> tuple[list[str], list[str]]:
    """Names of firms or persons, and the part of an address made from each."""
    words = rng.integers(len(_FIRST), size=(n, 3)).tolist()
    if model.people:
        names = [f"{_GIVEN[c]} {_FIRST[a]}{_SECOND[b]}" for a, b, c in words]
    else:
        names = [f"{_FIRST[a]}{_SECOND[b]} {_LAST[c % len(_LAST)]}" for a, b, c in words]
    return names, [name.lower().replace(" ", "-") for name in names]
