"""Moments by customer in one sorted array, so that many questions are answered at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.days import Ints, days_later, micros

OPEN = np.iinfo(np.int64).max  # the end of what has not ended


class Timeline:
    """Rows of (customer, moment), sorted.

    Parameters
    ----------
    customer : Series of shape (n,)
    at : ndarray of int64, shape (n,)
        Microseconds.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Positions of the rows as given, in sorted order.
    """

    def __init__(self, customer: pd.Series, at: Ints) -> None:
        codes, self._customers = pd.factorize(customer)
        self.order: Ints = np.lexsort((at, codes))
        self._moments = np.unique(at)
        self._width = len(self._moments) + 1
        sorted_codes = codes[self.order]
        self._keys = self._key(sorted_codes, at[self.order])
        self._first = np.searchsorted(sorted_codes, np.arange(len(self._customers)))

    def _key(self, codes: Ints, at: Ints) -> Ints:
        """One number that sorts as (customer, moment); exact, as it counts known moments."""
        return codes * self._width + np.searchsorted(self._moments, at)

    def before(self, customer: pd.Series, at: Ints) -> Ints:
        """Sorted position of the first row of each customer at or after a moment."""
        codes = pd.Index(self._customers).get_indexer(pd.Index(customer))
        return np.asarray(np.searchsorted(self._keys, self._key(codes, at)), dtype=np.int64)

    def last_before(self, customer: pd.Series, at: Ints) -> Ints:
        """Sorted position of the last row of each customer before a moment; -1 when none."""
        codes = pd.Index(self._customers).get_indexer(pd.Index(customer))
        found = np.asarray(np.searchsorted(self._keys, self._key(codes, at)), dtype=np.int64) - 1
        first = np.append(self._first, OPEN)[codes]  # an unknown customer takes the last, OPEN
        return np.where(found >= first, found, -1)

    def any_within(self, customer: pd.Series, start: Ints, end: Ints) -> npt.NDArray[np.bool_]:
        """Whether a customer has a row in `[start, end)`."""
        return self.before(customer, end) > self.before(customer, start)


@dataclass(frozen=True)
class Runs:
    """Unbroken coverage `[start, end)` per customer, in microseconds; `OPEN` while it lasts.

    `cause` is that of the step that ended it, None while it lasts.
    """

    customer: pd.Series
    start: Ints
    end: Ints
    cause: npt.NDArray[np.object_]


def coverage_runs(
    steps: pd.DataFrame, grace_days: int = 0, pause_days: int = 0, zone: str = "UTC"
) -> Runs:
    """Coverage as runs; a gap shorter than the grace is none.

    Parameters
    ----------
    steps : DataFrame of shape (n, columns)
        MRR steps of the ledger: `customer_id`, `at`, `mrr`, `cause`, sorted by customer and moment.
    grace_days : int
        Coverage that resumes strictly before its end plus the grace never ended.
    pause_days : int
        The same for coverage that a pause ended, where it is longer than the grace.
    zone : str
        Whose days they are.

    Returns
    -------
    Runs
    """
    customer, covered = steps["customer_id"], (steps["mrr"] > 0).to_numpy()
    new = _changes(customer)
    before = np.where(new, False, np.roll(covered, 1))
    turns = np.flatnonzero(covered != before)  # per customer: start, end, start, end, ...
    is_start = covered[turns]
    at, cause = micros(steps["at"])[turns], steps["cause"].to_numpy(dtype=object)[turns]
    closed = is_start & ~np.append(is_start[1:], True)  # the next turn is this run's end
    end = np.where(closed, np.append(at[1:], OPEN), OPEN)[is_start]
    last = np.append(cause[1:], np.array([None], dtype=object))
    cause = np.where(closed, last, np.array(None, dtype=object))[is_start]
    start, who = at[is_start], customer.iloc[turns[is_start]].reset_index(drop=True)
    wait = np.where(cause == "pause", max(grace_days, pause_days), grace_days)
    lost = end.copy()
    lost[end != OPEN] = days_later(end[end != OPEN], wait[end != OPEN], zone)
    return _joined(Runs(who, start, end, cause), lost)


def _joined(runs: Runs, lost: Ints) -> Runs:
    """Runs that resumed before they counted as lost, put together."""
    if not len(runs.start):
        return runs
    resumes = ~_changes(runs.customer) & (runs.start < np.append(lost[:1], lost[:-1]))
    last = np.append(~resumes[1:], True)
    who = runs.customer[~resumes].reset_index(drop=True)
    return Runs(who, runs.start[~resumes], runs.end[last], runs.cause[last])


def _changes(customer: pd.Series) -> npt.NDArray[np.bool_]:
    """True on the first row of each customer of a sorted column."""
    return (customer != customer.shift()).to_numpy(dtype=bool)
