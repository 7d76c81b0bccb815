"""The cause of churn: of those who leave, which share does so because payment failed.

A second model, learned on leavers alone: a regularised logistic regression, calibrated on
customers left out, or one share for all where either cause has too few events to learn from. The
probability of churn times this share is that of involuntary churn, and the rest is voluntary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from models.calibrate import fit_calibration
from models.linear import fit_linear
from models.portable import Floats, sigmoid

LEAST = 30  # distinct customers of either cause; with fewer, one share for all
STRENGTHS = (0.005, 0.03)  # inverse strengths of the penalty
FOLDS = 3
STEADY = 20.0  # leavers at the share of all of them, added to the newest


@dataclass(frozen=True)
class Leavers:
    """Rows whose customer left.

    Attributes
    ----------
    X : ndarray of shape (n, f)
    involuntary : ndarray of shape (n,)
        1 where payment failed, else 0.
    customer : ndarray of int, shape (n,)
    newest : ndarray of bool, shape (n,)
        Of the newest slice.
    """

    X: Floats
    involuntary: Floats
    customer: NDArray[np.int64]
    newest: NDArray[np.bool_]

    @property
    def few(self) -> bool:
        """Whether either cause has too few customers to learn from."""
        counts = (len(np.unique(self.customer[self.involuntary == value])) for value in (0, 1))
        return min(counts) < LEAST

    def share(self) -> float:
        """The newest share of involuntary ends, drawn towards that of all where it has few."""
        whole = (self.involuntary.sum() + 0.5) / (len(self.involuntary) + 1)
        new = self.involuntary[self.newest]
        return float((new.sum() + STEADY * whole) / (len(new) + STEADY))


def fit_cause(
    leavers: Leavers, categorical: Sequence[int] = (), *, learned: bool = True
) -> dict[str, Any] | None:
    """The second model as the card holds it under `cause`.

    Parameters
    ----------
    leavers : Leavers
    categorical : sequence of int
        Positions that hold category codes.
    learned : bool
        False for one share for all.

    Returns
    -------
    dict or None
        `share` and, where it was learned, `linear` with its `calibration`. None where no payment
        ever failed: then nothing tells the causes apart.
    """
    if not leavers.involuntary.any():
        return None
    card: dict[str, Any] = {"share": leavers.share(), "linear": None, "calibration": None}
    if leavers.few or not learned:
        return card
    y = leavers.involuntary.astype(np.int64)
    found = {c: _out_of_fold(leavers, y, categorical, c) for c in STRENGTHS}
    best = min(STRENGTHS, key=lambda c: log_loss(y, sigmoid(found[c])))
    curve = fit_calibration(found[best], leavers.involuntary, groups=leavers.customer)
    linear = fit_linear(leavers.X, y, categorical, c=best)
    return card | {"linear": linear.spec, "calibration": curve.as_card()}


def _out_of_fold(
    leavers: Leavers, y: NDArray[np.int64], categorical: Sequence[int], c: float
) -> Floats:
    """Log-odds of each leaver by a model that has not seen the customer."""
    out = np.empty(len(y))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(leavers.X, y, leavers.customer):
        part = fit_linear(leavers.X[train], y[train], categorical, c=c)
        out[test] = part.terms(leavers.X[test]).sum(axis=1) + part.intercept
    return out


def log_loss(y: NDArray[Any], p: Floats) -> float:
    """Mean log loss of shares strictly between 0 and 1."""
    return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))
