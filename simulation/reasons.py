"""Which family of facts drives a customer's risk at a moment, by the hazard's own factors."""

import numpy as np

from simulation import hazards, hidden
from simulation.accounts import Accounts
from simulation.kinds import Floats, Ints
from simulation.people import Traits
from simulation.world import World

FAMILIES = ("usage", "support", "billing", "lifecycle", "profile", "none")
STEADY = 2  # the level of health that the others are compared with


def driving(factors: list[Floats], known: Floats) -> Ints:
    """Position in `FAMILIES` of the greatest factor above one; behind the last where not `known`.

    Parameters
    ----------
    factors : list of arrays of shape (n,)
        One per family, `none` left out: what it multiplies the hazard by.
    known : array of shape (n,)
        NaN where the customer is not eligible.
    """
    every = np.stack([*factors, np.ones(len(known))])
    strongest = np.where(every.max(axis=0) > 1.0, every.argmax(axis=0), len(FAMILIES) - 1)
    why: Ints = np.where(np.isnan(known), len(FAMILIES), strongest)
    return why


def of_leaving(
    now: Accounts,
    who: Traits,
    as_of: Ints,
    world: World,
    voluntary: Floats,
    involuntary: Floats,
) -> Ints:
    """The reason family of churn; billing where the bill is likelier to end it than the customer.

    Usage and support are the levels of the hidden state, billing a dearer price, lifecycle the
    term and the first months, profile what the customer is and was sold.
    """
    by_level = hazards.LEAVE[::2] / hazards.LEAVE[2 * STEADY]
    ones, to_end = np.ones(len(as_of)), np.maximum(now.period_end - as_of, 1)
    tenure = np.maximum(as_of - now.started, 0)  # who never paid has no reason
    factors = [
        by_level[hidden.level(now.state)],
        np.where(hidden.friction(now.state) == 1, hazards.FRICTION_LEAVES, 1.0),
        hazards.lately(as_of, now.repriced_on, now.promo_until),
        hazards.churn_scale(ones, now.term > 1, to_end, tenure),
        who.risk / world.model.leave,
    ]
    why = driving(factors, voluntary)
    return np.where(involuntary > voluntary, FAMILIES.index("billing"), why)
