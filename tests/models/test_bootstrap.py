"""The bootstrap: draws whole customers, pairs models, averages origins, is the same each time."""

import numpy as np
import pytest

from models import metrics
from models.bootstrap import (
    Origin,
    bootstrap,
    bootstrap_metrics,
    customer_sums,
    interval,
    paired_difference,
)
from models.portable import sigmoid


def drawn(rng, n=400, rows_each=1):
    z = np.repeat(rng.normal(-1, 1, n), rows_each)
    y = np.repeat((rng.random(n) < sigmoid(z[::rows_each])).astype(float), rows_each)
    return y, sigmoid(z), np.repeat(np.arange(n), rows_each)


def test_values_are_those_of_the_plain_metrics(rng):
    y, p, customers = drawn(rng)
    found = bootstrap_metrics(y, {"m": p}, customers, constant=0.3, draws=20)["m"]
    expected = {
        "log_loss": metrics.log_loss(y, p),
        "brier": metrics.brier(y, p),
        "brier_skill": metrics.brier_skill(y, p, 0.3),
        "auc": metrics.auc(y, p),
        "average_precision": metrics.average_precision(y, p),
        "lift1": metrics.lift_at(y, p, 0.01),
        "lift5": metrics.lift_at(y, p, 0.05),
        "lift10": metrics.lift_at(y, p, 0.1),
        "lift10_attainable": metrics.attainable_lift(y, p, 0.1),
        "calibration_slope": metrics.calibration_slope(y, p),
        "calibration_intercept": metrics.calibration_intercept(y, p),
        "calibration_error": metrics.calibration_error(y, p),
    }
    assert {name: found[name].value for name in found} == pytest.approx(expected, abs=1e-12)


def test_a_draw_is_the_metric_of_the_rows_drawn(rng):
    """Each draw, replayed with the rows of its customers repeated, gives the same numbers."""
    y, p, customers = drawn(rng, n=60, rows_each=2)
    drawn_metrics = bootstrap([Origin(y, {"m": p}, customers, 0.2)], draws=5, seed=9).drawn["m"]
    order = np.argsort(np.unique(customers.astype(str)).astype(int))  # drawn in order of the text
    random = np.random.default_rng(9)
    for draw in range(5):
        counts = np.bincount(random.integers(0, 60, 60), minlength=60)[order]
        rows = np.repeat(np.arange(120), counts[customers])
        assert drawn_metrics["auc"][0, draw] == pytest.approx(metrics.auc(y[rows], p[rows]))
        again = metrics.lift_at(y[rows], p[rows], 0.1)
        assert drawn_metrics["lift10"][0, draw] == pytest.approx(again)


def test_a_drawn_slope_is_that_of_its_rows(rng):
    """One Newton step from the whole lands close to the solution of the draw."""
    y, p, customers = drawn(rng, n=3000)
    customers = np.char.zfill(customers.astype(str), 4)
    found = bootstrap([Origin(y, {"m": p}, customers)], draws=3, seed=2).drawn["m"]
    random = np.random.default_rng(2)
    for draw in range(3):
        counts = np.bincount(random.integers(0, 3000, 3000), minlength=3000)
        slope, intercept = metrics.calibration_line(y, p, counts)
        assert found["calibration_slope"][0, draw] == pytest.approx(slope, abs=0.01)
        assert found["calibration_intercept"][0, draw] == pytest.approx(intercept, abs=0.01)


def test_the_standard_error_is_that_of_theory(rng):
    y, p, customers = drawn(rng, n=2000)
    found = bootstrap_metrics(y, {"m": p}, customers)["m"]["log_loss"]
    losses = metrics.row_log_loss(y, p)
    assert found.se == pytest.approx(losses.std() / np.sqrt(2000), rel=0.1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.se, rel=0.1)


def test_rows_of_one_customer_are_drawn_together(rng):
    """Four copies of every row tell nothing new: the interval must not shrink."""
    y, p, customers = drawn(rng, n=500, rows_each=4)
    together = bootstrap_metrics(y, {"m": p}, customers)["m"]["log_loss"].se
    apart = bootstrap_metrics(y, {"m": p}, np.arange(len(y)))["m"]["log_loss"].se
    assert together / apart == pytest.approx(2, rel=0.15)


