"""The known hazards: what a day's chance of leaving, buying more or converting depends on."""

import numpy as np

from simulation.kinds import Flags, Floats, Ints

CAP = 0.5  # no day is more certain than this

# By hidden state (2 x level + friction), per day, before the customer's own factors.
_LEAVE_BY_LEVEL = np.array([0.0037, 0.0014, 0.00044, 0.00014, 0.00005])
FRICTION_LEAVES = 2.2
LEAVE = np.repeat(_LEAVE_BY_LEVEL, 2) * np.tile([1.0, FRICTION_LEAVES], 5)

_GROW_BY_LEVEL = np.array([0.00002, 0.00007, 0.00028, 0.00070, 0.00150])
FRICTION_GROWS = 0.4
GROW = np.repeat(_GROW_BY_LEVEL, 2) * np.tile([1.0, FRICTION_GROWS], 5)

SHRINK = np.repeat(np.array([0.00080, 0.00050, 0.00018, 0.00006, 0.00003]), 2)

_CONVERT_BY_LEVEL = np.array([0.00003, 0.00015, 0.00060, 0.00160, 0.00380])
CONVERT = np.repeat(_CONVERT_BY_LEVEL, 2) * np.tile([1.0, 0.6], 5)
TRIAL_CONVERTS = np.repeat(np.array([0.03, 0.12, 0.30, 0.50, 0.70]), 2)

TRIAL_DAYS = 14

PAUSE = np.repeat(np.array([0.0016, 0.0012, 0.0007, 0.0004, 0.0002]), 2)  # per day, if allowed
PAUSE_DAYS = 20  # shorter than any grace; begins only where it ends within the paid period

# What happened lately: the factor on leaving, and for how many days.
DEARER, DEARER_DAYS = 1.7, 60  # the price rose
PROMO_OVER, PROMO_OVER_DAYS = 1.6, 45  # a starting discount ended
TREATED_DAYS = 90  # a treatment works so long; its factor is the customer's own

RETRY_AFTER = (3, 7, 14, 21)  # days after a failed payment
DUNNING_DAYS = 30
# By way of paying: transfer, card, weak card.
FAILS = np.array([0.010, 0.018, 0.110])
RETRY_SUCCEEDS = np.array([0.55, 0.38, 0.22])

_UNPAID = (1.0 - RETRY_SUCCEEDS)[:, None] ** np.arange(len(RETRY_AFTER) + 1)
QUIET_DAYS = 90  # who cut back does not buy more that soon

RETURN_WINDOW = 240  # days after which nobody comes back
RETURN_VOLUNTARY = 0.0006  # per day
RETURN_UNPAID = 0.0025


def churn_scale(risk: Floats, long: Flags, days_to_end: Ints, tenure: Ints) -> Floats:
    """The factor on `LEAVE` from who the customer is and where its term stands.

    Parameters
    ----------
    risk : array of shape (n,)
        The customer's own factor: plan and price at entry, channel, segment, luck.
    long : array of shape (n,)
        Whether the term is a year or more; those decide near its end.
    days_to_end : array of shape (n,)
        Days until the paid period ends, at least 1.
    tenure : array of shape (n,)
        Days since the subscription was first paid.

    Returns
    -------
    array of shape (n,)
    """
    nearing = np.clip((75.0 - days_to_end) / 75.0, 0.0, 1.0)
    term = np.where(long, 0.15 + 3.0 * nearing, np.where(days_to_end <= 5, 1.6, 0.9))
    early = 1.0 + 1.2 * np.exp(-tenure / 75.0)
    scale: Floats = risk * term * early
    return scale


def lately(day: Ints | int, repriced_on: Ints, promo_until: Ints) -> Floats:
    """The factor on `LEAVE` of a rise of the price and of the end of a discount."""
    dearer = _since(day, repriced_on, DEARER_DAYS)
    over = _since(day, promo_until, PROMO_OVER_DAYS)
    factor: Floats = np.where(dearer, DEARER, 1.0) * np.where(over, PROMO_OVER, 1.0)
    return factor


def treated(day: Ints | int, treated_on: Ints, response: Floats) -> Floats:
    """The factor of a treatment while it works."""
    return np.where(_since(day, treated_on, TREATED_DAYS), response, 1.0)


def _since(day: Ints | int, event: Ints, days: int) -> Flags:
    """Whether `event` was on `day` or less than so many days before it."""
    gone = day - event
    flags: Flags = (gone >= 0) & (gone < days)
    return flags


def growth_scale(growth: Floats, plan: Ints, tenure: Ints, *, seated: bool = True) -> Floats:
    """The factor on `GROW`: smaller plans have further to go, the first month is quiet."""
    headroom = np.array([0.0, 1.25, 1.0, 0.75])[plan]
    if not seated:
        headroom = np.where(plan == 3, 0.0, headroom)
    scale: Floats = growth * headroom * np.clip(tenure / 60.0, 0.2, 1.0)
    return scale


def conversion_scale(appetite: Floats, age: Ints) -> Floats:
    """The factor on `CONVERT`: who has not bought early buys seldom."""
    scale: Floats = appetite * (0.5 + 1.5 * np.exp(-age / 60.0))
    return scale


def daily(by_state: Floats, scale: Floats) -> Floats:
    """A day's probability from a rate by state and a factor, never above `CAP`."""
    chance: Floats = by_state * scale
    return np.minimum(chance, CAP, out=chance)


def still_owing(payer: Ints, days_overdue: Ints) -> Floats:
    """Probability that no retry up to and on that day succeeded, seen from the failure.

    Parameters
    ----------
    payer : array of shape (n,) or (n, 1)
        Way of paying.
    days_overdue : array of shape (n,) or (n, k)
        Days since the failure, 0 or more.
    """
    tried = np.searchsorted(np.array(RETRY_AFTER), days_overdue, side="right")
    owing: Floats = _UNPAID[payer, tried]
    return owing


def return_rate(unpaid: Flags, days_gone: Ints) -> Floats:
    """A day's probability of coming back."""
    rate = np.where(unpaid, RETURN_UNPAID, RETURN_VOLUNTARY)
    soon: Floats = np.where((days_gone >= 2) & (days_gone <= RETURN_WINDOW), rate, 0.0)
    return soon


def stays_away(rate: float, grace_days: int) -> float:
    """Probability of no return within the grace after the end; returns begin on its second day."""
    return float((1.0 - rate) ** (grace_days - 1))
