"""The linear part of a propensity model: a regularised logistic regression in plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.portable import Floats, LinearPart
from models.streamed import Matrix, Rows, Streamed

CLIP = (0.005, 0.995)  # quantiles beyond which a number says no more
ROWS = 200_000  # more, drawn at random, say next to nothing new of a few hundred weights
SKEWED = 1.0  # above this absolute skewness the signed log1p is tried


@dataclass(frozen=True)
class _Number:
    """How one numeric column is transformed."""

    index: int
    low: float
    high: float
    log: bool
    center: float
    scale: float
    fill: float  # the transformed median
    missing: bool  # training rows had missing values: an indicator is fitted


def fit_linear(
    X: Matrix, y: NDArray[np.int64], categorical: Sequence[int] = (), *, c: float = 0.1
) -> LinearPart:
    """Fit a logistic regression on standardised numbers and one-hot categories.

    Numbers are clipped to their 0.5 % and 99.5 % quantiles, log-transformed where that makes them
    less skewed, filled with the median when missing, with an indicator beside. Of more than `ROWS`
    rows so many are drawn.

    Parameters
    ----------
    X : ndarray or Streamed of shape (n, f)
        Encoded features; NaN is missing.
    y : ndarray of shape (n,)
        0 or 1, both present.
    categorical : sequence of int
        Positions that hold category codes.
    c : float
        Inverse strength of the squared penalty on the standardised coefficients; 0 leaves the
        intercept alone, the constant.
    """
    if len(X) > ROWS or isinstance(X, Streamed):
        drawn = _draw(y)
        X, y = X.array(drawn) if isinstance(X, Streamed) else X[drawn], y[drawn]
    return _fitted(X, y, categorical, c)


def _draw(y: NDArray[np.int64]) -> Rows:
    """Places of `ROWS` rows, of each outcome its share and one at least; all where they are few."""
    if len(y) <= ROWS:
        return np.arange(len(y))
    draw = np.random.default_rng(0)
    parts = [np.flatnonzero(y == value) for value in (0, 1)]
    counts = [max(1, round(ROWS * len(part) / len(y))) for part in parts]
    kept = [draw.choice(p, n, replace=False) for p, n in zip(parts, counts, strict=True)]
    return np.sort(np.concatenate(kept))


def _fitted(X: Floats, y: NDArray[np.int64], categorical: Sequence[int], c: float) -> LinearPart:
    chosen = set(range(X.shape[1]) if c == 0 else categorical)
    numbers = [n for i in range(X.shape[1]) if i not in chosen and (n := _number(X[:, i], i))]
    sizes = {i: _size(X[:, i]) for i in categorical if c > 0}
    design = _design(X, numbers, sizes)
    if not design.shape[1]:
        rate = float(np.mean(y))
        return LinearPart(
            _spec(numbers, np.zeros(0), np.zeros(0), float(np.log(rate / (1 - rate))), sizes)
        )
    model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=200).fit(design, y)
    weights = model.coef_[0]
    intercept = float(model.intercept_[0] + design.mean(axis=0) @ weights)
    return LinearPart(_spec(numbers, weights, design.mean(axis=0), intercept, sizes))


def _number(column: Floats, index: int) -> _Number | None:
    """The transformation of a column; None when it holds fewer than two values."""
    known = column[~np.isnan(column)]
    if len(known) == 0:
        return None
    low, high = (float(q) for q in np.quantile(known, CLIP))
    if low == high:  # rarely anything but one value: keep the full range
        low, high = float(known.min()), float(known.max())
    clipped = np.clip(known, low, high)
    logged = np.sign(clipped) * np.log1p(np.abs(clipped))
    log = abs(_skew(clipped)) > SKEWED and abs(_skew(logged)) < abs(_skew(clipped))
    used = logged if log else clipped
    fill, scale = float(np.median(used)), float(used.std())
    missing = len(known) < len(column)
    if scale <= 1e-12 * max(1.0, abs(fill)) and not missing:
        return None
    scale = scale if scale > 1e-12 * max(1.0, abs(fill)) else np.inf  # constant: indicator only
    return _Number(index, low, high, log, float(used.mean()), scale, fill, missing)


def _skew(values: Floats) -> float:
    """Third standardised moment; 0 for a constant."""
    spread = float(values.std())
    if spread == 0:
        return 0.0
    z = (values - values.mean()) / spread
    return float(np.mean(z * z * z))  # a power of 3 takes forty times as long


def _size(codes: Floats) -> int:
    """Number of codes seen."""
    known = codes[~np.isnan(codes)]
    return int(known.max()) + 1 if len(known) else 0


def _design(X: Floats, numbers: Sequence[_Number], sizes: dict[int, int]) -> Floats:
    """Columns: each number, then its indicator where it has one; then each category's codes."""
    columns: list[Floats] = []
    for n in numbers:
        x = np.clip(X[:, n.index], n.low, n.high)
        x = np.sign(x) * np.log1p(np.abs(x)) if n.log else x
        missing = np.isnan(x)
        columns.append((np.where(missing, n.fill, x) - n.center) / n.scale)
        if n.missing:
            columns.append(missing.astype(np.float64))
    for index, size in sizes.items():
        columns += [(X[:, index] == code).astype(np.float64) for code in range(size)]
    return np.column_stack(columns) if columns else np.empty((len(X), 0))


def _spec(
    numbers: Sequence[_Number],
    weights: Floats,
    means: Floats,
    intercept: float,
    sizes: dict[int, int],
) -> dict[str, Any]:
    """Plain numbers for the card; every term has mean zero over the training rows."""
    rows, at = [], 0
    for n in numbers:
        width = 2 if n.missing else 1
        w, mean = weights[at : at + width], means[at : at + width]
        at += width
        slope = float(w[0] / n.scale)
        offset = float(w @ mean)
        bias = -slope * n.center - offset
        absent = slope * n.fill + bias + (float(w[1]) if n.missing else 0.0)
        rows.append((n.index, n.low, n.high, n.log, slope, bias, absent))
    keys = ("index", "low", "high", "log", "slope", "bias", "missing")
    table = {key: [row[k] for row in rows] for k, key in enumerate(keys)}
    categories = []
    for index, size in sizes.items():
        w, mean = weights[at : at + size], means[at : at + size]
        at += size
        offset = float(w @ mean)
        values = [float(v) - offset for v in w]
        categories.append({"index": int(index), "weights": values, "missing": -offset})
    return {"intercept": intercept, "numbers": table, "categories": categories}
