"""What acting on a probability earns: the worth of one contact, the best list, the profit measures.

A contact costs `contact_cost`. A customer about to leave accepts the incentive and stays with
probability `success_rate`, worth `value` less the incentive; one who would have stayed takes the
incentive too. This is the model of Verbraken, Verbeke and Baesens (2013, doi:10.1109/TKDE.2012.50),
with the value of each customer in place of a common one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from features.project import Money
from models.portable import Floats

Flags = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Terms:
    """What a contact costs and how often it works.

    Attributes
    ----------
    contact_cost : float
        Of one contact, in the project's currency.
    success_rate : float
        Share of contacted customers about to leave who then stay.
    incentive_share : float
        Of the customer's value, given to all who are contacted and stay.
    """

    contact_cost: float
    success_rate: float
    incentive_share: float = 0.0

    def __post_init__(self) -> None:
        if not (self.contact_cost >= 0 and np.isfinite(self.contact_cost)):
            raise ValueError(f"contact_cost must be an amount from 0; got {self.contact_cost}")
        for name in ("success_rate", "incentive_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1; got {getattr(self, name)}")


def terms_of(money: Money) -> Terms | None:
    """The terms of a contact; None where the project does not name cost and success rate."""
    if money.contact_cost is None or money.success_rate is None:
        return None
    return Terms(float(money.contact_cost), money.success_rate, money.incentive_share)


def expected_profit(probability: ArrayLike, value: ArrayLike, terms: Terms) -> Floats:
    """What contacting each customer earns on average, shape (n,); NaN where the value is unknown.

    Parameters
    ----------
    probability : array-like of shape (n,)
        Calibrated probability of leaving.
    value : array-like of shape (n,)
        What is lost with the customer: margin over the months exposed, or a lifetime value.
    terms : Terms
    """
    p, worth = np.asarray(probability, np.float64), np.asarray(value, np.float64)
    incentive = terms.incentive_share * worth
    saved = terms.success_rate * (worth - incentive)
    return np.asarray(p * saved - (1 - p) * incentive - terms.contact_cost)


def break_even(value: ArrayLike, terms: Terms) -> Floats:
    """The probability from which a contact pays; NaN where it never does."""
    worth = np.asarray(value, np.float64)
    incentive = terms.incentive_share * worth
    gain = terms.success_rate * (worth - incentive) + incentive
    out = np.full(worth.shape, np.nan)
    np.divide(terms.contact_cost + incentive, gain, out=out, where=gain > 0)
    return np.where(out <= 1, out, np.nan)


def best_list(profit: ArrayLike, capacity: int | None = None) -> Places:
    """Whom to contact: customers with a positive expected profit, greatest first.

    Parameters
    ----------
    profit : array-like of shape (n,)
        Of `expected_profit`; a customer whose profit is unknown is not contacted.
    capacity : int, optional
        The most that can be contacted.
    """
    if capacity is not None and capacity < 0:
        raise ValueError(f"capacity must be a count from 0; got {capacity}")
    worth = np.nan_to_num(np.asarray(profit, np.float64), nan=-np.inf)
    order = np.argsort(-worth, kind="stable")
    return np.asarray(order[worth[order] > 0][:capacity])


def realised_profit(y: ArrayLike, value: ArrayLike, contacted: ArrayLike, terms: Terms) -> float:
    """What contacting some customers earned, knowing who was about to leave.

    `success_rate` of the leavers stay: whether this one did is not observed.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the customer left.
    value : array-like of shape (n,)
    contacted : array-like of int
        Positions, as `best_list` gives them.
    terms : Terms
    """
    places = np.asarray(contacted, dtype=np.intp)
    y, worth = np.asarray(y, np.float64), np.asarray(value, np.float64)
    return float(expected_profit(y[places], worth[places], terms).sum())


@dataclass(frozen=True)
class MaximumProfit:
    """Profit per customer of the base at the best cut-off, and the share contacted there."""

    profit: float
    share: float


def expected_maximum_profit(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    alpha: float = 6.0,
    beta: float = 14.0,
    value: float = 200.0,
    incentive: float = 10.0,
    contact: float = 1.0,
) -> MaximumProfit:
    """EMPC: the success rate is Beta(alpha, beta), the cut-off the best for each rate.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the customer left.
    probability : array-like of shape (n,)
        Any score that is higher where leaving is likelier.
    alpha, beta : float
    value, incentive, contact : float
        Per customer, in one currency; the defaults are the published ones.

    Raises
    ------
    ValueError
        Not both classes are there, or the incentive is not less than the value.
    """
    if not 0 <= incentive < value:
        raise ValueError(f"incentive must be from 0 and below the value; got {incentive}, {value}")
    leavers, stayers = _hull(np.asarray(y, np.float64), np.asarray(probability, np.float64))
    base = -contact * leavers - (contact + incentive) * stayers  # profit at success rate 0
    slope = (value - incentive) * leavers  # and what the rate adds
    cuts = np.divide(base[:-1] - base[1:], slope[1:] - slope[:-1])
    edges = np.clip(np.concatenate([[0.0], cuts, [1.0]]), 0.0, 1.0)
    chance = np.diff(betainc(alpha, beta, edges))
    mean_rate = alpha / (alpha + beta) * np.diff(betainc(alpha + 1, beta, edges))
    profit = base @ chance + slope @ mean_rate
    return MaximumProfit(float(profit), float((leavers + stayers) @ chance))


def maximum_profit(
    y: ArrayLike, probability: ArrayLike, value: ArrayLike, terms: Terms
) -> MaximumProfit:
    """Realised profit per customer at the best cut-off of a ranking by expected profit."""
    y, worth = np.asarray(y, np.float64), np.asarray(value, np.float64)
    order = np.argsort(-expected_profit(probability, worth, terms), kind="stable")
    earned = np.concatenate([[0.0], np.cumsum(expected_profit(y[order], worth[order], terms))])
    best = int(np.argmax(earned))
    return MaximumProfit(float(earned[best]) / len(y), best / len(y))


def _hull(y: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Corners of the ROC curve's convex hull, as shares of all rows: leavers and stayers above."""
    if y.shape != score.shape or not 0 < y.sum() < len(y):
        raise ValueError("leavers and stayers must both be there, with a score each")
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    found = np.concatenate([[0.0], np.cumsum(y[order])[last]])
    wrong = np.concatenate([[0.0], np.cumsum(1 - y[order])[last]])
    corners: list[int] = []
    for place in range(len(found)):
        while len(corners) > 1 and not _turns(found, wrong, corners[-2], corners[-1], place):
            corners.pop()
        corners.append(place)
    rising = [a for i, a in enumerate(corners) if i == 0 or found[a] > found[corners[i - 1]]]
    return found[rising] / len(y), wrong[rising] / len(y)


def _turns(found: Floats, wrong: Floats, a: int, b: int, c: int) -> bool:
    """Whether the way from a over b to c bends towards fewer leavers per stayer."""
    before = (found[b] - found[a]) * (wrong[c] - wrong[b])
    after = (found[c] - found[b]) * (wrong[b] - wrong[a])
    return bool(before > after)
