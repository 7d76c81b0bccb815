"""Kernels over single values: how many differ, the commonest, how days follow, the last one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from features.declare import EVER, Reduce
from features.grid import Grid
from features.history import Pairs, Versions, expand
from features.kernel import Window, groups
from features.reduce import Blocks, Rows


@dataclass(frozen=True)
class Seen:
    """The distinct (customer, value) of a window as known at an as-of, sorted."""

    who: np.ndarray
    value: np.ndarray
    n_customers: int
    last_day: int  # the last whole day before the as-of
    times: np.ndarray | None = None  # how many rows there are of each, where they were counted

    @classmethod
    def of(cls, rows: Rows, grid: Grid, moment: int, window: Window, n_customers: int) -> "Seen":
        """From rows sorted by customer and value."""
        start, end = window
        inside = (rows.shown <= moment) & (rows.interval <= grid.edge(moment, start))
        if end != EVER:
            inside &= rows.interval > grid.edge(moment, end)
        who, value = rows.customer[inside], rows.values[inside, 0]
        fresh = np.ones(len(who), bool)
        fresh[1:] = (who[1:] != who[:-1]) | (value[1:] != value[:-1])
        times = None
        if rows.values.shape[1] > 1:
            times = (
                np.add.reduceat(rows.values[inside, 1], np.flatnonzero(fresh)) if len(who) else who
            )
        return cls(who[fresh], value[fresh], n_customers, int(grid.last_day[moment]), times)

    def count(self) -> np.ndarray:
        """How many there are."""
        return np.bincount(self.who, minlength=self.n_customers)

    def top_share(self) -> np.ndarray:
        """Share of the rows that have the commonest value; null where there are none."""
        times = np.ones(len(self.who), np.int64) if self.times is None else self.times
        most = np.zeros(self.n_customers, np.int64)
        np.maximum.at(most, self.who, times)
        return _over(most, np.bincount(self.who, times, minlength=self.n_customers))

    @cached_property
    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Whose, and how many days from one day to the next of the same customer."""
        same = self.who[1:] == self.who[:-1]
        return self.who[1:][same], np.diff(self.value)[same]

    @cached_property
    def gap_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """How many gaps each customer has, and their sum."""
        whose, gap = self.gaps
        count = np.bincount(whose, minlength=self.n_customers)
        return count, np.bincount(whose, gap, minlength=self.n_customers)

    def gap_mean(self) -> np.ndarray:
        """Mean days between days; null with fewer than two."""
        count, total = self.gap_sums
        return _over(total, count)

    def gap_sd(self) -> np.ndarray:
        """Sample standard deviation of the days between days; null with fewer than three."""
        whose, gap = self.gaps
        count, total = self.gap_sums
        squares = np.bincount(whose, gap * gap, minlength=self.n_customers)  # exact below 2**53
        variance = _over(count * squares - total * total, count * (count - 1))
        return np.asarray(np.sqrt(variance))

    def gap_max(self) -> np.ndarray:
        """Most days between days; null with fewer than two."""
        longest = np.full(self.n_customers, np.nan)
        np.fmax.at(longest, *self.gaps)
        return longest

    @cached_property
    def runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unbroken runs of days: whose, how long, the last day."""
        first = np.ones(len(self.who), bool)
        first[1:] = (self.who[1:] != self.who[:-1]) | (np.diff(self.value) != 1)
        start = np.flatnonzero(first)
        length = np.diff(np.append(start, len(self.who)))
        return self.who[start], length, self.value[start + length - 1]

    def streak(self) -> np.ndarray:
        """Length of the run that reaches the last whole day; 0 when none does."""
        whose, length, end = self.runs
        current = end >= self.last_day
        return np.bincount(whose[current], length[current], minlength=self.n_customers)

    def longest_streak(self) -> np.ndarray:
        """Length of the longest run."""
        whose, length, _ = self.runs
        longest = np.zeros(self.n_customers, np.int64)
        np.maximum.at(longest, whose, length)
        return longest


def _over(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    out = np.full(len(under), np.nan)
    np.divide(over, under, out=out, where=under > 0)
    return out


SUMMARIES: dict[Reduce, Callable[[Seen], np.ndarray]] = {
    "distinct": Seen.count,
    "top_share": Seen.top_share,
    "days": Seen.count,
    "streak": Seen.streak,
    "longest_streak": Seen.longest_streak,
    "gap_mean": Seen.gap_mean,
    "gap_sd": Seen.gap_sd,
    "gap_max": Seen.gap_max,
}


def set_values(
    reduced: Blocks,
    kinds: Sequence[Reduce],
    windows: Sequence[Window],
    grid: Grid,
    customer: np.ndarray,
    as_of: np.ndarray,
) -> np.ndarray:
    """Summaries of the distinct values in every window for every pair.

    Parameters
    ----------
    reduced : one value per row; days since 1970 for all kinds but `distinct` and `top_share`, which
        has a second: how many rows have it
    kinds : sequence of {"distinct", "top_share", "days", "streak", "longest_streak", "gap_mean",
        "gap_sd", "gap_max"}
    windows, customer, as_of : as for `features.kernel.window_values`

    Returns
    -------
    float64 array of shape (n_windows, n_kinds, n_pairs)
        Gaps and streaks in days; null where there are too few days for a gap.
    """
    out = np.full((len(windows), len(kinds), len(customer)), np.nan)
    reduced.each(partial(_summarise, kinds=kinds, windows=windows, grid=grid), out, customer, as_of)
    return out


def _summarise(
    out: np.ndarray,
    rows: Rows,
    customer: np.ndarray,
    as_of: np.ndarray,
    *,
    kinds: Sequence[Reduce],
    windows: Sequence[Window],
    grid: Grid,
) -> None:
    """Summaries of a block."""
    rows = rows[np.lexsort((rows.values[:, 0], rows.customer))]
    n_customers = int(customer[-1]) + 1 if len(customer) else 0
    for moment, pairs in groups(as_of, len(grid.as_of)):
        if not len(pairs):
            continue
        for number, window in enumerate(windows):
            seen = Seen.of(rows, grid, moment, window, n_customers)
            for place, kind in enumerate(kinds):
                out[number, place, pairs] = SUMMARIES[kind](seen)[customer[pairs]]


def day_values(
    reduced: Blocks,
    column: int,
    kinds: Sequence[Reduce],
    windows: Sequence[Window],
    grid: Grid,
    customer: np.ndarray,
    as_of: np.ndarray,
) -> np.ndarray:
    """As `set_values`, of days that come as bits in one column of the rows of a fine grid."""
    out = np.full((len(windows), len(kinds), len(customer)), np.nan)
    work = partial(_summarise_bits, column=column, kinds=kinds, windows=windows, grid=grid)
    reduced.each(work, out, customer, as_of)
    return out


def _summarise_bits(
    out: np.ndarray,
    rows: Rows,
    customer: np.ndarray,
    as_of: np.ndarray,
    *,
    column: int,
    kinds: Sequence[Reduce],
    windows: Sequence[Window],
    grid: Grid,
) -> None:
    """Summaries of a block, from a row per day that a window may hold."""
    ends = [end for _, end in windows]
    asked = rows.values[:, column] != 0
    if EVER not in ends:
        asked &= rows.interval > grid.edge(0, max(ends))
    days = _spread(rows[asked], column, grid)
    _summarise(out, days, customer, as_of, kinds=kinds, windows=windows, grid=grid)


def _spread(rows: Rows, column: int, grid: Grid) -> Rows:
    """One row per day: its value is the day, in days since 1970."""
    bits = rows.values[:, column]
    at = [np.flatnonzero(bits >> place & 1) for place in range(63)]
    which, place = np.concatenate(at), np.repeat(np.arange(63), [len(one) for one in at])
    day = grid.first_day[rows.interval[which]] + place
    return Rows(rows.customer[which], rows.interval[which], rows.shown[which], day[:, None])


def latest_values(
    reduced: Blocks, grid: Grid, customer: np.ndarray, as_of: np.ndarray
) -> np.ndarray:
    """The last value known at each pair; float64 of shape (n_pairs,), null where there is none."""
    out = np.full(len(customer), np.nan)
    reduced.each(partial(_latest, grid=grid), out, customer, as_of)
    return out


def _latest(
    out: np.ndarray, rows: Rows, customer: np.ndarray, as_of: np.ndarray, *, grid: Grid
) -> None:
    """The last values of a block."""
    at, known, value = rows.values.T
    rows = rows[np.lexsort((value, known, at, rows.customer))]
    versions = Versions(rows.customer.astype(np.int64), rows.shown, len(grid.as_of))
    row, start, stop = versions.spans()
    span, moment = expand(start, stop)
    place = Pairs(customer, as_of, len(grid.as_of)).find(rows.customer[row][span], moment)
    out[place[place >= 0]] = rows.values[row[span[place >= 0]], 2]
