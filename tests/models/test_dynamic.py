"""Level and slope that move from block to block, on blocks drawn from a known truth."""

import numpy as np
import pytest

from models.dynamic import Dynamic
from models.portable import sigmoid
from models.prior import Slice

ROWS, CENTRE = 1000, -2.0


def drawn(random, levels, slopes=None, told=True):
    """Blocks of log-odds, answers and true log-odds; `told`: the model has signal at all."""
    slopes = np.ones(len(levels)) if slopes is None else slopes
    for level, slope in zip(levels, slopes, strict=True):
        z = CENTRE + random.normal(0, 1.2, ROWS) * told
        truth = CENTRE + level + slope * (z - CENTRE)
        yield z, (random.random(ROWS) < sigmoid(truth)).astype(float), truth


def loss(z, y):
    return float(np.mean(np.logaddexp(0, z) - y * z))


def history(random, levels):
    """A state that has seen the labels of training blocks alone."""
    return Dynamic([y for _, y, _ in drawn(random, levels, told=False)])


def excess(state, blocks):
    """Mean log loss above the truth's, and the last block's; the state learns from each block."""
    found = []
    for z, y, truth in blocks:
        found.append(loss(state.curve().log_odds(z), y) - loss(truth, y))
        state.see(Slice.of(0, z, y))
    return np.mean(found), found[-1]


def test_a_standing_level_costs_next_to_nothing(rng):
    mean, last = excess(history(rng, np.zeros(12)), drawn(rng, np.zeros(8)))
    assert mean < 0.0006
    assert last < 0.0006


def test_a_level_that_jumps_for_good_is_followed_and_one_that_comes_back_is_not(rng):
    stays, returns = np.array([0.0, 0, 1.5, 1.5, 1.5]), np.array([0.6, -0.6] * 6)
    followed = history(rng, np.zeros(12))
    assert excess(followed, drawn(rng, stays))[1] < 0.01
    assert followed.level == pytest.approx(1.5, abs=0.25)
    noisy = history(rng, np.zeros(12))
    excess(noisy, drawn(rng, returns))
    assert abs(noisy.level) < 0.25
    assert noisy.walk < followed.walk


def test_a_slope_that_fades_is_followed(rng):
    slopes = np.linspace(1, 0.3, 8)
    state = history(rng, np.zeros(12))
    assert excess(state, drawn(rng, np.zeros(8), slopes))[0] < 0.005
    assert state.slope == pytest.approx(0.35, abs=0.1)


def test_a_level_goes_on_from_the_labels_or_stands_where_the_model_read_them(rng):
    risen = np.repeat([0.0, 1.2], 8)  # above their mean by .6 at the end
    for above in (0.0, 0.6):
        state = history(rng, risen)
        first = state.curve().log_odds(state.centre) - state.centre
        assert 0.15 < first < 0.45
        apart = state.centre - CENTRE
        for z, y, _ in drawn(rng, [apart + above]):
            state.see(Slice.of(0, z + apart, y))
        assert state.level == pytest.approx(above, abs=0.2)


def test_what_is_not_known_draws_towards_a_half_and_the_curve_rises(rng):
    wild = history(rng, np.array([1.0, -1.0] * 6))
    z = np.array([-6.0, 6.0])
    assert np.all(np.abs(wild.curve().log_odds(z)) < np.abs(z) - 0.3)
    against = history(rng, np.zeros(12))
    excess(against, drawn(rng, np.zeros(6), -np.ones(6)))
    assert against.slope < -0.5
    assert np.all(np.diff(against.curve().y) > 0)


def test_nothing_known_beforehand_and_answers_of_one_kind_are_allowed():
    state = Dynamic([])
    assert state.curve().log_odds(0.7) == pytest.approx(0.68, abs=0.03)
    for _ in range(5):
        state.see(Slice.of(0, np.zeros(7), np.zeros(7)))
    assert -6 < state.curve().log_odds(0.0) < -1
