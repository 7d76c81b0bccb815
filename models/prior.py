"""Prior correction: how far the base rate has moved since the rows a calibration was fitted on.

The level, a shift of the calibrated log-odds, walks at random from slice to slice. How fast is not
known: several speeds are followed at once, standing still among them, each weighted by how well it
has foretold the slices so far. A slice of few events hardly moves the level, and a standing one is
the calibration as it was. The correction is used only where on earlier slices, each judged by what
was known at its date, it lowered the log loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from models.portable import Floats, sigmoid

SPEEDS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)  # standard deviations of the level's walk over `MONTH`
STANDING = 0.5  # weight beforehand of the speed 0; the others share the rest
SPREAD = 1.0  # standard deviation of the level beforehand
MONTH = 30.0  # days
BINS = 200  # rows of a slice are counted in so many bins of log-odds
JUDGED = 3  # slices that must have been foretold before a correction is used


@dataclass(frozen=True)
class Slice:
    """What happened to the rows of one date, counted in bins.

    Attributes
    ----------
    day : float
        Days since any fixed day.
    log_odds, rows, events : ndarray of shape (bins,)
        Calibrated log-odds (means), number of rows, number with the event.
    """

    day: float
    log_odds: Floats
    rows: Floats
    events: Floats

    @classmethod
    def of(cls, day: float, log_odds: ArrayLike, y: ArrayLike) -> Self:
        """Count rows by their calibrated log-odds and labels, both of shape (n,)."""
        z, event = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
        order = np.argsort(z, kind="stable")
        starts = np.unique(np.linspace(0, len(z), min(BINS, len(z)) + 1).astype(np.int64))[:-1]
        rows = np.diff(np.append(starts, len(z))).astype(np.float64)
        sums = [np.add.reduceat(values[order], starts) for values in (z, event)]
        return cls(day, sums[0] / rows, rows, sums[1])

    def log_loss(self, shift: float) -> float:
        """Mean log loss of the rows after a shift."""
        z = self.log_odds + shift
        return float((self.rows @ np.logaddexp(0, z) - self.events @ z) / self.rows.sum())


class Level:
    """What is believed of the level after some slices.

    Parameters
    ----------
    speeds : sequence of float
        Standard deviations of the walk over `MONTH`.
    weight : float
        Of each slice, at most 1: the share of its label window that the one before has not seen.
    """

    def __init__(self, speeds: Sequence[float] = SPEEDS, weight: float = 1.0) -> None:
        self._speeds = np.asarray(speeds, dtype=np.float64)
        self._weight = weight
        self._mean = np.zeros(len(speeds))
        self._variance = np.full(len(speeds), SPREAD**2)
        standing = self._speeds == 0
        moving = (1 - STANDING) / max((~standing).sum(), 1)
        self._log_weights = np.log(np.where(standing, STANDING, moving))
        self._day: float | None = None

    def see(self, found: Slice) -> None:
        """Learn from the next slice; slices come in order of time."""
        since = 0.0 if self._day is None else found.day - self._day
        self._day = found.day
        prior = self._variance + self._speeds**2 * since / MONTH
        level = self._mean.copy()
        curve = self._curve(found, level, prior)
        for _ in range(12):  # to the most probable level under each speed
            p = sigmoid(found.log_odds + level[:, None])
            slope = self._weight * (found.events.sum() - p @ found.rows)
            step = (slope - (level - self._mean) / prior) / curve
            level += np.clip(step, -1, 1)
            curve = self._curve(found, level, prior)
        z = found.log_odds + level[:, None]
        likely = self._weight * (z @ found.events - np.logaddexp(0, z) @ found.rows)
        likely -= (level - self._mean) ** 2 / (2 * prior) + np.log(prior * curve) / 2
        self._log_weights = self._log_weights + likely
        self._mean, self._variance = level, 1 / curve

    def _curve(self, found: Slice, level: Floats, prior: Floats) -> Floats:
        """Precision of the level under each speed."""
        p = sigmoid(found.log_odds + level[:, None])
        return np.asarray(self._weight * ((p * (1 - p)) @ found.rows) + 1 / prior)

    @property
    def shift(self) -> float:
        """The level to expect from now on."""
        return float(self._weights() @ self._mean)

    @property
    def speed(self) -> float:
        """How fast it is believed to move: a standard deviation over `MONTH`."""
        return float(np.sqrt(self._weights() @ self._speeds**2))

    def _weights(self) -> Floats:
        weights = np.exp(self._log_weights - self._log_weights.max())
        return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class Prior:
    """A correction and why it is used or not.

    Attributes
    ----------
    shift : float
        Added to calibrated log-odds; 0 where it is not used.
    used : bool
    level : float
        What the shift would be.
    speed : float
        Standard deviation of the level over 30 days.
    slices, judged : int
        Slices seen, and those on which the correction was judged beforehand.
    gain, error : float or None
        Mean log loss that it saved on those, and the standard error of that mean.
    """

    shift: float
    used: bool
    level: float
    speed: float
    slices: int
    judged: int
    gain: float | None
    error: float | None


def prior_shift(slices: Sequence[Slice], wait_days: float) -> Prior:
    """The level after the newest slice, used if on earlier ones it was better than standing still.

    Parameters
    ----------
    slices : sequence of Slice
        In order of time; all answers are known.
    wait_days : float
        How long after its date the answers of a slice are known.
    """
    weight = _apart(slices, wait_days)
    moving, standing = Level(weight=weight), Level((0.0,), weight)
    seen, gains = 0, []
    for number, judged in enumerate(slices):
        while seen < number and slices[seen].day + wait_days <= judged.day:
            for one in (moving, standing):
                one.see(slices[seen])
            seen += 1
        if seen >= 2:
            gains.append(judged.log_loss(standing.shift) - judged.log_loss(moving.shift))
    for later in slices[seen:]:
        moving.see(later)
    gain = float(np.mean(gains)) if gains else None
    error = float(np.std(gains, ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
    used = gain is not None and gain > 0 and len(gains) >= JUDGED
    shift = moving.shift if used else 0.0
    return Prior(shift, used, moving.shift, moving.speed, len(slices), len(gains), gain, error)


def _apart(slices: Sequence[Slice], wait_days: float) -> float:
    """The share of a label window that the one before has not seen."""
    gaps = np.diff([one.day for one in slices])
    return min(1.0, float(np.median(gaps)) / wait_days) if len(gaps) and wait_days > 0 else 1.0
