"""Tables that belong to the company and not to a customer: plans, costs, rates of exchange."""

import numpy as np
import pyarrow as pa

from simulation import arrow
from simulation.kinds import DAY, Ints, month_starts
from simulation.models import Model
from simulation.people import CHANNELS, EXISTING
from simulation.plans import CURRENCIES
from simulation.world import PRICE_RISE, World

CAC = (150, 900, 250, 500, 1_400)  # spent per sign-up, by channel
CAC_OF_A_PERSON = 0.05  # of that
SHARE = (0.34, 0.26, 0.16, 0.12, 0.12)
RATES = (1.0, 1.09, 1.27)  # units of the first currency for one of each
LAUNCH = int(np.datetime64("2018-01-01", "D").astype(np.int64))


def plans_table(world: World) -> dict[str, pa.Array]:
    """Versions of the plans: the list prices, a new name, and the rise of prices."""
    model = world.model
    rows = [(LAUNCH, plan.plan_id, plan.name, plan.tier, plan.cents) for plan in model.plans]
    _, _, second, third = model.plans
    rows.append((LAUNCH, model.legacy, f"{second.name} (until the move)", 2, second.cents))
    rows.append((world.renaming, third.plan_id, model.renamed, 3, third.cents))
    for plan in model.plans[1:]:
        name = model.renamed if plan is third else plan.name
        dearer = round(plan.cents * PRICE_RISE)
        rows.append(
            (max(world.price_rise, world.renaming + 1), plan.plan_id, name, plan.tier, dearer)
        )
    day, ids, names, tiers, cents = zip(*rows, strict=True)
    at = arrow.moments(np.array(day) * DAY)
    kinds = ["freemium" if c == 0 else model.name for c in cents]
    return {
        "plan_id": pa.array(ids, pa.string()),
        "occurred_at": at,
        "known_at": at,
        "name": pa.array(names, pa.string()),
        "revenue_model": pa.array(kinds, pa.string()),
        "tier": pa.array(tiers, pa.int64()),
        "interval": arrow.constant("month", len(rows)),
        "interval_count": pa.array([1] * len(rows), pa.int64()),
        "unit_amount": arrow.decimals(np.array(cents) * 10_000),
        "currency": arrow.constant(CURRENCIES[0], len(rows)),
    }


def costs_table(start: int, end: int, customers: int, model: Model) -> dict[str, pa.Array]:
    """Sales and marketing cost per month and channel, in proportion to the sign-ups expected."""
    edges = np.array(month_starts(start, end))
    months, channels = len(edges) - 1, len(CHANNELS)
    signups = customers * (1.0 - EXISTING) / months
    season = 1.0 + 0.1 * np.sin(np.arange(months) / 12.0 * 2.0 * np.pi)
    each = np.array(CAC) * (CAC_OF_A_PERSON if model.people else 1.0)
    spent = np.outer(season, np.array(SHARE) * each) * signups
    cents = np.rint(spent.ravel() * 100.0).astype(np.int64)
    return {
        "period_start": arrow.moments(np.repeat(edges[:-1], channels) * DAY),
        "period_end": arrow.moments(np.repeat(edges[1:], channels) * DAY),
        "amount": arrow.decimals(cents * 10_000),
        "currency": arrow.constant(CURRENCIES[0], len(cents)),
        "channel": arrow.labels(np.tile(np.arange(channels), months), CHANNELS),
    }


def fx_table(start: int, end: int) -> dict[str, pa.Array]:
    """What one unit of each currency costs in the first, from the start of each month on."""
    days = np.array([LAUNCH, *(day for day in month_starts(start, end) if day < end)])
    place = np.arange(len(days))
    swing = 1.0 + 0.03 * np.sin(place / 7.0) + 0.015 * np.cos(place / 2.3)
    rate: Ints = np.rint(np.outer(swing, np.array(RATES)) * 10_000).astype(np.int64) * 100
    rate[:, 0] = arrow.MILLION
    at = arrow.moments(np.repeat(days, len(RATES)) * DAY)
    return {
        "currency": arrow.labels(np.tile(np.arange(len(RATES)), len(days)), CURRENCIES),
        "occurred_at": at,
        "known_at": at,
        "rate": arrow.decimals(rate.ravel()),
    }
