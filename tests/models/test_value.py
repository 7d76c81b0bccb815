"""Bands, percentiles and money, with the worked numbers of `spec/revenue.md`."""

from decimal import Decimal

import numpy as np
import pytest

from features.project import Bands
from models.value import (
    band_of,
    bands_of,
    cents,
    expected_gain,
    expected_revenue_at_risk,
    percentile_of,
)

P, MRR = np.array([0.82, 0.35, 0.61]), np.array([90.0, 2400.0, 500.0])  # A, B, C


def test_revenue_at_risk_per_month_and_the_order_of_the_list():
    per_month = expected_revenue_at_risk(P, MRR, 1)
    assert [cents(v) for v in per_month] == [Decimal("73.80"), Decimal("840.00"), Decimal("305.00")]
    assert np.argsort(-per_month).tolist() == [1, 2, 0]
    assert np.argsort(-P).tolist() == [0, 2, 1]


def test_revenue_at_risk_is_that_of_twelve_months():
    """The score of `spec/api.md`: .35 x 2,400 x 12."""
    assert cents(expected_revenue_at_risk(0.35, 2400.0).item()) == Decimal("10080.00")


def test_an_unknown_value_is_unknown_and_none_is_nothing():
    risk = expected_revenue_at_risk([0.5, 0.5], [np.nan, 0.0])
    assert cents(risk[0]) is None
    assert cents(risk[1]) == Decimal("0.00")


def test_gain_is_probability_times_increase_times_twelve():
    assert expected_gain([0.2, 0.2], [50.0, np.nan]).tolist() == pytest.approx(
        [120.0, np.nan], nan_ok=True
    )


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.125, "0.12"), (0.135, "0.14"), (2.675, "2.68"), (0.1 + 0.2, "0.30"), (-0.005, "0.00")],
)
def test_money_is_rounded_half_even_and_only_when_shown(amount, shown):
    assert abs(cents(amount)) == Decimal(shown)
    assert cents(Decimal(str(round(amount, 3)))) == cents(amount)


@pytest.mark.parametrize(
    ("probability", "band"),
    [(0.0, "low"), (0.2999999, "low"), (0.3, "medium"), (0.6, "high"), (1.0, "high")],
)
def test_an_edge_belongs_to_the_higher_band(probability, band):
    bands = Bands(medium=0.3, high=0.6)
    assert band_of(probability, bands) == band
    assert bands_of([probability], bands) == [band]


def test_percentile_is_the_share_with_a_lower_probability():
    assert percentile_of([0.1, 0.4, 0.2, 0.2, 0.9]).tolist() == [0, 60, 20, 20, 80]
    assert percentile_of([0.5]).tolist() == [0]
    assert percentile_of([]).tolist() == []
