"""The example projects on their real data: rows, moments, and the numbers protocols rest on."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from features.project import load_project
from features.staging import Staged

Example = Callable[[str], Staged]
FOLDERS = {
    "learning_365": "learning_365",
    "online_retail": "online_retail_2009_2010",
    "cdnow": "cdnow",
    "telco": "telco_ibm",
    "airline_loyalty": "airline_loyalty",
}


@pytest.fixture
def ask() -> Iterator[Callable[[Staged, str], tuple[Any, ...]]]:
    """One row of plain SQL over the staged tables."""
    with duckdb.connect() as con:

        def one(result: Staged, sql: str) -> tuple[Any, ...]:
            for table, file in result.tables.items():
                con.execute(f"CREATE OR REPLACE VIEW {table} AS FROM '{file}'")
            row = con.execute(sql).fetchone()
            assert row is not None
            return row

        yield one


Ask = Callable[[Staged, str], tuple[Any, ...]]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_data_folder_is_relative_to_the_file(root: Path, name: str) -> None:
    project = load_project(root / "examples" / f"{name}.toml")
    assert project.data == f"../../shared/data/{FOLDERS[name]}"


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_is_lost_and_nothing_is_bad(example: Example, name: str) -> None:
    for count in example(name).counts.values():
        assert count.rows_in == count.used + count.filtered
        assert count.quarantined == 0


class TestLearning365:
    def test_rows(self, example: Example) -> None:
        result = example("learning_365")
        counts = {name: (one.rows_in, one.used) for name, one in result.counts.items()}
        assert counts == {
            "customers": (23603, 23603),
            "plans": (2030, 3),
            "subscriptions": (2030, 2030),
            "usage": (43074 + 22453 + 43661, 80911),
            "tickets": (588, 588),
            "surveys": (1719, 1719),
        }
        assert result.data_end == datetime(2022, 10, 21)
        assert result.notes == (
            "subscriptions: 1,163 periods run beyond data_end; their end is not known yet",
        )

    def test_periods_are_30_91_and_365_days(self, example: Example, ask: Ask) -> None:
        assert ask(
            example("learning_365"),
            "SELECT list_sort(list(DISTINCT (plan_id, date_diff('day', occurred_at,"
            " current_period_end)))) FROM subscriptions WHERE status = 'active'",
        ) == ([("Annual", 365), ("Monthly", 30), ("Quarterly", 91)],)

    def test_a_quarter_runs_out_after_91_days(self, example: Example) -> None:
        result = example("learning_365")
        frame = pd.read_parquet(result.tables["subscriptions"])
        ends = frame[frame["status"] == "expired"]
        starts = frame[frame["status"] == "active"].set_index("subscription_id")["occurred_at"]
        lasted = ends["occurred_at"] - ends["subscription_id"].map(starts)
        days = lasted.dt.days.groupby(ends["plan_id"]).unique()
        assert {plan: list(one) for plan, one in days.items()} == {
            "Monthly": [30],
            "Quarterly": [91],
        }
        assert (ends["known_at"] == ends["occurred_at"]).all()
        assert ends["occurred_at"].max() < pd.Timestamp(result.data_end)

    def test_renewals_due_in_the_test_period(self, example: Example, ask: Ask) -> None:
        """README: n = 364, rate .330. Who is paid for beyond the window is due, cannot leave."""
        asked = """
        WITH due AS (
            SELECT DISTINCT customer_id AS who, occurred_at AS bought,
                occurred_at + INTERVAL 25 DAY AS moment
            FROM subscriptions WHERE plan_id = 'Monthly' AND status = 'active'),
        seen AS (
            SELECT due.*,
                count_if(s.occurred_at > bought AND s.occurred_at < moment) AS again,
                count_if(s.occurred_at >= moment
                    AND s.occurred_at < bought + INTERVAL 45 DAY) AS later,
                count_if(s.occurred_at <= bought AND s.current_period_end >=
                    bought + INTERVAL 31 DAY) AS longer
            FROM due JOIN subscriptions s ON s.customer_id = who AND s.status = 'active'
            GROUP BY ALL)
        SELECT count(*), round(avg((later = 0 AND longer = 0)::INT), 4) FROM seen
        WHERE again = 0 AND moment >= TIMESTAMP '2022-07-01'
            AND moment + INTERVAL 21 DAY <= TIMESTAMP '2022-10-21'
        """
        assert ask(example("learning_365"), asked) == (365, 0.3260)

    def test_free_students_a_week_after_they_came(self, example: Example, ask: Ask) -> None:
        """README: n = 7,318, rate .0082."""
        asked = """
        WITH free AS (
            SELECT c.customer_id, c.occurred_at + INTERVAL 7 DAY AS moment,
                min(s.occurred_at) AS paid
            FROM customers c LEFT JOIN subscriptions s USING (customer_id) GROUP BY ALL)
        SELECT count(*), round(avg(coalesce(paid < moment + INTERVAL 30 DAY, FALSE)::INT), 4)
        FROM free WHERE coalesce(paid >= moment, TRUE) AND moment >= TIMESTAMP '2022-07-01'
            AND moment + INTERVAL 30 DAY <= TIMESTAMP '2022-10-21'
        """
        assert ask(example("learning_365"), asked) == (7399, 0.008)


class TestAirlineLoyalty:
    def test_months_are_dated_on_their_last_day(self, example: Example, ask: Ask) -> None:
        for table in ("customers", "subscriptions", "usage", "orders"):
            assert ask(
                example("airline_loyalty"),
                f"SELECT count_if(occurred_at <> last_day(occurred_at)), count(*) > 0 FROM {table}",
            ) == (0, True)

    def test_the_test_moment_sees_september(self, example: Example) -> None:
        result = example("airline_loyalty")
        target = result.project.target("churn")
        (test,) = target.split.test
        usage = pd.read_parquet(result.tables["usage"])
        seen = usage.loc[usage["occurred_at"] < test, "occurred_at"].max()
        assert seen == pd.Timestamp("2018-09-30")
        assert test + timedelta(days=target.horizon_days) == result.data_end

    def test_members_at_the_test_moment(self, example: Example, ask: Ask) -> None:
        """README: n = 9,350, rate .013; members of under 14 days are too new."""
        asked = """
        WITH member AS (
            SELECT customer_id, min(occurred_at) FILTER (status = 'active') AS came,
                min(occurred_at) FILTER (status = 'expired') AS went
            FROM subscriptions GROUP BY ALL)
        SELECT count(*), round(avg(coalesce(went < TIMESTAMP '2019-01-01', FALSE)::INT), 4)
        FROM member WHERE came <= TIMESTAMP '2018-10-01' - INTERVAL 14 DAY
            AND coalesce(went >= TIMESTAMP '2018-10-01', TRUE)
        """
        assert ask(example("airline_loyalty"), asked) == (9350, 0.013)

    def test_the_whole_life_value_is_not_mapped(self, example: Example) -> None:
        result = example("airline_loyalty")
        assert "CLV" in result.unused["customer_loyalty_history.csv.gz"]
        frame = pd.read_parquet(result.tables["customers"])
        assert "CLV" not in frame.columns
        assert (frame["Salary"] < 0).sum() == 12


class TestOnlineRetail:
    def test_lines_without_a_customer_are_filtered(self, example: Example) -> None:
        result = example("online_retail")
        assert result.counts["orders"].rows_in == 525461
        assert result.counts["orders"].filtered == 107927
        assert result.counts["customers"].used == 4383
        (repeats,) = result.findings
        assert (repeats.code, repeats.count) == ("repeats", 6771)

    def test_customers_at_the_test_moment(self, example: Example, ask: Ask) -> None:
        """README counts returns as purchases, n = 3,426; here they are none."""
        asked = """
        WITH bought AS (FROM orders WHERE NOT is_return),
        seen AS (
            SELECT customer_id, max((occurred_at >= TIMESTAMP '2010-09-08' AND
                occurred_at < TIMESTAMP '2010-09-08' + INTERVAL 90 DAY)::INT) AS again
            FROM bought GROUP BY ALL HAVING min(occurred_at) < TIMESTAMP '2010-09-08')
        SELECT count(*), round(avg(1 - again), 4) FROM seen
        """
        assert ask(example("online_retail"), asked) == (3356, 0.4225)

    def test_cancellations_are_returns(self, example: Example, ask: Ask) -> None:
        assert ask(
            example("online_retail"),
            "SELECT count_if(order_id LIKE 'C%' AND NOT is_return),"
            " count_if(quantity < 0 AND NOT is_return), count_if(amount < 0 AND NOT is_return)"
            " FROM orders",
        ) == (0, 0, 0)


class TestCdnow:
    def test_everybody_is_a_customer_from_the_first_purchase(
        self, example: Example, ask: Ask
    ) -> None:
        result = example("cdnow")
        assert result.counts["customers"].used == 23570
        assert ask(
            result,
            "SELECT count(*) FROM customers JOIN (SELECT customer_id, min(occurred_at) AS first"
            " FROM orders GROUP BY ALL) USING (customer_id) WHERE first <> occurred_at",
        ) == (0,)

    def test_silence_at_the_test_moment(self, example: Example, ask: Ask) -> None:
        asked = """
        SELECT count(*), round(avg(1 - again), 4) FROM (
            SELECT customer_id, max((occurred_at >= TIMESTAMP '1997-09-30' AND
                occurred_at < TIMESTAMP '1997-09-30' + INTERVAL 91 DAY)::INT) AS again
            FROM orders GROUP BY ALL HAVING min(occurred_at) < TIMESTAMP '1997-09-30')
        """
        assert ask(example("cdnow"), asked) == (23570, 0.8219)

    def test_transactions_in_the_holdout(self, example: Example, ask: Ask) -> None:
        """README: 19,684 repeat transactions, one per customer and day, after 1997-09-30."""
        held_out = "occurred_at >= TIMESTAMP '1997-10-01'"
        asked = f"SELECT count(DISTINCT order_id) FROM orders WHERE {held_out}"
        assert ask(example("cdnow"), asked) == (19684,)


def test_telco_has_its_label_and_its_blanks(example: Example, ask: Ask) -> None:
    """README: 7,043 customers, rate .2654, 11 without TotalCharges."""
    asked = (
        "SELECT count(*), round(avg((Churn = 'Yes')::INT), 4), count(*) - count(TotalCharges),"
        " count(DISTINCT customer_id) FROM snapshots"
    )
    result = example("telco")
    assert ask(result, asked) == (7043, 0.2654, 11, 7043)
    assert result.known_until is None
    assert result.unused == {}
