import numpy as np
import pandas as pd
import pytest

from training.baselines import constant, simple_rule
from training.sample import Sample


def sample(y, dates=None, **columns):
    y = np.asarray(y, dtype=float)
    as_of = pd.Series(pd.to_datetime(dates if dates is not None else [None] * len(y)))
    frame = pd.DataFrame(columns, index=range(len(y)))
    return Sample(np.zeros((len(y), 1)), y, np.arange(len(y)), np.arange(len(y)), as_of, frame)


def test_the_constant_is_the_rate_of_the_newest_slice():
    dates = ["2026-01-01"] * 100 + ["2026-02-01"] * 100
    y = [1] * 50 + [0] * 50 + [1] * 20 + [0] * 80
    found = constant(sample(y, dates))
    assert found.rate == pytest.approx(20.5 / 101)


def test_the_constant_of_a_snapshot_is_its_rate_and_never_certain():
    assert constant(sample([0] * 99)).rate == pytest.approx(0.5 / 100)
    assert constant(sample([1] * 99)).rate == pytest.approx(99.5 / 100)


def test_the_rule_finds_its_column_and_its_direction(rng):
    days = rng.uniform(0, 100, 2000)
    y = (rng.random(2000) < np.where(days > 60, 0.8, 0.1)).astype(float)
    for sign in (1, -1):
        rule = simple_rule(sample(y, noise=rng.normal(size=2000), days=sign * days))
        assert rule.column == "days"
        found = rule.of(pd.Series(sign * np.array([-5, 30.0, 50, 70, 90, 500])))
        assert found == pytest.approx([0.1, 0.1, 0.1, 0.8, 0.8, 0.8], abs=0.1)


def test_missing_values_have_a_rate_of_their_own(rng):
    days = np.where(np.arange(1000) % 2 == 0, np.nan, rng.uniform(0, 9, 1000))
    y = np.where(np.isnan(days), np.arange(1000) % 10 < 9, np.arange(1000) % 10 < 2).astype(float)
    rule = simple_rule(sample(y, days=days))
    known, missing = y[~np.isnan(days)].mean(), y[np.isnan(days)].mean()
    assert rule.of(pd.Series([np.nan]))[0] == pytest.approx(missing, abs=0.03)
    assert rule.of(pd.Series([5.0]))[0] == pytest.approx(known, abs=0.1)


def test_categories_have_a_rate_each(rng):
    plan = rng.choice(np.array(["a", "b", None], dtype=object), 3000)
    rate = {"a": 0.1, "b": 0.6, None: 0.3}
    y = (rng.random(3000) < np.array([rate[name] for name in plan])).astype(float)
    rule = simple_rule(sample(y, plan=pd.Series(plan, dtype=object)))
    found = rule.of(pd.Series(["a", "b", None, "never seen"], dtype=object))
    assert found == pytest.approx([0.1, 0.6, 0.3, 0.3], abs=0.05)


def test_a_column_without_values_says_the_rate():
    rule = simple_rule(sample([0, 1, 0, 0], days=np.full(4, np.nan)))
    assert rule.of(pd.Series([np.nan, 3.0])) == pytest.approx([0.25, 0.25])


def test_the_rule_never_promises_certainty():
    """Perfectly separated rows still leave room for doubt, or one miss would cost everything."""
    rule = simple_rule(sample([0] * 50 + [1] * 50, days=np.arange(100.0)))
    found = rule.of(pd.Series([0.0, 99.0]))
    assert found == pytest.approx([2.5 / 55, 52.5 / 55])
