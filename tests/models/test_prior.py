"""Prior correction: it follows a rate that moves, and leaves one that stands."""

import numpy as np
import pytest

from models.portable import sigmoid
from models.prior import Level, Slice, prior_shift


def slices_of(random, levels, rows=2000, every=30.0):
    """Slices of a model that is right at level 0, and the level of each."""
    found = []
    for number, level in enumerate(levels):
        z = random.normal(-2.5, 1, rows)
        y = (random.random(rows) < sigmoid(z + level)).astype(float)
        found.append(Slice.of(number * every, z, y))
    return found


def saved(random, levels, wait=30.0, rows=2000):
    """Log loss saved at the last level, known to no one; the correction saw `wait` days less."""
    behind = int(wait / 30)
    prior = prior_shift(slices_of(random, levels[:-behind], rows), wait)
    z = random.normal(-2.5, 1, 20_000)
    p = sigmoid(z + levels[-1])
    losses = [
        float(np.mean(p * np.logaddexp(0, -q) + (1 - p) * np.logaddexp(0, q)))
        for q in (z, z + prior.shift)
    ]
    return losses[0] - losses[1]


@pytest.mark.parametrize("rows", [200, 2000])
def test_a_standing_rate_costs_nothing(rng, rows):
    gains = [saved(rng, np.zeros(13), rows=rows) for _ in range(15)]
    assert np.mean(gains) > -0.0003
    assert min(gains) > -0.004


def test_a_walking_rate_is_followed(rng):
    gains = [saved(rng, np.cumsum(rng.normal(0, 0.3, 16))) for _ in range(15)]
    assert np.mean(gains) > 0.002


def test_the_level_is_a_mean_of_newest_rate_and_standing_by_the_events_there_are(rng):
    """The rate doubles at once: 4,000 rows tell most of it, 40 hardly anything."""
    levels = [*[0.0] * 8, 0.7]
    few, many = (prior_shift(slices_of(rng, levels, rows), 30).level for rows in (40, 4000))
    assert abs(few) < 0.25
    assert many == pytest.approx(0.7, abs=0.25)


def test_it_is_used_only_where_it_helped_before(rng):
    """Up and down from slice to slice: whoever follows is wrong every time."""
    prior = prior_shift(slices_of(rng, [0.4, -0.4] * 7), 30)
    assert (prior.used, prior.shift) == (False, 0.0)
    assert prior.gain < 0
    drift = prior_shift(slices_of(rng, np.linspace(0, 2, 14)), 30)
    assert drift.used
    assert drift.shift == drift.level == pytest.approx(2.0, abs=0.3)
    assert drift.speed > 0.05


def test_answers_that_were_not_known_judge_nothing(rng):
    """Of nine monthly slices whose answers take 200 days, only the last could follow two others."""
    prior = prior_shift(slices_of(rng, np.linspace(0, 2, 9)), 200)
    assert (prior.judged, prior.used) == (1, False)
    assert prior_shift([], 30).slices == 0


def test_windows_that_overlap_count_for_less(rng):
    """Six months of answers in monthly slices are the same events six times over."""
    found = slices_of(rng, [0.0] * 6 + [0.8], rows=300)
    apart, overlapping = prior_shift(found, 30), prior_shift(found, 180)
    assert 0 < overlapping.level < apart.level


def test_a_slice_without_an_event_is_no_surprise():
    level = Level()
    level.see(Slice.of(0.0, np.full(5, -3.0), np.zeros(5)))
    assert -0.3 < level.shift < 0
    for day in range(1, 40):
        level.see(Slice.of(30.0 * day, np.full(500, -3.0), np.zeros(500)))
    assert np.isfinite(level.shift)


def test_bins_keep_the_log_loss(rng):
    z = rng.normal(-2, 1.5, 5000)
    y = (rng.random(5000) < sigmoid(z)).astype(float)
    exact = np.mean(np.logaddexp(0, np.where(y == 1, -z, z) + np.where(y == 1, -0.3, 0.3)))
    assert Slice.of(0.0, z, y).log_loss(0.3) == pytest.approx(exact, abs=3e-4)
