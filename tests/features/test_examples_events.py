"""The example projects of dated facts: their rows and labels against the raw files in pandas."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from features.build import build
from features.clock import as_of_dates, pairs_at
from features.project import load_project
from features.staging import Staged
from models.registry import Registry
from training.readiness import plan
from training.sample import Dataset
from training.train import train

FOLDERS = {
    "oulad_2013": "oulad_2013",
    "complete_journey": "complete_journey",
    "ravenstack_saas": "ravenstack_saas",
    "ravenstack_flags": "ravenstack_saas",
    "megaline_telecom": "megaline_telecom",
    "telco_dated": "telco_ibm",
}
FOUND = {
    "complete_journey": {("orders", "quantity", "enormous")},  # fuel, in thousandths
    "ravenstack_saas": {("usage", "", "repeats")},
    "megaline_telecom": {("usage", "", "repeats")},  # messages of a day
}
Example = Callable[[str], Staged]
Raw = Callable[[str, str], pd.DataFrame]
Labels = Callable[[str, str], Dataset]


@pytest.fixture(scope="module")
def labelled(example: Example) -> Labels:
    """The rows of a target with one feature, which is all that labels and eligibility need."""

    @cache
    def built(name: str, dates: Sequence[datetime], anchored_by: str) -> object:
        staged = example(name)
        target = staged.project.target(anchored_by)
        return build(staged, pairs_at(staged, target, dates), names=["age_days"])

    firsts: dict[tuple[str, str], str] = {}

    @cache
    def dataset(name: str, target_name: str) -> Dataset:
        staged = example(name)
        target = staged.project.target(target_name)
        dates = tuple(as_of_dates(staged, target))
        first = firsts.setdefault((name, target.as_of.model_dump_json()), target_name)
        rows = built(name, dates, first)
        return Dataset(staged, target.model_copy(update={"features": []}), rows)  # type: ignore[arg-type]

    return dataset


@pytest.fixture(scope="module")
def raw(shared: Path) -> Raw:
    """A file of a data set as pandas reads it."""

    def read(folder: str, file: str) -> pd.DataFrame:
        path = shared / "data" / folder / file
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if ".tsv" in file else ",")

    return read


def by_date(data: Dataset, until: datetime) -> dict[pd.Timestamp, tuple[int, int]]:
    """Rows and events of every date whose answer is known by then."""
    rows, y = data.labelled(data.mature(until), until)
    as_of = data.keys["as_of"].iloc[rows].to_numpy()
    counts = pd.Series(y).groupby(as_of).agg(["size", "sum"]).astype(int)
    return {date: (int(n), int(events)) for date, n, events in counts.itertuples()}


def of_train_and_test(staged: Staged, data: Dataset) -> list[tuple[int, float]]:
    """Rows and rate that train and that test."""
    found = plan(data, staged.data_end, 1)
    parts = [found.train or {}, found.test or {}]
    return [(part["rows"], round(part["rate"], 4)) for part in parts]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_data_folder_is_relative_to_the_file(root: Path, name: str) -> None:
    project = load_project(root / "examples" / f"{name}.toml")
    assert (project.name, project.data) == (name, f"../../shared/data/{FOLDERS[name]}")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        pytest.param(
            "oulad_2013",
            {
                "customers": (13529, 0),
                "subscriptions": (13529, 1228),  # withdrew before the first day
                "orders": (82842, 720),  # banked
                "tickets": (187188, 0),  # opened, and resolved
                "touches": (13511, 0),  # 18 say no day of registration
                "usage": (296345, 0),  # of 584,248 clicks, a day's on pages of one kind
            },
            id="oulad",
        ),
        pytest.param(
            "complete_journey",
            {
                "customers": (2469, 0),
                "subscriptions": (2469, 0),
                "orders": (1469307, 0),
                "touches": (6589, 0),
                "usage": (1148 + 9827, 0),  # a day's redemptions of one campaign; baskets
            },
            id="journey",
        ),
        pytest.param(
            "ravenstack_saas",
            {
                "customers": (500, 0),
                "subscriptions": (5000, 0),
                "usage": (25000, 0),
                "tickets": (4000, 0),  # opened and resolved
                "surveys": (600, 0),
            },
            id="ravenstack",
        ),
        pytest.param("ravenstack_flags", {"snapshots": (500, 0)}, id="ravenstack-flags"),
        pytest.param(
            "megaline_telecom",
            {
                "customers": (500, 0),
                "plans": (2, 0),
                "subscriptions": (500, 0),
                "invoices": (2293, 0),
                "usage": (137735 + 76051 + 104825, 40581),  # missed calls, empty sessions
            },
            id="megaline",
        ),
        pytest.param(
            "telco_dated", {"customers": (7043, 0), "subscriptions": (7043, 0)}, id="telco"
        ),
    ],
)
def test_rows(example: Example, name: str, rows: dict[str, tuple[int, int]]) -> None:
    counts = example(name).counts
    assert {table: (one.rows_in, one.filtered) for table, one in counts.items()} == rows
    for count in counts.values():
        assert count.quarantined == 0
        assert count.rows_in == count.used + count.filtered
    found = {(one.table, one.column, one.code) for one in example(name).findings}
    assert found == FOUND.get(name, set())


class TestTelcoDated:
    def test_who_leaves(self, example: Example, labelled: Labels, raw: Raw) -> None:
        """README: 5,390 customers at .085, within 31 days."""
        contract = raw("telco_ibm", "interconnect_contract.csv.gz")
        begin = pd.to_datetime(contract["BeginDate"])
        end = pd.to_datetime(contract["EndDate"].where(contract["EndDate"] != "No"))
        expected = {}
        for text in ("2019-10-15", "2019-11-15", "2019-12-15"):
            as_of = pd.Timestamp(text)
            runs = (begin < as_of) & ~(end < as_of)
            leaves = runs & (end < as_of + pd.Timedelta(days=30))
            expected[as_of] = (int(runs.sum()), int(leaves.sum()))
        staged, data = example("telco_dated"), labelled("telco_dated", "churn")
        assert by_date(data, staged.data_end) == expected
        assert of_train_and_test(staged, data) == [(11520, 0.0826), (5390, 0.0853)]

    def test_thirty_one_days_would_be_a_day_too_long_to_teach(self, labelled: Labels) -> None:
        data = labelled("telco_dated", "churn")
        assert data.mature(datetime(2019, 12, 15))[-1] == datetime(2019, 11, 15)
        assert data.mature(datetime(2019, 12, 14))[-1] == datetime(2019, 10, 15)

    def test_a_missing_service_is_a_value_and_a_total_is_not_mapped(self, example: Example) -> None:
        frame = pd.read_parquet(example("telco_dated").tables["customers"])
        assert (frame["InternetService"] == "none").sum() == 7043 - 5517
        assert (frame["MultipleLines"] == "no phone").sum() == 7043 - 6361
        assert not {"TotalCharges", "EndDate"} & {*frame.columns}


class TestOulad:
    @pytest.mark.parametrize(
        ("target", "train_rate", "test_rate"),
        [
            ("withdrawal_14d", 0.0187, 0.0125),
            ("withdrawal_28d", 0.0333, 0.0243),
            ("withdrawal_60d", 0.0625, 0.0483),
        ],
    )
    def test_who_withdraws(
        self,
        example: Example,
        labelled: Labels,
        raw: Raw,
        target: str,
        train_rate: float,
        test_rate: float,
    ) -> None:
        """README: every 14 days from day 21 to day 175, those still enrolled."""
        rows = raw("oulad_2013", "studentRegistration.csv.gz").merge(
            raw("oulad_2013", "courses.csv.gz")
        )
        joined = rows["date_registration"].fillna(0).clip(lower=0)
        left = rows[["date_unregistration", "module_presentation_length"]].min(axis=1)
        within = int(target.removeprefix("withdrawal_").removesuffix("d"))
        expected = {}
        for presentation, first in (("2013B", "2013-02-01"), ("2013J", "2013-10-01")):
            of_it = rows["code_presentation"] == presentation
            for day in range(21, 176, 14):
                there = of_it & (joined < day) & (left >= day)
                gone = there & (left < day + within)
                as_of = pd.Timestamp(first) + pd.Timedelta(days=day)
                expected[as_of] = (int(there.sum()), int(gone.sum()))
        staged, data = example("oulad_2013"), labelled("oulad_2013", target)
        assert by_date(data, staged.data_end) == expected
        assert of_train_and_test(staged, data) == [(45635, train_rate), (86308, test_rate)]

    def test_days_are_dates(self, example: Example, raw: Raw) -> None:
        clicks = raw("oulad_2013", "studentVle.tsv.gz")
        usage = pd.read_parquet(example("oulad_2013").tables["usage"])
        is_spring = usage["customer_id"].str.endswith("2013B")
        for presentation, first, mine in (
            ("2013B", "2013-02-01", usage[is_spring]),
            ("2013J", "2013-10-01", usage[~is_spring]),
        ):
            days = clicks.loc[clicks["code_presentation"] == presentation, "date"]
            start = pd.Timestamp(first)
            assert mine["occurred_at"].min() == start + pd.Timedelta(days=int(days.min()))
            assert mine["occurred_at"].max() == start + pd.Timedelta(days=int(days.max()))
        assert usage["quantity"].astype(int).sum() == clicks["sum_click"].sum()

    def test_an_open_case_is_a_deadline_missed(self, example: Example, raw: Raw) -> None:
        """On day 100 of February's presentations, of those who are still enrolled at the end."""
        staged, keys = example("oulad_2013"), ["code_module", "code_presentation"]
        work = raw("oulad_2013", "assessments.csv.gz")
        due = work[(work["assessment_type"] != "Exam") & (work["date"] < 100)]
        students = raw("oulad_2013", "studentRegistration.csv.gz")
        stayed = students[students["date_unregistration"].isna()]
        spring = stayed[stayed["code_presentation"] == "2013B"].merge(due, on=keys)
        done = raw("oulad_2013", "studentAssessment.parquet")
        done = done[done["date_submitted"] < 100]
        asked = spring.merge(done, on=["id_assessment", "id_student"], how="left")
        missed = asked["date_submitted"].isna().groupby(asked["id_student"]).sum()
        as_of = pd.Timestamp("2013-02-01") + pd.Timedelta(days=100)
        who = stayed.loc[stayed["code_presentation"] == "2013B", ["id_student", "code_module"]]
        names = who["id_student"].astype(str) + " " + who["code_module"] + " 2013B"
        pairs = pd.DataFrame({"customer_id": names, "as_of": as_of}).reset_index(drop=True)
        built = build(staged, pairs, names=["open_tickets"])
        assert built.features["open_tickets"].sum() == missed.sum() > 1000

    def test_the_outcome_is_not_mapped(self, example: Example) -> None:
        frame = pd.read_parquet(example("oulad_2013").tables["customers"])
        assert "final_result" not in frame.columns


