"""Drift: found where it was planted, and not more often than stated where nothing moved."""

import json

import numpy as np
import pytest

from models.drift import (
    ALPHA,
    LARGE,
    MODERATE,
    WHOLE,
    column_drift,
    column_profile,
    drift,
    profile,
    psi,
    weigh,
)

WEIGHTS = {"a": 0.5, "b": 0.25, "c": 0.2, "plan": 0.05}
FEATURES = [{"name": name, "kind": "number", "codes": None} for name in "abc"]
FEATURES.append({"name": "plan", "kind": "category", "codes": {str(i): i for i in range(8)}})
NAMES = [feature["name"] for feature in FEATURES]


def rows(rng, n):
    """A normal, a count with many zeros, a skewed one with gaps, and a category; all related."""
    common = rng.normal(size=n)
    a = common + rng.normal(size=n)
    b = rng.poisson(np.exp(common / 2 - 1)).astype(float)
    c = np.where(rng.random(n) < 0.1, np.nan, np.exp(common + rng.normal(size=n)))
    plan = np.minimum(rng.geometric(0.4, n) - 1, 7).astype(float)
    return np.column_stack([a, b, c, plan])


def compared(rng, n, m, change=lambda X: X):
    base = profile(rows(rng, n), FEATURES, np.arange(n), WEIGHTS)
    return drift(json.loads(json.dumps(base)), change(rows(rng, m)), NAMES, np.arange(m))


def test_psi_of_a_hand_made_example():
    """Shares .5 and .5 become .25 and .75: .25 ln 1.5 + .25 ln 2 = .2747."""
    before, now = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75, 0.0])
    index, cells = psi(before, now, 10**7, 10**7)
    assert index == pytest.approx(0.25 * np.log(1.5) + 0.25 * np.log(2), abs=1e-5)
    assert cells == 2


def test_psi_without_drift_is_a_chi_square_by_the_sizes(rng):
    """Mean and standard deviation over 400 pairs of samples."""
    n, m = 2000, 400
    found = []
    for _ in range(400):
        base = column_profile(rng.normal(size=n))
        found.append(column_drift(base, rng.normal(size=m), (n, m)))
    values = np.array([one.psi for one in found])
    chance = 1 / n + 1 / m
    assert found[0].expected == pytest.approx(9 * chance)
    assert values.mean() == pytest.approx(9 * chance, rel=0.1)
    assert values.std() == pytest.approx(np.sqrt(18) * chance, rel=0.2)


@pytest.mark.parametrize("m", [30, 100, 1000])
def test_no_more_false_alarms_than_stated(rng, m):
    """300 times nothing moved: 1 in 100 is stated, 10 would be seen once in a thousand such tests.

    A plain threshold of 0.1 raises an alarm four times in five at 30 customers.
    """
    found = [compared(rng, 1000, m) for _ in range(300)]
    assert ALPHA == 0.01
    assert sum(one.beyond(0) for one in found) <= 9
    assert sum(bool(one.alarms()) for one in found) <= 9
    if m == 30:
        assert np.mean([max(f.psi for f in one.features) > MODERATE for one in found]) > 0.8


@pytest.mark.parametrize("m", [100, 1000])
def test_a_planted_shift_is_found(rng, m):
    found = compared(rng, 1000, m, lambda X: X + np.array([2.0, 0, 0, 0]))
    assert found.beyond(LARGE)
    assert found.features[0].name == "a"
    assert [one.name for one in found.alarms()] == ["a"]


def test_a_feature_counts_by_its_importance(rng):
    """The same kind of upheaval in what the model hardly uses is no reason to act."""
    found = compared(rng, 1000, 1000, lambda X: np.column_stack([X[:, :3], np.full(len(X), 7.0)]))
    (plan,) = found.alarms()
    assert plan.name == "plan"
    assert plan.psi > WHOLE
    assert found.moved == pytest.approx(0.05, abs=0.01)
    assert not found.beyond(MODERATE)


def test_values_that_go_missing_and_unseen_categories(rng):
    """Both reach the model as no value."""

    def lose(X):
        X[: len(X) // 2, 2] = np.nan
        X[: len(X) // 4, 3] = np.nan
        return X

    found = {one.name: one for one in compared(rng, 2000, 800, lose).features}
    assert found["c"].missing_before == pytest.approx(0.1, abs=0.03)
    assert found["c"].missing_now == pytest.approx(0.55, abs=0.03)
    assert (found["plan"].missing_before, found["plan"].missing_now) == (0.0, 0.25)
    assert min(found[name].psi - found[name].limit for name in ("c", "plan")) > 0


def test_a_category_told_by_its_rates_drifts_as_a_number(rng):
    """The matrix holds log-odds of the values, not codes: cut as codes nearly all would be one."""
    told = {"name": "town", "kind": "category", "codes": {"a": -0.4, "b": 0.3}, "prior": 0.0}
    before, now = rng.choice([-0.4, 0.3], 2000, p=[0.8, 0.2]), np.full(500, 0.3)
    base = profile(before[:, None], [told], np.arange(2000), {"town": 1.0})
    found = drift(base, now[:, None], ["town"], np.arange(500))
    assert found.beyond(LARGE)


def test_rows_of_one_customer_are_no_more_proof_than_one(rng):
    """Every training row ten times over leaves noise as it was."""
    X = rows(rng, 500)
    once = profile(X, FEATURES, np.arange(500), WEIGHTS)
    often = profile(np.tile(X, (10, 1)), FEATURES, np.tile(np.arange(500), 10), WEIGHTS)
    assert once == often


def test_only_features_that_both_have_are_compared(rng):
    X = rows(rng, 300)
    base = profile(X, FEATURES, np.arange(300), WEIGHTS)
    found = drift(base, X[:, [1, 0]], ["b", "a"], np.arange(300))
    assert {one.name for one in found.features} == {"a", "b"}
    assert found.moved == 0.0


@pytest.mark.parametrize(
    "values",
    [np.full(50, np.nan), np.full(50, 3.0), np.zeros(0)],
    ids=["all missing", "constant", "no rows"],
)
def test_columns_without_spread_do_not_drift(values):
    base = column_profile(values)
    found = column_drift(base, values, (len(values), len(values)))
    assert found.psi == 0.0
    assert found.psi <= found.limit


def test_a_constant_that_becomes_another_is_found():
    found = column_drift(column_profile(np.zeros(200)), np.full(100, -1.0), (200, 100))
    assert found.psi > found.limit


def test_a_profile_names_no_single_customer(rng):
    """The greatest and the least value may be those of one."""
    X = rng.normal(size=(500, 1))
    X[:2] = [[1e6], [-1e6]]
    text = json.dumps(profile(X, FEATURES[:1], np.arange(500), {}))
    assert "1000000" not in text


def test_without_a_model_features_count_by_what_they_tell(rng):
    X = rows(rng, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(2 - 2 * X[:, 1]))).astype(float)
    base = weigh(profile(X, FEATURES, np.arange(4000), {}), X, y)
    weights = {one["name"]: one["importance"] for one in base["features"]}
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights, key=weights.get) == "b"
    assert weights["plan"] < 0.02
