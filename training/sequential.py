"""Tests in the order of events, where level and slope are taken anew every so many rows."""

from dataclasses import replace

import numpy as np

from models.calibrate import Calibration
from models.dynamic import Dynamic
from models.portable import LIMIT, sigmoid
from models.prior import Prior, Slice
from training.sample import Dataset, Floats, Rows
from training.trial import Trial


def followed(data: Dataset, trial: Trial) -> Trial:
    """A trial whose predictions know the answers of all earlier blocks of its test rows.

    The constant becomes the rate of the newest block, at first that of the newest training rows;
    all others keep their order within a block and take the level and slope of what came before.
    """
    every = data.target.split.recalibrate_every
    order, before = event_order(data, trial.test_rows), event_order(data, trial.train_rows)
    if every is None or order is None or before is None:
        return trial
    y, known = trial.y[order], trial.train_y[before]
    probability = {}
    for name, found in trial.probability.items():
        if name == "constant":
            new = _running(known[-every:], y, every)
        else:
            p = found[order]
            z = np.clip(np.log(p) - np.log1p(-p), -LIMIT, LIMIT)
            new = sigmoid(recalibrated(z, y, every, known)[0])
        probability[name] = np.empty(len(y))
        probability[name][order] = new
    constant = float(probability["constant"].mean())
    return replace(trial, probability=probability, constant=constant)


def recalibrated(log_odds: Floats, y: Floats, every: int, known: Floats) -> tuple[Floats, Dynamic]:
    """Log-odds of each row at the level and slope that are believed before its block.

    Parameters
    ----------
    log_odds, y : ndarray of shape (n,)
        In the order of events; answers come at once.
    every : int
        Rows to a block.
    known : ndarray of shape (m,)
        The training labels, in the order of events: how the rate moved before the first block.

    Returns
    -------
    ndarray of shape (n,)
    Dynamic
        What is believed after the last block.
    """
    edges = range(len(known) % every or every, len(known), every)
    state, out = Dynamic(np.split(known, edges)), np.empty(len(y))
    for start in range(0, len(y), every):
        block = slice(start, start + every)
        out[block] = state.curve().log_odds(log_odds[block])
        state.see(Slice.of(0, log_odds[block], y[block]))
    return out, state


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
    """A calibration fitted on such a test, at the level and slope after its last block.

    `prior` tells of the level where the rate of the training rows stands; a slice is a block.
    """
    every, order = data.target.split.recalibrate_every, event_order(data, rows)
    if every is None or order is None:
        return calibration
    train, known = data.parts()[0]
    z, event = calibration.log_odds(log_odds[order]), y[order]
    new, state = recalibrated(z, event, every, known[event_order(data, train)])
    blocks = np.arange(0, len(z), every)
    saved = np.add.reduceat(_loss(z, event) - _loss(new, event), blocks)
    saved /= np.diff(np.append(blocks, len(z)))
    error = float(np.std(saved, ddof=1) / np.sqrt(len(saved))) if len(saved) > 1 else None
    count, gain = len(blocks), float(saved.mean())
    prior = Prior(state.level, True, state.level, state.walk, count, count, gain, error)
    curve = state.curve()
    x = np.union1d(calibration.x, curve.x)
    moved = curve.log_odds(calibration.log_odds(x))
    return Calibration(calibration.method, tuple(x.tolist()), tuple(moved.tolist()), prior)


def _loss(z: Floats, y: Floats) -> Floats:
    """Log loss of each row."""
    return np.asarray(np.logaddexp(0, z) - y * z)


def _running(before: Floats, y: Floats, every: int) -> Floats:
    """For each row the rate of the block before its own."""
    out = np.empty(len(y))
    for start in range(0, len(y), every):
        out[start : start + every] = (before.sum() + 0.5) / (len(before) + 1)
        before = y[start : start + every]
    return out