class TestCompleteJourney:
    def test_who_redeems_a_coupon_of_the_campaign(
        self, example: Example, labelled: Labels, raw: Raw
    ) -> None:
        """README: 3,739 at .137, whatever the time; here the 33 days that every campaign has."""
        offers = raw("complete_journey", "campaigns.parquet").merge(
            raw("complete_journey", "campaign_descriptions.parquet")
        )
        offers = offers[offers["start_date"] >= "2017-03-15"]
        days = (offers["end_date"] - offers["start_date"]).dt.days
        assert days.min() + 1 == 33
        assert len(offers[offers["start_date"] >= "2017-08-01"]) == 3739
        used = raw("complete_journey", "coupon_redemptions.parquet")
        both = offers.merge(used, on=["household_id", "campaign_id"])
        after = (both["redemption_date"] - both["start_date"]).dt.days
        both = both[(after >= 0) & (after < 33)]
        came = both.groupby("start_date")["household_id"].nunique()
        staged, data = example("complete_journey"), labelled("complete_journey", "redemption")
        known = pd.Timestamp(staged.data_end) - pd.Timedelta(days=33)
        expected = {
            date: (n, int(came.get(date, 0)))
            for date, n in offers.groupby("start_date").size().items()
            if date <= known
        }
        assert by_date(data, staged.data_end) == expected
        assert of_train_and_test(staged, data) == [(1885, 0.0997), (3215, 0.1337)]

    def test_amounts_are_those_of_the_lines(self, example: Example, raw: Raw) -> None:
        lines = raw("complete_journey", "transactions.parquet")
        with duckdb.connect() as con:
            path = example("complete_journey").tables["orders"]
            row = con.execute(
                "SELECT sum(amount), count(DISTINCT order_id), count(DISTINCT customer_id)"
                f" FROM '{path}'"
            ).fetchone()
        assert row is not None
        assert float(row[0]) == pytest.approx(lines["sales_value"].sum(), abs=0.01)
        assert row[1:] == (155848, 2469)


