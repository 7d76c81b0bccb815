"""Calibration: from a model's log-odds to log-odds that can be taken at their word."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression
from sklearn.model_selection import GroupKFold, StratifiedKFold

from models.portable import LIMIT, Floats, calibrate, sigmoid

Method = Literal["auto", "none", "shift", "platt", "isotonic"]

FEW, MANY = 30, 1000  # events: below, the shift alone; from, isotonic is tried
PRIOR_SLOPE, PRIOR_SHIFT = 0.25, 1.0  # standard deviations around slope 1 and shift 0
SLOPES = (0.01, 5.0)
BLOCK = 50  # rows in a step of the isotonic curve, at least


@dataclass(frozen=True)
class Calibration:
    """A rising curve in log-odds space: straight lines through the points (x, y).

    Beyond the ends the outer lines go on; the result is kept within 30 of zero, so a probability
    is never exactly 0 or 1.
    """

    method: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = np.all(np.diff(self.x) > 0) and np.all(np.diff(self.y) >= 0)
        if len(self.x) < 2 or len(self.x) != len(self.y) or not rising:
            raise ValueError(
                f"calibration points must rise and be two or more; got {self.x}, {self.y}"
            )

    @classmethod
    def line(cls, method: str, slope: float = 1.0, shift: float = 0.0) -> Self:
        """`slope * log_odds + shift`."""
        return cls(method, (-LIMIT, LIMIT), (-LIMIT * slope + shift, LIMIT * slope + shift))

    def log_odds(self, raw: ArrayLike) -> Floats:
        """Calibrated log-odds of a model's log-odds, any shape."""
        return calibrate(np.asarray(raw, dtype=np.float64), self.x, self.y)

    def probability(self, raw: ArrayLike) -> Floats:
        """Calibrated probability of a model's log-odds, any shape."""
        return sigmoid(self.log_odds(raw))

    def as_card(self) -> dict[str, Any]:
        """Plain JSON; `from_card` gives the same curve to the last bit."""
        return {"method": self.method, "x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Self:
        """The inverse of `as_card`."""
        return cls(card["method"], tuple(card["x"]), tuple(card["y"]))


def fit_calibration(
    log_odds: ArrayLike,
    y: ArrayLike,
    *,
    method: Method = "auto",
    groups: Sequence[Any] | ArrayLike | None = None,
    seed: int = 0,
) -> Calibration:
    """Fit on predictions the model was not trained on.

    Parameters
    ----------
    log_odds : array-like of shape (n,)
        Raw log-odds on earlier time, out of sample.
    y : array-like of shape (n,)
        0 or 1.
    method : str
        `auto` by the rarer class: fewer than 30 the shift alone; from 1,000 the isotonic curve if
        it beats the line in cross-validation by more than its standard error; else the line
        (Platt), drawn towards slope 1 and shift 0, the harder the fewer events there are. With
        one class only there is nothing to fit: the identity, method `none`.
    groups : array-like of shape (n,), optional
        Customers; rows of one stay together in that cross-validation.
    seed : int
        Of the folds.
    """
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if z.shape != y.shape or z.ndim != 1:
        raise ValueError(f"log_odds and y must be of one length; got {z.shape} and {y.shape}")
    if not np.isfinite(z).all() or not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("log_odds must be finite and y 0 or 1")
    events = int(min(y.sum(), len(y) - y.sum()))
    if method == "none" or events == 0:
        return Calibration.line("none")
    if method == "auto":
        method = _choose(z, y, events, groups, seed)
    return _FITS[method](z, y)


def _choose(z: Floats, y: Floats, events: int, groups: Any, seed: int) -> Method:
    """The method that the number of events allows and the data prefer."""
    if events < FEW:
        return "shift"
    if events < MANY:
        return "platt"
    gain = _loss(z, y, "platt", groups, seed) - _loss(z, y, "isotonic", groups, seed)
    error = gain.std() / np.sqrt(len(gain))
    return "isotonic" if gain.mean() > error else "platt"


def _loss(z: Floats, y: Floats, method: Method, groups: Any, seed: int) -> Floats:
    """Log loss of each row, calibrated on the other folds."""
    if groups is None:
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(z, y)
    else:
        folds = GroupKFold(5, shuffle=True, random_state=seed).split(z, y, groups)
    out = np.empty(len(z))
    for train, test in folds:
        curve = _FITS[method](z[train], y[train])
        signed = np.where(y[test] == 1, -1.0, 1.0) * curve.log_odds(z[test])
        out[test] = np.logaddexp(0, signed)
    return out


def _shift(z: Floats, y: Floats) -> Calibration:
    """The intercept alone."""
    return Calibration.line("shift", 1.0, _line(z, y, free_slope=False)[1])


def _platt(z: Floats, y: Floats) -> Calibration:
    """Slope and intercept."""
    return Calibration.line("platt", *_line(z, y, free_slope=True))


def _line(z: Floats, y: Floats, *, free_slope: bool) -> tuple[float, float]:
    """Most probable slope and shift of `slope * z + shift` under the priors, by Newton steps."""
    middle = float(z.mean())
    design = np.column_stack([z - middle, np.ones(len(z))])
    beta, start = np.zeros(2), z  # beta: slope - 1, shift at the middle
    precision = np.array([PRIOR_SLOPE**-2 if free_slope else 1e12, PRIOR_SHIFT**-2])
    for _ in range(50):
        p = sigmoid(np.clip(start + design @ beta, -LIMIT, LIMIT))
        gradient = design.T @ (y - p) - precision * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))  # no leaps from far away
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    slope = float(np.clip(1 + beta[0], *SLOPES))
    if slope != 1 + beta[0]:  # at a bound: the shift that goes with it
        return slope, _line(z * slope, y, free_slope=False)[1]
    return slope, float(beta[1] + middle * (1 - slope))


def _isotonic(z: Floats, y: Floats) -> Calibration:
    """A monotone curve through steps of at least 50 rows, smoothed towards the line."""
    slope, shift = _line(z, y, free_slope=True)
    order = np.argsort(z, kind="stable")
    steps = _merge(np.asarray(isotonic_regression(y[order])))
    xs: list[float] = []
    ys: list[float] = []
    for start, end in steps:
        x = float(z[order[start:end]].mean())
        prior = float(sigmoid(np.asarray(slope * x + shift)))
        rate = (float(y[order[start:end]].sum()) + 10 * prior) / (end - start + 10)
        if not xs or x > xs[-1] + 1e-6:
            xs.append(x)
            ys.append(float(np.log(rate / (1 - rate))))
    ys = [float(v) for v in np.maximum.accumulate(ys)]
    left, right = xs[0] - 10.0, xs[-1] + 10.0  # beyond the data the line's slope goes on
    points = (left, *xs, right), (ys[0] - 10.0 * slope, *ys, ys[-1] + 10.0 * slope)
    return Calibration("isotonic", *points)


def _merge(fitted: Floats) -> list[tuple[int, int]]:
    """Runs of equal fitted value, joined until each holds `BLOCK` rows."""
    edges = [0, *(np.flatnonzero(np.diff(fitted)) + 1).tolist(), len(fitted)]
    steps, start = [], 0
    for edge in edges[1:]:
        if edge - start >= BLOCK:
            steps.append((start, edge))
            start = edge
    if start < len(fitted):
        start = steps.pop()[0] if steps else 0
        steps.append((start, len(fitted)))
    return steps


_FITS = {"shift": _shift, "platt": _platt, "isotonic": _isotonic}
