"""Person-periods: the rows of a panel cut into the periods of 30 days that it was observed for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.declare import Feature
from models.curve import EDGES, PERIODS
from models.portable import Floats

Ints = NDArray[np.int64]

PERIOD = Feature(
    "period_start_days",
    "lifetime",
    "days",
    "Days from the as-of date to the beginning of the period of which the hazard is asked.",
    "horizon",
)


@dataclass(frozen=True)
class PersonPeriods:
    """A row per period that a panel row entered and that was wholly observed.

    Attributes
    ----------
    row, period : ndarray of int, shape (m,)
        Position in the panel; number of the period, from 0.
    event : ndarray of bool, shape (m,)
        Whether the end fell in the period.
    """

    row: Ints
    period: Ints
    event: NDArray[np.bool_]

    def take(self, keep: NDArray[Any]) -> Self:
        """Some of the rows."""
        return type(self)(self.row[keep], self.period[keep], self.event[keep])


def person_periods(days: ArrayLike, observed: ArrayLike) -> PersonPeriods:
    """The periods at risk of a panel.

    A period that was observed in part is left out with those who left in it: keeping only these
    would raise the hazard. So maturity belongs to the date, as it does for labels.

    Parameters
    ----------
    days : array-like of shape (n,)
        From the as-of date to the end; infinite while it lasts.
    observed : array-like of shape (n,)
        Days after the as-of date of which everything is known.
    """
    days, observed = np.asarray(days, np.float64), np.asarray(observed, np.float64)
    start, end = np.asarray(EDGES[:-1]), np.asarray(EDGES[1:])
    row, period = np.nonzero((days[:, None] >= start) & (observed[:, None] >= end))
    return PersonPeriods(row, period, days[row] < end[period])


def with_period(X: Floats, period: NDArray[Any]) -> Floats:
    """The matrix with the day on which each row's period begins as a last column."""
    return np.column_stack([X, np.asarray(EDGES, np.float64)[period]])


def hazards(of: Callable[[Floats], Floats], X: Floats, known_periods: int) -> Floats:
    """What a function of (features, period) gives for every period, shape (n, 12).

    Parameters
    ----------
    of : callable
        From a matrix (n, f + 1) to (n,), such as `PortableModel.probability`.
    X : ndarray of shape (n, f)
    known_periods : int
        Later periods are taken for the last of these.
    """
    Z = np.column_stack([X, np.zeros(len(X))])
    columns = []
    for period in range(known_periods):
        Z[:, -1] = EDGES[period]
        columns.append(of(Z))
    columns += [columns[-1]] * (PERIODS - known_periods)
    return np.column_stack(columns)


def sampled(periods: PersonPeriods, limit: int, seed: int = 0) -> tuple[PersonPeriods, float]:
    """All events and a random part of the other rows, about `limit` together; and the part.

    Where events alone come near the limit, half of it are others.
    """
    others = len(periods.event) - int(periods.event.sum())
    share = (limit - int(periods.event.sum())) / max(others, 1)
    share = float(np.clip(share, min(1.0, limit / (2 * max(others, 1))), 1.0))
    if share == 1.0:
        return periods, share
    drawn = np.random.default_rng(seed).random(len(periods.event)) < share
    return periods.take(periods.event | drawn), share


def rates(periods: PersonPeriods) -> Floats:
    """Events over customers at risk of each period; beyond the last observed, that of the last."""
    at_risk = np.bincount(periods.period, minlength=PERIODS)
    events = np.bincount(periods.period[periods.event], minlength=PERIODS)
    rate = events / np.maximum(at_risk, 1)
    known = int(periods.period.max())
    rate[known + 1 :] = rate[known]
    return np.asarray(rate, dtype=np.float64)
