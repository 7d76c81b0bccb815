"""Drift seen in training: the profile that a card keeps, and test slices against training slices.

A back-test whose test differs from what it learned from is a warning of what the model will meet.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.drift import MODERATE, Drifts, column_profile, drift, profile, weigh
from models.fitted import Fitted
from models.portable import Floats
from training.monitor_advice import SURE, moved
from training.recipe import thinned
from training.sample import Dataset, Rows, Sample
from training.trial import Trial

Json = dict[str, Any]
ROWS = 20_000  # of whole customers, from which a profile is taken
RATE = 0.20  # by which the rate of a test may differ from that of its training


def profile_card(fitted: Fitted, sample: Sample, log_odds: Floats, customers: Rows) -> Json:
    """The `profile` of a card: features of the training rows, scores of rows not learned from.

    Parameters
    ----------
    fitted : Fitted
        What is registered.
    sample : Sample
        The rows it was learned from.
    log_odds, customers : ndarray of shape (n,)
        Of the back-test: scores of training rows would be too far apart.
    """
    few = sample.take(thinned(sample, ROWS))
    found = profile(few.array, fitted.encoder.card(), few.customer, fitted.importance())
    scores = column_profile(fitted.calibration.probability(log_odds))
    return found | {"scores": scores | {"customers": len(np.unique(customers))}}


def slice_drift(data: Dataset, trials: Sequence[Trial]) -> list[Json]:
    """Drift of each origin's test against what was learned there; none where rows are random.

    Features count by what each tells of the event alone in the training rows (information value),
    since a back-test keeps no model.

    Returns
    -------
    list of dict
        `at`, `moved`, `noise`, `features` (those that moved most), `train_rate`, `test_rate`,
        `flagged`, and `reason` in a sentence where it is.
    """
    if any(trial.at is None for trial in trials):
        return []
    return [_of_trial(data, trial) for trial in trials]


def drift_warnings(found: Sequence[Json]) -> list[str]:
    """A sentence per origin that drifted."""
    return [f"drift: {one['reason']}" for one in found if one["flagged"]]


def _of_trial(data: Dataset, trial: Trial) -> Json:
    rows, y = _few(data, trial.train_rows, trial.train_y)
    tests, _ = _few(data, trial.test_rows, trial.y)
    encoder = data.encoder(rows, y)
    features, names = encoder.card(), encoder.names
    matrix = encoder.transform(data.frame.iloc[rows])
    before = weigh(profile(matrix, features, data.customer[rows], {}), matrix, y)
    after = encoder.transform(data.frame.iloc[tests])
    found = drift(before, after, names, data.customer[tests])
    reasons, day = _reasons(found, data, trial), f"{trial.at:%Y-%m-%d}"
    told: Json = {"at": day, "train_rate": float(trial.train_y.mean())}
    told |= {"test_rate": float(trial.y.mean())} | found.as_json(top=5)
    said = {"reason": f"the test after {day} differs: {'; '.join(reasons)}"} if reasons else {}
    return told | {"flagged": bool(reasons)} | said


def _few(data: Dataset, rows: Rows, y: Floats) -> tuple[Rows, Floats]:
    """About `ROWS` rows of whole customers, the same customers in every part."""
    if len(rows) <= ROWS:
        return rows, y
    rank = np.random.default_rng(0).permutation(int(data.customer.max()) + 1)
    kept = rank[data.customer[rows]] < len(rank) * ROWS / len(rows)
    return rows[kept], y[kept]


def _reasons(found: Drifts, data: Dataset, trial: Trial) -> list[str]:
    """What differs by more than chance, in words."""
    said = []
    if found.beyond(MODERATE):
        said.append(moved(found))
    before, now = float(trial.train_y.mean()), float(trial.y.mean())
    sides = ((trial.train_rows, before), (trial.test_rows, now))
    variance = sum(rate * (1 - rate) / len(np.unique(data.customer[r])) for r, rate in sides)
    if abs(now - before) > max(RATE * before, SURE * np.sqrt(variance)):
        said.append(f"the rate was {before:.2%} in training and is {now:.2%}")
    return said
