"""What lists were worth, on runs small enough to work out by hand."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.days import micros
from features.project import Money, Revenue, Target
from features.revenue.ledger import mrr_steps
from training.backtest_lists import Run, jaccard, lead_time_recall, profits
from training.backtest_lost import ends

JANUARY, FEBRUARY = datetime(2026, 1, 1), datetime(2026, 2, 1)
NAN = float("nan")


def ids(*names):
    return np.array(names, dtype=object)


def run(probability, value, y=None, at=JANUARY, origin=0):
    names = ids(*(f"c{number}" for number in range(len(value))))
    y = np.zeros(len(value)) if y is None else np.array(y, dtype=float)
    arrays = {name: np.array(p, dtype=float) for name, p in probability.items()}
    return Run(at, origin, names, y, np.array(value, dtype=float), arrays)


def lost(*rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "at", "mrr"])
    return frame.assign(at=micros(pd.to_datetime(frame["at"])))


class TestLeadTimeRecall:
    """Two runs, a month apart; the horizon of the last is over on 2 May."""

    LOST = lost(
        ("a", "2026-03-15", 100.0),  # on the first list, 73 days before
        ("b", "2026-03-15", 50.0),  # on the second list, 42 days before
        ("c", "2026-03-15", 50.0),  # on none
        ("a", "2026-01-10", 70.0),  # no run lay 30 days before
        ("b", "2026-05-02", 900.0),  # after the horizon
    )
    TOPS = (ids("a"), ids("a", "b"))

    @pytest.mark.parametrize(("days", "share"), [(30, 0.75), (42, 0.75), (43, 0.5), (60, 0.5)])
    def test_what_was_seen_so_early(self, days, share):
        found = lead_time_recall(
            (JANUARY, FEBRUARY), self.TOPS, self.LOST, lead_days=days, horizon_days=90
        )
        assert found.value == pytest.approx(share)
        assert 0 <= found.low <= share <= found.high <= 1

    def test_nothing_was_lost_then(self):
        found = lead_time_recall(
            (JANUARY, FEBRUARY), self.TOPS, self.LOST, lead_days=90, horizon_days=90
        )
        assert found.value is None
        assert "no MRR was lost between 90 days after the first run" in found.reason

    def test_a_list_after_the_end_finds_nothing(self):
        late = lost(("a", "2026-02-20", 10.0))
        found = lead_time_recall((JANUARY, FEBRUARY), (ids(), ids("a")), late, **ONE_MONTH)
        assert found.value == 0


ONE_MONTH = {"lead_days": 30, "horizon_days": 90}


class TestEnds:
    """The MRR that ended, from changes of subscriptions."""

    def steps(self, *rows):
        columns = ["customer_id", "occurred_at", "status", "unit_amount"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["occurred_at"] = pd.to_datetime(frame["occurred_at"]).astype("datetime64[us]")
        frame["known_at"] = frame["occurred_at"]
        frame = frame.assign(
            subscription_id=frame["customer_id"], quantity=1, interval="month", interval_count=1
        )
        return mrr_steps(frame, Revenue())

    def test_the_amount_is_that_of_the_moment_before(self):
        steps = self.steps(
            ("a", "2026-01-01", "active", 100.0),
            ("a", "2026-02-01", "active", 60.0),
            ("a", "2026-03-01", "canceled", 60.0),
            ("b", "2026-01-01", "active", 80.0),  # stays
        )
        found = ends(steps, Target(kind="churn"))
        assert found["customer_id"].tolist() == ["a"]
        assert found["mrr"].tolist() == [60.0]
        assert found["at"].tolist() == micros(pd.Series([pd.Timestamp("2026-03-01")])).tolist()

    @pytest.mark.parametrize(("back", "n"), [("2026-03-30", 0), ("2026-03-31", 1)])
    def test_who_is_back_within_the_grace_was_not_lost(self, back, n):
        steps = self.steps(
            ("a", "2026-01-01", "active", 100.0),
            ("a", "2026-03-01", "canceled", 100.0),
            ("a", back, "active", 100.0),
        )
        assert len(ends(steps, Target(kind="churn", grace_days=30))) == n


class TestTop:
    """The top tenth of a list."""

    def test_by_money_at_risk(self):
        worth = run({"m": [0.9, 0.5, 0.2]}, [1.0, 10.0, 20.0])
        assert worth.top("m", by_money=True).tolist() == ["c1"]  # .9, 5 and 4 a month
        assert worth.top("m", by_money=False).tolist() == ["c0"]

    def test_an_unknown_value_comes_last(self):
        assert run({"m": [0.9, 0.1]}, [NAN, 1.0]).top("m", by_money=True).tolist() == ["c1"]

    def test_ties_go_by_id_and_a_part_of_a_customer_is_one(self):
        tied = run({"m": [0.5] * 11}, [1.0] * 11)
        assert tied.top("m", by_money=True).tolist() == ["c0", "c1"]


class TestJaccard:
    def test_is_the_mean_over_pairs_of_runs(self):
        found = jaccard([ids("a", "b", "c"), ids("b", "c", "d"), ids("b", "c", "d")])
        assert found.value == pytest.approx((2 / 4 + 1) / 2)
        assert found.low < found.value < found.high

    def test_one_run_has_nothing_to_compare_with(self):
        found = jaccard([ids("a")])
        assert (found.value, found.reason) == (
            None,
            "one run only: there is no other list to compare with",
        )


class TestProfits:
    """Worth a month x 12 x .8; a contact costs 10 and keeps three of ten."""

    MONEY = Money(contact_cost=10, success_rate=0.3)

    def test_expected_and_realised(self):
        one = run({"m": [0.5, 0.1, 0.5]}, [10.0, 10.0, NAN], y=[1, 1, 1])
        origin, average = profits([one], self.MONEY, leaving=True, n_origins=1)
        assert origin["m"]["expected_profit"].value == pytest.approx(0.5 * 0.3 * 96 - 10)
        assert origin["m"]["realised_profit"].value == pytest.approx(0.3 * 96 - 10)
        assert average["m"]["realised_profit"].value == pytest.approx(18.8)
        assert origin["m"]["realised_profit"].se > 0

    def test_the_capacity_takes_the_best(self):
        money = self.MONEY.model_copy(update={"capacity": 1})
        two = run({"m": [0.5, 0.9]}, [10.0, 10.0], y=[1, 0])
        (origin, _) = profits([two], money, leaving=True, n_origins=1)
        assert origin["m"]["expected_profit"].value == pytest.approx(0.9 * 0.3 * 96 - 10)
        assert origin["m"]["realised_profit"].value == pytest.approx(-10)

    def test_an_origin_is_the_mean_of_its_runs_and_the_average_that_of_origins(self):
        first = run({"m": [0.9]}, [10.0], y=[1])
        none = run({"m": [0.0]}, [10.0], y=[1], at=FEBRUARY)
        last = run({"m": [0.9]}, [20.0], y=[1], origin=1)
        one, two, average = profits([first, none, last], self.MONEY, leaving=True, n_origins=2)
        values = [part["m"]["realised_profit"].value for part in (one, two, average)]
        assert values == pytest.approx([18.8 / 2, 47.6, (9.4 + 47.6) / 2])

    @pytest.mark.parametrize(
        ("money", "leaving", "why"),
        [
            (Money(), True, "[money] names no contact_cost and success_rate"),
            (MONEY, False, "no money is at risk: no amounts, or not a target of leaving"),
        ],
    )
    def test_undefined_is_null_with_a_reason(self, money, leaving, why):
        found = profits([run({"m": [0.5]}, [1.0])], money, leaving=leaving, n_origins=1)
        assert len(found) == 2
        assert found[0]["m"]["expected_profit"].reason == why