def test_models_share_the_draws(rng):
    """A model that is worse by a constant is worse by that constant in every draw."""
    y, p, customers = drawn(rng)
    found = bootstrap([Origin(y, {"a": p, "b": p[::-1][::-1]}, customers)], draws=50)
    assert np.array_equal(found.drawn["a"]["auc"], found.drawn["b"]["auc"])
    none = paired_difference(y, p, p, customers, draws=50)
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_a_worse_model_is_found_worse(rng):
    y, p, customers = drawn(rng, n=1500)
    worse = sigmoid(3 * np.log(p / (1 - p)))
    found = paired_difference(y, worse, p, customers)
    assert found.value == pytest.approx(metrics.log_loss(y, worse) - metrics.log_loss(y, p))
    assert 0 < found.low < found.value < found.high
    ranks = paired_difference(y, worse, p, customers, metric="auc", draws=50)
    assert ranks.value == pytest.approx(0, abs=1e-12)


def test_one_seed_gives_one_answer_and_block_size_does_not_matter(rng, monkeypatch):
    y, p, customers = drawn(rng)
    first = bootstrap_metrics(y, {"m": p}, customers, draws=30, seed=5)
    monkeypatch.setattr("models.bootstrap.CELLS", 400 * 7)
    blocks = bootstrap_metrics(y, {"m": p}, customers, draws=30, seed=5)
    assert blocks["m"]["auc"] == first["m"]["auc"]
    other = bootstrap_metrics(y, {"m": p}, customers, draws=30, seed=6)
    assert other["m"]["auc"] != first["m"]["auc"]


def test_origins_are_averaged_never_pooled(rng):
    a, b = drawn(rng, n=300), drawn(rng, n=700)
    origins = [Origin(y, {"m": p}, customers) for y, p, customers in (a, b)]
    found = bootstrap(origins, draws=40)
    each = [found.origin(i)["m"]["auc"].value for i in (0, 1)]
    assert each == pytest.approx([metrics.auc(*a[:2]), metrics.auc(*b[:2])])
    assert found.average()["m"]["auc"].value == pytest.approx(np.mean(each))


def test_one_class_gives_null_with_a_reason():
    found = bootstrap_metrics(np.zeros(20), {"m": np.full(20, 0.1)}, np.arange(20), draws=10)["m"]
    assert found["auc"].value is None
    assert "one class" in found["auc"].reason
    assert found["auc"].as_json()["low"] is None
    assert found["log_loss"].as_json().keys() == {"value", "low", "high", "se"}


def test_an_estimate_that_most_draws_cannot_give_has_no_interval():
    found = interval(0.7, np.r_[np.full(60, np.nan), np.linspace(0.6, 0.8, 40)])
    assert (found.value, found.low) == (0.7, None)
    assert "draws" in found.reason


def test_the_calibration_error_lies_within_its_interval(rng):
    """Of perfect probabilities the error is noise alone, and drawing adds as much again."""
    y, p, customers = drawn(rng, n=300)
    origin = Origin(y, {"m": p}, customers)
    found = bootstrap([origin, origin], draws=100)
    raw = found.drawn["m"]["calibration_error"].mean(axis=0)
    for error in (
        found.average()["m"]["calibration_error"],
        found.origin(0)["m"]["calibration_error"],
    ):
        assert 0 <= error.low < error.value < error.high < np.quantile(raw, 0.975)
        assert error.se == pytest.approx(raw.std(ddof=1), rel=0.1)


def test_sums_of_columns_are_drawn_alike(rng):
    """Twice a column is twice the sum in every draw; rows of a customer stay together."""
    values = rng.normal(size=200)
    customers = np.repeat(np.arange(100), 2)
    sums = customer_sums(customers, np.column_stack([values, 2 * values, np.ones(200)]), draws=50)
    assert sums.shape == (50, 3)
    np.testing.assert_allclose(sums[:, 1], 2 * sums[:, 0])
    assert (sums[:, 2] == 200).all()
    pairs = values.reshape(100, 2).sum(axis=1)
    assert sums[:, 0].std() == pytest.approx(np.sqrt(100) * pairs.std(), rel=0.35)
