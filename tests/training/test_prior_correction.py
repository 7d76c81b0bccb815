"""The correction of the level within training: what an origin knew, and what is registered."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from models.calibrate import Calibration, fit_calibration
from models.portable import sigmoid
from training.prior import LEAST, corrected

WAIT = timedelta(days=30)


@pytest.fixture
def drawn(rng):
    """A function that draws rows of monthly or daily dates whose level rises by `slope` a month."""

    def make(months=10, slope=0.25, each=1500, dense=False):
        days = np.sort(rng.integers(0, 30 * months, each * months))
        days = days if dense else days // 30 * 30
        z = rng.normal(-2, 1, len(days))
        y = (rng.random(len(days)) < sigmoid(z + slope * days / 30)).astype(float)
        return z, y, pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(days, unit="D"))

    return make


@pytest.mark.parametrize("dense", [False, True])
def test_a_rising_rate_is_followed_to_its_newest_level(drawn, dense):
    z, y, as_of = drawn(dense=dense)
    plain = fit_calibration(z, y)
    moved = corrected(plain, z, y, as_of, WAIT)
    newest = (as_of >= as_of.max() - timedelta(days=20)).to_numpy()
    assert moved.prior.used
    assert moved.prior.slices in (10, 11)
    assert plain.probability(z[newest]).mean() < 0.9 * y[newest].mean()
    assert moved.probability(z[newest]).mean() == pytest.approx(y[newest].mean(), rel=0.06)


def test_a_standing_rate_leaves_it_almost_where_it_was(drawn):
    z, y, as_of = drawn(slope=0.0)
    plain = fit_calibration(z, y)
    assert abs(corrected(plain, z, y, as_of, WAIT).prior.shift) < 0.05


def test_without_time_or_with_few_dates_nothing_is_sought(drawn):
    z, y, as_of = drawn(months=LEAST - 1)
    plain = Calibration.line("none")
    assert corrected(plain, z, y, as_of, WAIT) is plain
    z, y, as_of = drawn()
    assert corrected(plain, z, y, as_of, None) is plain
    as_of.iloc[0] = pd.NaT
    assert corrected(plain, z, y, as_of, WAIT) is plain


def test_an_answer_that_comes_late_judges_less(drawn):
    z, y, as_of = drawn()
    plain = fit_calibration(z, y)
    soon, late = (
        corrected(plain, z, y, as_of, timedelta(days=days)).prior.judged for days in (30, 150)
    )
    assert (soon, late) == (8, 4)


def test_the_card_holds_the_correction_and_gives_it_back(drawn):
    z, y, as_of = drawn()
    moved = corrected(fit_calibration(z, y), z, y, as_of, WAIT)
    card = moved.as_card()
    assert set(card["prior"]) == {
        "shift", "used", "level", "speed", "slices", "judged", "gain", "error"
    }  # fmt: skip
    assert Calibration.from_card(card) == moved
    assert "prior" not in fit_calibration(z, y).as_card()
