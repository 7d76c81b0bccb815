"""Hazards, hidden state and calendar: the known functions, by value and by direction."""

import numpy as np
import pytest

from simulation import hazards, hidden
from simulation.kinds import add_months, month_starts
from simulation.models import MODELS, SUBSCRIPTION
from simulation.people import churn_risk
from simulation.plans import unit_amount
from simulation.usage import season


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(np.int64))


def days(*texts: str) -> np.ndarray:
    return np.array([day(text) for text in texts])


class TestCalendar:
    @pytest.mark.parametrize(
        ("start", "months", "end"),
        [
            ("2025-01-31", 1, "2025-02-28"),
            ("2024-01-31", 1, "2024-02-29"),
            ("2025-01-31", 2, "2025-03-31"),
            ("2024-02-29", 12, "2025-02-28"),
            ("2025-12-15", 1, "2026-01-15"),
            ("2026-11-01", -24, "2024-11-01"),
        ],
    )
    def test_months_are_calendar_months(self, start: str, months: int, end: str) -> None:
        assert add_months(days(start), months).tolist() == [day(end)]

    def test_month_starts_include_both_ends(self) -> None:
        found = month_starts(day("2026-08-15"), day("2026-11-01"))
        assert found == days("2026-09-01", "2026-10-01", "2026-11-01").tolist()

    def test_weekends_are_quiet(self) -> None:
        saturday, monday = season(days("2026-10-03", "2026-10-05"), SUBSCRIPTION.use)
        assert monday > 4 * saturday > 0


class TestHidden:
    def test_moves_are_probabilities(self) -> None:
        matrix = hidden.transitions()
        assert (matrix >= 0).all()
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)

    def test_the_stationary_distribution_stays(self) -> None:
        matrix = hidden.transitions()
        shares = hidden.stationary(matrix)
        np.testing.assert_allclose(shares @ matrix, shares, atol=1e-9)
        assert shares.sum() == pytest.approx(1.0)

    def test_friction_wears_health_down(self) -> None:
        matrix = hidden.transitions()
        steady, troubled = matrix[4], matrix[5]  # level 2
        assert troubled[:4].sum() > 2 * steady[:4].sum()

    def test_draws_follow_the_shares(self) -> None:
        shares = np.array([0.2, 0.5, 0.3])
        drawn = hidden.draw(hidden.cumulative(shares), np.array([0.0, 0.19, 0.2, 0.69, 0.7, 0.999]))
        assert drawn.tolist() == [0, 0, 1, 1, 2, 2]


def churn(**changed: float) -> float:
    settings = {"risk": 1.0, "annual": 0.0, "days_to_end": 20.0, "tenure": 400.0} | changed
    risk, annual, to_end, tenure = (np.array([v]) for v in settings.values())
    return float(hazards.churn_scale(risk, annual.astype(bool), to_end, tenure)[0])


class TestChurn:
    def test_worse_health_and_friction_leave_sooner(self) -> None:
        assert (np.diff(hazards.LEAVE[::2]) < 0).all()
        assert hazards.LEAVE[1::2] == pytest.approx(2.2 * hazards.LEAVE[::2])

    def test_a_month_weighs_more_near_its_end(self) -> None:
        assert churn(days_to_end=5.0) / churn(days_to_end=6.0) == pytest.approx(1.6 / 0.9)

    def test_a_year_is_decided_near_its_end(self) -> None:
        late, early = churn(annual=1.0, days_to_end=1.0), churn(annual=1.0, days_to_end=200.0)
        assert late / early == pytest.approx((0.15 + 3.0 * 74 / 75) / 0.15)

    def test_the_first_weeks_are_risky(self) -> None:
        assert churn(tenure=0.0) == pytest.approx(0.9 * 2.2)
        assert churn(tenure=10_000.0) == pytest.approx(0.9)

    def test_risk_is_proportional(self) -> None:
        assert churn(risk=2.0) == pytest.approx(2.0 * churn())

    def test_price_and_plan_at_entry_count(self) -> None:
        plan, price = np.array([1, 3, 1]), np.array([1.0, 1.0, 0.8])
        starter, business, cheap = churn_risk(plan, price, np.zeros(3, int), np.zeros(3, int))
        assert business / starter == pytest.approx(np.exp(-0.6))
        assert cheap / starter == pytest.approx(np.exp(-0.3))

    def test_no_day_is_certain(self) -> None:
        assert hazards.daily(hazards.LEAVE, np.array([[1e6]])).max() == hazards.CAP


