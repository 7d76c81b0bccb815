"""Which moments are scored, and who is due: calendar grids in a time zone, named dates, anchors."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.clock import as_of_dates, due, pairs_at
from features.errors import UnfitDataError
from features.project import load_project
from features.staging import Staged, stage

Write = Callable[..., Path]
CUSTOMERS = "customer_id,occurred_at\nc1,2024-01-01\nc2,2024-02-10\n"
ORDERS = "customer_id,occurred_at,order_id\nc1,2024-01-05,o1\nc2,2024-02-12,o2\n"


def staged(
    write: Write, as_of: str = "", head: str = "", orders: str = ORDERS, customers: str = CUSTOMERS
) -> Staged:
    toml = f"""
name = "shop"
revenue_model = "consumption"
{head}
[sources.customers]
file = "customers.csv"
[sources.orders]
file = "orders.csv"
[targets.lapse]
kind = "silence"
[targets.lapse.as_of]
{as_of}
"""
    return stage(load_project(write(toml, customers=customers, orders=orders)))


def dates(found: Staged) -> list[str]:
    moments = as_of_dates(found, found.project.target("lapse"))
    return [f"{moment:%Y-%m-%d %H:%M}".removesuffix(" 00:00") for moment in moments]


class TestCalendar:
    @pytest.mark.parametrize(
        ("every", "expected"),
        [
            ("month", ["2024-01-01", "2024-02-01", "2024-03-01"]),
            ("week", ["2024-01-01", "2024-01-08", "2024-01-15"]),
            ("day", ["2024-01-01", "2024-01-02", "2024-01-03"]),
        ],
    )
    def test_a_grid_from_its_start(
        self, write_project: Write, every: str, expected: list[str]
    ) -> None:
        as_of = f'every = "{every}"\nstart = 2024-01-01'
        found = dates(staged(write_project, as_of, "data_end = 2024-03-01"))
        assert found[:3] == expected

    def test_the_end_of_the_data_is_scored_and_nothing_after(self, write_project: Write) -> None:
        as_of = 'every = "day"\nstart = 2024-02-20'
        found = staged(write_project, as_of, "data_end = 2024-03-01")
        assert dates(found)[-1] == "2024-03-01"
        inside = staged(write_project, as_of, "data_end = 2024-02-29T12:00:00")
        assert dates(inside)[-1] == "2024-02-29"

    @pytest.mark.parametrize(
        ("last", "first"),
        [
            pytest.param("2026-06-15", "2024-08-01", id="180 days"),
            pytest.param("2024-06-15", "2024-03-01", id="a quarter of 163 days"),
        ],
    )
    def test_without_a_start_it_waits_for_history(
        self, write_project: Write, last: str, first: str
    ) -> None:
        orders = ORDERS + f"c1,{last},o3\n"
        assert dates(staged(write_project, orders=orders))[0] == first

    def test_an_end_closes_it(self, write_project: Write) -> None:
        as_of = "start = 2024-01-01\nend = 2024-02-01"
        found = dates(staged(write_project, as_of, "data_end = 2024-05-01"))
        assert found == ["2024-01-01", "2024-02-01"]

    def test_months_begin_at_midnight_of_the_time_zone(self, write_project: Write) -> None:
        head = 'timezone = "Europe/Berlin"\ndata_end = 2024-05-02'
        found = dates(staged(write_project, "start = 2024-01-01", head))
        assert found == [
            "2023-12-31 23:00",
            "2024-01-31 23:00",
            "2024-02-29 23:00",
            "2024-03-31 22:00",
            "2024-04-30 22:00",
        ]

    def test_days_keep_their_midnight_when_the_clocks_change(self, write_project: Write) -> None:
        head = 'timezone = "America/New_York"\ndata_end = 2024-03-12'
        found = dates(staged(write_project, 'every = "day"\nstart = 2024-03-09', head))
        assert found == [
            "2024-03-09 05:00",
            "2024-03-10 05:00",
            "2024-03-11 04:00",
            "2024-03-12 04:00",
        ]

    def test_named_dates_stand_in_place_of_a_grid(self, write_project: Write) -> None:
        as_of = "dates = [2024-02-20, 2024-01-20, 2030-01-01]"
        found = dates(staged(write_project, as_of, "data_end = 2024-03-01"))
        assert found == ["2024-01-20", "2024-02-20"]

    def test_a_customer_is_looked_at_once_it_is_known(self, write_project: Write) -> None:
        found = staged(write_project, "start = 2024-01-01", "data_end = 2024-03-01")
        target = found.project.target("lapse")
        moments = [datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 2, 11)]
        pairs = pairs_at(found, target, moments)
        assert list(pairs.itertuples(index=False, name=None)) == [
            ("c1", datetime(2024, 1, 2)),
            ("c1", datetime(2024, 2, 11)),
            ("c2", datetime(2024, 2, 11)),
        ]
        assert due(found, target, datetime(2024, 2, 11)) is None


def anchored(write: Write, orders: str, more: str = "", anchor: str = "orders") -> Staged:
    as_of = f'anchor = "{anchor}"\nafter_days = 25\n{more}'
    customers = "customer_id,occurred_at\nc1,2024-01-01\nc1,2024-01-20\nc2,2024-01-01\n"
    header = "customer_id,occurred_at,known_at,order_id,product\n"
    return staged(write, as_of, "data_end = 2024-06-01", header + orders, customers)


def who(found: Staged, moments: list[datetime]) -> list[tuple[str, str]]:
    pairs = pairs_at(found, found.project.target("lapse"), moments)
    return [(row.customer_id, f"{row.as_of:%m-%d}") for row in pairs.itertuples()]


def every_day(found: Staged) -> list[tuple[str, str]]:
    return who(found, as_of_dates(found, found.project.target("lapse")))


class TestAnchored:
    def test_the_step_that_ends_at_the_date(self, write_project: Write) -> None:
        found = anchored(write_project, "c1,2024-02-01,,o1,x\nc2,2024-02-01 00:00:01,,o2,x\n")
        assert every_day(found) == [("c1", "02-26"), ("c2", "02-27")]
        target = found.project.target("lapse")
        assert due(found, target, datetime(2024, 2, 26)) == {"c1"}
        assert due(found, target, datetime(2024, 2, 28)) == set()

    def test_who_bought_again_is_not_due_for_the_first(self, write_project: Write) -> None:
        found = anchored(write_project, "c1,2024-02-01,,o1,x\nc1,2024-02-20,,o2,x\n")
        assert every_day(found) == [("c1", "03-16")]

    def test_buying_again_on_the_date_itself_is_not_seen(self, write_project: Write) -> None:
        found = anchored(write_project, "c1,2024-02-01,,o1,x\nc1,2024-02-26,,o2,x\n")
        assert every_day(found) == [("c1", "02-26"), ("c1", "03-22")]

    def test_buying_again_that_is_told_later_is_not_seen(self, write_project: Write) -> None:
        found = anchored(write_project, "c1,2024-02-01,,o1,x\nc1,2024-02-20,2024-03-01,o2,x\n")
        assert ("c1", "02-26") in every_day(found)

    @pytest.mark.parametrize("order", [("x", "y"), ("y", "x")])
    def test_two_lines_of_one_purchase_are_one_anchor(
        self, write_project: Write, order: tuple[str, str]
    ) -> None:
        lines = "".join(f"c1,2024-02-01,,o1,{product}\n" for product in order)
        found = anchored(write_project, lines, "where = \"product = 'x'\"")
        assert every_day(found) == [("c1", "02-26")]

    def test_a_row_that_does_not_anchor_still_is_buying_again(self, write_project: Write) -> None:
        rows = "c1,2024-02-01,,o1,x\nc1,2024-02-20,,o2,y\nc2,2024-02-01,,o3,x\n"
        found = anchored(write_project, rows, "where = \"product = 'x'\"")
        assert every_day(found) == [("c2", "02-26")]

    def test_a_customer_signs_up_once(self, write_project: Write) -> None:
        found = anchored(
            write_project, "c1,2024-02-01,,o1,x\n", "start = 2024-01-01", anchor="customers"
        )
        assert every_day(found) == [("c1", "01-26"), ("c2", "01-26")]

    def test_one_date_alone_has_the_same_customers_as_the_grid(self, write_project: Write) -> None:
        """A month of 30 days: an anchor of 31 January belongs to 1 February, not to 1 March."""
        start = datetime(2024, 4, 1) - timedelta(hours=1) - timedelta(days=25)
        found = anchored(
            write_project, f"c1,{start},,o1,x\n", 'every = "month"\nstart = 2024-01-01'
        )
        assert every_day(found) == [("c1", "04-01")]
        assert due(found, found.project.target("lapse"), datetime(2024, 5, 1)) == set()

    def test_a_late_row_does_not_hide_a_third_purchase(self, write_project: Write) -> None:
        rows = "c1,2024-02-01,,o1,x\nc1,2024-02-20,2024-04-01,o2,x\nc1,2024-02-22,,o3,x\n"
        assert ("c1", "02-26") not in every_day(anchored(write_project, rows))

    def test_days_after_a_start_are_days_of_the_time_zone(self, write_project: Write) -> None:
        """25 days after a midnight in Berlin is a midnight, though the clocks went forward."""
        toml = """
