"""MRR over time: the worked numbers of the spec, dunning, trials, pauses, discounts, causes."""

import random
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from oracle_money import monthly
from random_company import frames_of

from features.project import Revenue
from features.revenue.ledger import MILLIONTH, mrr_steps

POLICY = Revenue()
OPEN, CLOSE = datetime(2023, 11, 1), datetime(2023, 12, 1)


def change(
    at: str, amount: float | None = 100, *, status: str = "active", of: str = "A", **more: Any
) -> dict[str, Any]:
    """One change of the subscription of a customer, monthly unless it says."""
    price = None if amount is None else Decimal(str(amount))
    moment = datetime.fromisoformat(at)
    base = {"customer_id": of, "subscription_id": f"s{of}", "occurred_at": moment}
    terms = {"known_at": moment, "status": status, "unit_amount": price, "interval": "month"}
    return base | terms | more


def steps(*rows: dict[str, Any], policy: Revenue = POLICY, plans: Any = None) -> pd.DataFrame:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    full = [{name: row.get(name) for name in columns} for row in rows]
    return mrr_steps(frames_of({"subscriptions": full})["subscriptions"], policy, plans)


def story(found: pd.DataFrame) -> list[tuple[str, float, float, str]]:
    """Date, MRR, running own changes and cause of every step."""
    return [
        (f"{row.at:%m-%d}", row.mrr / MILLIONTH, row.organic / MILLIONTH, row.cause)
        for row in found.itertuples()
    ]


def at(found: pd.DataFrame, moment: datetime) -> float:
    """MRR of all customers at an instant, what happens just then included."""
    held = found[found["at"] <= moment].groupby("customer_id")["mrr"].last()
    return float(held.sum()) / MILLIONTH


@pytest.mark.parametrize(
    ("amount", "interval", "count", "quantity", "mrr"),
    [
        pytest.param(50, "month", 1, 1, 50.0, id="month"),
        pytest.param(270, "quarter", 1, 1, 90.0, id="quarter"),
        pytest.param(1200, "year", 1, 1, 100.0, id="year"),
        pytest.param(2400, "year", 2, 1, 100.0, id="two years"),
        pytest.param(12, "week", 1, 1, 52.0, id="week"),
        pytest.param(40, "week", 4, 1, 43.33, id="four weeks"),
        pytest.param(2, "day", 1, 1, 60.83, id="day"),
        pytest.param(30, "month", 1, 12, 360.0, id="seats"),
    ],
)
def test_published_amounts_per_month(
    amount: float, interval: str, count: int, quantity: int, mrr: float
) -> None:
    row = change(
        "2023-01-01", amount, interval=interval, interval_count=count, quantity=Decimal(quantity)
    )
    assert round(steps(row)["mrr"].iloc[0] / MILLIONTH, 2) == mrr


def test_sums_come_before_rounding() -> None:
    three = [change("2023-01-01", 1000, of=f"c{n}", interval="year") for n in range(3)]
    assert round(at(steps(*three), OPEN), 2) == 250.00
    many = [change("2023-01-01", 100, of=f"m{n}") for n in range(100)]
    many += [change("2023-01-01", 600, of=f"y{n}", interval="year") for n in range(50)]
    assert at(steps(*many), OPEN) == 12_500


def test_mid_period_changes_count_at_their_full_rate() -> None:
    seats = steps(
        change("2023-11-01", 30, quantity=Decimal(10)),
        change("2023-11-11", 30, quantity=Decimal(15)),
    )
    assert story(seats) == [("11-01", 300, 300, "new"), ("11-11", 450, 450, "quantity")]
    upgrade = steps(change("2023-11-01", 100, plan_id="S"), change("2023-11-16", 200, plan_id="M"))
    assert story(upgrade) == [("11-01", 100, 100, "new"), ("11-16", 200, 200, "plan")]


