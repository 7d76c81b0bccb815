"""Tests in the order of events, where the level is taken anew every so many rows."""

from dataclasses import replace

import numpy as np

from models.calibrate import Calibration, fit_calibration
from models.portable import LIMIT, sigmoid
from models.prior import MONTH, Level, Slice, prior_shift
from training.sample import Dataset, Floats, Rows
from training.trial import Trial


def followed(data: Dataset, trial: Trial) -> Trial:
    """A trial whose predictions know the answers of all earlier blocks of its test rows.

    The constant becomes the rate of the newest block, at first that of the newest training rows;
    all others keep their order within a block and take the level and slope of what came before.
    """
    every = data.target.split.recalibrate_every
    order = event_order(data, trial.test_rows)
    if every is None or order is None:
        return trial
    y = trial.y[order]
    probability = {}
    for name, found in trial.probability.items():
        if name == "constant":
            new = _running(_newest(data, trial, every), y, every)
        else:
            p = found[order]
            z = np.clip(np.log(p) - np.log1p(-p), -LIMIT, LIMIT)
            new = sigmoid(np.clip(recalibrated(z, y, every), -LIMIT, LIMIT))
        probability[name] = np.empty(len(y))
        probability[name][order] = new
    constant = float(probability["constant"].mean())
    return replace(trial, probability=probability, constant=constant)


def recalibrated(log_odds: Floats, y: Floats, every: int) -> Floats:
    """Log-odds of each row at the slope and level that the blocks before its own show.

    Parameters
    ----------
    log_odds, y : ndarray of shape (n,)
        In the order of events; answers come at once.
    every : int
        Rows to a block.
    """
    out, levelled = log_odds.copy(), np.empty(0)
    for start in range(every, len(log_odds), every):
        block, known = slice(start, start + every), slice(0, start)
        slope, levelled = _slope(levelled, log_odds[known], y[known])
        level = Level()
        for number, at in enumerate(range(0, start, every)):
            before = slice(at, at + every)
            level.see(Slice.of(MONTH * number, slope * log_odds[before], y[before]))
        out[block] = slope * log_odds[block] + level.shift
    return out


def _slope(levelled: Floats, z: Floats, y: Floats) -> tuple[float, Floats]:
    """Slope of the blocks so far, each at its own level, and the log-odds at those levels."""
    newest = slice(len(levelled), len(z))
    own = fit_calibration(z[newest], y[newest], method="shift").log_odds(z[newest])
    levelled = np.concatenate([levelled, own])
    line = fit_calibration(levelled, y, method="platt")
    return (line.y[1] - line.y[0]) / (line.x[1] - line.x[0]), levelled


def event_order(data: Dataset, rows: Rows) -> Rows | None:
    """Where the rows stand in the order of events, first to last; None where they have none."""
    if data.holdout is None or data.holdout.order is None:
        return None
    place = np.empty(len(data.holdout.order), dtype=np.int64)
    place[data.holdout.order] = np.arange(len(place))
    return np.asarray(np.argsort(place[rows], kind="stable"), dtype=np.int64)


def newest_level(
    calibration: Calibration, data: Dataset, rows: Rows, log_odds: Floats, y: Floats
) -> Calibration:
    """A calibration fitted on such a test, moved to the level after its last block."""
    every, order = data.target.split.recalibrate_every, event_order(data, rows)
    if every is None or order is None:
        return calibration
    z, event = calibration.log_odds(log_odds[order]), y[order]
    blocks = [
        Slice.of(MONTH * number, z[start : start + every], event[start : start + every])
        for number, start in enumerate(range(0, len(z), every))
    ]
    return calibration.moved(prior_shift(blocks, MONTH))


def _newest(data: Dataset, trial: Trial, every: int) -> Floats:
    """Labels of the newest training rows."""
    order = event_order(data, trial.train_rows)
    return trial.train_y if order is None else trial.train_y[order][-every:]


def _running(before: Floats, y: Floats, every: int) -> Floats:
    """For each row the rate of the block before its own."""
    out = np.empty(len(y))
    for start in range(0, len(y), every):
        out[start : start + every] = (before.sum() + 0.5) / (len(before) + 1)
        before = y[start : start + every]
    return out
