"""Curves of leaving: censoring, causes that add up, and what is done where events are few."""

import numpy as np
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter

from features.errors import UnfitDataError
from models.curve import EDGES, PERIODS, Curve, kaplan_meier
from models.hazard import HazardModel
from models.periods import Terms, person_periods, sampled, with_period

AT = [30, 75, 90, 180, 270, 365]
LIGHT = {"num_leaves": 4, "n_estimators": 60, "min_child_samples": 20}


@pytest.fixture
def lives(rng):
    """4,000 customers of two kinds who leave at constant rates, watched for 20 to 500 days."""
    n = 4_000
    kind = rng.integers(0, 2, n)
    days = rng.exponential(np.where(kind == 1, 150.0, 900.0))
    observed = rng.uniform(20, 500, n)
    cause = np.where(rng.random(n) < np.where(kind == 1, 0.2, 0.7), "involuntary", "voluntary")
    return kind[:, None].astype(float), days, observed, cause.astype(object)


@pytest.fixture
def fitted(lives):
    X, days, observed, cause = lives
    return HazardModel(params=LIGHT).fit(X, days, observed, cause)


def test_kaplan_meier_is_that_of_lifelines(lives):
    _, days, observed, _ = lives
    days = np.ceil(days)  # with ties among ends and with the days asked for
    observed = np.ceil(observed)
    ended = days < observed
    other = KaplanMeierFitter().fit(np.minimum(days, observed), ended)
    expected = other.survival_function_at_times(np.array(AT) - 1e-9).to_numpy()  # up to the day
    assert kaplan_meier(days, observed, AT) == pytest.approx(expected, abs=1e-12)


def test_kaplan_meier_ends_where_nobody_was_observed():
    assert kaplan_meier([10.0, np.inf], [100.0, 200.0], [150, 201])[0] == pytest.approx(0.5)
    assert np.isnan(kaplan_meier([10.0, np.inf], [100.0, 200.0], [201])).all()
    assert np.isnan(kaplan_meier([], [], [30])).all()


def test_a_period_counts_when_wholly_observed_and_only_then():
    # left on day 40 of 50; there still on day 70; left on day 30, the first of the second period
    periods = person_periods([40.0, np.inf, 30.0], [50.0, 70.0, 400.0])
    assert list(zip(periods.row, periods.period, periods.event, strict=True)) == [
        (0, 0, False),  # the second period was seen in part, and its leaver with it
        (1, 0, False),
        (1, 1, False),
        (2, 0, False),
        (2, 1, True),
    ]


def test_a_person_period_has_no_events_twice_and_none_after_the_end(lives):
    _, days, observed, _ = lives
    periods = person_periods(days, observed)
    ended = periods.row[periods.event]
    assert len(np.unique(ended)) == len(ended)
    assert (days[periods.row] >= np.array(EDGES)[periods.period]).all()


def test_curves_of_censored_lives_are_those_of_kaplan_meier(lives, fitted):
    """Tolerance: two standard errors of the smaller group, watched to the end by a fifth."""
    X, days, observed, _ = lives
    survival = fitted.curve(X).survival(AT)
    for kind in (0, 1):
        mine = X[:, 0] == kind
        there = kaplan_meier(days[mine], observed[mine], AT)
        assert survival[mine].mean(axis=0) == pytest.approx(there, abs=0.035)
        rate = 150.0 if kind else 900.0
        assert survival[mine].mean(axis=0) == pytest.approx(np.exp(-np.array(AT) / rate), abs=0.035)


def test_dropping_the_censored_would_be_seen(lives):
    """The fault that is guarded against: lives not watched to the end taken for lives that last."""
    X, days, observed, _ = lives
    days = np.where(days < observed, days, np.inf)
    naive = HazardModel(params=LIGHT).fit(X, days, np.full(len(days), 500.0))
    short = X[:, 0] == 1
    there = kaplan_meier(days[short], observed[short], [365])
    assert naive.curve(X[short]).survival([365]).mean() > there + 0.1


def test_causes_add_up_to_what_left(lives, fitted):
    curve = fitted.curve(lives[0][:50])
    left = curve.incidence([0, 45, 90, 365])
    assert set(left) == {"voluntary", "involuntary"}
    assert sum(left.values()) == pytest.approx(1 - curve.survival([0, 45, 90, 365]), abs=1e-12)
    assert all((np.diff(one, axis=1) >= 0).all() for one in left.values())


@pytest.mark.filterwarnings("ignore:Tied event times")
def test_causes_compete_as_aalen_and_johansen_say(lives, fitted):
    X, days, observed, cause = lives
    mine = X[:, 0] == 0
    ended = np.where(days < observed, np.where(cause == "involuntary", 1, 2), 0)[mine]
    other = AalenJohansenFitter(calculate_variance=False)
    other.fit(np.minimum(days, observed)[mine], ended, event_of_interest=1)
    steps = other.cumulative_density_.iloc[:, 0]
    expected = [float(steps[steps.index < at].iloc[-1]) for at in AT]
    ours = fitted.curve(X[mine]).incidence(AT)["involuntary"].mean(axis=0)
    assert ours == pytest.approx(expected, abs=0.03)


