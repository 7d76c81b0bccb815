"""Tests in the order of events: each block is predicted by what the blocks before it showed."""

import numpy as np
import pandas as pd
import pytest

from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.calibrate import Calibration
from models.portable import sigmoid
from training.recipe import FALLBACK
from training.sample import Dataset
from training.sequential import event_order, followed, newest_level
from training.trial import Trial

TOML = """
name = "calls"
revenue_model = "consumption"
[sources.snapshots]
file = "snapshots.csv"
columns = { customer_id = "id" }
expressions = { row_number = "_row" }
attributes = ["score"]
[targets.deposit]
kind = "upsell"
label = "said"
positive = "yes"
split = { test_share = 0.5, recalibrate_every = 500 }
"""
ROWS, LATE = 6000, 1.5  # the log-odds of the last half are so much higher


@pytest.fixture
def calls(write_project, rng):
    """A dataset whose ids run against the order of its rows, and a trial that knows the early rate.

    The rows of the trial are those of the dataset, so that both orders differ.
    """
    score = rng.normal(-2, 1, ROWS).round(6)
    late = np.where(np.arange(ROWS) < ROWS // 2, 0.0, LATE)
    said = np.where(rng.random(ROWS) < sigmoid(score + late), "yes", "no")
    ids = [f"c{99_999 - i}" for i in range(ROWS)]
    text = pd.DataFrame({"id": ids, "score": score, "said": said}).to_csv(index=False)
    staged = stage(load_project(write_project(TOML, snapshots=text)))
    data = Dataset(staged, staged.project.target("deposit"), frame(staged, "deposit"))
    (train, train_y), (test, y) = data.parts()
    z = data.frame["score"].to_numpy()[test]
    rate = float(train_y.mean())
    probability = {"constant": np.full(len(y), rate), "model": sigmoid(z)}
    return data, Trial(
        None, train, train_y, test, y, probability, {"model": z}, rate, FALLBACK, "score"
    )


def loss(y, p):
    return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))


def test_a_level_that_jumped_is_followed_and_the_running_rate_beaten(calls):
    data, trial = calls
    after = followed(data, trial)
    for name in ("constant", "model"):
        gain = loss(trial.y, trial.probability[name]) - loss(trial.y, after.probability[name])
        assert gain > 0.05
    assert loss(trial.y, after.probability["model"]) < loss(trial.y, after.probability["constant"])


def test_a_block_knows_the_answers_before_it_and_no_others(calls):
    """Rows are ordered by the file, not by the dataset; the first block knows training labels."""
    data, trial = calls
    order = event_order(data, trial.test_rows)
    numbers = 99_999 - data.keys["customer_id"].str[1:].astype(int).to_numpy()[trial.test_rows]
    assert np.array_equal(numbers[order], np.arange(ROWS // 2, ROWS))
    after = followed(data, trial)
    first, third, later = order[:500], order[1000:1500], order[1500:]
    rest = np.concatenate([first, order[500:1000], third])
    apart = after.probability["model"][first] - trial.probability["model"][first]
    assert np.abs(apart).max() < 0.05
    changed = trial.y.copy()
    changed[third] = 1 - changed[third]
    again = followed(data, Trial(**{**trial.__dict__, "y": changed}))
    for name in ("constant", "model"):
        now, was = again.probability[name], after.probability[name]
        assert np.array_equal(now[rest], was[rest])
        assert np.abs(now[later[:500]] - was[later[:500]]).mean() > 0.05


def test_training_labels_that_rose_of_late_raise_the_first_block(calls):
    """Half of the way: as likely, the model has read it out of features."""
    data, trial = calls
    newest = event_order(data, trial.train_rows)[-1000:]
    risen = trial.train_y.copy()
    risen[newest] = np.tile([0.0, 1.0], 500)
    first = event_order(data, trial.test_rows)[:500]
    after = followed(data, Trial(**{**trial.__dict__, "train_y": risen}))
    p = after.probability["model"][first]
    rise = np.log(p) - np.log1p(-p) - trial.log_odds["model"][first]
    assert 0.3 < rise.mean() < 1.2


def test_the_running_rate_is_that_of_the_block_before(calls):
    data, trial = calls
    order = event_order(data, trial.test_rows)
    constant = followed(data, trial).probability["constant"][order]
    y = trial.y[order]
    for start in range(500, len(y), 500):
        rate = (y[start - 500 : start].sum() + 0.5) / 501
        assert constant[start : start + 500] == pytest.approx(rate)


@pytest.mark.parametrize("blocks", [1, 5])
def test_what_is_registered_is_what_the_next_block_was_predicted_by(calls, blocks):
    """Of a curved calibration too; beyond the answers it was given it knows none."""
    data, trial = calls
    order, seen = event_order(data, trial.test_rows), 500 * blocks
    known, after = np.sort(order[:seen]), order[seen : seen + 500]
    curved = Calibration("beta", (-30.0, -2.1, 30.0), (-33.0, -2.0, 20.0))
    z = trial.log_odds["model"]
    moved = newest_level(curved, data, trial.test_rows[known], z[known], trial.y[known])
    told = {"constant": trial.probability["constant"], "model": curved.probability(z)}
    predicted = followed(data, Trial(**{**trial.__dict__, "probability": told}))
    close = pytest.approx(predicted.probability["model"][after], abs=1e-4)
    assert moved.probability(z[after]) == close
    assert moved.prior.used
    assert moved.prior.slices == blocks
    assert moved.prior.gain > 0
    assert 0.9 < moved.prior.level < 1.9


def test_other_tests_are_left_as_they_are(write_project, snapshot, people):
    staged = snapshot(people(80))
    data = Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))
    rows, y = data.labelled(None, None)
    trial = Trial(None, rows, y, rows, y, {}, {}, 0.5, FALLBACK, "tenure")
    assert followed(data, trial) is trial
