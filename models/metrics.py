"""How good probabilities are: proper scores, ranking, lift and calibration; None where undefined.

Every function takes `y` (0 or 1), `p` (probabilities) and optional weights, all of shape (n,).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.portable import LIMIT, Floats, sigmoid
from models.ranking import Ranking, divide

BINS = 10
STEPS = 60  # of Newton, and of halving one
TOLERANCE = 1e-10


def log_loss(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Mean negative log likelihood in nats; None without rows."""
    y, p, w = checked(y, p, weights)
    return _mean(row_log_loss(y, p), w)


def row_log_loss(y: Floats, p: Floats) -> Floats:
    """Negative log likelihood of each row; a probability of exactly 0 or 1 counts as 1e-15."""
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return np.asarray(-np.where(y == 1, np.log(p), np.log1p(-p)))


def brier(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Mean squared error of the probability; None without rows."""
    y, p, w = checked(y, p, weights)
    return _mean((y - p) ** 2, w)


def brier_skill(
    y: ArrayLike, p: ArrayLike, constant: float, weights: ArrayLike | None = None
) -> float | None:
    """Share of the Brier score of `constant`, the rate known beforehand, that is saved.

    None when that score is 0.
    """
    ours = brier(y, p, weights)
    theirs = brier(y, np.full(np.shape(y), constant), weights)
    return None if ours is None or not theirs else 1 - ours / theirs


def auc(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Chance that an event ranks above a non-event, ties half; None with one class."""
    ranking, w = _ranking(y, p, weights)
    return _number(ranking.under(w[None, :]).auc())


def average_precision(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Precision averaged over the events, tied rows taken together; None without events."""
    ranking, w = _ranking(y, p, weights)
    return _number(ranking.under(w[None, :]).average_precision())


def lift_at(
    y: ArrayLike, p: ArrayLike, share: float, weights: ArrayLike | None = None
) -> float | None:
    """Rate of events in the top `share` against the overall rate; None without events.

    Rows tied at the edge count at their mean rate.
    """
    ranking, w = _ranking(y, p, weights)
    return _number(ranking.under(w[None, :]).lift(share))


def attainable_lift(y: ArrayLike, p: ArrayLike, share: float) -> float | None:
    """(lift - 1) / (greatest lift - 1) in the top `share`; None where no lift is possible."""
    ranking, w = _ranking(y, p, None)
    return _number(ranking.under(w[None, :]).attainable(share))


def calibration_line(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float | None, float | None]:
    """Slope and intercept of the logistic regression of `y` on the log-odds of `p`.

    1 and 0 when the probabilities can be taken at their word; None with one class or one
    probability only.
    """
    y, p, w = checked(y, p, weights)
    slope, intercept = fit_line(y, p, w)
    return (None, None) if np.isnan(slope) else (slope, intercept)


def calibration_slope(y: ArrayLike, p: ArrayLike) -> float | None:
    """Slope of `calibration_line`."""
    return calibration_line(y, p)[0]


def calibration_intercept(y: ArrayLike, p: ArrayLike) -> float | None:
    """Intercept of `calibration_line`."""
    return calibration_line(y, p)[1]


def calibration_error(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Mean distance of rate and probability over ten bins of equal count; None without rows."""
    y, p, w = checked(y, p, weights)
    return _number(bin_error(y, p, equal_count_bins(p), w[None, :]))


def equal_count_bins(p: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """Bin 0 to `bins - 1` of each row by its middle rank; tied rows are never torn apart."""
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(np.minimum(middle[inverse] * bins // max(len(p), 1), bins - 1), dtype=np.intp)


def calibration_bins(y: ArrayLike, p: ArrayLike) -> list[dict[str, Any]]:
    """`rows`, mean `predicted` and `observed` rate of each equal-count bin, lowest first."""
    y, p, _ = checked(y, p)
    bins = equal_count_bins(p)
    members = [bins == number for number in np.unique(bins)]
    return [
        {
            "rows": int(one.sum()),
            "predicted": float(p[one].mean()),
            "observed": float(y[one].mean()),
        }
        for one in members
    ]


def bin_error(y: Floats, p: Floats, bins: NDArray[np.intp], w: Floats) -> Floats:
    """Calibration error under each row of weights, shape (draws,); NaN without weight."""
    member = np.zeros((len(y), BINS))
    member[np.arange(len(y)), bins] = y - p
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(w @ member).sum(axis=1) / w.sum(axis=1))


def fit_line(y: Floats, p: Floats, w: Floats) -> tuple[float, float]:
    """Calibration slope and intercept under weights (n,), by Newton steps; NaN where undefined.

    A step that would raise the loss is halved until it does not: of timid probabilities the whole
    step leads far beyond the solution. Where the events can be told apart without error, or there
    is one class or one probability only, there is no solution.
    """
    nowhere = (np.nan, np.nan)
    if not 0 < float(w @ y) < float(w.sum()) or float(np.ptp(p)) == 0:
        return nowhere
    beta = np.array([1.0, 0.0])
    for _ in range(STEPS):
        step = line_steps(y, p, w[None, :], beta)[0]
        if np.isnan(step).any():
            return nowhere
        if np.abs(step).max() < TOLERANCE * max(1.0, float(np.abs(beta).max())):
            return float(beta[0]), float(beta[1])
        beta = beta + _shortened(y, p, w, beta, step)
    return nowhere


def _shortened(y: Floats, p: Floats, w: Floats, beta: Floats, step: Floats) -> Floats:
    """The step, halved until the line loses no more after it than before."""
    z = _log_odds(p)

    def loss(at: Floats) -> float:
        line = at[0] * z + at[1]
        return float(w @ (np.logaddexp(0, line) - y * line))

    now = loss(beta)
    for _ in range(STEPS):
        if loss(beta + step) <= now + TOLERANCE * abs(now):
            break
        step = step / 2
    return step


def line_steps(y: Floats, p: Floats, w: Floats, beta: Floats) -> Floats:
    """The Newton step of slope and intercept from `beta` under each row of weights, (draws, 2).

    From the solution of the rows themselves, one step gives the solution of a bootstrap draw up to
    terms of the order of one over the number of rows.
    """
    z = _log_odds(p)
    fitted = sigmoid(np.clip(beta[0] * z + beta[1], -LIMIT, LIMIT))
    residual, curve = y - fitted, fitted * (1 - fitted)
    columns = np.column_stack([residual * z, residual, curve * z**2, curve * z, curve])
    g0, g1, h00, h01, h11 = (w @ columns).T
    determinant = h00 * h11 - h01**2
    slope = divide(h11 * g0 - h01 * g1, determinant)
    return np.column_stack([slope, divide(h00 * g1 - h01 * g0, determinant)])


def _ranking(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None) -> tuple[Ranking, Floats]:
    y, p, w = checked(y, p, weights)
    return Ranking(y, p), w


def checked(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None
) -> tuple[Floats, Floats, Floats]:
    """The three as float arrays of one length; ValueError on anything else."""
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or y.shape != w.shape:
        raise ValueError(
            f"y, p and weights must be of one length; got {y.shape}, {p.shape}, {w.shape}"
        )
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("y must be 0 or 1 in every row")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p must be a probability in every row")
    return y, p, w


def _mean(values: Floats, w: Floats) -> float | None:
    total = float(w.sum())
    return float(values @ w) / total if total > 0 else None


def _log_odds(p: Floats) -> Floats:
    clipped = np.clip(p, 1e-13, 1 - 1e-13)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _number(values: Floats) -> float | None:
    """The only element; None for NaN."""
    value = float(values[0])
    return None if np.isnan(value) else value


def lift_quality(value: float) -> str:
    """A word for 2 AUC - 1: poor below .20, fair below .40, good below .60, else excellent."""
    lift = 2 * value - 1
    for edge, word in ((0.2, "poor"), (0.4, "fair"), (0.6, "good")):
        if lift < edge - 1e-12:
            return word
    return "excellent"
