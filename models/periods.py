"""Person-periods: the rows of a panel cut into the periods of 30 days that it was observed for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.declare import Feature
from models.curve import EDGES, MONTH, PERIODS
from models.portable import Floats

Ints = NDArray[np.int64]

PERIOD = Feature(
    "period_start_days",
    "lifetime",
    "days",
    "Days from the as-of date to the beginning of the period of which the hazard is asked.",
    "horizon",
)


RENEWAL = Feature(
    "renewal_after_period_start_days",
    "lifetime",
    "days",
    "Days from the beginning of that period to the renewal that follows it.",
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


@dataclass(frozen=True)
class Terms:
    """Where a matrix tells when terms end: terms come round, so each period has its own distance.

    Attributes
    ----------
    renewal, interval : int or None
        Positions of `days_to_renewal` and `interval_months`; None where there are no terms.
    """

    renewal: int | None = None
    interval: int | None = None

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """The positions among the names of the columns."""
        asked = ("days_to_renewal", "interval_months")
        if not set(asked) <= set(names):
            return cls()
        return cls(*(list(names).index(one) for one in asked))

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is added to the columns, in that order."""
        return (PERIOD,) if self.renewal is None else (PERIOD, RENEWAL)

    def added(self, X: Floats, start: Floats) -> Floats:
        """The columns of `features` for periods that begin at some days, shape (n, 1 or 2)."""
        if self.renewal is None or self.interval is None:
            return start[:, None]
        ahead = X[:, self.renewal] - start
        term = np.maximum(X[:, self.interval], 1 / 30) * MONTH  # a day at least
        following = np.where(ahead < 0, np.mod(ahead, term), ahead)
        return np.column_stack([start, following])


NO_TERMS = Terms()


def with_period(X: Floats, period: NDArray[Any], terms: Terms = NO_TERMS) -> Floats:
    """The matrix with the columns that `terms` adds for each row's period."""
    return np.column_stack([X, terms.added(X, np.asarray(EDGES, np.float64)[period])])


def hazards(
    of: Callable[[Floats], Floats], X: Floats, known_periods: int, terms: Terms = NO_TERMS
) -> Floats:
    """What a function of (features, period) gives for every period, shape (n, 12).

    Parameters
    ----------
    of : callable
        From a matrix with the columns of `with_period` to (n,), such as
        `PortableModel.probability`.
    X : ndarray of shape (n, f)
    known_periods : int
        Later periods are taken for the last of these, at the distance from the renewal that the
        later one has.
    """
    width = X.shape[1]
    Z = np.column_stack([X, terms.added(X, np.zeros(len(X)))])
    columns = []
    for period in range(PERIODS):
        Z[:, width:] = terms.added(X, np.full(len(X), float(EDGES[period])))
        Z[:, width] = EDGES[min(period, known_periods - 1)]
        columns.append(of(Z))
        if terms.renewal is None and period >= known_periods - 1:
            return np.column_stack(columns + [columns[-1]] * (PERIODS - known_periods))
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
