"""How good probabilities are: proper scores, ranking, lift and calibration; None where undefined.

Every function takes `y` (0 or 1), `p` (probabilities) and optional weights, all of shape (n,).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.portable import LIMIT, Floats, sigmoid

BINS = 10


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
    """Calibration slope and intercept under weights (n,), by Newton steps; NaN where undefined."""
    beta = np.array([1.0, 0.0])
    for _ in range(25):
        steps = line_steps(y, p, w[None, :], beta)[0]
        if np.isnan(steps).any():
            break
        beta = beta + np.clip(steps, -2, 2)
        if np.abs(steps).max() < 1e-10:
            break
    one_class = not 0 < float(w @ y) < float(w.sum())
    constant = not len(p) or float(np.ptp(p)) == 0
    if one_class or constant or np.abs(beta).max() > 50:
        return np.nan, np.nan
    return float(beta[0]), float(beta[1])


def line_steps(y: Floats, p: Floats, w: Floats, beta: Floats) -> Floats:
    """The Newton step of slope and intercept from `beta` under each row of weights, (draws, 2).

    From the solution of the rows themselves, one step gives the solution of a bootstrap draw up to
    terms of the order of one over the number of rows.
    """
    clipped = np.clip(p, 1e-13, 1 - 1e-13)
    z = np.log(clipped) - np.log1p(-clipped)
    fitted = sigmoid(np.clip(beta[0] * z + beta[1], -LIMIT, LIMIT))
    residual, curve = y - fitted, fitted * (1 - fitted)
    columns = np.column_stack([residual * z, residual, curve * z**2, curve * z, curve])
    g0, g1, h00, h01, h11 = (w @ columns).T
    determinant = h00 * h11 - h01**2
    slope = divide(h11 * g0 - h01 * g1, determinant)
    return np.column_stack([slope, divide(h00 * g1 - h01 * g0, determinant)])


class Ranking:
    """Rows ordered once by falling probability, so that many sets of weights are cheap.

    Parameters
    ----------
    y, p : ndarray of shape (n,)
    """

    def __init__(self, y: Floats, p: Floats) -> None:
        self._order = np.argsort(-p, kind="stable")
        self._y = y[self._order]
        falling = p[self._order]
        self._starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]][: len(p)])

    def under(self, w: Floats) -> "Ranked":
        """The ranking under each row of weights (draws, n)."""
        if not len(self._order):
            return Ranked(np.zeros((len(w), 1)), np.zeros((len(w), 1)))
        rows = w[:, self._order]
        events = rows * self._y
        if len(self._starts) < len(self._order):
            rows = np.add.reduceat(rows, self._starts, axis=1)
            events = np.add.reduceat(events, self._starts, axis=1)
        return Ranked(events, rows)


class Ranked:
    """Groups of tied rows from the highest probability down, for several sets of weights.

    Parameters
    ----------
    events, rows : ndarray of shape (draws, groups)
        Weight of the events and of all rows in each group.
    """

    def __init__(self, events: Floats, rows: Floats) -> None:
        self._events, self._rows = events, rows
        self._events_above = np.cumsum(events, axis=1)
        self._rows_above = np.cumsum(rows, axis=1)
        self._all_events, self._all_rows = self._events_above[:, -1], self._rows_above[:, -1]

    def auc(self) -> Floats:
        """ROC AUC of each draw; NaN with one class."""
        others = self._rows - self._events
        all_others = self._all_rows - self._all_events
        above = self._rows_above - self._events_above - others / 2
        lost = np.einsum("ij,ij->i", self._events, above)
        return 1 - divide(lost, self._all_events * all_others)

    def average_precision(self) -> Floats:
        """Average precision of each draw; NaN without events."""
        precision = self._events_above / np.maximum(self._rows_above, 1e-300)
        found = np.einsum("ij,ij->i", self._events, precision)
        return divide(found, self._all_events)

    def lift(self, share: float) -> Floats:
        """Lift in the top `share` of each draw; NaN without events."""
        edges = share * self._all_rows
        found = [
            _inside(edge, rows, events)
            for edge, rows, events in zip(edges, self._rows_above, self._events_above, strict=True)
        ]
        rate = divide(self._all_events, self._all_rows)
        return divide(divide(np.asarray(found), edges), rate)

    def attainable(self, share: float) -> Floats:
        """(lift - 1) / (greatest lift - 1) of each draw; NaN where no lift is possible."""
        greatest = np.minimum(divide(self._all_rows, self._all_events), 1 / share)
        return divide(self.lift(share) - 1, np.where(greatest > 1, greatest - 1, 0))


def _inside(edge: float, rows: Floats, events: Floats) -> float:
    """Events above `edge`; the group that holds it counts at its mean rate."""
    at = min(int(np.searchsorted(rows, edge)), len(rows) - 1)
    rows_before, events_before = (rows[at - 1], events[at - 1]) if at else (0.0, 0.0)
    width = rows[at] - rows_before
    part = (edge - rows_before) / width if width > 0 else 0.0
    return float(events_before + part * (events[at] - events_before))


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


def divide(a: Floats, b: Floats) -> Floats:
    """Quotient, NaN where `b` is 0."""
    out = np.full(np.shape(b), np.nan)
    return np.asarray(np.divide(a, b, out=out, where=np.asarray(b) != 0))


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
