"""Survival curves: from the hazards of periods to any day, and Kaplan-Meier to hold them to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from models.portable import Floats

EDGES = (*range(0, 360, 30), 365)  # days from the as-of date; the last period has 35
PERIODS = len(EDGES) - 1
YEAR = EDGES[-1]
HORIZONS = (30, 60, 90, 180, 270, 365)  # days that are shown
MONTH = YEAR / 12
CAP_MONTHS = 120  # nobody is expected to stay, or pay, longer than ten years


@dataclass(frozen=True)
class Curve:
    """Survival curves of n customers.

    Within a period the force of leaving is constant, so curves fall and never rise. Beyond a year
    the mean force of the year goes on: terms come round once a year, and the last period alone
    would repeat a renewal, or the lack of one, every month.

    Attributes
    ----------
    hazard : ndarray of shape (n, 12)
        Probability to leave in a period of who is there when it begins.
    shares : mapping of str to ndarray of shape (n, 12)
        Of the hazard by cause; they add up to 1.
    """

    hazard: Floats
    shares: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.hazard)

    def take(self, rows: ArrayLike) -> Self:
        """Some of the customers."""
        rows = np.asarray(rows)
        return type(self)(self.hazard[rows], {k: v[rows] for k, v in self.shares.items()})

    def _log_survival(self) -> Floats:
        """At the edges, shape (n, 13)."""
        steps = np.log1p(-np.clip(self.hazard, 0.0, 1 - 1e-12))
        return np.column_stack([np.zeros(len(steps)), np.cumsum(steps, axis=1)])

    def survival(self, days: ArrayLike) -> Floats:
        """Probability to be there still after so many days, shape (n, len(days)).

        Raises
        ------
        ValueError
            Days below zero.
        """
        days = _days(days)
        at = self._log_survival()
        edges = np.asarray(EDGES, dtype=np.float64)
        period = np.clip(np.searchsorted(edges, days, side="right") - 1, 0, PERIODS - 1)
        part = (days - edges[period]) / np.diff(edges)[period]
        inside = at[:, period] + part * (at[:, period + 1] - at[:, period])
        beyond = at[:, -1:] * (days / YEAR)
        return np.exp(np.where(days > YEAR, beyond, inside))

    def incidence(self, days: ArrayLike) -> dict[str, Floats]:
        """Probability to have left by cause after so many days of a year, each (n, len(days)).

        Over the causes they add up to one less survival.

        Raises
        ------
        ValueError
            Days below zero or beyond a year.
        """
        days = _days(days)
        if (days > YEAR).any():
            raise ValueError(f"incidence is known up to {YEAR} days; got {days.max():g}")
        edges = np.minimum.outer(days, np.asarray(EDGES, dtype=np.float64))
        at = self.survival(edges.ravel()).reshape(len(self), *edges.shape)
        left = at[:, :, :-1] - at[:, :, 1:]
        return {cause: np.einsum("nhk,nk->nh", left, share) for cause, share in self.shares.items()}

    def remaining_months(self, cap_months: float = CAP_MONTHS) -> Floats:
        """Expected months until the end, at most `cap_months`, shape (n,); 365 / 12 days each.

        The area under the curve up to the cap: what would come after it does not count.
        """
        at = self._log_survival()
        areas = np.diff(EDGES) * np.exp(at[:, :-1]) * _mean_of_decay(at[:, :-1] - at[:, 1:])
        rest = cap_months * MONTH - YEAR
        force = -at[:, -1] / YEAR
        tail = rest * np.exp(at[:, -1]) * _mean_of_decay(force * rest)
        return np.asarray((areas.sum(axis=1) + tail) / MONTH)


def _days(days: ArrayLike) -> Floats:
    found = np.atleast_1d(np.asarray(days, dtype=np.float64))
    if (found < 0).any():
        raise ValueError(f"days must not be negative; got {found.min():g}")
    return found


def _mean_of_decay(total: Floats) -> Floats:
    """Mean of exp(-x) for x from 0 to a total."""
    safe = np.where(total > 1e-12, total, 1.0)
    return np.where(total > 1e-12, -np.expm1(-safe) / safe, 1.0)


def kaplan_meier(days: ArrayLike, observed: ArrayLike, at: ArrayLike) -> Floats:
    """Share that is there still at given days, from ends and censoring alone.

    Parameters
    ----------
    days : array-like of shape (n,)
        To the end; infinite while it lasts.
    observed : array-like of shape (n,)
        Days that are known; an end on or after them is not.
    at : array-like of shape (h,)

    Returns
    -------
    ndarray of shape (h,)
        NaN beyond the last day that is observed of anybody. An end on the day itself is not before
        it, as for labels: the limit from the left.

    References
    ----------
    Kaplan, E. L., & Meier, P. (1958). Nonparametric estimation from incomplete observations.
    Journal of the American Statistical Association, 53(282), 457-481.
    """
    days, observed = np.asarray(days, np.float64), np.asarray(observed, np.float64)
    at = np.atleast_1d(np.asarray(at, dtype=np.float64))
    if not len(days):
        return np.full(len(at), np.nan)
    ended = days < observed
    moments, events = np.unique(days[ended], return_counts=True)
    last = np.sort(np.minimum(days, observed))
    at_risk = len(last) - np.searchsorted(last, moments, side="left")
    steps = np.append(1.0, np.cumprod(1 - events / at_risk))
    share = steps[np.searchsorted(moments, at, side="left")]
    return np.where(at <= observed.max(), share, np.nan)
