"""What customers are still worth: worked numbers, BG/NBD as published, orders to come."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.declare import Feature
from features.errors import UnfitDataError
from features.project import Money
from models import lifetime
from models.bgnbd import BgNbd
from models.curve import EDGES, PERIODS, Curve
from models.fitted import Fitted
from models.lifetime import (
    discounted_months,
    lacking,
    predicted_cltv,
    ratio_cltv,
    registered_curve,
    remaining,
)
from models.loaded import LoadedModel
from models.orders import OrderRates
from models.periods import Terms

CUSTOMERS = 2_357


def staying(per_month: float) -> Curve:
    """A curve that loses the same share every month."""
    hazard = 1 - per_month ** (np.diff(EDGES) / (365 / 12))
    return Curve(hazard[None, :], {"any": np.ones((1, PERIODS))})


class TestLifetimeValue:
    """`spec/revenue.md`: 100 x 0.8 / 5 % = 1,600."""

    def test_the_ratio_formula(self):
        assert ratio_cltv(100.0, 0.05, 0.8).cltv == pytest.approx(1600)

    def test_the_curve_tends_to_it_where_the_hazard_is_constant(self):
        worth = predicted_cltv(staying(0.95), [100.0], margin=0.8, months=1200)
        assert worth[0] == pytest.approx(1600, rel=1e-9)

    def test_ten_years_hold_all_but_a_five_hundredth(self):
        worth = predicted_cltv(staying(0.95), [100.0], margin=0.8)
        assert worth[0] == pytest.approx(1600 * (1 - 0.95**120), rel=1e-9)

    def test_money_to_come_is_discounted_by_the_year(self):
        month = 0.95 / 1.1 ** (1 / 12)
        worth = predicted_cltv(staying(0.95), [100.0], margin=0.8, discount_rate=0.1, months=1200)
        assert worth[0] == pytest.approx(80 / (1 - month), rel=1e-9)

    def test_the_first_month_is_paid_at_once(self):
        assert discounted_months(staying(0.5), 0.2, months=1)[0] == 1.0

    def test_an_unknown_value_stays_unknown(self):
        assert np.isnan(predicted_cltv(staying(0.95), [np.nan])).all()

    @pytest.mark.parametrize(
        ("arpa", "churn", "reason"),
        [(100.0, 0.0, "no_churn_observed"), (None, 0.05, "no_customers"), (9.0, None, None)],
    )
    def test_an_undefined_ratio_is_none_with_a_reason(self, arpa, churn, reason):
        found = ratio_cltv(arpa, churn)
        assert found.cltv is None
        assert found.reason == (reason or "no_customers")


class TestRegisteredCurve:
    """The curve of a hazard in the portable format."""

    @pytest.fixture(params=[0.0, 0.25, 1.0], ids=["trees", "blend", "logistic"])
    def model(self, request, rng):
        days = {"days_to_renewal": rng.integers(-20, 360, 900) * 1.0}
        days["interval_months"] = rng.choice([1.0, 12.0], 900)
        frame = pd.DataFrame(days | {"plan": rng.choice(["a", "b"], 900)})
        terms = Terms.of([*frame])
        names = [Feature(name, "billing", "days", name, name) for name in days]
        names.append(Feature("plan", "profile", "", "plan", "plan", kind="category"))
        added = {one.name: rng.uniform(-30, 365, 900) for one in terms.features}
        odds = -3 + added[terms.features[0].name] / 200 + (frame["plan"] == "a")
        y = (rng.random(900) < 1 / (1 + np.exp(-odds))).astype(int)
        settings = {"n_estimators": 15, "linear_weight": request.param}
        whole = frame.assign(**added)
        fitted = Fitted.fit(whole, y, [*names, *terms.features], settings)
        loaded = LoadedModel("acme.lifetime", 1, fitted.portable)
        loaded.card["known_periods"] = 10
        return loaded, frame

    def test_it_is_the_product_of_what_the_model_says_of_each_period(self, model):
        loaded, frame = model
        curve, one = registered_curve(loaded, frame), frame.iloc[[7]]
        ahead, term = one["days_to_renewal"].item(), one["interval_months"].item() * 365 / 12
        stays = 1.0
        for period, start in enumerate(EDGES[:-1]):
            after = ahead - start
            asked = one.assign(
                period_start_days=float(EDGES[min(period, 9)]),
                renewal_after_period_start_days=after if after >= 0 else after % term,
            )
            stays *= 1 - loaded.probability(loaded.matrix(asked))[0]
            found = curve.survival([EDGES[period + 1]])[7, 0]
            assert found == pytest.approx(stays, rel=1e-9)
        assert 0.001 < stays < 0.9

    def test_many_rows_are_taken_in_parts(self, model, monkeypatch):
        loaded, frame = model
        money = Money(gross_margin=0.8, discount_rate=0.1)
        value = np.arange(900.0)
        whole = remaining(loaded, frame, value, money)
        monkeypatch.setattr(lifetime, "ROWS", 400)
        assert remaining(loaded, frame, value, money).equals(whole)
        curve = registered_curve(loaded, frame)
        assert whole["expected_remaining_months"].to_numpy() == pytest.approx(
            curve.remaining_months()
        )
        assert whole["predicted_cltv"].to_numpy() == pytest.approx(
            predicted_cltv(curve, value, margin=0.8, discount_rate=0.1)
        )

    def test_what_a_build_lacks_is_told(self, model):
        loaded, frame = model
        assert lacking(loaded, frame) == []
        assert lacking(loaded, frame.drop(columns="plan")) == ["plan"]


@dataclass(frozen=True)
class Cdnow:
    """The 1/10 sample: what was known on 1997-09-30, and what came in the 39 weeks after."""

    repeats: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    came: np.ndarray


@pytest.fixture(scope="module")
def cdnow(shared) -> Cdnow:
    names = ["original", "customer", "date", "discs", "dollars"]
    path = shared / "data/cdnow/CDNOW_sample.txt.gz"
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype={"date": str})
    rows["date"] = pd.to_datetime(rows["date"], format="%Y%m%d")
    days = rows.drop_duplicates(["customer", "date"])  # one a day, as the literature counts
    end = datetime(1997, 9, 30)
    known = days[days["date"] <= end].groupby("customer")["date"].agg(["min", "max", "count"])
    later = days[days["date"] > end].groupby("customer").size()
    return Cdnow(
        (known["count"] - 1).to_numpy(),
        ((known["max"] - known["min"]).dt.days / 7).to_numpy(),
        ((end - known["min"]).dt.days / 7).to_numpy(),
        later.reindex(known.index).fillna(0).to_numpy(),
    )


class TestBgNbd:
    """Fader, Hardie & Lee (2005), table 2."""

    def test_the_sample_is_the_published_one(self, cdnow):
        assert len(cdnow.repeats) == CUSTOMERS
        assert cdnow.came.sum() == 1_882

    def test_fit_gives_the_published_estimates(self, cdnow):
        found = BgNbd.fit(cdnow.repeats, cdnow.recency, cdnow.age)
        assert (found.r, found.alpha) == pytest.approx((0.243, 4.414), abs=6e-4)
        assert (found.a, found.b) == pytest.approx((0.793, 2.426), abs=6e-4)
        assert found.log_likelihood == pytest.approx(-9582.4, abs=0.05)

    def test_expected_orders_are_the_sum_over_many_lives(self, rng):
        """The formula against what it stands for: customers who live on by the model."""
        model = BgNbd(0.8, 5.0, 1.5, 4.0, 0.0)
        n = 60_000
        rate, leaves = rng.gamma(0.8, 1 / 5.0, n), rng.beta(1.5, 4.0, n)
        gaps = rng.exponential(1 / rate, size=(60, n))
        at = np.cumsum(gaps, axis=0)  # weeks after the first purchase
        alive_after = np.cumprod(rng.random((60, n)) > leaves, axis=0)
        happens = np.vstack([np.ones(n, bool), alive_after[:-1].astype(bool)])
        before, after = at <= 20, (at > 20) & (at <= 50)
        x = (happens & before).sum(axis=0)
        last = np.where(happens & before, at, 0).max(axis=0)
        came = (happens & after).sum(axis=0)
        expected = model.expected_orders(x, last, np.full(n, 20.0), 30.0)
        assert expected.mean() == pytest.approx(came.mean(), rel=0.03)
        for repeats in (0, 1, 3):
            mine = x == repeats
            assert expected[mine].mean() == pytest.approx(came[mine].mean(), rel=0.08)

    def test_long_silence_after_much_buying_is_death(self):
        model = BgNbd(0.243, 4.414, 0.793, 2.426, 0.0)
        lively, quiet = model.p_alive([10, 10], [38.0, 5.0], [39.0, 39.0])
        assert lively > 0.8
        assert quiet < 0.01
        assert model.p_alive([0], [0.0], [39.0])[0] == 1.0

    def test_nobody_who_bought_again_says_so(self):
        with pytest.raises(UnfitDataError, match="no customer ever bought again"):
            BgNbd.fit([0, 0], [0.0, 0.0], [10.0, 20.0])

    def test_a_recency_beyond_the_age_names_the_row(self):
        with pytest.raises(ValueError, match="row 1 has repeats 2, recency 9, age 8"):
            BgNbd.fit([1, 2], [3.0, 9.0], [8.0, 8.0])


class TestOrderRates:
    """Poisson rates by period."""

    @pytest.fixture
    def counts(self, rng):
        n = 3_000
        kind = rng.integers(0, 2, n).astype(float)
        rate = np.where(kind == 1, 0.1, 0.01)  # a day
        orders = rng.poisson(rate[:, None] * np.diff(EDGES))
        return kind[:, None], orders, rng.uniform(0, 400, n)

    def test_expected_orders_are_rate_times_days(self, counts):
        model = OrderRates().fit(*counts)
        expected = model.expected(np.array([[0.0], [1.0]]), [15, 90, 365])
        assert expected[0] == pytest.approx([0.15, 0.9, 3.65], rel=0.06)
        assert expected[1] == pytest.approx([1.5, 9.0, 36.5], rel=0.06)

    def test_what_was_not_observed_is_not_taken_for_none(self, counts):
        X, orders, observed = counts
        unseen = np.array(EDGES[1:]) > observed[:, None]
        blanked = OrderRates().fit(X, np.where(unseen, 0, orders), observed)
        whole = OrderRates().fit(X, orders, observed)
        assert (blanked.expected(X, [365]) == whole.expected(X, [365])).all()

    def test_few_orders_give_one_rate(self, rng):
        orders = np.zeros((100, PERIODS))
        orders[:20, 0] = 1
        model = OrderRates().fit(rng.normal(size=(100, 2)), orders, np.full(100, 60.0))
        expected = model.expected(np.zeros((1, 2)), [30, 60])[0]
        assert expected == pytest.approx([0.1, 0.2])

    def test_days_beyond_a_year_are_refused(self, counts):
        with pytest.raises(ValueError, match="between 0 and 365"):
            OrderRates().fit(*counts).expected(counts[0], [366])
