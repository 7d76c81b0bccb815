"""Stability of reasons: arithmetic by hand, and refits that agree where there is a signal."""

import numpy as np
import pytest

from features.declare import Feature
from models.encode import Encoder
from models.fitted import Fitted
from training.reason_card import newest_rows, reason_card
from training.reason_stability import SEEDS, agreement, stability
from training.recipe import DEFAULT, LOGISTIC, fit
from training.sample import Sample

TREES = DEFAULT.params | {"n_estimators": 30, "num_leaves": 4, "subsample": 0.6}


def encoder_of(sample: Sample) -> Encoder:
    features = [Feature(f"x{i}", "usage", "days", f"X{i}.", f"r{i}") for i in range(4)]
    return Encoder().fit(sample.simple, features)


def test_agreement_counts_the_first_and_the_overlap_of_three():
    first = np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]])
    other = np.array([[0, 1, 5], [2, 3, -1], [4, -1, -1]])  # the third had no reason at first
    found = agreement(first, [other, first])
    assert found["same_top"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["jaccard"] == pytest.approx(((2 / 4 + 1 / 2) / 2 + 1) / 2)


def test_nobody_with_a_reason_is_null():
    none = np.full((5, 3), -1)
    assert agreement(none, [none]) == {"same_top": None, "jaccard": None}


def test_a_model_without_chance_says_the_same_under_every_seed(make_sample):
    sample = make_sample(600)
    found = stability(sample, LOGISTIC, encoder_of(sample))
    assert found == {"same_top": 1.0, "jaccard": 1.0, "seeds": SEEDS, "rows": 600, "customers": 60}


def test_a_signal_makes_reasons_hold_that_noise_does_not(make_sample):
    """Trees on drawn rows: a strong first column leads always, of four without effect any may."""
    setting = type(DEFAULT)("trees", TREES | {"colsample_bytree": 0.5, "subsample": 0.4})
    strong, noise = make_sample(1_500, strength=3.0), make_sample(1_500, strength=0.0)
    held = stability(strong, setting, encoder_of(strong))
    loose = stability(noise, setting, encoder_of(noise))
    assert held["same_top"] > 0.95
    assert loose["same_top"] < 0.9


def test_the_card_has_peers_of_the_newest_date_and_stability(make_sample):
    sample = make_sample(900, dates=3)
    encoder = encoder_of(sample)
    setting = type(DEFAULT)("trees", TREES)
    fitted = Fitted(encoder, fit(sample, setting, encoder.categorical))
    found = reason_card(fitted, sample, setting)
    (everybody,) = found["peers"]["groups"]
    assert everybody["customers"] == 300
    newest = sample.X[sample.as_of == sample.as_of.max()]
    assert everybody["quantiles"][0][9] == pytest.approx(np.median(newest[:, 0]), rel=1e-5)
    assert found["reasons"]["stability"]["rows"] == 900


def test_with_few_on_the_newest_date_each_customer_counts_once(make_sample):
    sample = make_sample(600, dates=6)
    twice = sample.take(np.r_[0:600, 0:100])
    twice = Sample(twice.X, twice.y, twice.customer // 2, twice.rows, twice.as_of, twice.simple)
    rows = newest_rows(twice)
    assert len(np.unique(twice.customer[rows])) == len(rows) == 300
    dates = twice.as_of.to_numpy()
    for place in rows[:50]:
        mine = twice.customer == twice.customer[place]
        assert dates[place] == dates[mine].max()
    assert len(newest_rows(make_sample(300))) == 300  # without dates all are the newest
