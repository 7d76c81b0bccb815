"""What a real company's tables go through: moves of plans, new names and prices, late rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulation import hazards
from simulation.company import simulate
from simulation.kinds import DATA_END, add_months
from simulation.models import SUBSCRIPTION
from simulation.world import PRICE_RISE, World

MONTHS = 16
WORLD = World(SUBSCRIPTION, int(add_months(np.array([DATA_END]), -MONTHS)[0]), DATA_END)


def moment(day: int) -> pd.Timestamp:
    return pd.Timestamp(day, unit="D")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("history")
    simulate(out, customers=1_000, months=MONTHS, seed=8, usage_rate=0.3)
    return out


@pytest.fixture(scope="module")
def changes(folder: Path) -> pd.DataFrame:
    """Subscriptions in order, without ends that are only announced."""
    rows = pd.read_parquet(folder / "subscriptions.parquet")
    rows = rows[rows["occurred_at"] <= rows["known_at"]]
    return rows.sort_values(["subscription_id", "occurred_at"], ignore_index=True)


@pytest.fixture(scope="module")
def ended(folder: Path) -> pd.DataFrame:
    """Ends, announced ones too."""
    return pd.read_parquet(folder / "subscriptions.parquet").dropna(subset=["end_reason"])


class TestMoveOfAPlan:
    def test_the_legacy_plan_ends_with_it(self, changes: pd.DataFrame) -> None:
        legacy = changes["plan_id"] == SUBSCRIPTION.legacy
        assert legacy.any()
        assert changes.loc[legacy, "occurred_at"].max() < moment(WORLD.migration)
        assert (changes.loc[changes["plan_id"] == "team", "occurred_at"].min()) >= moment(
            WORLD.migration
        )

    def test_it_changes_nothing_else(self, changes: pd.DataFrame) -> None:
        before = changes.groupby("subscription_id")[["plan_id", "unit_amount", "quantity"]].shift()
        at_night = changes["occurred_at"] == moment(WORLD.migration) + pd.Timedelta(hours=2)
        assert at_night.sum() > 50
        assert (before["plan_id"][at_night] == SUBSCRIPTION.legacy).all()
        for column in ("unit_amount", "quantity"):
            assert (changes[column][at_night] == before[column][at_night]).all()


class TestNames:
    def test_a_plan_has_a_version_with_another(self, folder: Path) -> None:
        plans = pd.read_parquet(folder / "plans.parquet").sort_values("occurred_at")
        names = plans[plans["plan_id"] == "business"]["name"].tolist()
        assert names == ["Business", "Scale", "Scale"]

    def test_an_event_is_called_something_else_from_a_day_on(self, folder: Path) -> None:
        use = pd.concat(pd.read_parquet(path) for path in folder.glob("usage-*.parquet"))
        old = use.loc[use["event"] == "report_view", "occurred_at"]
        new = use.loc[use["event"] == SUBSCRIPTION.use.renamed, "occurred_at"]
        assert old.max() < moment(WORLD.renaming) <= new.min()


class TestPrices:
    def test_they_rise_at_a_renewal(self, changes: pd.DataFrame) -> None:
        same = ["plan_id", "quantity", "interval"]
        before = changes.groupby("subscription_id")[[*same, "unit_amount"]].shift()
        alike = (changes[same] == before[same]).all(axis=1) & (changes["status"] != "canceled")
        factor = changes["unit_amount"].astype(float) / before["unit_amount"].astype(float)
        risen = alike & (factor > 1.0)
        assert risen.sum() > 100
        assert factor[risen].between(PRICE_RISE - 0.001, PRICE_RISE + 0.001).all()
        assert changes.loc[risen, "occurred_at"].min() >= moment(WORLD.price_rise)
        assert (factor[alike & ~risen] == 1.0).all()

    def test_a_promotion_ends_after_three_months(self, changes: pd.DataFrame) -> None:
        promoted = changes[changes["discount_percent"].notna()]
        assert promoted["subscription_id"].nunique() > 30
        assert set(promoted["discount_percent"].astype(float)) == {20.0}
        assert (promoted["discount_ends_at"] > promoted["occurred_at"]).all()
        started = promoted.groupby("subscription_id")["occurred_at"].min()
        ends = promoted.groupby("subscription_id")["discount_ends_at"].first()
        assert (ends - started).dt.days.between(0, 92).all()

    def test_a_promoted_invoice_is_a_fifth_less(self, folder: Path, changes: pd.DataFrame) -> None:
        invoices = pd.read_parquet(folder / "invoices.parquet")
        both = invoices.merge(changes, on=["subscription_id", "occurred_at"])
        both = both[both["kind"] == "subscription"]
        full = both["unit_amount"].astype(float) * both["quantity"].astype(float)
        share = both["amount"].astype(float) / full
        promoted = both["discount_percent"].notna()
        assert promoted.sum() > 30
        assert share[promoted].between(0.799, 0.801).all()
        assert share[~promoted].between(1.0 - 1e-9, 1.0 + 1e-9).all()


class TestLateRows:
    def test_a_help_desk_is_read_in_months_later(self, folder: Path) -> None:
        rows = pd.read_parquet(folder / "tickets.parquet")
        delay = rows["known_at"] - rows["occurred_at"]
        in_bulk = rows["known_at"] == moment(WORLD.import_day) + pd.Timedelta(hours=2)
        assert (delay[~in_bulk] == pd.Timedelta(0)).all()
        assert 0.03 < in_bulk.mean() < 0.15
        assert delay[in_bulk].max() > pd.Timedelta(days=180)

    def test_use_is_synchronised_days_later(self, folder: Path) -> None:
        use = pd.concat(pd.read_parquet(path) for path in folder.glob("usage-*.parquet"))
        delay = use["known_at"] - use["occurred_at"]
        assert 0.01 < (delay >= pd.Timedelta(days=1)).mean() < 0.03
        assert delay.max() < pd.Timedelta(days=4)


class TestReasons:
    def test_who_leaves_after_a_dearer_price_says_so(self, ended: pd.DataFrame) -> None:
        soon = ended["known_at"].between(
            moment(WORLD.price_rise), moment(WORLD.price_rise + hazards.DEARER_DAYS)
        )
        says = ended["end_reason"] == "too_expensive"
        assert says[soon].mean() > 1.3 * says[~soon].mean()

    def test_some_tell_it_in_a_survey(self, folder: Path, ended: pd.DataFrame) -> None:
        said = pd.read_parquet(folder / "surveys.parquet")
        said = said[said["kind"] == "exit"]
        chosen = ended[ended["end_reason"] != "payment_failed"]
        assert 0.5 < len(said) / len(chosen) < 0.7
        minute = pd.Timedelta(minutes=1)
        both = said.assign(known_at=said["occurred_at"] - minute).merge(
            chosen, on=["customer_id", "known_at"]
        )
        assert len(both) == len(said)
        assert (both["reason"] == both["end_reason"]).all()


def test_waves_come_every_eight_months() -> None:
    long = World(SUBSCRIPTION, int(add_months(np.array([DATA_END]), -24)[0]), DATA_END)
    assert [str(np.datetime64(day, "D")) for day in long.waves] == [
        "2025-03-01", "2025-11-01", "2026-07-01",
    ]  # fmt: skip
    short = World(SUBSCRIPTION, DATA_END - 60, DATA_END)
    assert short.waves == (DATA_END - 30,)
    assert long.wave_after(np.array([0, long.waves[1]])).tolist() == list(long.waves[:2])
