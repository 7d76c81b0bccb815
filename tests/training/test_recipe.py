from dataclasses import replace

import numpy as np
import pytest

from features.declare import Feature
from models.encode import Encoder
from models.metrics import auc
from models.portable import sigmoid
from training import recipe, search
from training.recipe import (
    DEFAULT,
    FALLBACK,
    LOGISTIC,
    Choice,
    fit,
    fit_all,
    inner_folds,
    learn,
    thinned,
)
from training.search import choose


@pytest.fixture
def many(monkeypatch):
    """Small samples are treated as large ones: one booster, out-of-fold log-odds kept."""
    monkeypatch.setattr(recipe, "FEW_ROWS", 0)
    monkeypatch.setattr(search, "FEW_ROWS", 0)


@pytest.fixture
def encoder(make_sample):
    catalogue = [Feature(f"x{i}", "usage", "events", "", "use") for i in range(4)]
    return Encoder().fit(make_sample(50).simple, catalogue)


def test_a_straight_line_is_learned_by_the_linear_part(make_sample):
    found = choose(make_sample(800, strength=1.5), ())
    assert found.setting.params["linear_weight"] > 0


def test_a_step_in_both_directions_is_learned_by_trees(make_sample, rng, many):
    """No line can say it: the event comes at both ends of a column."""
    sample = make_sample(1500)
    sample.y[:] = rng.random(1500) < np.where(np.abs(sample.X[:, 1]) > 1, 0.7, 0.1)
    found = choose(sample, ())
    assert found.setting.params["linear_weight"] < 1
    assert auc(sample.y[found.rows], sigmoid(found.log_odds)) > 0.7


def test_out_of_fold_rows_are_all_rows_once(make_sample, many):
    sample = make_sample(200)
    found = choose(sample, ())
    assert sorted(found.rows) == list(range(200))


def test_a_search_on_fewer_rows_leaves_the_calibration_to_all(make_sample, monkeypatch, many):
    monkeypatch.setattr(search, "SEARCH_ROWS", 150)
    found = choose(make_sample(400), ())
    assert found.rows is None


def test_folds_are_fewer_for_many_rows(make_sample, monkeypatch):
    sample = make_sample(100)
    assert len(inner_folds(sample)) == 5
    monkeypatch.setattr(recipe, "FEW_ROWS", 99)
    assert len(inner_folds(sample)) == 3


def test_few_rows_are_learned_by_several_boosters(make_sample, encoder):
    sample = make_sample(300)
    choice = choose(sample, ())
    assert choice.rows is None  # the search fitted one booster: its log-odds are not theirs
    learned, _ = learn(sample, choice, encoder)
    weight = choice.setting.params["linear_weight"]
    assert len(learned.model.ensemble_.boosters) == (search.SEEDS if weight < 1 else 0)


def test_too_few_events_fall_back(make_sample):
    sample = make_sample(40)
    sample.y[:] = 0
    sample.y[0] = 1
    assert inner_folds(sample) == []
    assert choose(sample, ()).setting == FALLBACK


def test_learning_calibrates_out_of_fold(make_sample, encoder):
    """Large trees on noise are sure of themselves in the fit, and drawn back by the calibration."""
    sample = make_sample(600, strength=0.0)
    learned, _ = learn(sample, Choice(DEFAULT), encoder)
    raw = learned.model.decision_function(sample.X)
    spread = np.ptp(learned.calibration.log_odds(raw))
    assert spread < 0.5 * np.ptp(raw)


def test_a_search_and_a_given_setting_learn_the_same(make_sample, encoder, many):
    """The out-of-fold log-odds of the search are those that a refit of its folds would give."""
    sample = make_sample(300)
    choice = choose(sample, ())
    kept, others = learn(sample, choice, encoder, [LOGISTIC])
    again, _ = learn(sample, Choice(choice.setting), encoder)
    assert kept.calibration.as_card()["y"] == pytest.approx(again.calibration.as_card()["y"])
    assert len(others) == 1


def test_fits_come_back_in_order(make_sample):
    sample = make_sample(200)
    half = np.arange(100)
    logistic, trees = fit_all(sample, [(half, LOGISTIC), (None, DEFAULT)], ())
    assert not logistic.ensemble_.boosters
    assert trees.ensemble_.linear is None
    alone = fit(sample.take(half), LOGISTIC, ()).decision_function(sample.X)
    np.testing.assert_array_equal(logistic.decision_function(sample.X), alone)


def test_thinning_keeps_whole_customers(make_sample):
    sample = make_sample(1000)
    sample.customer[:] = np.arange(1000) % 100
    rows = thinned(sample, 300)
    assert 200 < len(rows) < 400
    assert set(np.bincount(sample.customer[rows])) <= {0, 10}
    assert len(thinned(sample, 1000)) == 1000


def test_trees_are_tried_to_the_side_that_is_better(make_sample, rng, many, monkeypatch):
    """A table of eight cells needs all leaves that there are, a step few."""
    trees = {n: search.CAUTIOUS | {"colsample_bytree": 1.0} for n in (2, 3, 4, 8)}
    monkeypatch.setattr(search, "TREES", trees)
    monkeypatch.setattr(search, "LENGTHS", (50, 100))
    monkeypatch.setattr(search, "STRONG", {})
    sample = make_sample(2500)
    told = (np.abs(sample.X[:, :3]) > 0.7).all(axis=1)
    sample.y[:] = rng.random(2500) < np.where(told, 0.9, 0.1)
    assert choose(sample, ()).setting.params["num_leaves"] == 8
    step = make_sample(1500)
    step.y[:] = rng.random(1500) < np.where(step.X[:, 0] > 1, 0.7, 0.1)
    assert choose(step, ()).setting.params["num_leaves"] <= 3


def test_a_strong_signal_gets_more_trees_of_all_columns(make_sample, rng, many):
    """Two columns matter only together: half of the columns seldom hold both."""
    sample = make_sample(1200)
    sample.y[:] = rng.random(1200) < 1 / (1 + np.exp(-4 * sample.X[:, 0] * sample.X[:, 1]))
    params = choose(sample, ()).setting.params
    assert params["colsample_bytree"] == 1
    assert params["num_leaves"] in search.STRONG


def test_promises_are_kept_where_they_do_not_hurt(make_sample, many):
    sample = replace(make_sample(1500, strength=1.5), monotone=(1, 0, 0, 0))
    against = replace(sample, monotone=(-1, 0, 0, 0))
    kept, broken = choose(sample, ()).setting, choose(against, ()).setting
    assert kept.params["linear_weight"] == 1 or kept.params["monotone"] == (1, 0, 0, 0)
    assert "monotone" not in broken.params


def test_a_recipe_outlives_the_order_of_its_features(make_sample):
    """A champion's promises are those of the features it is refitted on."""
    setting = replace(DEFAULT, params=DEFAULT.params | {"monotone": (1,)})
    sample = replace(make_sample(200), monotone=(0, 1, 0, 0))
    assert fit(sample, setting, ()).monotone == (0, 1, 0, 0)
    assert fit(make_sample(200), setting, ()).monotone is None
