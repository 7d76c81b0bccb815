"""The leak guard: fails a training that knows what it could not have known, and gives the proof.

A build holds back rows from `as_of` on by construction, which its own property tests show. Here a
training is asked what its rows and columns look like: rows that are not of the build, single
columns that all but give the answer away, and a score that is too good.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from features.errors import LeakError
from training.sample import Floats, Sample

SINGLE_AUC = 0.95
SUSPICIOUS_AUC = 0.95  # of a model; only a warning where the project sets no limit
ENOUGH = 20  # rows of each outcome before one column can prove anything
ROWS = 100_000  # more tell no more about one column


def check_rows(keys: pd.DataFrame, built: pd.DataFrame) -> None:
    """Every row to train or test on is a row of the build, once.

    Parameters
    ----------
    keys : DataFrame of shape (n, 2)
        `customer_id`, `as_of` of the rows to be used.
    built : DataFrame of shape (m, 2)
        The eligible rows of the build.

    Raises
    ------
    LeakError
        With the count and three examples. Made-up or repeated rows are what resampling before
        the split leaves behind.
    """
    columns = ["customer_id", "as_of"]
    repeated = keys.duplicated(columns).to_numpy()
    if repeated.any():
        raise LeakError(
            f"{repeated.sum()} rows are there twice, such as {_examples(keys[repeated])};"
            " resampling before the split copies test rows into training"
        )
    known = pd.MultiIndex.from_frame(built[columns])
    foreign = ~pd.MultiIndex.from_frame(keys[columns]).isin(known)
    if foreign.any():
        raise LeakError(
            f"{foreign.sum()} rows are not an eligible customer and date of the build, such as"
            f" {_examples(keys[foreign])}; rows made before the split carry test rows into training"
        )


def check_columns(train: Sample, names: Sequence[str]) -> None:
    """No single feature gives the answer away.

    Parameters
    ----------
    train : Sample
    names : sequence of str, length f

    Raises
    ------
    LeakError
        A feature alone, or whether it is missing, has an AUC above .95 on the training rows.
    """
    rows = np.arange(len(train))[-ROWS:]
    y = train.y[rows]
    for name, column in zip(names, train.X[rows].T, strict=True):
        present = ~np.isnan(column)
        whole = separation(present.astype(float), y)
        part = separation(column[present], y[present])
        if max(whole, part) > SINGLE_AUC:
            what = "whether it is missing" if whole >= part else "its value"
            raise LeakError(
                f"feature {name!r}: {what} alone has an AUC of {max(whole, part):.3f} on"
                f" {len(y)} training rows, above {SINGLE_AUC}; it was written because of the"
                " outcome, or after it: correct its known_at, or list it under `exclude`"
            )


def separation(values: Floats, y: Floats) -> float:
    """AUC of one column in its better direction; 0.5 with too few rows of one outcome."""
    events = int(y.sum())
    if min(events, len(y) - events) < ENOUGH:
        return 0.5
    auc = float(roc_auc_score(y, values))
    return max(auc, 1 - auc)


def check_score(auc: float | None, plausible: float | None) -> str | None:
    """A warning about a score that is too good to be true, None when it is not.

    Raises
    ------
    LeakError
        The score is above the `plausible_auc` that the project sets.
    """
    if auc is None:
        return None
    if plausible is not None and auc > plausible:
        raise LeakError(
            f"the model's AUC of {auc:.3f} is above limits.plausible_auc = {plausible}:"
            " some feature knows the outcome"
        )
    if plausible is None and auc > SUSPICIOUS_AUC:
        return f"the model's AUC of {auc:.3f} is unusually high: look for a feature that knows"
    return None


def _examples(keys: pd.DataFrame) -> str:
    rows = keys.head(3)[["customer_id", "as_of"]].itertuples(index=False, name=None)
    return ", ".join(f"{customer} at {as_of}" for customer, as_of in rows)
