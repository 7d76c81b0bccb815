"""Tables that belong to the company and not to a customer: plans, and costs of acquisition."""

import numpy as np
import pyarrow as pa

from simulation import arrow
from simulation.kinds import DAY, month_starts
from simulation.people import CHANNELS, EXISTING
from simulation.plans import CURRENCY, PLANS

CAC = (150, 900, 250, 500, 1_400)  # spent per sign-up, by channel
SHARE = (0.34, 0.26, 0.16, 0.12, 0.12)


def plans_table() -> dict[str, pa.Array]:
    """The list prices, per seat and month."""
    n = len(PLANS)
    at = np.full(n, np.datetime64("2020-01-01", "us").astype(np.int64))
    models = ["freemium" if plan.cents == 0 else "subscription" for plan in PLANS]
    return {
        "plan_id": pa.array([plan.plan_id for plan in PLANS], pa.string()),
        "occurred_at": arrow.moments(at),
        "known_at": arrow.moments(at),
        "name": pa.array([plan.name for plan in PLANS], pa.string()),
        "revenue_model": pa.array(models, pa.string()),
        "tier": pa.array([plan.tier for plan in PLANS], pa.int64()),
        "interval": arrow.constant("month", n),
        "interval_count": pa.array([1] * n, pa.int64()),
        "unit_amount": arrow.decimals(np.array([plan.cents * 10_000 for plan in PLANS])),
        "currency": arrow.constant(CURRENCY, n),
    }


def costs_table(start: int, end: int, customers: int) -> dict[str, pa.Array]:
    """Sales and marketing cost per month and channel, in proportion to the sign-ups expected."""
    edges = np.array(month_starts(start, end))
    months, channels = len(edges) - 1, len(CHANNELS)
    signups = customers * (1.0 - EXISTING) / months
    season = 1.0 + 0.1 * np.sin(np.arange(months) / 12.0 * 2.0 * np.pi)
    spent = np.outer(season, np.array(SHARE) * np.array(CAC)) * signups
    cents = np.rint(spent.ravel() * 100.0).astype(np.int64)
    return {
        "period_start": arrow.moments(np.repeat(edges[:-1], channels) * DAY),
        "period_end": arrow.moments(np.repeat(edges[1:], channels) * DAY),
        "amount": arrow.decimals(cents * 10_000),
        "currency": arrow.constant(CURRENCY, len(cents)),
        "channel": arrow.labels(np.tile(np.arange(channels), months), CHANNELS),
    }
