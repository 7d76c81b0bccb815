"""Whether a setting holds in time: learned before, it must beat the rate of before on what came."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from models.calibrate import fit_calibration
from models.propensity import PropensityModel
from training.baselines import constant
from training.recipe import CONSTANT, Choice, fit_all
from training.sample import Floats, Rows, Sample
from training.splits import blocks, newest

LEAST = 30  # rows of the rarer outcome that a trial needs on either side
SLICES = 5  # that are tried, the newest; each is one fit
SURE = 1.96  # standard errors between slices, as the gate asks for the interval


def held_to_time(
    choice: Choice, sample: Sample, categorical: Sequence[int], wait: timedelta | None
) -> Choice:
    """The choice, or the constant where the setting does not surely carry over to later slices.

    Folds of customers share their moments: what moves with time, as a rate that features follow,
    looks learnable in them. So the setting is fitted again for each of the newest slices, on those
    whose answers were known before it, and must lose less there than the newest rate known then.

    Parameters
    ----------
    choice : Choice
    sample : Sample
        All rows that may train.
    categorical : sequence of int
    wait : timedelta or None
        How long after its as-of an answer is known; None where rows have no time.
    """
    parts = [] if wait is None or choice.setting == CONSTANT else _parts(sample, wait)
    models = fit_all(sample, [(known, choice.setting) for known, _ in parts], categorical)
    gains = [
        _gain(model, sample.take(known), sample.take(now))
        for model, (known, now) in zip(models, parts, strict=True)
    ]
    return choice if carries_over(gains) else Choice(CONSTANT)


def carries_over(gains: Sequence[Floats]) -> bool:
    """Whether slices agree that there is a gain.

    All rows of a slice share what moved since the slices before, so that many rows do not make its
    gain sure: only further slices do. Their mean must lie above 0 by `SURE` standard errors of what
    differs between them beyond the noise within (the moment estimate of DerSimonian and Laird).
    Where they agree, or there is one, it must lie above 0.

    Parameters
    ----------
    gains : sequence of ndarray of shape (n,)
        Of each slice, log loss of the newest rate less the model's on each row.

    References
    ----------
    DerSimonian, R., & Laird, N. (1986). Meta-analysis in clinical trials. Controlled Clinical
    Trials, 7(3), 177-188. doi:10.1016/0197-2456(86)90046-2
    """
    if not gains:
        return True
    mean = np.array([one.mean() for one in gains])
    weight = 1 / np.array([one.var() / len(one) + 1e-12 for one in gains])
    total = weight.sum()
    spread = float(weight @ (mean - weight @ mean / total) ** 2) - (len(gains) - 1)
    between = max(spread / (total - weight @ weight / total), 0.0) if len(gains) > 1 else 0.0
    return bool(mean.mean() > SURE * np.sqrt(between / len(gains)))


def _parts(sample: Sample, wait: timedelta) -> list[tuple[Rows, Rows]]:
    """Rows known before each of the newest slices, and its own; of slices with enough to tell."""
    if sample.as_of.isna().any():
        return []
    as_of = sample.as_of.reset_index(drop=True)
    dates: list[datetime] = [pd.Timestamp(d).to_pydatetime() for d in sorted(as_of.unique())]
    parts = []
    for block in blocks(dates):
        now = np.flatnonzero(as_of.isin(list(block)))
        known = np.flatnonzero(as_of + wait <= block[0])
        if all(_rarer(sample.y[rows]) >= LEAST for rows in (known, now)):
            parts.append((known, now))
    return parts[-SLICES:]


def _rarer(y: Floats) -> float:
    return float(min(y.sum(), len(y) - y.sum()))


def _gain(model: PropensityModel, before: Sample, after: Sample) -> Floats:
    """Both at the level of the newest slice of `before`."""
    recent = np.flatnonzero(before.as_of.isin(newest(list(before.as_of))))
    level = fit_calibration(
        model.decision_function(before.X[recent]), before.y[recent], method="shift"
    )
    z = level.log_odds(model.decision_function(after.X))
    rate = constant(before).rate
    told = np.log(np.where(after.y == 1, rate, 1 - rate))
    return np.asarray(-told - np.logaddexp(0, np.where(after.y == 1, -z, z)))
