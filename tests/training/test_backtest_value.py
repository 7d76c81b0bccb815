"""What the lists of a back-test would have earned, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from models.profit import Terms
from training.backtest_value import ORACLE, profit_curve, profit_under
from training.charts import money_chart, profit_chart, recall_chart, terms_chart

TERMS = Terms(contact_cost=10.0, success_rate=0.5)
WORTH = np.array([100.0, 100.0, 200.0, 100.0, 100.0, np.nan])


@pytest.fixture
def tested() -> pd.DataFrame:
    """Two runs of three customers; the last one's worth is unknown."""
    return pd.DataFrame(
        {
            "customer_id": list("abcabd"),
            "as_of": pd.to_datetime(["2025-01-01"] * 3 + ["2025-02-01"] * 3),
            "event": [1, 0, 0, 0, 1, 1],
            "p_model": [0.9, 0.1, 0.2, 0.4, 0.6, 0.9],
        }
    )


def test_profit_by_capacity(tested: pd.DataFrame) -> None:
    rows = profit_curve(tested, WORTH, TERMS, [1, 3], ["p_model", ORACLE])
    rows = rows.set_index(["model", "capacity"])
    # The first of a run: a (.9 x 50 - 10 = 35, and leaves) and b (.6 x 50 - 10 = 20, and leaves).
    assert rows.loc[("p_model", 1), "contacted"] == 1
    assert rows.loc[("p_model", 1), "expected"] == pytest.approx((35 + 20) / 2)
    assert rows.loc[("p_model", 1), "realised"] == pytest.approx((40 + 40) / 2)
    # c (.2 x 100 - 10 = 10) and the later a (.4 x 50 - 10 = 10) stay; the first b pays nowhere.
    assert rows.loc[("p_model", 3), "contacted"] == 2
    assert rows.loc[("p_model", 3), "expected"] == pytest.approx((35 + 10 + 20 + 10) / 2)
    assert rows.loc[("p_model", 3), "realised"] == pytest.approx((40 - 10 + 40 - 10) / 2)
    assert rows.loc[(ORACLE, 3), "realised"] == pytest.approx(40)
    assert (rows["low"] <= rows["realised"]).all()
    assert (rows["high"] >= rows["realised"]).all()
    assert profit_chart(rows.reset_index(), "EUR").to_dict()["layer"]


def test_snapshots_are_one_run(tested: pd.DataFrame) -> None:
    snapshot = tested.assign(as_of=pd.Series(pd.NaT, index=tested.index, dtype="datetime64[us]"))
    rows = profit_curve(snapshot, WORTH, TERMS, [1], ["p_model"])
    assert rows["realised"].tolist() == pytest.approx([40])


def test_wrong_terms(tested: pd.DataFrame) -> None:
    rows = profit_under(
        tested, WORTH, TERMS, success_rates=[0.5, 0.2], contact_costs=[10.0, 15.0], capacity=1
    ).set_index(["success_rate", "contact_cost"])
    assert rows.loc[(0.5, 10.0), "realised"] == rows.loc[(0.5, 10.0), "realised_as_assumed"] == 40
    # At .2 and 15 the list has a alone (.9 x 20 - 15 = 3), the assumed one b as well.
    assert rows.loc[(0.2, 15.0), "contacted"] == 0.5
    assert rows.loc[(0.2, 15.0), "realised"] == pytest.approx(2.5)
    assert rows.loc[(0.2, 15.0), "realised_as_assumed"] == pytest.approx((5 + 5) / 2)
    assert "40 (1)" in str(terms_chart(rows.reset_index(), "EUR").to_dict()["datasets"])


def test_what_a_list_holds() -> None:
    amount = np.array([1.0, 7.0, 2.0, np.nan])
    chart = money_chart(amount, {"amount": amount, "order": [4.0, 1.0, 3.0, 2.0]}).to_dict()
    (rows,) = chart["datasets"].values()
    shares = pd.DataFrame(rows).pivot(index="customers", columns="list", values="share")
    assert shares["amount"].tolist() == pytest.approx([0, 0.7, 0.9, 1, 1])
    assert shares["order"].tolist() == pytest.approx([0, 0.1, 0.3, 0.3, 1])


def test_recall_leaves_out_what_is_not_known() -> None:
    known, unknown = {"value": 0.5, "low": 0.4, "high": 0.6}, {"value": None, "reason": "none"}
    recall = {f"lead_time_recall_{days}d": known for days in (30, 60)}
    report = {"model": recall | {"lead_time_recall_90d": unknown}, "baselines": {"rule": recall}}
    (rows,) = recall_chart(report).to_dict()["datasets"].values()
    assert len(rows) == 4