name = "shop"
revenue_model = "consumption"
timezone = "Europe/Berlin"
data_end = 2024-06-01
[sources.customers]
file = "customers.csv"
[sources.orders]
file = "orders.csv"
[targets.lapse]
kind = "silence"
as_of = { anchor = "orders", after_days = 25 }
"""
        orders = "customer_id,occurred_at\nc1,2024-03-20\n"
        found = stage(load_project(write_project(toml, customers=CUSTOMERS, orders=orders)))
        assert [f"{m:%m-%d %H}" for _, m in every_moment(found)] == ["04-13 22"]


def every_moment(found: Staged) -> list[tuple[str, datetime]]:
    target = found.project.target("lapse")
    pairs = pairs_at(found, target, as_of_dates(found, target))
    return list(pairs.itertuples(index=False, name=None))


HEADER = "customer_id,occurred_at,known_at,subscription_id,status,current_period_end,interval\n"


def contracts(write: Write, rows: str, as_of: str = "", head: str = "", of: str = HEADER) -> Staged:
    toml = f"""
name = "terms"
revenue_model = "contract"
data_end = 2024-12-01
{head}
[sources.customers]
file = "customers.csv"
[sources.subscriptions]
file = "subscriptions.csv"
[targets.lapse]
kind = "churn"
as_of.anchor = "term_end"
{as_of}
"""
    return stage(load_project(write(toml, customers=CUSTOMERS, subscriptions=of + rows)))


YEARLY = "c1,2024-01-01,,s1,active,2024-10-01,year\n"


class TestLadder:
    def test_every_rung_before_the_end(self, write_project: Write) -> None:
        found = every_day(contracts(write_project, YEARLY))
        rungs = ["07-03", "08-02", "08-20", "09-03", "09-10", "09-17", "09-24", "09-28", "09-30"]
        assert found == [("c1", rung) for rung in rungs]

    def test_rungs_of_ones_own(self, write_project: Write) -> None:
        found = every_day(contracts(write_project, YEARLY, "as_of.ladder_days = [30, 0]"))
        assert found == [("c1", "09-01"), ("c1", "10-01")]

    def test_who_stands_on_no_rung_is_not_due(self, write_project: Write) -> None:
        found = contracts(write_project, YEARLY)
        target = found.project.target("lapse")
        assert due(found, target, datetime(2024, 9, 10)) == {"c1"}
        assert due(found, target, datetime(2024, 9, 11)) == set()

    def test_a_wider_step_holds_all_its_rungs_once(self, write_project: Write) -> None:
        found = contracts(write_project, YEARLY, 'as_of.every = "month"')
        assert every_day(found) == [
            ("c1", "08-01"),  # 90 days before is 3 July
            ("c1", "09-01"),
            ("c1", "10-01"),
        ]

    def test_a_renewal_moves_the_ladder_from_when_it_is_known(self, write_project: Write) -> None:
        renewal = "c1,2024-09-15,2024-09-20,s1,active,2025-10-01,year\n"
        found = every_day(contracts(write_project, YEARLY + renewal))
        assert [day for _, day in found][-2:] == ["09-10", "09-17"]

    def test_an_ended_subscription_has_no_ladder(self, write_project: Write) -> None:
        end = "c1,2024-09-01,,s1,canceled,2024-10-01,year\n"
        found = every_day(contracts(write_project, YEARLY + end))
        assert [day for _, day in found] == ["07-03", "08-02", "08-20"]

    def test_rows_that_do_not_anchor_have_none(self, write_project: Write) -> None:
        monthly = "c2,2024-02-11,,s2,active,2024-10-01,month\n"
        where = "as_of.where = \"interval = 'year'\""
        assert {who for who, _ in every_day(contracts(write_project, YEARLY + monthly, where))} == {
            "c1"
        }

    def test_rungs_are_days_of_the_time_zone(self, write_project: Write) -> None:
        """An end at a midnight after the clocks went back; each rung is a midnight too."""
        row = "c1,2024-01-01,,s1,active,2024-11-10,year\n"
        head = 'timezone = "Europe/Berlin"'
        rungs = "as_of.ladder_days = [28, 3]"
        found = every_moment(contracts(write_project, row, rungs, head))
        assert [f"{m:%m-%d %H}" for _, m in found] == ["10-12 22", "11-06 23"]

    def test_the_end_of_a_term_must_be_mapped(self, write_project: Write) -> None:
        rows = YEARLY.replace(",2024-10-01,", ",")
        with pytest.raises(UnfitDataError, match="needs current_period_end of subscriptions"):
            every_day(contracts(write_project, rows, of=HEADER.replace("current_period_end,", "")))
