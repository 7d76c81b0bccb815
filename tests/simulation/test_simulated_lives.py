"""Lives and their truth: rates within bands, sequences that make sense, chances that come true."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulation import arrow, billing
from simulation.company import BLOCK, simulate_block
from simulation.kinds import DATA_END, add_months, month_starts
from simulation.life import live
from simulation.models import SUBSCRIPTION
from simulation.people import draw_traits
from simulation.truth import truth_table
from simulation.world import PRICE_RISE, World

START = int(add_months(np.array([DATA_END]), -24)[0])
WORLD = World(SUBSCRIPTION, START, DATA_END)
END = pd.Timestamp("2026-11-01")
HORIZON, GRACE, DUNNING = pd.Timedelta(days=90), pd.Timedelta(days=30), pd.Timedelta(days=30)
BLOCKS = 4


@pytest.fixture(scope="module")
def written() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Subscriptions with their MRR, and the truth, of a few blocks."""
    parts = list(_blocks())
    rows = pd.concat([part[0] for part in parts]).sort_values(["customer_id", "occurred_at"])
    amount = rows["unit_amount"].astype(float) * rows["quantity"].astype(float)
    runs = rows["status"].isin(["active", "past_due"])
    rows["mrr"] = np.where(runs, amount / np.where(rows["interval"] == "year", 12, 1), 0.0)
    rows["list_mrr"] = rows["mrr"] / _price_list(rows)
    return rows.reset_index(drop=True), pd.concat([part[1] for part in parts])


def _price_list(rows: pd.DataFrame) -> pd.Series:
    """1, or what the rise made of it: the first row of a renewal after the rise, and later ones."""
    renews = rows["status"].isin(["active", "past_due"]) & (
        rows["occurred_at"] >= pd.Timestamp(WORLD.price_rise, unit="D")
    )
    new = renews & (
        rows["occurred_at"] == rows.groupby("subscription_id")["current_period_end"].shift()
    )
    new |= renews & ~rows["subscription_id"].duplicated()
    return new.groupby(rows["subscription_id"]).cummax().map({True: PRICE_RISE, False: 1.0})


def _blocks() -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The parts of `simulate_block` that matter here, without usage."""
    for number in range(BLOCKS):
        who = draw_traits(np.random.default_rng(number), 1 + number * BLOCK, BLOCK, WORLD)
        rng = np.random.default_rng((99, number))
        lives = live(rng, who, WORLD, month_starts(START, DATA_END))
        dated = billing.date(rng, lives.history, who)
        subscriptions = arrow.table("subscriptions", billing.subscriptions(dated, who, WORLD))
        yield subscriptions.to_pandas(), truth_table(lives.standing, who, WORLD).to_pandas()


@pytest.fixture(scope="module")
def outcomes(written: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Truth beside what happened, at as-of dates whose horizons do not overlap."""
    rows, truth = written
    dates = sorted(truth["as_of"].unique())[::3]
    return pd.concat([_happened(rows, truth, at) for at in dates if at + HORIZON + GRACE <= END])


