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
    """Rows are ordered by the file, not by the dataset; the first block stays as it was."""
    data, trial = calls
    order = event_order(data, trial.test_rows)
    numbers = 99_999 - data.keys["customer_id"].str[1:].astype(int).to_numpy()[trial.test_rows]
    assert np.array_equal(numbers[order], np.arange(ROWS // 2, ROWS))
    after = followed(data, trial)
    first, last = order[:500], order[-500:]
    assert after.probability["model"][first] == pytest.approx(trial.probability["model"][first])
    changed = trial.y.copy()
    changed[last] = 1 - changed[last]
    again = followed(data, Trial(**{**trial.__dict__, "y": changed}))
    for name in ("constant", "model"):
        assert np.array_equal(again.probability[name], after.probability[name])


def test_the_running_rate_is_that_of_the_block_before(calls):
    data, trial = calls
    order = event_order(data, trial.test_rows)
    constant = followed(data, trial).probability["constant"][order]
    y = trial.y[order]
    for start in range(500, len(y), 500):
        rate = (y[start - 500 : start].sum() + 0.5) / 501
        assert constant[start : start + 500] == pytest.approx(rate)


def test_what_is_registered_stands_at_the_level_after_the_last_block(calls):
    """Fitted on a test whose level rose to 3 from block to block, its own level would be 1.5."""
    data, trial = calls
    order = event_order(data, trial.test_rows)
    rising = np.empty(len(order))
    rising[order] = np.repeat(np.linspace(-1.5, 1.5, 6), 500)
    y = (np.random.default_rng(1).random(len(order)) < sigmoid(rising - 1)).astype(float)
    flat = Calibration.line("none", shift=-1.0)
    moved = newest_level(flat, data, trial.test_rows, np.zeros(len(y)), y)
    assert moved.prior.used
    assert moved.prior.shift == pytest.approx(1.5, abs=0.3)
    assert moved.log_odds(0.0) == pytest.approx(-1 + moved.prior.shift)


def test_other_tests_are_left_as_they_are(write_project, snapshot, people):
    staged = snapshot(people(80))
    data = Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))
    rows, y = data.labelled(None, None)
    trial = Trial(None, rows, y, rows, y, {}, {}, 0.5, FALLBACK, "tenure")
    assert followed(data, trial) is trial