def the_month() -> pd.DataFrame:
    """The month to check against, customers A to J."""
    first = {"plan_id": "S", "quantity": Decimal(10)}
    left = {"status": "canceled", "end_reason": "chosen"}
    return steps(
        change("2023-01-01", 10, of="A", **first),
        change("2023-11-10", 10, of="A", plan_id="S", quantity=Decimal(13)),
        change("2023-01-01", 20, of="B", **first),
        change("2023-11-11", 15, of="B", plan_id="XS", quantity=Decimal(10)),
        change("2023-01-01", 5, of="C", **first),
        change("2023-11-12", 5, of="C", **first | left),
        change("2023-01-01", 40, of="D", **first),
        change("2023-01-01", 8, of="E", **first),
        change("2023-10-20", 8, of="E", **first, status="past_due"),
        change("2023-01-01", 9, of="F", **first),
        change("2023-10-05", 9, of="F", **first | left),
        change("2023-11-14", 9, of="F", **first),
        change("2023-11-15", 6, of="G", **first),
        change("2023-01-01", 15, of="H", **first),
        change("2023-11-20", 15, of="H", **first, status="past_due"),
        change("2023-11-05", 4, of="I", **first),
        change("2023-11-20", 4, of="I", **first | left),
        change("2023-01-01", 30, of="J", **first),
        change("2023-11-21", 33, of="J", plan_id="M", quantity=Decimal(10)),
    )


class TestTheMonthToCheck:
    def test_opening_and_closing(self) -> None:
        found = the_month()
        assert at(found, OPEN) == 1280
        assert at(found, CLOSE) == 1310
        for moment in (OPEN, CLOSE):
            held = found[found["at"] <= moment].groupby("customer_id")["mrr"].last()
            assert (held > 0).sum() == 7

    def test_the_ledger(self) -> None:
        found = the_month()
        found["before"] = found.groupby("customer_id")["mrr"].shift(fill_value=0)
        found["moved"] = (found["mrr"] - found["before"]) / MILLIONTH
        month = found[(found["at"] >= OPEN) & (found["at"] < CLOSE)]
        ever = found["before"].groupby(found["customer_id"]).cummax().loc[month.index] > 0
        starts, ends = month["before"] == 0, month["mrr"] == 0
        up, down = month["moved"] > 0, month["moved"] < 0
        assert month.loc[starts & ~ever, "moved"].sum() == 100
        assert month.loc[starts & ever, "moved"].sum() == 90
        assert month.loc[~starts & up, "moved"].sum() == 60
        assert month.loc[~ends & down, "moved"].sum() == -50
        assert month.loc[ends, "moved"].sum() == -170
        assert month["moved"].sum() == 30

    def test_dunning_ends_after_thirty_days_and_is_not_a_choice(self) -> None:
        found = the_month()
        assert story(found[found["customer_id"] == "E"])[1:] == [("11-19", 0, 80, "involuntary")]
        assert story(found[found["customer_id"] == "C"])[1:] == [("11-12", 0, 0, "end")]


class TestExactAmounts:
    """Every amount is the nearest millionth of the exact fraction, a tie the even one."""

    @pytest.mark.parametrize(
        ("price", "percent", "millionths"),
        [
            pytest.param("0.000001", 50, 0, id="half-goes-to-even-below"),
            pytest.param("0.000003", 50, 2, id="half-goes-to-even-above"),
            pytest.param("9007199254.740993", None, 9_007_199_254_740_993, id="beyond-floats"),
            pytest.param("4503599627.370497", 50, 2_251_799_813_685_248, id="tie-beyond-floats"),
        ],
    )
    def test_where_floats_are_not_sure(
        self, price: str, percent: int | None, millionths: int
    ) -> None:
        row = change("2023-01-01", None)
        row |= {"unit_amount": Decimal(price), "discount_percent": percent and Decimal(percent)}
        assert steps(row)["mrr"].tolist() == ([millionths] if millionths else [])

    def test_random_terms_agree_with_fractions(self) -> None:
        draw = random.Random(5)
        rows = [
            change("2023-01-01", of=str(number))
            | {
                "unit_amount": Decimal(draw.randrange(1, 10 ** draw.randrange(2, 16))) / 10**6,
                "quantity": draw.choice([None, Decimal(3), Decimal("0.5")]),
                "interval": draw.choice(["day", "week", "month", "quarter", "year"]),
                "interval_count": draw.choice([None, 1, 2, 4]),
                "discount_percent": draw.choice([None, Decimal(50), Decimal("12.5")]),
                "discount_amount": draw.choice([None, Decimal("0.000001")]),
            }
            for number in range(500)
        ]
        found = steps(*rows).set_index("customer_id")["mrr"]
        meant = {row["customer_id"]: monthly(row, OPEN) for row in rows}
        assert found.reindex(list(meant), fill_value=0).to_dict() == meant


