"""Categories of many values, told by the event's rate among them, each row as it was known then.

A row sees the answers of rows before it only: with dates, those whose answer was known by its own
as-of date; without, those before it in a random order (Prokhorenkova et al. 2018, CatBoost, ordered
target statistics). What it sees is the log-odds of its value's rate against that of all, so a
base rate that moves does not move it, and a value of which nothing is known stands at 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.portable import Floats

Codes = NDArray[np.intp]  # positions of values, -1 where missing
PRIOR = 0.0  # log-odds against the whole, of values that nothing is known of
SMOOTH = 20.0  # rows at the rate of all added to each value


@dataclass(frozen=True)
class Past:
    """Answers of training rows, and when each was known.

    Attributes
    ----------
    y : ndarray of shape (n,)
        0 or 1.
    as_of : Series of datetime, shape (n,)
        NaT where rows have no time.
    wait : timedelta
        How long after its date an answer is known.
    """

    y: Floats
    as_of: pd.Series
    wait: timedelta

    def seen(self, column: pd.Series) -> Floats:
        """What each row sees of its value, shape (n,); NaN where the value is missing."""
        which, values = column.factorize()
        as_of = self.as_of.reset_index(drop=True)
        if as_of.nunique() < 2 or as_of.isna().any():
            out = self._by_order(which)
        else:
            out = self._by_time(which, len(values), as_of)
        return np.where(which < 0, np.nan, out)

    def _by_time(self, which: Codes, size: int, as_of: pd.Series) -> Floats:
        """From all rows whose answer was known by a row's date."""
        out = np.empty(len(which))
        dates = as_of.to_numpy()
        known_at = (as_of + self.wait).to_numpy()
        for date in np.unique(dates):
            known, now = known_at <= date, dates == date
            rows, events = _counts(which[known], self.y[known], size)
            whole = np.array([known.sum()]), np.array([self.y[known].sum()])
            out[now] = _against(rows, events, *whole)[which[now]]
        return out

    def _by_order(self, which: Codes) -> Floats:
        """From the rows before each in a random order."""
        order = np.random.default_rng(0).permutation(len(which))
        y, group = self.y[order], pd.Series(which[order])
        rows = np.asarray(group.groupby(group).cumcount(), dtype=np.float64)
        events = pd.Series(y).groupby(group).cumsum().to_numpy() - y
        out = np.empty(len(which))
        before = np.arange(len(y), dtype=np.float64), np.asarray(np.cumsum(y) - y)
        out[order] = _against(rows, np.asarray(events), *before)
        return out

    def rates(self, column: pd.Series, values: Sequence[str]) -> dict[str, float]:
        """What stands for each value when later rows are scored: from all rows.

        The numbers all differ, and differ from `PRIOR`, so that a value is told by its number.
        """
        which = pd.Index(values).get_indexer(pd.Index(column))
        rows, events = _counts(which, self.y, len(values))
        found = _against(rows, events, np.array([len(self.y)]), np.array([self.y.sum()]))
        taken, out = {PRIOR}, {}
        for value, number in zip(values, found.tolist(), strict=True):
            free = number
            while free in taken:
                free = float(np.nextafter(free, np.inf))
            taken.add(free)
            out[value] = free
        return out


def _counts(which: Codes, y: Floats, size: int) -> tuple[Floats, Floats]:
    """Rows and events of each value; missing ones (-1) count for none."""
    told = which >= 0
    rows, events = (np.bincount(which[told], w[told], size) for w in (np.ones(len(y)), y))
    return rows.astype(np.float64), events.astype(np.float64)


def _against(rows: Floats, events: Floats, all_rows: Floats, all_events: Floats) -> Floats:
    """Log-odds of smoothed rates less those of the rate of all."""
    whole = (all_events + 0.5) / (all_rows + 1)
    rate = (events + SMOOTH * whole) / (rows + SMOOTH)
    return np.asarray(np.log(rate / (1 - rate)) - np.log(whole / (1 - whole)))