class TestOthers:
    def test_better_health_buys_more_and_converts(self) -> None:
        for rates in (hazards.GROW, hazards.CONVERT, hazards.TRIAL_CONVERTS):
            assert (np.diff(rates[::2]) > 0).all()
        assert (np.diff(hazards.SHRINK[::2]) < 0).all()

    def test_small_plans_and_settled_customers_grow(self) -> None:
        plan, tenure = np.array([1, 3, 1]), np.array([200, 200, 15])
        starter, top, fresh = hazards.growth_scale(np.ones(3), plan, tenure)
        assert (starter, top, fresh) == pytest.approx((1.25, 0.75, 1.25 * 0.25))

    def test_conversion_fades_with_age(self) -> None:
        new, old = hazards.conversion_scale(np.ones(2), np.array([0, 10_000]))
        assert (new, old) == pytest.approx((2.0, 0.5))

    @pytest.mark.parametrize(
        ("overdue", "retries"), [(0, 0), (2, 0), (3, 1), (7, 2), (20, 3), (21, 4), (30, 4)]
    )
    def test_a_bill_is_owed_while_its_retries_fail(self, overdue: int, retries: int) -> None:
        owing = hazards.still_owing(np.array([1]), np.array([overdue]))
        assert owing[0] == pytest.approx(0.62**retries)

    def test_nobody_returns_at_once_or_after_the_window(self) -> None:
        gone = np.array([1, 2, hazards.RETURN_WINDOW, hazards.RETURN_WINDOW + 1])
        rate = hazards.return_rate(np.array([True, False, False, True]), gone)
        assert rate.tolist() == [0.0, hazards.RETURN_VOLUNTARY, hazards.RETURN_VOLUNTARY, 0.0]

    def test_staying_away_counts_the_days_of_the_grace(self) -> None:
        assert hazards.stays_away(0.1, 3) == pytest.approx(0.81)


class TestLately:
    """What happened to a customer not long ago."""

    @pytest.mark.parametrize(
        ("days_after", "factor"), [(-1, 1.0), (0, 1.7), (59, 1.7), (60, 1.0), (-(1 << 40), 1.0)]
    )
    def test_a_dearer_price_drives_away_for_sixty_days(
        self, days_after: int, factor: float
    ) -> None:
        day, never = 20_000, np.array([1 << 40])
        found = hazards.lately(day, np.array([day - days_after]), never)
        assert found[0] == pytest.approx(factor)

    def test_an_ended_discount_adds_to_it(self) -> None:
        now = np.array([20_000])
        assert hazards.lately(20_010, now, now)[0] == pytest.approx(1.7 * 1.6)

    def test_a_treatment_works_for_ninety_days(self) -> None:
        since = np.array([100, 11, 10, 1 << 40])
        factor = hazards.treated(100, since, np.full(4, 0.5))
        assert factor.tolist() == [0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda m: m.name)
def test_shares_of_a_model_are_whole(model) -> None:
    assert np.allclose(np.sum(model.use.shares, axis=1), 1.0)
    assert len(model.use.shares) == hidden.LEVELS
    assert {len(row) for row in model.use.shares} == {len(model.use.events)}
    assert len(model.use.quantity) == len(model.use.events)
    assert model.sells_goods or len(model.plans) == 4


def test_prices_are_whole_cents_and_a_year_costs_ten_months() -> None:
    plan, term, zero = np.array([0, 1, 1, 1]), np.array([1, 1, 12, 24]), np.zeros(4, int)
    full = unit_amount(SUBSCRIPTION, plan, term, np.array([1.0, 0.85, 1.0, 1.0]), zero, zero)
    assert full.tolist() == [0, 16_150_000, 190_000_000, 380_000_000]


def test_prices_differ_by_currency_and_after_the_rise() -> None:
    one, month = np.ones(3), np.ones(3, int)
    rise, currency = np.array([0, 1, 0]), np.array([0, 0, 1])
    found = unit_amount(SUBSCRIPTION, month, month, one, rise, currency)
    assert found.tolist() == [19_000_000, 20_140_000, 17_480_000]