class TestDunning:
    def test_paying_on_the_last_day_keeps_it(self) -> None:
        rows = [change("2023-01-01"), change("2023-02-01", status="past_due")]
        assert len(steps(*rows, change("2023-03-03"))) == 1
        late = story(steps(*rows, change("2023-03-04")))
        assert late[1:] == [("03-03", 0, 100, "involuntary"), ("03-04", 100, 100, "recovered")]

    def test_a_second_failure_does_not_start_it_again(self) -> None:
        rows = [change(f"2023-{day}", status="past_due") for day in ("02-01", "02-20", "03-10")]
        found = story(steps(change("2023-01-01"), *rows))
        assert found[1:] == [("03-03", 0, 100, "involuntary")]

    def test_its_length_is_a_setting(self) -> None:
        rows = [change("2023-01-01"), change("2023-02-01", status="past_due")]
        assert story(steps(*rows, policy=Revenue(dunning_days=5)))[1][0] == "02-06"

    def test_a_discount_that_ends_later_does_not_revive_it(self) -> None:
        deal = {"discount_percent": Decimal(50), "discount_ends_at": datetime(2023, 4, 1)}
        found = steps(change("2023-01-01", **deal), change("2023-02-01", status="past_due", **deal))
        assert story(found) == [("01-01", 50, 50, "new"), ("03-03", 0, 50, "involuntary")]


class TestStates:
    def test_a_trial_is_nothing_until_paid(self) -> None:
        rows = [change("2023-01-01", status="trialing"), change("2023-01-15")]
        assert story(steps(*rows)) == [("01-15", 100, 100, "new")]
        assert story(steps(*rows, policy=Revenue(trial_counts=True)))[0][0] == "01-01"

    def test_a_pause_is_zero_and_not_a_choice_to_leave(self) -> None:
        rows = [change("2023-01-01"), change("2023-02-01", status="paused"), change("2023-03-01")]
        causes = [("02-01", 0, 100, "pause"), ("03-01", 100, 100, "resume")]
        assert story(steps(*rows))[1:] == causes

    def test_a_free_plan_leaves_the_base(self) -> None:
        found = story(steps(change("2023-01-01"), change("2023-02-01", 0, plan_id="free")))
        assert found[1:] == [("02-01", 0, 0, "end")]

    def test_payment_failed_is_an_involuntary_end(self) -> None:
        gone = change("2023-02-01", status="canceled", end_reason="payment_failed")
        assert story(steps(change("2023-01-01"), gone))[1:] == [("02-01", 0, 100, "involuntary")]

    def test_a_second_subscription_adds_and_its_end_takes_away(self) -> None:
        extra = {"subscription_id": "add-on"}
        found = steps(
            change("2023-01-01"),
            change("2023-02-01", 20, **extra),
            change("2023-03-01", 20, status="canceled", **extra),
        )
        assert [row[1:3] for row in story(found)] == [(100, 100), (120, 120), (100, 100)]

    def test_a_switch_at_one_moment_is_no_step(self) -> None:
        old = change("2023-02-01", status="canceled")
        assert len(steps(change("2023-01-01"), old, change("2023-02-01", subscription_id="B"))) == 1


