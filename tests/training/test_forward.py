"""A setting that only looks learnable gives way to the newest rate."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from models.encode import Encoder
from training.forward import held_to_time
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
        sample = slices([1, 1, 1, -1], [-1, -1, -1, -1])
        assert held_to_time(Choice(setting), sample, (), YEAR).setting == CONSTANT

    def test_nothing_is_judged_by_answers_that_were_not_known(self, setting):
        choice = Choice(setting)
        sample = slices([1, -1], [-1, -1])
        assert held_to_time(choice, sample, (), 2 * YEAR) is choice

    def test_rows_without_time_have_no_newest_slice(self, setting):
        choice = Choice(setting)
        assert held_to_time(choice, slices([1, -1], [-1, -1]), (), None) is choice


def test_the_constant_is_the_newest_rate():
    sample = slices([0, 0, 0], [-2, -1, 0])
    learned, _ = learn(sample, Choice(CONSTANT), Encoder().fit(sample.simple, ()))
    found = learned.calibration.probability(learned.model.decision_function(sample.X[:5]))
    assert found == pytest.approx([(sample.y[-600:].sum() + 0.5) / 601] * 5)
