"""Calibration: from a model's log-odds to log-odds that can be taken at their word."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression
from sklearn.model_selection import GroupKFold, StratifiedKFold

from models.portable import LIMIT, Floats, calibrate, sigmoid
from models.prior import Prior

Method = Literal["auto", "none", "shift", "platt", "beta", "isotonic"]

FEW, SOME, MANY = 30, 100, 1000  # events: from, a line; beta is tried; isotonic is tried
PRIOR_SLOPE, PRIOR_SHIFT = 0.25, 1.0  # standard deviations around slope 1 and shift 0
SLOPES = (0.01, 5.0)
BLOCK = 50  # rows in a step of the isotonic curve, at least
BENDS = 97  # points of a beta curve between its straight ends


@dataclass(frozen=True)
class Calibration:
    """A rising curve in log-odds space: straight lines through the points (x, y).

    Beyond the ends the outer lines go on; the result is kept within 30 of zero, so a probability
    is never exactly 0 or 1. `prior` is the correction for the newest level, where one was sought;
    `y` holds it already.
    """

    method: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    prior: Prior | None = None

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

    def moved(self, prior: Prior) -> Self:
        """The curve after a correction of its level."""
        return replace(self, y=tuple(y + prior.shift for y in self.y), prior=prior)

    def as_card(self) -> dict[str, Any]:
        """Plain JSON; `from_card` gives the same curve to the last bit."""
        card: dict[str, Any] = {"method": self.method, "x": list(self.x), "y": list(self.y)}
        return card | ({} if self.prior is None else {"prior": asdict(self.prior)})

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Self:
        """The inverse of `as_card`."""
        prior = Prior(**card["prior"]) if card.get("prior") else None
        return cls(card["method"], tuple(card["x"]), tuple(card["y"]), prior)


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
        `auto` by the rarer class: fewer than 30 the shift alone; else the line (Platt), drawn
        towards slope 1 and shift 0, the harder the fewer events there are. From 100 the beta curve,
        from 1,000 the isotonic one too is taken if it beats the line in cross-validation by more
        than its standard error (of two, the better one). With one class only there is nothing to
        fit: the identity, method `none`.
    groups : array-like of shape (n,), optional
        Customers; rows of one stay together in that cross-validation.
    seed : int
        Of the folds.

    References
    ----------
    Kull, M., Silva Filho, T. M., & Flach, P. (2017). Beyond sigmoids: how to obtain well-calibrated
    probabilities from binary classifiers with beta calibration. Electronic Journal of Statistics,
    11(2), 5052-5080. doi:10.1214/17-EJS1338SI
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
    if events < SOME:
        return "platt"
    line = _loss(z, y, "platt", groups, seed)
    best: Method = "platt"
    least = 0.0
    bent: tuple[Method, ...] = ("beta", "isotonic") if events >= MANY else ("beta",)
    for other in bent:
        gain = line - _loss(z, y, other, groups, seed)
        if gain.mean() > max(least, _error(gain, groups)):
            best, least = other, float(gain.mean())
    return best


def _error(gain: Floats, groups: Any) -> float:
    """Standard error of a mean over rows; rows of one customer count as one."""
    apart = gain - gain.mean()
    if groups is not None:
        apart = np.bincount(np.unique(groups, return_inverse=True)[1], weights=apart)
    return float(np.sqrt(np.sum(apart**2)) / len(gain))


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
    return Calibration.line("shift", 1.0, _most_probable(z, [], y)[1])


def _platt(z: Floats, y: Floats) -> Calibration:
    """Slope and intercept."""
    return Calibration.line("platt", *_line(z, y))


def _line(z: Floats, y: Floats) -> tuple[float, float]:
    """Slope and shift of the most probable line."""
    (slope,), shift = _slopes([z], y)
    return slope, shift


def _beta(z: Floats, y: Floats) -> Calibration:
    """Two slopes and a shift."""
    (low, high), shift = _slopes(_halves(z), y)
    return beta_curve(low, high, shift)


def beta_curve(a: float, b: float, c: float) -> Calibration:
    """`a * log(p) - b * log(1 - p) + c`: slope a where p is small, b where it is large.

    Straight lines through points stand for it, closer together where it bends more.
    """
    angles = np.linspace(-np.pi / 2, np.pi / 2, BENDS + 2)[1:-1]
    points = np.concatenate([[-LIMIT], 2 * np.arcsinh(np.tan(angles)), [LIMIT]])
    low, high = _halves(points)
    return Calibration("beta", tuple(points.tolist()), tuple((a * low + b * high + c).tolist()))


def _halves(z: Floats) -> list[Floats]:
    """log(p) and -log(1 - p), which sum to the log-odds."""
    return [-np.logaddexp(0, -z), np.logaddexp(0, z)]


def _slopes(parts: list[Floats], y: Floats) -> tuple[list[float], float]:
    """Most probable slope of each part, within bounds, and the shift of their sum."""
    slopes, held = np.ones(len(parts)), np.zeros(len(parts), dtype=bool)
    while True:
        offset = np.sum([s * part for s, part, h in zip(slopes, parts, held, strict=True) if h], 0)
        free = [part for part, h in zip(parts, held, strict=True) if not h]
        slopes[~held], shift = _most_probable(offset + np.zeros(len(y)), free, y)
        within = np.clip(slopes, *SLOPES)
        if np.array_equal(within, slopes):
            return slopes.tolist(), shift
        held |= within != slopes  # at a bound: the rest that goes with it
        slopes = within


def _most_probable(offset: Floats, parts: list[Floats], y: Floats) -> tuple[Floats, float]:
    """Slopes and shift of `offset + slopes @ parts + shift` under the priors, by Newton steps.

    The slopes of two halves vary more around 1, so that their mean varies as the slope of a line.
    """
    middle = np.array([part.mean() for part in parts])
    design = np.column_stack([*parts, np.ones(len(y))])
    start = offset + design[:, :-1].sum(axis=1)
    design[:, :-1] -= middle
    beta = np.zeros(len(parts) + 1)  # each slope - 1, and the shift at the middle
    halves = max(len(parts), 1)
    precision = np.append(np.full(len(parts), PRIOR_SLOPE**-2 / halves), PRIOR_SHIFT**-2)
    for _ in range(50):
        p = sigmoid(np.clip(start + design @ beta, -LIMIT, LIMIT))
        gradient = design.T @ (y - p) - precision * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))  # no leaps from far away
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return 1 + beta[:-1], float(beta[-1] - middle @ beta[:-1])


def _isotonic(z: Floats, y: Floats) -> Calibration:
    """A monotone curve through steps of at least 50 rows, smoothed towards the line.

    Rows of one log-odds are one point: a step never parts them.
    """
    slope, shift = _line(z, y)
    values, place = np.unique(z, return_inverse=True)
    rows, events = np.bincount(place).astype(float), np.bincount(place, weights=y)
    fitted = np.asarray(isotonic_regression(events / rows, sample_weight=rows))
    xs: list[float] = []
    ys: list[float] = []
    for start, end in _merge(fitted, rows):
        n, part = float(rows[start:end].sum()), slice(start, end)
        x = float(values[part] @ rows[part]) / n
        prior = float(sigmoid(np.asarray(slope * x + shift)))
        rate = (float(events[part].sum()) + 10 * prior) / (n + 10)
        if not xs or x > xs[-1] + 1e-6:
            xs.append(x)
            ys.append(float(np.log(rate / (1 - rate))))
    ys = [float(v) for v in np.maximum.accumulate(ys)]
    left, right = xs[0] - 10.0, xs[-1] + 10.0  # beyond the data the line's slope goes on
    points = (left, *xs, right), (ys[0] - 10.0 * slope, *ys, ys[-1] + 10.0 * slope)
    return Calibration("isotonic", *points)


def _merge(fitted: Floats, rows: Floats) -> list[tuple[int, int]]:
    """Runs of equal fitted value, joined until each holds `BLOCK` rows."""
    edges = [0, *(np.flatnonzero(np.diff(fitted)) + 1).tolist(), len(fitted)]
    before = np.concatenate([[0.0], np.cumsum(rows)])
    steps, start = [], 0
    for edge in edges[1:]:
        if before[edge] - before[start] >= BLOCK:
            steps.append((start, edge))
            start = edge
    if start < len(fitted):
        start = steps.pop()[0] if steps else 0
        steps.append((start, len(fitted)))
    return steps


_FITS = {"shift": _shift, "platt": _platt, "beta": _beta, "isotonic": _isotonic}