def _happened(rows: pd.DataFrame, truth: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    known = truth[truth["as_of"] == at].set_index("customer_id")
    before = rows[rows["occurred_at"] < at].groupby("customer_id")["list_mrr"].last()
    window = rows[(rows["occurred_at"] >= at) & (rows["occurred_at"] < at + HORIZON)]
    first = rows[rows["mrr"] > 0].groupby("customer_id")["occurred_at"].min().reindex(known.index)
    mrr = before.reindex(known.index, fill_value=0.0)
    most = window.groupby("customer_id")["list_mrr"].max().reindex(known.index, fill_value=0.0)
    left = _left_for_good(window[window["status"] == "canceled"], rows[rows["mrr"] > 0])
    announced = rows[(rows["known_at"] < at) & (rows["occurred_at"] >= at)]["customer_id"]
    return known.assign(
        covered=mrr > 0,
        announced=known.index.isin(announced),
        never_paid=~(first < at),
        did_churn=known.index.isin(left),
        did_upsell=(mrr > 0) & (most > 1.05 * mrr),
        did_conversion=(first >= at) & (first < at + HORIZON),
    ).reset_index()


def _left_for_good(ends: pd.DataFrame, paying: pd.DataFrame) -> set[str]:
    """Customers with an end after which no coverage begins within the grace."""
    both = ends.merge(paying, on="customer_id", how="left", suffixes=("", "_back"))
    back = (both["occurred_at_back"] > both["occurred_at"]) & (
        both["occurred_at_back"] <= both["occurred_at"] + GRACE
    )
    gone = ~back.groupby([both["customer_id"], both["occurred_at"]]).any()
    return set(gone[gone].index.get_level_values("customer_id"))


class TestTruth:
    def test_it_is_there_for_who_is_eligible(self, outcomes: pd.DataFrame) -> None:
        assert (outcomes["churn"].notna() == (outcomes["covered"] & ~outcomes["announced"])).all()
        assert (outcomes["upsell"].notna() == outcomes["covered"]).all()
        assert (outcomes["conversion"].notna() == outcomes["never_paid"]).all()

    def test_the_causes_add_up(self, outcomes: pd.DataFrame) -> None:
        known = outcomes.dropna(subset=["churn"])
        parts = known["churn_voluntary"] + known["churn_involuntary"]
        np.testing.assert_allclose(parts, known["churn"], atol=1e-12)
        assert known["churn"].between(0.0, 1.0).all()

    @pytest.mark.parametrize("event", ["churn", "upsell", "conversion"])
    def test_as_many_events_happen_as_it_says(self, outcomes: pd.DataFrame, event: str) -> None:
        assert abs(surprise(outcomes, event)) < 3.0

    @pytest.mark.parametrize("event", ["churn", "upsell", "conversion"])
    def test_so_they_do_in_each_tenth(self, outcomes: pd.DataFrame, event: str) -> None:
        known = outcomes.dropna(subset=[event])
        tenth = pd.qcut(known[event].rank(method="first"), 10, labels=False)
        found = [surprise(part, event) for _, part in known.groupby(tenth)]
        assert max(abs(z) for z in found) < 3.9  # one chance in 10,000 each

    @pytest.mark.parametrize(
        ("event", "low", "high"), [("churn", 0.80, 0.88), ("upsell", 0.72, 0.86)]
    )
    def test_it_ranks_as_well_as_anyone_could(
        self, outcomes: pd.DataFrame, event: str, low: float, high: float
    ) -> None:
        known = outcomes.dropna(subset=[event])
        ranks = known[event].rank()
        happened = known[f"did_{event}"]
        n, m = int(happened.sum()), int((~happened).sum())
        auc = (ranks[happened].sum() - n * (n + 1) / 2) / (n * m)
        assert low < auc < high


def surprise(rows: pd.DataFrame, event: str) -> float:
    """Events beyond the expected, in standard deviations of a sum of independent draws."""
    known = rows.dropna(subset=[event])
    p = known[event]
    return float((known[f"did_{event}"] - p).sum() / np.sqrt((p * (1.0 - p)).sum()))


class TestRates:
    def test_two_to_three_percent_leave_a_month(self, outcomes: pd.DataFrame) -> None:
        known = outcomes.dropna(subset=["churn"])
        monthly = 1.0 - (1.0 - known["did_churn"].mean()) ** (1 / 3)
        assert 0.02 < monthly < 0.03

    def test_three_to_five_percent_buy_more_a_quarter(self, outcomes: pd.DataFrame) -> None:
        assert 0.03 < outcomes.dropna(subset=["upsell"])["did_upsell"].mean() < 0.055

    def test_part_of_it_is_unpaid(self, written) -> None:
        ends = written[0][written[0]["status"] == "canceled"]
        assert 0.08 < (ends["end_reason"] == "payment_failed").mean() < 0.25

    def test_some_come_back_under_a_new_subscription(self, written) -> None:
        paid = written[0][written[0]["mrr"] > 0]
        count = paid.groupby("customer_id")["subscription_id"].nunique()
        assert 0.01 < (count > 1).mean() < 0.12


class TestSequences:
    def test_a_scheduled_end_is_known_when_it_is_asked_for(self, written) -> None:
        rows = written[0]
        ends = rows[(rows["status"] == "canceled") & (rows["occurred_at"] > rows["known_at"])]
        assert len(ends) > 500
        assert (ends["known_at"] == ends["cancel_requested_at"]).all()
        asked = rows[rows["cancel_requested_at"].notna() & (rows["status"] == "active")]
        both = ends.merge(asked, on="subscription_id", suffixes=("", "_asked"))
        assert len(both) == len(ends)
        assert (both["occurred_at"] == both["current_period_end_asked"]).all()
        assert (both["known_at"] == both["occurred_at_asked"]).all()
        assert not both["auto_renew_asked"].any()

    def test_dunning_lasts_thirty_days(self, written) -> None:
        rows = written[0]
        step = rows.groupby("subscription_id")[["status", "occurred_at"]].shift(1)
        unpaid = rows["end_reason"] == "payment_failed"
        assert unpaid.any()
        assert (step["status"][unpaid] == "past_due").all()
        assert ((rows["occurred_at"] - step["occurred_at"])[unpaid] == DUNNING).all()
        recovered = (step["status"] == "past_due") & (rows["status"] == "active")
        took = (rows["occurred_at"] - step["occurred_at"])[recovered].dt.days
        assert set(took) == {3, 7, 14, 21}

    def test_nothing_follows_an_end(self, written) -> None:
        rows = written[0]
        last = rows.groupby("subscription_id")["status"].transform("last")
        ended = rows["status"] == "canceled"
        assert (last[ended] == "canceled").all()
        assert ended.groupby(rows["subscription_id"]).sum().max() == 1

    def test_a_trial_is_paid_or_free_after_fourteen_days(self, written) -> None:
        rows = written[0]
        after = rows.groupby("subscription_id")[["status", "mrr", "occurred_at"]].shift(-1)
        trial = (rows["status"] == "trialing") & after["status"].notna()
        days = (after["occurred_at"] - rows["occurred_at"])[trial].dt.days
        assert set(days) == {14}
        assert 0.2 < (after["mrr"][trial] > 0).mean() < 0.7
        assert rows.loc[rows["status"] == "trialing", "mrr"].eq(0.0).all()

    def test_renewals_move_the_period_on(self, written) -> None:
        rows = written[0]
        end = rows.groupby("subscription_id")["current_period_end"].shift(1)
        later = rows["current_period_end"] > end
        due = rows["occurred_at"] == end
        assert (due[later & (rows["mrr"] > 0)]).mean() > 0.9


def test_usage_follows_health() -> None:
    """Paying customers who are well use the product more in the month before."""
    tables = {}
    for name, columns in simulate_block(5, 0, WORLD):
        tables[name] = columns if isinstance(columns, pa.Table) else pa.table(columns)
    use, truth = tables["usage"].to_pandas(), tables["truth"].to_pandas()
    at = pd.Timestamp("2026-06-01")
    recent = use[(use["occurred_at"] < at) & (use["occurred_at"] >= at - pd.Timedelta(days=28))]
    paying = truth[(truth["as_of"] == at) & truth["upsell"].notna()].set_index("customer_id")
    rows = recent.groupby("customer_id").size().reindex(paying.index, fill_value=0)
    mean = rows.groupby(paying["health"]).mean()
    assert mean.is_monotonic_increasing
    assert mean[4] > 4 * mean[0]
    per_customer = len(use) / BLOCK
    assert 150 < per_customer < 400
    weekend = use["occurred_at"].dt.day_of_week >= 5
    assert 0.05 < weekend.mean() < 0.15