class TestOwnChanges:
    @pytest.mark.parametrize(
        "terms",
        [
            pytest.param({"plan_id": "S", "quantity": Decimal(1)}, id="all known"),
            pytest.param({"plan_id": "S"}, id="no seats"),
            pytest.param({"plan_id": "S", "interval": None}, id="no interval"),
            pytest.param({}, id="nothing but a price"),
        ],
    )
    def test_a_price_rise_is_not(self, terms: dict[str, Any]) -> None:
        found = story(steps(change("2023-01-01", **terms), change("2023-02-01", 110, **terms)))
        assert found[1:] == [("02-01", 110, 100, "price")]

    def test_an_ending_discount_is_not(self) -> None:
        deal = {"discount_percent": Decimal(20), "discount_ends_at": datetime(2023, 4, 1)}
        found = story(steps(change("2023-01-01", plan_id="S", **deal)))
        assert found == [("01-01", 80, 80, "new"), ("04-01", 100, 80, "discount_end")]

    def test_a_discount_that_ended_is_not_applied_again(self) -> None:
        deal = {"discount_percent": Decimal(20), "discount_ends_at": datetime(2023, 4, 1)}
        seats = [{"quantity": Decimal(n)} | deal for n in (1, 2)]
        found = steps(change("2023-01-01", **seats[0]), change("2023-05-01", **seats[1]))
        assert [row[:2] for row in story(found)] == [("01-01", 80), ("04-01", 100), ("05-01", 200)]

    def test_a_one_off_discount_does_not_reduce(self) -> None:
        once = {"discount_amount": Decimal(30), "discount_kind": "once"}
        assert story(steps(change("2023-01-01", **once)))[0][1] == 100
        everything = Revenue(discounts="all")
        assert story(steps(change("2023-01-01", **once), policy=everything))[0][1] == 70

    def test_seats_and_a_longer_term_are(self) -> None:
        yearly = {"quantity": Decimal(3), "interval": "year"}
        found = steps(
            change("2023-01-01", quantity=Decimal(2)),
            change("2023-02-01", quantity=Decimal(3)),
            change("2023-03-01", 1080, **yearly),
        )
        assert story(found)[1:] == [("02-01", 300, 300, "quantity"), ("03-01", 270, 270, "plan")]


def plan(at: str | None, amount: float, interval: str = "month") -> dict[str, Any]:
    moment = None if at is None else datetime.fromisoformat(at)
    return {
        "plan_id": "S",
        "occurred_at": moment,
        "known_at": moment,
        "interval": interval,
        "interval_count": 1,
        "unit_amount": Decimal(str(amount)),
    }


class TestPrices:
    def test_the_plan_gives_what_the_subscription_lacks(self) -> None:
        plans = frames_of({"plans": [plan("2023-06-01", 240, "year"), plan(None, 30)]})["plans"]
        bare = {"plan_id": "S", "interval": None}
        early = steps(change("2023-01-01", None, **bare), plans=plans)
        later = steps(change("2023-06-01", None, **bare), plans=plans)
        own = steps(change("2023-06-01", 50, plan_id="S"), plans=plans)
        assert [story(found)[0][1] for found in (early, later, own)] == [30, 20, 50]

    def test_without_any_amount_a_running_subscription_counts_as_one(self) -> None:
        found = steps(change("2023-01-01", None), change("2023-02-01", None, status="canceled"))
        assert not found["has_amounts"].any()
        assert [row[1] for row in story(found)] == [1, 0]

    def test_without_any_amount_an_ending_discount_changes_nothing(self) -> None:
        deal = {"discount_percent": Decimal(20), "discount_ends_at": datetime(2023, 4, 1)}
        assert story(steps(change("2023-01-01", None, **deal))) == [("01-01", 1, 1, "new")]

    def test_discounts_without_an_end_and_no_rows_at_all(self) -> None:
        row = change("2023-01-01", discount_percent=Decimal(10), discount_ends_at=None)
        assert story(steps(row))[0][1] == 90
        none = frames_of({"subscriptions": [row]})["subscriptions"].iloc[:0]
        assert mrr_steps(none, POLICY).empty
