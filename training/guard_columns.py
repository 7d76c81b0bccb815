"""Single columns that give the answer away: by their value, by being filled, by category."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import rankdata

from training.guard_check import Check, check_of
from training.sample import Dataset, Floats, Rows

SINGLE_AUC = 0.95
ENOUGH = 20  # rows of each outcome before one column can prove anything
ROWS = 10_000  # of each outcome; more tell no more about one column
FOLDS = 5
BINS = 20  # of a column with more values than `FEW_VALUES`
FEW_VALUES = 50
SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


class Separation(NamedTuple):
    """How well one column alone tells the outcomes apart, and by what of it."""

    auc: float
    by: str


def check_columns(data: Dataset, rows: Rows, y: Floats) -> Check:
    """No single feature gives the answer away.

    Parameters
    ----------
    data : Dataset
    rows, y : ndarray of shape (n,)
        Rows that train, and their labels.
    """
    kept = balanced(y)
    rows, y = rows[kept], y[kept]
    if min(y.sum(), len(y) - y.sum()) < ENOUGH:
        return Check("columns", "skipped", f"fewer than {ENOUGH} rows of one outcome prove nothing")
    encoder = data.encoder(rows)
    matrix = encoder.transform(data.frame.iloc[rows])
    groups = data.customer[rows]
    faults, named = [], []
    for number, name in enumerate(encoder.names):
        found = separation(matrix[:, number], y, groups, is_category=number in encoder.categorical)
        if found.auc > SINGLE_AUC:
            named.append(name)
            faults.append(f"feature {name!r}: {found.by} alone has an AUC of {found.auc:.3f}")
    if faults:
        faults[-1] += (
            f" on {len(y):,} training rows, above {SINGLE_AUC}; written because of the outcome, or"
            " after it: correct known_at, or list the column under `exclude`"
        )
    return check_of(
        "columns",
        faults,
        f"none of {len(encoder.names)} features alone has an AUC above {SINGLE_AUC}",
        columns=named,
    )


def separation(column: Floats, y: Floats, groups: Rows, *, is_category: bool = False) -> Separation:
    """The best AUC of one column: by value, by being missing, by the rate of its categories.

    Parameters
    ----------
    column : ndarray of shape (n,)
        Codes of a category or numbers; NaN where missing.
    y : ndarray of shape (n,)
    groups : ndarray of int, shape (n,)
        The customer of each row; rates are those of other customers.
    is_category : bool
        The order of the codes means nothing.

    Returns
    -------
    Separation
        Of 0.5 with too few rows of one outcome.
    """
    present = ~np.isnan(column)
    found = [
        Separation(_auc(present.astype(float), y), "whether it is missing"),
        Separation(_auc(_rates(column, y, groups), y), "the rate of its categories"),
    ]
    if not is_category:
        found.insert(1, Separation(_auc(column[present], y[present]), "its value"))
    return max(found, key=lambda one: round(one.auc, 6))


def _auc(values: Floats, y: Floats) -> float:
    """AUC in its better direction; 0.5 with too few rows of one outcome."""
    events = int(y.sum())
    others = len(y) - events
    if min(events, others) < ENOUGH:
        return 0.5
    ranks = rankdata(values)
    auc = (ranks[y == 1].sum() - events * (events + 1) / 2) / (events * others)
    return float(max(auc, 1 - auc))


def _rates(column: Floats, y: Floats, groups: Rows) -> Floats:
    """The rate of the event in each row's category, or bin, among customers of other folds."""
    bins = _bins(column)
    fold = (groups * 2_654_435_761 >> 7) % FOLDS  # a customer's rows stay together
    n = bins.max() + 1
    cell = fold * n + bins
    count = np.bincount(cell, minlength=FOLDS * n).reshape(FOLDS, n)
    events = np.bincount(cell, weights=y, minlength=FOLDS * n).reshape(FOLDS, n)
    rate = (events.sum(0) - events + y.mean()) / (count.sum(0) - count + 1)
    return np.asarray(rate[fold, bins])


def _bins(column: Floats) -> Rows:
    """Few values as they are, many in bins of equal count; missing ones apart."""
    present = ~np.isnan(column)
    bins = np.zeros(len(column), dtype=np.int64)
    values, codes = np.unique(column[present], return_inverse=True)
    if len(values) > FEW_VALUES:
        edges = np.unique(np.quantile(column[present], np.linspace(0, 1, BINS + 1)[1:-1]))
        sides = [np.searchsorted(edges, column[present], side=side) for side in SIDES]
        codes = sides[0] + sides[1]  # a value met so often that it is an edge has its own bin
    bins[present] = codes + 1
    return bins


def balanced(y: Floats, seed: int = 0) -> Rows:
    """Positions of up to `ROWS` random rows of each outcome, which leaves an AUC as it is."""
    draw = np.random.default_rng(seed)
    parts: Sequence[Rows] = [np.flatnonzero(y == value) for value in (0, 1)]
    kept = [p if len(p) <= ROWS else draw.choice(p, ROWS, replace=False) for p in parts]
    return np.sort(np.concatenate(kept))
