"""Rows that train or test: each an eligible customer and date of the build, and there once."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.guard_check import Check, check_of
from training.sample import Rows
from training.trial import Trial

KEY = ["customer_id", "as_of"]
COPIED = "resampling before the split copies test rows into training"
Hashes = npt.NDArray[np.uint64]


def hashes(keys: pd.DataFrame) -> Hashes:
    """One number per (customer, as-of); missing values have one too."""
    found = pd.util.hash_pandas_object(keys[KEY], index=False)
    return np.asarray(found, dtype=np.uint64)


def check_keys(keys: pd.DataFrame, built: Hashes) -> Check:
    """Every row is one of the build, once.

    Parameters
    ----------
    keys : DataFrame of shape (n, 2)
        `customer_id`, `as_of` of the rows to split.
    built : ndarray of uint64, shape (m,)
        `hashes` of the eligible rows of the build.
    """
    faults = []
    found = hashes(keys)
    repeated = pd.Series(found).duplicated().to_numpy()
    if repeated.any():
        faults.append(
            f"{repeated.sum():,} rows are there twice, such as {_examples(keys[repeated])};"
            f" {COPIED}"
        )
    foreign = ~np.isin(found, built)
    if foreign.any():
        faults.append(
            f"{foreign.sum():,} rows are not an eligible customer and date of the build, such as"
            f" {_examples(keys[foreign])}; rows made before the split carry test rows into training"
        )
    return check_of("rows", faults, f"all {len(keys):,} rows are of the build, once each")


def check_trials(keys: pd.DataFrame, trials: Sequence[Trial]) -> Check:
    """What a back-test used: rows of the dataset, once, never on both sides.

    Parameters
    ----------
    keys : DataFrame of shape (n, 2)
        Of the dataset, already held against the build.
    trials : sequence of Trial
    """
    faults: list[str] = []
    for trial in trials:
        at = "" if trial.at is None else f" of origin {trial.at:%Y-%m-%d}"
        faults += _misused(keys, trial.train_rows, f"training{at}")
        faults += _misused(keys, trial.test_rows, f"test{at}")
        both = np.intersect1d(trial.train_rows, trial.test_rows)
        if len(both) and len(both) < len(trial.train_rows):  # all of them: folds of a snapshot
            faults.append(
                f"{len(both):,} rows both train and test{at}, such as {_examples(keys.iloc[both])}"
            )
    used = sum(len(trial.train_rows) + len(trial.test_rows) for trial in trials)
    return check_of("rows", faults, f"the back-test used {used:,} rows, each in its place")


def check_refit(keys: pd.DataFrame, rows: Rows) -> Check:
    """What the model to register was learned from: rows of the dataset, once."""
    return check_of("rows", [*_misused(keys, rows, "refit")], f"the refit used {len(rows):,} rows")


def _misused(keys: pd.DataFrame, rows: Rows, where: str) -> Iterable[str]:
    """Rows of one part that were made up or are there twice."""
    outside = (rows < 0) | (rows >= len(keys))
    if outside.any():
        yield (
            f"{outside.sum():,} rows of the {where} are not an eligible customer and date of the"
            f" build; {COPIED}"
        )
    repeated = pd.Series(rows).duplicated().to_numpy() & ~outside
    if repeated.any():
        shown = _examples(keys.iloc[rows[repeated]])
        yield f"{repeated.sum():,} rows of the {where} are there twice, such as {shown}; {COPIED}"


def _examples(keys: pd.DataFrame) -> str:
    rows = keys.head(3)[KEY].itertuples(index=False, name=None)
    return ", ".join(
        f"{customer}" if pd.isna(as_of) else f"{customer} at {as_of:%Y-%m-%d}"
        for customer, as_of in rows
    )
