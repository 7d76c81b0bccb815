"""Level and slope of a model's log-odds that move from block to block of rows.

A dynamic logistic regression. In block t the log-odds are `centre + level + slope * (z - centre)`.
The level walks at random, and each block stands apart from it by noise of its own, so that one
block that jumps and comes back is told from a rate that moved; the slope may walk too. How far each
goes is not known: many accounts are filtered side by side, standing still among them with half of
the weight, and each is weighted by how well it foretold the blocks so far. What is not known of
the level draws probabilities towards a half.

References
----------
McCormick, T. H., Raftery, A. E., Madigan, D., & Burd, R. S. (2012). Dynamic logistic regression
and dynamic model averaging for binary classification. Biometrics, 68(1), 23-30.
doi:10.1111/j.1541-0420.2011.01645.x
MacKay, D. J. C. (1992). The evidence framework applied to classification networks. Neural
Computation, 4(5), 720-736. doi:10.1162/neco.1992.4.5.720 (of a probability whose log-odds vary)
"""

from itertools import product

import numpy as np

from models.calibrate import SLOPES, Calibration
from models.portable import LIMIT, Floats, sigmoid
from models.prior import STANDING, Slice

WALKS = NOISES = (0.0, 0.1, 0.2, 0.4, 0.8)  # standard deviations of the level, from block to block
FADES = (0.0, 0.2)  # and of the slope's walk
SPREAD = 0.5  # standard deviation beforehand, of the level and of the slope around 1
POINTS = np.linspace(-LIMIT, LIMIT, 241)  # of a curve
STEPS = 50  # to the most probable line, at most
LEAST = -600.0  # log weight of an account against the best: none is ever lost


class Dynamic:
    """What is believed of level and slope after some blocks.

    The level goes on from that of the labels known beforehand; or, as likely, the model has read
    their rate out of features and begins at a level of its own.

    Parameters
    ----------
    labels : list of ndarray
        Blocks of which only the labels are known, in order of time; none is allowed. Their rate
        is the `centre`, at which the level is told, so that a slope tells little of it.
    """

    def __init__(self, labels: list[Floats]) -> None:
        known = np.concatenate([np.empty(0), *labels])
        rate = (known.sum() + 0.5) / (len(known) + 1)
        self.centre = float(np.log(rate) - np.log1p(-rate))
        accounts = np.array([*product(WALKS, NOISES, FADES)])
        count, still = len(accounts), (accounts == 0).all(axis=1)
        self._walks, self._noises, self._fades = accounts.T
        self._log_weights = np.log(np.where(still, STANDING, (1 - STANDING) / (~still).sum()))
        self._mean = np.tile([0.0, 1.0], (count, 1))  # level and slope of each account
        self._spread = np.tile(np.diag([SPREAD**2, SPREAD**2]), (count, 1, 1))
        anew = self._log_weights, self._mean, self._spread
        for y in labels:
            self.see(Slice.of(0, np.full(len(y), self.centre), y))
        self._spread[:, 1, 1] = SPREAD**2  # they tell nothing of a slope
        goes_on = np.log(self._weights()), self._mean, self._spread
        both = [np.concatenate(pair) for pair in zip(goes_on, anew, strict=True)]
        self._log_weights, self._mean, self._spread = both
        self._walks, self._noises, self._fades = np.tile(accounts.T, 2)

    def see(self, found: Slice) -> None:
        """Learn from the next block; its day is not asked for."""
        design = np.column_stack([np.ones(len(found.rows)), found.log_odds - self.centre])
        walked = self._walked()
        before = walked + _diagonal(self._noises**2)  # of the block's own line
        precision, line = _inverse(before), self._mean.copy()
        for _ in range(STEPS):
            curve, slope = self._likelihood(found, design, line)
            slope = slope - _times(precision, line - self._mean)
            step = np.clip(_times(_inverse(curve + precision), slope), -1, 1)
            line += step
            if np.abs(step).max() < 1e-8:
                break
        curve, _ = self._likelihood(found, design, line)
        after = _inverse(curve + precision)
        z, apart = self.centre + line @ design.T, line - self._mean
        likely = z @ found.events - np.logaddexp(0, z) @ found.rows
        likely -= np.sum(apart * _times(precision, apart), axis=1) / 2
        likely += (np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1]) / 2
        self._log_weights = self._log_weights + likely
        gain = walked @ precision  # of a block's line, what stays
        self._mean = self._mean + _times(gain, apart)
        self._spread = walked - gain @ (before - after) @ gain.transpose(0, 2, 1)

    def _likelihood(self, found: Slice, design: Floats, line: Floats) -> tuple[Floats, Floats]:
        """Curvature (accounts, 2, 2) and slope (accounts, 2) of the log-likelihood of a block."""
        p = sigmoid(np.clip(self.centre + line @ design.T, -LIMIT, LIMIT))
        curve = np.einsum("ki,ia,ib->kab", p * (1 - p) * found.rows, design, design)
        return curve, (found.events - p * found.rows) @ design

    def _walked(self) -> Floats:
        """What is not known of level and slope one block later."""
        return self._spread + _diagonal(self._walks**2, self._fades**2)

    def curve(self) -> Calibration:
        """From a model's log-odds to those to expect of the next block: it rises."""
        level, slope = self._mean[:, :1], np.maximum(self._mean[:, 1:], SLOPES[0])
        unknown = self._walked()[:, :1, 0] + self._noises[:, None] ** 2
        z = self.centre + level + slope * (POINTS - self.centre)
        z /= np.sqrt(1 + np.pi * unknown / 8)
        weights = np.log(self._weights())[:, None]
        no, yes = (np.logaddexp.reduce(weights - np.logaddexp(0, s * z)) for s in (1, -1))
        y = np.maximum.accumulate(np.clip(yes - no, -LIMIT, LIMIT))
        return Calibration("followed", tuple(POINTS.tolist()), tuple(y.tolist()))

    @property
    def level(self) -> float:
        """The level to expect, at the centre."""
        return float(self._weights() @ self._mean[:, 0])

    @property
    def slope(self) -> float:
        """The slope to expect."""
        return float(self._weights() @ self._mean[:, 1])

    @property
    def walk(self) -> float:
        """How far the level is believed to walk: a standard deviation from block to block."""
        return float(np.sqrt(self._weights() @ self._walks**2))

    def _weights(self) -> Floats:
        weights = np.exp(np.maximum(self._log_weights - self._log_weights.max(), LEAST))
        return np.asarray(weights / weights.sum())


def _times(matrices: Floats, vectors: Floats) -> Floats:
    """Matrices (k, 2, 2) by vectors (k, 2)."""
    return np.asarray(np.einsum("kab,kb->ka", matrices, vectors))


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


def _diagonal(level: Floats, slope: Floats | float = 0.0) -> Floats:
    """Matrices (k, 2, 2) with nothing beside their diagonals."""
    both = np.zeros((len(level), 2, 2))
    both[:, 0, 0], both[:, 1, 1] = level, slope
    return both