class TestMegaline:
    def test_who_leaves(self, example: Example, labelled: Labels, raw: Raw) -> None:
        user = raw("megaline_telecom", "megaline_users.csv.gz")
        begin, end = pd.to_datetime(user["reg_date"]), pd.to_datetime(user["churn_date"])
        expected = {}
        for as_of in pd.date_range("2018-04-01", "2018-12-01", freq="MS"):
            runs = (begin <= as_of - pd.Timedelta(days=14)) & ~(end < as_of)
            leaves = runs & (end < as_of + pd.Timedelta(days=30))
            expected[as_of] = (int(runs.sum()), int(leaves.sum()))
        staged, data = example("megaline_telecom"), labelled("megaline_telecom", "churn")
        assert by_date(data, staged.data_end) == expected
        missing = plan(data, staged.data_end, staged.project.limits.min_events).missing
        assert missing is not None
        assert "50 are needed" in missing

    def test_invoices_are_the_fee_and_what_is_beyond_the_allowance(
        self, example: Example, raw: Raw
    ) -> None:
        """README: minutes are rounded up per call, gigabytes per month."""
        folder = "megaline_telecom"
        use = {}
        for name, date, value in (
            ("calls", "call_date", "duration"),
            ("messages", "message_date", None),
            ("internet", "session_date", "mb_used"),
        ):
            rows = raw(folder, f"megaline_{name}.csv.gz")
            month = pd.to_datetime(rows[date]).dt.to_period("M")
            amount = pd.Series(1.0, rows.index) if value is None else rows[value]
            amount = np.ceil(amount) if name == "calls" else amount
            use[name] = amount.groupby([rows["user_id"], month]).sum()
        months = pd.DataFrame(use).fillna(0.0).rename_axis(["user_id", "month"]).reset_index()
        months = months.merge(raw(folder, "megaline_users.csv.gz")[["user_id", "plan"]])
        price = raw(folder, "megaline_plans.csv.gz").set_index("plan_name")
        of = {column: months["plan"].map(price[column]) for column in price}
        extra = {
            name: (months[name] - of[included]).clip(lower=0)
            for name, included in (
                ("calls", "minutes_included"),
                ("messages", "messages_included"),
                ("internet", "mb_per_month_included"),
            )
        }
        due = of["usd_monthly_pay"] + extra["calls"] * of["usd_per_minute"]
        due += extra["messages"] * of["usd_per_message"]
        due += np.ceil(extra["internet"] / 1024) * of["usd_per_gb"]
        number = months["user_id"].astype(str) + " " + months["month"].astype(str)
        expected = due.round(2).set_axis(number).sort_index()
        found = pd.read_parquet(example(folder).tables["invoices"]).set_index("invoice_id")
        amounts = found["amount"].astype(float).sort_index()
        assert amounts.index.tolist() == expected.index.tolist()
        assert amounts.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.011)
        assert (amounts > 20).any()


