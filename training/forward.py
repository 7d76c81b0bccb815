"""Whether a setting holds in time: learned before, it must beat the rate of before on what came."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from models.calibrate import fit_calibration
from training.baselines import constant
from training.recipe import CONSTANT, Choice, Setting, fit_all
from training.sample import Rows, Sample
from training.splits import newest

LEAST = 30  # rows of the rarer outcome that a trial needs on either side


def held_to_time(
    choice: Choice, sample: Sample, categorical: Sequence[int], wait: timedelta | None
) -> Choice:
    """The choice, or the constant where the setting fails on the newest slice.

    Folds of customers share their moments: what moves with time, as a rate that features follow,
    looks learnable in them. So the setting is fitted once more on the slices whose answers were
    known before the newest one, and must lose less there than the newest rate known then.

    Parameters
    ----------
    choice : Choice
    sample : Sample
        All rows that may train.
    categorical : sequence of int
    wait : timedelta or None
        How long after its as-of an answer is known; None where rows have no time.
    """
    parts = None if wait is None else _parts(sample, wait)
    if parts is None or choice.setting == CONSTANT:
        return choice
    before, after = sample.take(parts[0]), sample.take(parts[1])
    return (
        choice if _beats_the_rate(choice.setting, before, after, categorical) else Choice(CONSTANT)
    )


def _parts(sample: Sample, wait: timedelta) -> tuple[Rows, Rows] | None:
    """Rows known before the newest slice, and its own; None where they are too few to tell."""
    if sample.as_of.isna().any():
        return None
    last = sample.as_of.isin(newest(list(sample.as_of))).to_numpy()
    known = (sample.as_of + wait <= sample.as_of[last].min()).to_numpy()
    for rows in (known, last):
        events = sample.y[rows].sum()
        if min(events, rows.sum() - events) < LEAST:
            return None
    return np.flatnonzero(known), np.flatnonzero(last)


def _beats_the_rate(
    setting: Setting, before: Sample, after: Sample, categorical: Sequence[int]
) -> bool:
    """Both at the level of the newest slice of `before`."""
    (model,) = fit_all(before, [(None, setting)], categorical)
    recent = np.flatnonzero(before.as_of.isin(newest(list(before.as_of))))
    level = fit_calibration(
        model.decision_function(before.X[recent]), before.y[recent], method="shift"
    )
    z = level.log_odds(model.decision_function(after.X))
    loss = np.logaddexp(0, np.where(after.y == 1, -z, z)).mean()
    rate = constant(before).rate
    return bool(loss < -np.mean(np.where(after.y == 1, np.log(rate), np.log(1 - rate))))
