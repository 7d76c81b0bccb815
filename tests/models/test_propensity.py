"""The propensity model: the estimator contract, its settings, small and odd data."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.linear import fit_linear
from models.propensity import PropensityModel

QUICK = {"n_estimators": 20, "n_jobs": 1}


@parametrize_with_checks(
    [
        PropensityModel(),
        PropensityModel(linear_weight=0.4, n_seeds=2, n_estimators=60),
        PropensityModel(linear_weight=1.0),
    ]
)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(500, 4))
    X[rng.random(500) < 0.2, 1] = np.nan
    X[:, 3] = rng.integers(0, 3, 500)
    score = X[:, 0] + (X[:, 3] == 1) - 1
    return X, (rng.random(500) < 1 / (1 + np.exp(-score))).astype(int)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(rows):
    X, y = rows
    first, again, other = (
        PropensityModel(random_state=seed, **QUICK).fit(X, y).decision_function(X)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_seeds_are_averaged_in_log_odds(rows):
    X, y = rows
    both = PropensityModel(n_seeds=2, **QUICK).fit(X, y).decision_function(X)
    single = [
        PropensityModel(random_state=s, **QUICK).fit(X, y).decision_function(X) for s in (0, 1)
    ]
    assert both == pytest.approx(np.mean(single, axis=0), abs=1e-12)


@pytest.mark.parametrize("weight", [0.25, 0.5])
def test_the_linear_part_is_blended_in_log_odds(rows, weight):
    X, y = rows
    trees, blend, linear = (
        PropensityModel(linear_weight=w, **QUICK).fit(X, y).decision_function(X)
        for w in (0.0, weight, 1.0)
    )
    assert blend == pytest.approx((1 - weight) * trees + weight * linear, abs=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_contributions_add_up_to_the_log_odds(rows, weight):
    X, y = rows
    model = PropensityModel(linear_weight=weight, categorical=(3,), **QUICK).fit(X, y)
    parts = model.ensemble_.contributions(X)
    assert parts.shape == (500, 5)
    assert parts.sum(axis=1) == pytest.approx(model.decision_function(X), abs=1e-9)


def test_linear_terms_are_centred_on_the_training_rows(rows):
    X, y = rows
    terms = fit_linear(X, y, categorical=(3,)).terms(X)
    assert terms.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-10)
    assert terms.std(axis=0).min() > 0


def test_the_linear_part_ranks_a_linear_truth(rows):
    X, y = rows
    model = PropensityModel(linear_weight=1.0, categorical=(3,)).fit(X, y)
    assert model.ensemble_.boosters == []
    truth = roc_auc_score(y, X[:, 0] + (X[:, 3] == 1))
    assert roc_auc_score(y, model.decision_function(X)) > truth - 0.01


def test_linear_part_says_nothing_about_values_it_never_saw():
    """An all-null, a constant and a category column without codes leave only the base rate."""
    X = np.column_stack([np.full(40, np.nan), np.full(40, 7.0), np.full(40, np.nan)])
    y = np.r_[np.ones(10), np.zeros(30)].astype(int)
    linear = fit_linear(X, y, categorical=(2,))
    assert linear.intercept == pytest.approx(np.log(1 / 3))
    assert not linear.terms(X).any()


def test_a_category_that_no_training_row_had_counts_as_missing(rng):
    """Codes are learned from all rows; those of a fold, or a draw, may lack the rarest."""
    codes = rng.integers(0, 3, 300).astype(float)
    linear = fit_linear(codes[:, None], (codes == 1).astype(np.int64), [0])
    terms = linear.terms(np.array([[np.nan], [3.0], [9.0]]))[:, 0]
    assert terms.tolist() == [terms[0]] * 3


def test_a_gap_in_training_gives_a_gap_its_own_weight():
    X = np.r_[np.full(100, np.nan), np.full(100, 5.0)][:, None]
    y = np.r_[np.ones(80), np.zeros(120)].astype(int)
    model = PropensityModel(linear_weight=1.0, linear_c=100.0).fit(X, y)
    assert model.predict_proba([[np.nan], [5.0]])[:, 1] == pytest.approx([0.8, 0.0], abs=0.02)


def test_five_events_are_enough_to_fit_and_not_to_be_sure(rng):
    X, y = rng.normal(size=(300, 3)), np.r_[np.ones(5), np.zeros(295)].astype(int)
    p = PropensityModel(linear_weight=0.5, **QUICK).fit(X, y).predict_proba(X)[:, 1]
    assert np.all((p > 0) & (p < 0.5))


def test_categories_are_split_as_sets_not_in_order(rng):
    """The event is that of codes 1 and 3: no threshold on the code finds it in one split."""
    codes = rng.integers(0, 5, 2000).astype(float)
    y = np.isin(codes, (1, 3)).astype(int)
    tiny = {"num_leaves": 2, "n_estimators": 1, "learning_rate": 1.0, "n_jobs": 1}
    X = codes[:, None]
    ordered = PropensityModel(**tiny, subsample=1.0).fit(X, y).decision_function(X)
    as_sets = PropensityModel(**tiny, subsample=1.0, categorical=(0,)).fit(X, y)
    assert roc_auc_score(y, as_sets.decision_function(X)) == 1
    assert roc_auc_score(y, ordered) < 1


def test_a_monotone_promise_is_kept(rng):
    X = rng.normal(size=(800, 2))
    y = (rng.random(800) < 1 / (1 + np.exp(-np.sin(3 * X[:, 0])))).astype(int)
    model = PropensityModel(monotone=(1, 0), **QUICK).fit(X, y)
    grid = np.column_stack([np.linspace(-3, 3, 200), np.zeros(200)])
    assert np.all(np.diff(model.decision_function(grid)) >= 0)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        pytest.param([[1.0], [2.0], [3.0]], [1, 1, 1], "one class", id="one-class"),
        pytest.param([[1.0], [2.0], [3.0]], [0, 1, 2], "Only binary", id="three-classes"),
        pytest.param([[1.0], [np.inf], [3.0]], [0, 1, 0], "infinity", id="infinite"),
        pytest.param([[1.0]], [1], "minimum of 2", id="one-row"),
    ],
)
def test_data_that_teach_nothing_are_refused_in_plain_words(X, y, message):
    with pytest.raises(ValueError, match=message):
        PropensityModel().fit(X, y)


@pytest.mark.parametrize("wrong", [{"linear_weight": 1.5}, {"n_seeds": 0}])
def test_settings_are_checked_in_fit(rows, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PropensityModel(**wrong).fit(*rows)