class TestRavenstack:
    def test_no_account_loses_its_coverage_but_for_a_gap(
        self, example: Example, labelled: Labels, raw: Raw
    ) -> None:
        rows = raw("ravenstack_saas", "ravenstack_subscriptions.csv.gz")
        paid = rows[~rows["is_trial"]].copy()
        for column in ("start_date", "end_date"):
            paid[column] = pd.to_datetime(paid[column], format="%d-%m-%Y")
        paid["end_date"] = paid["end_date"].fillna(pd.Timestamp("2100-01-01"))
        accounts = raw("ravenstack_saas", "ravenstack_accounts.csv.gz")
        signup = pd.to_datetime(accounts.set_index("account_id")["signup_date"], format="%d-%m-%Y")
        staged, data = example("ravenstack_saas"), labelled("ravenstack_saas", "churn")
        expected = {}
        for as_of in map(pd.Timestamp, data.mature(staged.data_end)):
            old = signup.index[signup <= as_of - pd.Timedelta(days=14)]
            there = (paid["start_date"] < as_of) & (paid["end_date"] >= as_of)
            known = paid[paid["account_id"].isin(old.intersection(paid["account_id"][there]))]
            ends = [end_of_stretch(one, as_of) for _, one in known.groupby("account_id")]
            until = as_of + pd.Timedelta(days=90)
            expected[as_of] = (len(ends), sum(end < until for end in ends))
        assert by_date(data, staged.data_end) == expected
        missing = plan(data, staged.data_end, staged.project.limits.min_events).missing
        assert missing is not None
        assert "50 are needed" in missing

    def test_what_the_outcome_wrote_is_not_mapped(self, example: Example) -> None:
        unused = example("ravenstack_saas").unused
        written = {"upgrade_flag", "downgrade_flag", "churn_flag"}
        assert {*unused["ravenstack_subscriptions.csv.gz"]} == written
        assert "refund_amount_usd" in unused["ravenstack_churn_events.csv.gz"]

    def test_reasons_are_known_on_the_day(self, example: Example) -> None:
        surveys = pd.read_parquet(example("ravenstack_saas").tables["surveys"])
        assert surveys["reason"].value_counts()["features"] == 114
        assert set(surveys["kind"]) == {"exit"}
        assert (surveys["known_at"] == surveys["occurred_at"]).all()

    def test_the_flag_is_noise_and_the_verdict_says_so(
        self, example: Example, tmp_path: Path
    ) -> None:
        """README: AUC 0.52; above 0.6 would be a leak."""
        staged = example("ravenstack_flags")
        registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlartifacts")
        report = train(staged.project, staged, "churn", registry=registry)
        assert report.grade in {"U", "C"}
        assert not report.promoted
        assert (report.train or {})["rows"] == 500
        assert (report.train or {})["rate"] == 0.22


def end_of_stretch(rows: pd.DataFrame, as_of: pd.Timestamp) -> pd.Timestamp:
    """When coverage at a moment ends, of subscriptions that overlap or follow within 30 days."""
    end = as_of
    for start, stop in sorted(zip(rows["start_date"], rows["end_date"], strict=True)):
        if start < end + pd.Timedelta(days=30) and stop >= end:
            end = stop
    return end
