"""Curves as rows for charts: shares add up, intervals are those of another library."""

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from models.curve import PERIODS, Curve
from training.charts import (
    causes_chart,
    cohorts_chart,
    hazard_chart,
    orders_chart,
    spread_chart,
)
from training.lifetime_curves import by_causes, by_period, kaplan_meier_interval, with_kaplan_meier

AT = (30, 90, 180)


@pytest.fixture
def curve(rng: np.random.Generator) -> Curve:
    hazard = rng.uniform(0.01, 0.2, (60, PERIODS))
    voluntary = rng.uniform(0.2, 0.8, hazard.shape)
    return Curve(hazard, {"voluntary": voluntary, "involuntary": 1 - voluntary})


def test_the_interval_is_that_of_lifelines(rng: np.random.Generator) -> None:
    end, observed = rng.exponential(200, 150), rng.uniform(100, 300, 150)
    fitter = KaplanMeierFitter().fit(np.minimum(end, observed), end < observed)
    theirs = fitter.confidence_interval_survival_function_
    for day in (40.5, 120.5, 200.5):
        low, high = kaplan_meier_interval(end, observed, [day])
        expected = theirs[theirs.index <= day].iloc[-1]
        np.testing.assert_allclose([low[0], high[0]], expected, rtol=1e-6)


def test_where_nobody_or_everybody_left_there_is_no_width() -> None:
    low, high = kaplan_meier_interval([10.0, 20.0], [90.0, 90.0], [5, 15, 30])
    assert (low[0], high[0], low[2], high[2]) == (1.0, 1.0, 0.0, 0.0)
    assert 0 < low[1] < 0.5 < high[1] < 1


def test_groups_beside_what_happened(curve: Curve, rng: np.random.Generator) -> None:
    end = rng.exponential(300, len(curve))
    observed = np.where(np.arange(60) < 20, 100.0, 400.0)
    groups = np.where(np.arange(60) < 20, "new", "old")
    rows = with_kaplan_meier(curve.survival(AT), groups, end, observed, AT)
    assert rows["group"].unique().tolist() == ["new: 20 customers", "old: 40 customers"]
    assert rows["days"].tolist() == [30, 90, 30, 90, 180]  # none of the new is known for 180 days
    assert rows["low"].le(rows["observed"]).all()
    assert rows["high"].ge(rows["observed"]).all()
    assert rows["expected"].iloc[0] == pytest.approx(curve.survival([30])[:20].mean())
    assert cohorts_chart(rows).to_dict()["facet"]["field"] == "group"


def test_causes_and_those_who_stay_are_everybody(curve: Curve) -> None:
    rows = by_causes(curve, range(0, 366, 73))
    np.testing.assert_allclose(rows.groupby("days")["share"].sum(), 1.0)
    assert set(rows["what"]) == {"still there", "voluntary", "involuntary"}
    assert rows.loc[rows["days"] == 0, "share"].tolist() == [0.0, 0.0, 1.0]
    chart = causes_chart(rows).to_dict()
    assert chart["encoding"]["color"]["scale"]["domain"][0] == "still there"
    with pytest.raises(ValueError, match="365"):
        by_causes(curve, [366])


def test_a_hazard_is_of_those_who_are_there() -> None:
    hazard = np.full((2, PERIODS), 0.1)
    hazard[1, 0] = 0.9
    hazard[1, 1] = 0.5
    rows = by_period(Curve(hazard, {"voluntary": np.ones_like(hazard)}), ["one", "one"])
    assert rows["day"].iloc[:3].tolist() == [0, 30, 60]
    assert rows["hazard"].iloc[0] == pytest.approx(0.5)
    assert rows["hazard"].iloc[1] == pytest.approx((0.9 * 0.1 + 0.1 * 0.5) / (0.9 + 0.1))
    assert hazard_chart(rows).to_dict()["encoding"]["x"]["field"] == "day"


def test_a_spread_counts_everybody_who_is_known(rng: np.random.Generator) -> None:
    values = np.append(rng.exponential(100, 400), [1e6, np.nan])
    chart = spread_chart(values, {"mean": 100.0}, "Worth", "Spread").to_dict()
    counted = next(rows for rows in chart["datasets"].values() if "customers" in rows[0])
    assert sum(row["customers"] for row in counted) == 401
    assert max(row["high"] for row in counted) < 1000


def test_orders_are_means_of_groups(rng: np.random.Generator) -> None:
    came = rng.poisson(3, 200)
    models = {"twice": 2.0 * came, "none": np.full(200, np.nan)}
    chart = orders_chart(came, models, "Orders").to_dict()
    rows = next(rows for rows in chart["datasets"].values() if "customers" in rows[0])
    assert sum(row["customers"] for row in rows) == 200
    assert {row["model"] for row in rows} == {"twice"}
    assert all(row["expected"] == pytest.approx(2 * row["came"]) for row in rows)
