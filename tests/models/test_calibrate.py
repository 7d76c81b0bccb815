"""Calibration: known slopes come back, curves only rise, JSON keeps every bit."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibrate import Calibration, beta_curve, fit_calibration
from models.metrics import calibration_error, log_loss
from models.portable import sigmoid


def drawn(seed, n, slope, shift, spread=1.5):
    random = np.random.default_rng(seed)
    z = random.normal(-1, spread, n)
    return z, (random.random(n) < sigmoid(slope * z + shift)).astype(float)


def line_of(curve):
    rise = (curve.y[1] - curve.y[0]) / (curve.x[1] - curve.x[0])
    return rise, curve.y[0] - rise * curve.x[0]


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, -0.7), (1.8, 0.4)])
def test_platt_recovers_a_known_slope_and_shift(slope, shift):
    z, y = drawn(1, 40_000, slope, shift)
    assert line_of(fit_calibration(z, y, method="platt")) == pytest.approx((slope, shift), abs=0.06)


def test_shift_moves_the_mean_to_the_rate_and_keeps_the_slope():
    z, y = drawn(2, 20_000, 1.0, -1.0)
    curve = fit_calibration(z, y, method="shift")
    assert line_of(curve) == pytest.approx((1.0, -1.0), abs=0.05)
    assert curve.probability(z).mean() == pytest.approx(y.mean(), abs=1e-3)


def test_few_events_are_drawn_towards_the_identity():
    """The sample says slope 0; 40 events cannot outweigh the prior, 4,000 can."""
    few = line_of(fit_calibration(*drawn(3, 150, 0.0, -1.0), method="platt"))[0]
    many = line_of(fit_calibration(*drawn(3, 15_000, 0.0, -1.0), method="platt"))[0]
    assert few > 0.2
    assert many < 0.1


@pytest.mark.parametrize(
    ("events", "method"), [(0, "none"), (1, "shift"), (29, "shift"), (30, "platt"), (999, "platt")]
)
def test_auto_goes_by_the_number_of_events(events, method):
    y = np.r_[np.ones(events), np.zeros(2000)]
    z = np.random.default_rng(4).normal(size=len(y))
    assert fit_calibration(z, y).method == method


def test_auto_takes_the_isotonic_curve_only_when_a_line_is_wrong():
    straight = [fit_calibration(*drawn(seed, 8000, 0.8, 0.2)).method for seed in range(10, 16)]
    random = np.random.default_rng(6)
    z = random.normal(0, 2, 8000)
    bent = (random.random(8000) < np.where(z < 0, 0.1, 0.6)).astype(float)
    assert straight.count("platt") >= 4  # one standard error lets a chance curve through at times
    assert "isotonic" not in straight
    curve = fit_calibration(z, bent, groups=np.arange(8000) // 2)
    assert curve.method == "isotonic"
    line = fit_calibration(z, bent, method="platt")
    assert log_loss(bent, curve.probability(z)) < log_loss(bent, line.probability(z)) - 0.01
    error, its = (calibration_error(bent, c.probability(z)) for c in (curve, line))
    assert error < its / 2


def test_copies_of_one_customer_do_not_pass_for_evidence():
    """300 customers, 40 rows each: apart, their luck looks like a curve; together it does not."""
    z, y = (np.repeat(values, 40) for values in drawn(9, 300, 1.0, 0.0))
    customers = np.repeat(np.arange(300), 40)
    assert fit_calibration(z, y).method == "isotonic"
    assert fit_calibration(z, y, groups=customers).method == "platt"


def halves(z):
    """log(p) and -log(1 - p) of log-odds, written out."""
    p = 1 / (1 + np.exp(-z))
    return np.log(p), -np.log1p(-p)


@pytest.mark.parametrize(("a", "b", "c"), [(0.6, 1.6, -0.5), (1.4, 0.7, 0.3), (1.0, 1.0, 0.0)])
def test_beta_recovers_its_two_slopes_and_its_shift(a, b, c):
    random = np.random.default_rng(10)
    z = random.normal(-0.5, 2, 60_000)
    low, high = halves(z)
    y = (random.random(len(z)) < sigmoid(a * low + b * high + c)).astype(float)
    curve = fit_calibration(z, y, method="beta")
    first = (curve.y[1] - curve.y[0]) / (curve.x[1] - curve.x[0])
    last = (curve.y[-1] - curve.y[-2]) / (curve.x[-1] - curve.x[-2])
    assert (first, last, curve.log_odds(0.0)) == pytest.approx(
        (a, b, c + (b - a) * np.log(2)), abs=0.08
    )


@pytest.mark.parametrize("slopes", [(0.01, 5.0), (5.0, 0.01), (0.5, 2.0), (1.0, 1.0)])
def test_points_stand_for_a_beta_curve_within_a_thousandth(slopes):
    """The worst of all shifts, between the slopes that a fit may give."""
    curve = beta_curve(*slopes, 0.0)
    z = np.linspace(-25, 25, 20_001)
    low, high = halves(z)
    exact, lines = slopes[0] * low + slopes[1] * high, curve.log_odds(z)
    shifts = np.linspace(-20, 20, 81)[:, None]
    assert np.abs(sigmoid(exact + shifts) - sigmoid(lines + shifts)).max() < 1e-3


def test_the_isotonic_curve_never_parts_rows_of_one_log_odds(rng):
    """Four probabilities that a few small trees gave: each stands for its own observed rate."""
    levels, truth = np.array([-3.0, -2.0, -1.0, 0.0]), np.array([0.02, 0.20, 0.22, 0.60])
    z = rng.permutation(np.repeat(levels, 2000))
    y = (rng.random(8000) < truth[np.searchsorted(levels, z)]).astype(float)
    observed = [y[z == level].mean() for level in levels]
    told = fit_calibration(z, y, method="isotonic").probability(levels)
    assert told == pytest.approx(observed, abs=0.002)


def test_auto_takes_beta_where_the_odds_bend_and_events_are_too_few_for_isotonic():
    random = np.random.default_rng(11)
    z = random.normal(-1, 1.5, 3000)
    y = (random.random(3000) < sigmoid(np.minimum(z, -1.0))).astype(float)
    curve, line = fit_calibration(z, y), fit_calibration(z, y, method="platt")
    assert (curve.method, y.sum() < 1000) == ("beta", True)
    fresh = random.normal(-1, 1.5, 40_000)
    p = sigmoid(np.minimum(fresh, -1.0))
    loss = [
        -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()
        for q in (curve.probability(fresh), line.probability(fresh))
    ]
    assert loss[0] < loss[1] - 0.005


@pytest.mark.parametrize("method", ["shift", "platt", "beta", "isotonic"])
@pytest.mark.parametrize("case", ["separable", "reversed", "constant", "two-rows"])
def test_odd_data_give_rising_curves_and_probabilities_inside_0_and_1(method, case):
    n = 2 if case == "two-rows" else 400
    y = np.r_[np.zeros(n // 2), np.ones(n // 2)]
    z = {"reversed": -10 * y, "constant": np.zeros(n)}.get(case, 10 * y)
    curve = fit_calibration(z, y, method=method)
    p = curve.probability(np.linspace(-1000, 1000, 4001))
    assert np.all(np.diff(p) >= 0)
    assert 0 < p[0] <= p[-1] < 1


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.floats(-20, 20), min_size=2, max_size=60),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["shift", "platt", "beta", "isotonic"]),
)
def test_a_curve_never_turns_the_order_round(raw, seed, method):
    z = np.asarray(raw)
    y = np.random.default_rng(seed).integers(0, 2, len(z)).astype(float)
    fitted = fit_calibration(z, y, method=method).probability(np.sort(z))
    assert np.all(np.diff(fitted) >= 0)


def test_json_keeps_every_bit():
    z, y = drawn(7, 3000, 0.9, 0.1)
    for method in ("platt", "beta", "isotonic"):
        curve = fit_calibration(z, y, method=method)
        again = Calibration.from_card(json.loads(json.dumps(curve.as_card())))
        assert again == curve
        assert np.array_equal(again.probability(z), curve.probability(z))


def test_the_identity_changes_nothing():
    z = np.linspace(-29, 29, 101)
    assert Calibration.line("none").log_odds(z) == pytest.approx(z, abs=1e-12)


@pytest.mark.parametrize(
    ("z", "y", "message"),
    [
        ([0.0, 1.0], [0], "one length"),
        ([0.0, np.nan], [0, 1], "finite"),
        ([0.0, 1.0], [0, 2], "0 or 1"),
    ],
)
def test_wrong_input_is_refused(z, y, message):
    with pytest.raises(ValueError, match=message):
        fit_calibration(z, y)


@pytest.mark.parametrize(
    "points", [((0.0,), (0.0,)), ((0.0, 1.0), (1.0, 0.0)), ((1.0, 1.0), (0.0, 1.0))]
)
def test_points_that_do_not_rise_are_refused(points):
    with pytest.raises(ValueError, match="must rise"):
        Calibration("platt", *points)
