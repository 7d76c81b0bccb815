"""What the simulated company sells: a free plan and three paid ones, by seat, monthly or yearly."""

from dataclasses import dataclass

import numpy as np

from simulation.kinds import Flags, Floats, Ints

CURRENCY = "USD"
MONTHS_PAID_OF_A_YEAR = 10  # a year costs ten months


@dataclass(frozen=True)
class Plan:
    """A plan; `cents` per seat and month."""

    plan_id: str
    name: str
    tier: int
    cents: int


PLANS = (
    Plan("free", "Free", 0, 0),
    Plan("starter", "Starter", 1, 1_900),
    Plan("team", "Team", 2, 3_900),
    Plan("business", "Business", 3, 7_900),
)
PLAN_IDS = tuple(plan.plan_id for plan in PLANS)
TOP = len(PLANS) - 1
_CENTS = np.array([plan.cents for plan in PLANS], dtype=np.int64)


def unit_amount(plan: Ints, annual: Flags, price: Floats) -> Ints:
    """Price of one seat for one interval, in millionths.

    Parameters
    ----------
    plan : array of shape (n,)
        Positions in `PLANS`.
    annual : array of shape (n,)
        Whether the interval is a year; else a month.
    price : array of shape (n,)
        What the customer pays of the list price, 1 for all of it.
    """
    cents = np.rint(_CENTS[plan] * price).astype(np.int64)
    millionths: Ints = cents * np.where(annual, MONTHS_PAID_OF_A_YEAR, 1) * 10_000
    return millionths
