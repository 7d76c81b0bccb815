"""Metrics against scikit-learn, against hand-counted ties, and where they are undefined."""

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

from models import metrics


@pytest.fixture(params=[3, 1], ids=["few-ties", "many-ties"])
def scored(request, rng):
    p = np.round(rng.beta(1, 4, 900), request.param)
    p = np.clip(p, 0.01, 0.99)
    return (rng.random(900) < p).astype(float), p, rng.integers(0, 4, 900).astype(float)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.log_loss, reference.log_loss),
        (metrics.brier, reference.brier_score_loss),
        (metrics.auc, reference.roc_auc_score),
        (metrics.average_precision, reference.average_precision_score),
    ],
)
def test_metrics_agree_with_scikit_learn_weighted_or_not(scored, ours, theirs):
    y, p, w = scored
    assert ours(y, p) == pytest.approx(theirs(y, p), abs=1e-12)
    assert ours(y, p, w) == pytest.approx(theirs(y, p, sample_weight=w), abs=1e-12)


def test_calibration_line_is_the_unpenalised_logistic_regression(scored):
    y, p, w = scored
    z = np.log(p / (1 - p))[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z, y, sample_weight=w)
    expected = model.coef_[0, 0], model.intercept_[0]
    assert metrics.calibration_line(y, p, w) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("slope", [-3, -1, 0.3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 40])
@pytest.mark.parametrize("level", [-3.0, 0.0])
def test_timid_and_reversed_probabilities_have_the_line_that_scikit_learn_finds(rng, slope, level):
    """A whole Newton step from slope 1 leads far beyond a steep line."""
    truth = rng.normal(level, 1.5, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(float)
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=5000).fit(truth[:, None], y)
    expected = model.coef_[0, 0] * slope, model.intercept_[0]
    found = metrics.calibration_line(y, 1 / (1 + np.exp(-truth / slope)))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("wide", [0.01, 1, 10])
def test_events_told_apart_without_error_have_no_line(wide):
    y = np.r_[np.zeros(30), np.ones(20)]
    z = np.linspace(-wide, wide, 50)
    assert metrics.calibration_line(y, 1 / (1 + np.exp(-z))) == (None, None)
    touching = np.r_[np.full(30, -wide), np.full(10, -wide), np.full(10, wide)]
    assert metrics.calibration_line(y, 1 / (1 + np.exp(-touching))) == (None, None)


def test_lift_counts_ties_at_their_mean_rate():
    """Top 30 % of ten: one event for sure, and two of four tied rows that hold two events."""
    y = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    p = [0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert metrics.lift_at(y, p, 0.3) == pytest.approx(((1 + 2 * 2 / 4) / 3) / 0.3)
    assert metrics.lift_at(y[::-1], p[::-1], 0.3) == metrics.lift_at(y, p, 0.3)
    assert metrics.lift_at(y, p, 0.1) == pytest.approx(1 / 0.3)


def test_a_constant_has_no_lift_and_half_the_auc():
    y, p = [1, 0, 0, 0, 1, 0], [0.2] * 6
    assert metrics.lift_at(y, p, 0.1) == pytest.approx(1)
    assert metrics.auc(y, p) == 0.5
    assert metrics.attainable_lift(y, p, 0.1) == pytest.approx(0)
    assert metrics.average_precision(y, p) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("events", "greatest"), [(5, 10.0), (10, 10.0), (50, 2.0)])
def test_a_perfect_ranking_attains_all_of_the_lift(events, greatest):
    """With more events than the top tenth holds, the greatest lift is one over the rate."""
    y = np.r_[np.ones(events), np.zeros(100 - events)]
    p = np.linspace(1, 0, 100)
    assert metrics.lift_at(y, p, 0.1) == pytest.approx(greatest)
    assert metrics.attainable_lift(y, p, 0.1) == pytest.approx(1)


def test_brier_skill_is_the_share_saved():
    y, p = [1, 0, 0, 0], [0.5, 0.1, 0.1, 0.1]
    assert metrics.brier_skill(y, p, 0.25) == pytest.approx(1 - (0.28 / 4) / 0.1875)
    assert metrics.brier_skill(y, [0.25] * 4, 0.25) == pytest.approx(0)
    assert metrics.brier_skill([0, 0], [0.1, 0.1], 0.0) is None


def test_calibration_error_by_hand():
    """Two bins of five: rates .2 and .8 against .1 and .6, each half of the rows."""
    y, p = [1, 0, 0, 0, 0, 1, 1, 1, 1, 0], [0.1] * 5 + [0.6] * 5
    assert metrics.calibration_error(y, p) == pytest.approx((0.1 + 0.2) / 2)


def test_bins_are_equal_and_never_tear_ties_apart():
    bins = metrics.equal_count_bins(np.arange(100) / 100)
    assert np.bincount(bins).tolist() == [10] * 10
    tied = metrics.equal_count_bins(np.r_[np.full(55, 0.2), np.linspace(0.3, 0.9, 45)])
    assert len(set(tied[:55])) == 1


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_ranking(label):
    y, p = [label] * 4, [0.1, 0.2, 0.3, 0.4]
    assert metrics.auc(y, p) is None
    assert metrics.calibration_line(y, p) == (None, None)
    assert metrics.log_loss(y, p) > 0
    if not label:
        assert metrics.average_precision(y, p) is None
        assert metrics.lift_at(y, p, 0.1) is None
        assert metrics.attainable_lift(y, p, 0.1) is None


def test_no_rows_have_no_metrics():
    for metric in (metrics.log_loss, metrics.brier, metrics.auc, metrics.average_precision):
        assert metric([], []) is None
    assert metrics.lift_at([], [], 0.1) is None
    assert metrics.calibration_error([], []) is None


def test_a_certain_error_costs_much_but_not_infinity():
    assert metrics.log_loss([1, 0], [0.0, 0.0]) == pytest.approx(-np.log(1e-15) / 2)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [0.5], "one length"),
        ([0, 2], [0.5, 0.5], "0 or 1"),
        ([0, 1], [0.5, np.nan], "probability"),
        ([0, 1], [0.5, 1.1], "probability"),
    ],
)
def test_wrong_input_to_metrics_is_refused(y, p, message):
    with pytest.raises(ValueError, match=message):
        metrics.auc(y, p)


@pytest.mark.parametrize(
    ("auc", "word"),
    [(0.55, "poor"), (0.6, "fair"), (0.69, "fair"), (0.7, "good"), (0.8, "excellent")],
)
def test_lift_quality_words(auc, word):
    """`spec/revenue.md`: poor below .20 of 2 AUC - 1, fair below .40, good below .60."""
    assert metrics.lift_quality(auc) == word
