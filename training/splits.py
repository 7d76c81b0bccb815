"""Origins: moments at which a model is trained on what was known, then tested on what came after.

A slice is the rows of one as-of date. It may train at an origin when its answer was known by then
and comes in whole or not at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import train_test_split

from features.errors import ProjectError, UnfitDataError
from features.project import Split, Target
from training.labels import mature

N_ORIGINS = 3
BLOCK = timedelta(days=30)  # denser grids are tested in blocks of so many days
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Origin:
    """One honest trial: the dates to learn from and the later dates to be judged on."""

    at: datetime
    train: tuple[datetime, ...]
    test: tuple[datetime, ...]


def origins(
    target: Target, dates: Sequence[datetime], data_end: datetime, n: int = N_ORIGINS
) -> list[Origin]:
    """The origins of a target, oldest first.

    With `target.split` the test is the one it names: every listed date is an origin, `test_from`
    is one origin for all dates from then on. Without it the newest mature dates are the tests, each
    trained on the dates whose answer was known by then.

    Parameters
    ----------
    target : Target
    dates : sequence of datetime
        The as-of grid.
    data_end : datetime
    n : int
        How many rolling origins where history allows.

    Returns
    -------
    list of Origin
        Empty when no date has later dates to be tested on.

    Raises
    ------
    ProjectError
        A listed date is not in the grid, or its answer is not known in time.
    """
    grid = sorted(date for date in dates if mature(date, target, data_end))
    tests: list[tuple[datetime, ...]]
    if target.split.test:
        tests = [(_listed(date, grid, "test", data_end),) for date in sorted(target.split.test)]
    elif target.split.test_from is not None:
        tests = [tuple(date for date in grid if date >= target.split.test_from)]
    else:
        tests = blocks(grid)
    start = target.split.test_from
    found = [_origin(target, grid, test, start or test[0]) for test in tests if test]
    usable = [origin for origin in found if origin.train]
    return usable if target.split.test else usable[-n:]


def _origin(
    target: Target, grid: list[datetime], test: tuple[datetime, ...], at: datetime
) -> Origin:
    known = tuple(date for date in grid if mature(date, target, at))
    if target.split.train:
        known = tuple(_listed(date, known, "train", at) for date in sorted(target.split.train))
    return Origin(at, known, test)


def _listed(date: datetime, allowed: Sequence[datetime], key: str, by: datetime) -> datetime:
    if date not in allowed:
        newest = f"{max(allowed):%Y-%m-%d}" if allowed else "none"
        raise ProjectError(
            f"split.{key} names {date:%Y-%m-%d}, which is not an as-of date whose answer is known"
            f" by {by:%Y-%m-%d}; the newest such date is {newest}"
        )
    return date


def blocks(grid: list[datetime]) -> list[tuple[datetime, ...]]:
    """Dates in blocks, in order: single dates, or spans of `BLOCK` where the grid is denser."""
    if len(grid) < 2 or (grid[-1] - grid[0]) / (len(grid) - 1) >= timedelta(days=7):
        return [(date,) for date in grid]
    found: dict[int, list[datetime]] = {}
    for date in grid:
        found.setdefault((grid[-1] - date) // BLOCK, []).append(date)
    return [tuple(found[age]) for age in sorted(found, reverse=True)]


def newest(dates: Sequence[datetime]) -> tuple[datetime, ...]:
    """The newest block of some dates: the last date, or the last 30 days of a dense grid."""
    found = blocks(sorted(set(dates)))
    return found[-1] if found else ()


@dataclass(frozen=True)
class Holdout:
    """A fixed test of a snapshot: positions of the rows that train and of those that test.

    `order` are all positions in the order of events, where rows are split by it.
    """

    train: Rows
    test: Rows
    order: Rows | None = None


def holdout(split: Split, state: pd.DataFrame) -> Holdout | None:
    """The fixed test that a target's `split` sets for a snapshot; None: it is cross-validated.

    Parameters
    ----------
    split : Split
        `train_sample` and `test_sample` name values of the column `sample`. `test_share` takes
        the last rows by `row_number`, or with a `seed` those that scikit-learn's
        `train_test_split` draws from the rows in that order.
    state : DataFrame of shape (n, columns)
        State of all rows of the snapshot.

    Raises
    ------
    UnfitDataError
        A column, a sample or a moment that the split names is not in the snapshot.
    """
    if split.train or split.test or split.test_from is not None:
        raise UnfitDataError(
            "split names moments, and the snapshots have fewer than two; map as_of, or leave it out"
        )
    if split.train_sample is not None and split.test_sample is not None:
        return Holdout(_sample(state, split.train_sample), _sample(state, split.test_sample))
    if split.test_share is None:
        return None
    if "row_number" not in state or state["row_number"].isna().any():
        raise UnfitDataError(
            "split.test_share needs the order of the rows: map row_number of snapshots"
            ' (expressions = { row_number = "_row" } is that of the file)'
        )
    order = np.argsort(state["row_number"].to_numpy(dtype=np.int64), kind="stable")
    drawn = split.seed is not None
    train, test = train_test_split(
        order, test_size=split.test_share, random_state=split.seed, shuffle=drawn
    )
    return Holdout(np.sort(train), np.sort(test), None if drawn else order)


def _sample(state: pd.DataFrame, name: str) -> Rows:
    """Positions of the rows of a sample."""
    if "sample" not in state:
        raise UnfitDataError(f"split names the sample {name!r}: map the column sample of snapshots")
    rows = np.flatnonzero(state["sample"].eq(name).fillna(False))
    if not len(rows):
        there = ", ".join(sorted(state["sample"].dropna().unique())[:10])
        raise UnfitDataError(f"split names the sample {name!r}; the snapshots hold {there}")
    return rows


def customer_folds(
    event: npt.NDArray[np.float64], customer: npt.ArrayLike, n: int = 5, seed: int = 0
) -> Iterator[tuple[Rows, Rows]]:
    """Random folds with all rows of a customer on one side, alike in customers with the event.

    Parameters
    ----------
    event : ndarray of float, shape (n,)
    customer : array-like of shape (n,)
    n, seed : int

    Yields
    ------
    train, test : ndarray of int
        Positions of rows.
    """
    groups = np.unique(np.asarray(customer), return_inverse=True)[1]
    happened = np.bincount(groups, weights=event) > 0
    shuffled = np.random.default_rng(seed).permutation(len(happened))
    dealt = shuffled[np.argsort(happened[shuffled], kind="stable")]
    fold = np.empty(len(happened), dtype=np.int64)
    fold[dealt] = np.arange(len(dealt)) % n  # customers with and without the event in turn
    for number in range(n):
        yield np.flatnonzero(fold[groups] != number), np.flatnonzero(fold[groups] == number)
