import numpy as np
import pytest

from features.declare import Feature
from models.encode import Encoder
from models.metrics import auc
from models.portable import sigmoid
from training import recipe
from training.recipe import (
    DEFAULT,
    FALLBACK,
    LOGISTIC,
    Choice,
    choose,
    fit,
    fit_all,
    inner_folds,
    learn,
    thinned,
)


@pytest.fixture
def many(monkeypatch):
    """Small samples are treated as large ones: one booster, out-of-fold log-odds kept."""
    monkeypatch.setattr(recipe, "FEW_ROWS", 0)


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
    monkeypatch.setattr(recipe, "SEARCH_ROWS", 150)
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
    assert len(learned.model.ensemble_.boosters) == (recipe.SEEDS if weight < 1 else 0)


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