def test_curves_never_rise_between_and_beyond_the_edges(fitted):
    survival = fitted.curve(np.array([[0.0], [1.0]])).survival(np.arange(0, 2000, 7))
    assert survival[:, 0].tolist() == [1.0, 1.0]
    assert (np.diff(survival, axis=1) < 0).all()


def test_a_constant_hazard_gives_the_exponential_everywhere():
    monthly = 1 - 0.95 ** (np.diff(EDGES) / (365 / 12))
    curve = Curve(monthly[None, :], {"any": np.ones((1, PERIODS))})
    months = np.array([0, 0.3, 1, 7.7, 12, 40])
    assert curve.survival(months * 365 / 12)[0] == pytest.approx(0.95**months, rel=1e-12)
    assert curve.remaining_months(1e5)[0] == pytest.approx(-1 / np.log(0.95), rel=1e-9)
    assert curve.remaining_months(24)[0] == pytest.approx((1 - 0.95**24) / -np.log(0.95), rel=1e-9)


def test_who_never_leaves_stays_to_the_cap():
    curve = Curve(np.zeros((1, PERIODS)), {"any": np.ones((1, PERIODS))})
    assert curve.remaining_months()[0] == pytest.approx(120)


@pytest.mark.parametrize("days", [[-1], [366]])
def test_incidence_is_asked_within_a_year(days, fitted):
    with pytest.raises(ValueError, match=r"days must not|up to 365"):
        fitted.curve(np.zeros((1, 1))).incidence(days)


class TestFewEvents:
    """Fewer than 200 customers with the event, fewer than 50."""

    def test_below_50_everybody_gets_the_rate_of_the_period(self, rng):
        days = np.append(rng.uniform(0, 300, 40), np.full(160, np.inf))
        model = HazardModel().fit(rng.normal(size=(200, 3)), days, np.full(200, 365.0))
        assert model.fallback_ == "constant"
        survival = model.curve(rng.normal(size=(2, 3))).survival(EDGES)
        assert survival[0] == pytest.approx(kaplan_meier(days, np.full(200, 366.0), EDGES))
        assert (survival[0] == survival[1]).all()

    def test_below_200_it_is_a_logistic_regression(self, rng):
        days = np.append(rng.uniform(0, 300, 120), np.full(400, np.inf))
        model = HazardModel().fit(rng.normal(size=(520, 3)), days, np.full(520, 365.0))
        assert model.fallback_ == "logistic"
        assert not model.model_.ensemble_.boosters

    def test_one_without_a_whole_period_says_so(self):
        with pytest.raises(UnfitDataError, match="no row is observed for a whole period"):
            HazardModel().fit(np.zeros((3, 1)), [1.0, 2.0, 3.0], [29.0, 29.0, 0.0])

    def test_the_last_observed_period_goes_on(self, rng):
        days = rng.exponential(200.0, 500)
        model = HazardModel(params=LIGHT).fit(rng.normal(size=(500, 2)), days, np.full(500, 100.0))
        hazard = model.hazard(np.zeros((1, 2)))[0]
        assert model.known_periods_ == 3
        assert (hazard[3:] == hazard[2]).all()


def test_leaving_out_others_is_corrected(lives):
    """All events and a tenth of the other rows give the curve of all rows."""
    X, days, observed, _ = lives
    periods = person_periods(days, observed)
    kept, share = sampled(periods, 4_000)
    assert kept.event.sum() == periods.event.sum()
    assert share == pytest.approx((~kept.event).sum() / (~periods.event).sum(), abs=0.02)
    whole = HazardModel(params=LIGHT).fit(X, days, observed)
    part = HazardModel(params=LIGHT, max_rows=4_000).fit(X, days, observed)
    both = [m.curve(np.array([[0.0], [1.0]])).survival(AT) for m in (whole, part)]
    assert both[1] == pytest.approx(both[0], abs=0.03)


def test_a_renewal_comes_round():
    terms = Terms.of(["mrr", "days_to_renewal", "interval_months"])
    X = np.array([[9.0, 40.0, 12.0], [9.0, 10.0, 1.0], [9.0, np.nan, np.nan]])
    seen = with_period(X, np.array([2, 1, 0]), terms)[:, 3:]
    assert seen[0] == pytest.approx([60, 345])  # 20 days ago, so in a year less 20 days
    assert seen[1] == pytest.approx([30, 365 / 12 - 20])
    assert seen[2, 0] == 0
    assert np.isnan(seen[2, 1])


def test_yearly_terms_end_once_a_year(rng):
    """Who renews on day 105 leaves there or stays the year."""
    n = 3_000
    due = rng.uniform(0, 365, n)
    days = np.where(rng.random(n) < 0.4, due, np.inf)
    X = np.column_stack([due, np.full(n, 12.0)])
    terms = Terms(renewal=0, interval=1)
    model = HazardModel(terms=terms).fit(X, days, np.full(n, 400.0))
    survival = model.curve(np.array([[105.0, 12.0], [315.0, 12.0]])).survival([85, 135, 285, 345])
    assert survival[0] == pytest.approx([1, 0.6, 0.6, 0.6], abs=0.09)
    assert survival[1] == pytest.approx([1, 1, 1, 0.6], abs=0.09)
