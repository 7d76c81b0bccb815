"""A setting that only looks learnable gives way to the newest rate."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from models.encode import Encoder
from training.forward import SLICES, carries_over, held_to_time
from training.recipe import CONSTANT, FALLBACK, LOGISTIC, Choice, learn
from training.sample import Sample

YEAR = timedelta(days=365)


def slices(effect: list[float], level: list[float], n: int = 600) -> Sample:
    """A slice a year: one feature whose effect on the log-odds, and whose level, may change."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(len(effect), n))
    z = np.asarray(level)[:, None] + np.asarray(effect)[:, None] * x
    y = (rng.random(x.shape) < 1 / (1 + np.exp(-z))).astype(float)
    dates = pd.to_datetime([f"{2001 + year}-01-01" for year in range(len(effect))])
    rows = np.arange(x.size)
    customer = np.tile(np.arange(n), len(effect))
    as_of = pd.Series(np.repeat(dates, n))
    return Sample(
        x.reshape(-1, 1), y.ravel(), customer, rows, as_of, pd.DataFrame({"x": x.ravel()})
    )


@pytest.mark.parametrize("setting", [LOGISTIC, FALLBACK], ids=lambda one: one.name)
class TestHeldToTime:
    def test_what_holds_is_kept_though_the_level_moves(self, setting):
        choice = Choice(setting)
        sample = slices([1, 1, 1, 1], [-2, -1.5, -1, -0.5])
        assert held_to_time(choice, sample, (), YEAR) is choice

    def test_an_effect_that_turned_round_is_not(self, setting):
        """It held once and was wrong once: two slices that differ prove nothing."""
        sample = slices([1, 1, -1], [-1, -1, -1])
        assert held_to_time(Choice(setting), sample, (), YEAR).setting == CONSTANT

    def test_nothing_is_judged_by_answers_that_were_not_known(self, setting):
        choice = Choice(setting)
        sample = slices([1, -1], [-1, -1])
        assert held_to_time(choice, sample, (), 2 * YEAR) is choice

    def test_rows_without_time_have_no_newest_slice(self, setting):
        choice = Choice(setting)
        assert held_to_time(choice, slices([1, -1], [-1, -1]), (), None) is choice

    def test_one_bad_slice_of_old_does_not_outweigh_all_that_came_since(self, setting):
        choice = Choice(setting)
        sample = slices([1, -1] + [1] * (SLICES + 1), [-1] * (SLICES + 3))
        assert held_to_time(choice, sample, (), YEAR) is choice


class TestCarriesOver:
    """Gains of many rows each: only how slices differ makes them unsure."""

    def gains(self, means: list[float]) -> list[np.ndarray]:
        wave = np.tile([-0.01, 0.01], 50_000)
        return [mean + wave for mean in means]

    def test_slices_that_agree(self):
        assert carries_over(self.gains([0.01, 0.012, 0.011]))

    def test_slices_that_differ_by_more_than_they_gain(self):
        """Mean 2.5, standard error 1.71 (hundredths): more than one, less than 1.96 of them."""
        assert not carries_over(self.gains([0.0, 0.0, 0.03, 0.07]))

    def test_a_loss(self):
        assert not carries_over(self.gains([-0.01]))
        assert not carries_over(self.gains([-0.01, -0.012]))

    def test_noise_within_slices_is_not_held_against_them(self):
        """Rows differ so much that the slices need not differ at all."""
        wave = np.tile([-1.0, 1.0], 200)
        assert carries_over([mean + wave for mean in (0.0, 0.0, 0.03, 0.07)])

    def test_nothing_to_judge_by(self):
        assert carries_over([])


def test_the_constant_is_the_newest_rate():
    sample = slices([0, 0, 0], [-2, -1, 0])
    learned, _ = learn(sample, Choice(CONSTANT), Encoder().fit(sample.simple, ()))
    found = learned.calibration.probability(learned.model.decision_function(sample.X[:5]))
    assert found == pytest.approx([(sample.y[-600:].sum() + 0.5) / 601] * 5)
