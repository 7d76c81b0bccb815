"""Contacts that pay, the best list, and the profit measures against slow and published ones."""

import numpy as np
import pytest
from scipy.stats import beta as beta_distribution

from models.profit import (
    Terms,
    best_list,
    break_even,
    expected_maximum_profit,
    expected_profit,
    maximum_profit,
    realised_profit,
)

TERMS = Terms(contact_cost=10.0, success_rate=0.3)


def test_a_contact_earns_what_it_saves_less_what_it_costs():
    """.82 x .3 x 864 - 10; the value of A is 90 x 12 x .8."""
    profit = expected_profit([0.82, 0.02, 0.5], [864.0, 864.0, np.nan], TERMS)
    assert profit[:2] == pytest.approx([202.544, -4.816])
    assert np.isnan(profit[2])


def test_the_terms_of_the_iranian_study():
    """Acting on a leaver gains .3 x (.95 CLV - 1) - .7; on a stayer it costs .05 CLV + 1."""
    terms = Terms(contact_cost=1.0, success_rate=0.3, incentive_share=0.05)
    clv = np.array([100.0, 2000.0])
    assert expected_profit(1.0, clv, terms) == pytest.approx(0.3 * (0.95 * clv - 1) - 0.7)
    assert expected_profit(0.0, clv, terms) == pytest.approx(-(0.05 * clv + 1))


def test_at_break_even_a_contact_earns_nothing():
    value = np.array([50.0, 500.0, 20.0, 0.0])
    p = break_even(value, Terms(contact_cost=10.0, success_rate=0.3, incentive_share=0.05))
    assert np.isnan(p[2:]).all()  # nothing that is worth so little can pay for a contact
    earned = expected_profit(p[:2], value[:2], Terms(10.0, 0.3, 0.05))
    assert earned == pytest.approx([0.0, 0.0], abs=1e-12)


def test_the_best_list_holds_only_contacts_that_pay():
    profit = [5.0, -1.0, np.nan, 9.0, 5.0, 0.0]
    assert best_list(profit).tolist() == [3, 0, 4]
    assert best_list(profit, capacity=2).tolist() == [3, 0]
    assert best_list(profit, capacity=0).tolist() == []
    with pytest.raises(ValueError, match="capacity must be a count from 0; got -1"):
        best_list(profit, capacity=-1)


def test_no_list_of_its_length_expects_more():
    rng = np.random.default_rng(1)
    profit = expected_profit(rng.random(9), rng.gamma(2, 100, 9), TERMS)
    best = profit[best_list(profit, 3)].sum()
    every = [profit[list(s)].sum() for s in np.ndindex(9, 9, 9) if len(set(s)) == 3]
    assert best == pytest.approx(max(every))


def test_realised_profit_knows_who_left():
    value = np.array([1000.0, 1000.0, 1000.0])
    earned = realised_profit([1, 0, 1], value, [0, 1], TERMS)
    assert earned == pytest.approx((300 - 10) - 10)


@pytest.mark.parametrize("seed", range(5))
def test_expected_maximum_profit_is_the_integral_over_success_rates(seed):
    """Against the definition: for each rate the best cut-off, averaged under the Beta density."""
    rng = np.random.default_rng(seed)
    y = (rng.random(60) < 0.3).astype(float)
    score = np.round(y * 0.3 + rng.random(60), 1 if seed % 2 else 6)
    edges = np.linspace(0, 1, 20_001)
    rates = (edges[1:] + edges[:-1]) / 2
    weight = np.diff(beta_distribution.cdf(edges, 6, 14))
    cuts = [np.inf, *np.unique(score)]
    contacted = [score >= cut for cut in cuts]
    profits = np.array(
        [
            (rates * 190 - 1) * np.mean(all_of & (y == 1)) - 11 * np.mean(all_of & (y == 0))
            for all_of in contacted
        ]
    )
    expected = profits.max(axis=0) @ weight
    found = expected_maximum_profit(y, score)
    assert found.profit == pytest.approx(expected, abs=1e-5)


def test_a_perfect_score_contacts_the_leavers_and_no_one_else():
    y = np.r_[np.ones(20), np.zeros(80)]
    found = expected_maximum_profit(y, y)
    assert found.share == pytest.approx(0.2, abs=1e-6)
    assert found.profit == pytest.approx(0.2 * (0.3 * 190 - 1), rel=1e-6)


def test_a_useless_score_contacts_all_or_none():
    y = np.r_[np.ones(20), np.zeros(80)]
    found = expected_maximum_profit(y, np.zeros(100))
    assert 0 < found.profit < 0.1 * (0.3 * 190)
    assert expected_maximum_profit(y, np.zeros(100), contact=150).profit == pytest.approx(0)


def test_maximum_profit_is_reached_somewhere_in_the_ranking():
    y, p = np.array([1, 0, 1, 0.0]), np.array([0.9, 0.6, 0.5, 0.1])
    found = maximum_profit(y, p, np.full(4, 1000.0), TERMS)
    assert (found.profit, found.share) == (pytest.approx((290 - 10 + 290) / 4), 0.75)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ((-1.0, 0.3, 0.0), "contact_cost must be an amount from 0; got -1.0"),
        ((1.0, 1.3, 0.0), "success_rate must be between 0 and 1; got 1.3"),
        ((1.0, 0.3, -0.1), "incentive_share must be between 0 and 1; got -0.1"),
    ],
)
def test_terms_out_of_range_are_refused(terms, said):
    with pytest.raises(ValueError, match=said):
        Terms(*terms)


def test_one_class_has_no_profit_curve():
    with pytest.raises(ValueError, match="leavers and stayers must both be there"):
        expected_maximum_profit([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="below the value; got 10, 5"):
        expected_maximum_profit([1, 0], [0.1, 0.2], value=5, incentive=10)
