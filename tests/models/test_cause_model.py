"""The cause of churn: both causes add up to the total, and few events give one share."""

import json

import numpy as np
import pytest

from models.causes import LEAST, Leavers, fit_cause, log_loss
from models.portable import PortableModel, involuntary_share, sigmoid


def left(random, n, strength=2.0, base=-1.5):
    """Leavers whose first column tells how likely a payment failed."""
    X = random.normal(size=(n, 6))
    X[:, 5] = random.integers(0, 3, n)
    p = sigmoid(base + strength * X[:, 0])
    y = (random.random(n) < p).astype(float)
    return Leavers(X, y, np.arange(n) // 2, np.arange(n) >= n * 3 // 4), p


def test_a_cause_that_can_be_told_is_learned(rng):
    known, _ = left(rng, 1500)
    cause = fit_cause(known, [5])
    fresh, p = left(rng, 4000)
    share = involuntary_share(cause, fresh.X)
    one = np.full(len(p), cause["share"])
    best, worst = log_loss(fresh.involuntary, p), log_loss(fresh.involuntary, one)
    assert log_loss(fresh.involuntary, share) < best + 0.1 * (worst - best)
    assert share.mean() == pytest.approx(p.mean(), abs=0.03)


def test_few_events_of_either_cause_give_the_newest_share(rng):
    known, _ = left(rng, 300)
    several = np.arange(300) < 2 * (LEAST - 1)  # one customer too few
    known = Leavers(known.X, several.astype(float), known.customer, np.arange(300) < 200)
    cause = fit_cause(known, [5])
    assert cause["linear"] is None
    whole = (several.sum() + 0.5) / 301
    assert cause["share"] == pytest.approx((several.sum() + 20 * whole) / 220)
    assert np.unique(involuntary_share(cause, known.X)).tolist() == [cause["share"]]


def test_it_can_be_told_not_to_learn(rng):
    known, _ = left(rng, 1500)
    assert fit_cause(known, [5])["linear"] is not None
    assert fit_cause(known, [5], learned=False)["linear"] is None


def test_where_no_payment_ever_failed_no_cause_is_told(rng):
    known, _ = left(rng, 200)
    assert fit_cause(Leavers(known.X, np.zeros(200), known.customer, known.newest)) is None


def test_a_cause_not_seen_in_training_and_missing_values_are_no_error(rng):
    known, _ = left(rng, 600)
    cause = json.loads(json.dumps(fit_cause(known, [5])))
    strange = np.full((3, 6), np.nan)
    strange[1] = 1e12
    strange[1:, 5] = 2
    share = involuntary_share(cause, strange)
    assert np.all((share > 0) & (share < 1))


def test_both_causes_add_up_to_the_probability_to_the_last_bit(small_fitted, small_frame, rng):
    matrix = small_fitted.encoder.transform(small_frame)
    y = (rng.random(len(matrix)) < 0.3).astype(float)
    known = Leavers(matrix, y, np.arange(len(y)), y >= 0)
    for learned in (True, False):
        cause = fit_cause(known, small_fitted.encoder.categorical, learned=learned)
        model = PortableModel(
            small_fitted.card() | {"cause": cause}, small_fitted.portable.ensemble
        )
        found = model.causes(matrix)
        total = model.probability(matrix)
        assert np.array_equal(found["voluntary"] + found["involuntary"], total)
        assert all(np.all((part > 0) & (part < total)) for part in found.values())
        expected = total * involuntary_share(cause, matrix)
        assert found["involuntary"] == pytest.approx(expected, rel=1e-12)


def test_a_card_of_before_tells_no_cause(small_fitted, small_frame):
    assert small_fitted.portable.causes(small_fitted.encoder.transform(small_frame)) is None
