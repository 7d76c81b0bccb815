"""The five revenue models: clean tables, targets with events, and a truth that comes true."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.build import build
from features.clock import as_of_dates, pairs_at
from features.project import load_project
from features.staging import Staged, stage
from simulation.company import simulate
from simulation.models import MODELS
from training.labels import labels, mature

TARGETS = {
    "subscription": ["churn", "upsell", "conversion"],
    "membership": ["churn", "upsell"],
    "freemium": ["conversion", "inactivity", "churn"],
    "contract": ["churn", "upsell"],
    "consumption": ["silence"],
}
PAIRS = [(model, target) for model, targets in TARGETS.items() for target in targets]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory):
    """A function from a model's name to its staged company of a thousand customers."""

    @cache
    def of(model: str) -> tuple[Path, Staged]:
        folder = tmp_path_factory.mktemp(model)
        simulate(folder, customers=1_000, months=15, seed=5, model=model, usage_rate=0.6)
        return folder, stage(load_project(folder))

    return of


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


@pytest.mark.parametrize("model", MODELS)
class TestEveryModel:
    def test_its_tables_are_clean(self, staged, model: str) -> None:
        _, found = staged(model)
        assert [one.text for one in found.findings] == []
        assert {name: c.quarantined for name, c in found.counts.items() if c.quarantined} == {}
        assert all(count.used for count in found.counts.values())

    def test_its_targets_fit(self, staged, model: str) -> None:
        project = staged(model)[1].project
        assert project.revenue_model == model
        assert list(project.targets) == TARGETS[model]

    def test_its_truth_is_of_those_targets(self, staged, model: str) -> None:
        truth = pd.read_parquet(staged(model)[0] / "truth")
        assert set(TARGETS[model]) <= set(truth.columns)
        main = "silence" if model == "consumption" else "churn"
        known = truth.dropna(subset=[main])
        effect = known[f"{main}_treated"] - known[f"{main}_untreated"]
        np.testing.assert_allclose(effect, known["treatment_effect"], atol=1e-12)
        assert known["reason"].notna().all()
        assert truth.loc[truth[main].isna(), "reason"].isna().all()
        assert effect.min() < -0.05
        assert effect.max() > 0.01  # some are driven away by it

    def test_treatments_are_random_with_known_chances(self, staged, model: str) -> None:
        rows = table(staged(model)[0], "treatments")
        assert (rows["is_control"] == (rows["arm"] == "control")).all()
        for chance, group in rows.groupby(rows["propensity"].astype(float)):
            treated = (~group["is_control"]).mean()
            assert abs(treated - chance) < 4 * np.sqrt(chance * (1 - chance) / len(group))


@pytest.mark.parametrize(("model", "target"), PAIRS)
def test_events_happen_as_often_as_the_truth_says(staged, model: str, target: str) -> None:
    """By the labels that a training would see, over as-of dates that do not overlap."""
    folder, found = staged(model)
    wanted = found.project.target(target)
    dates = [d for d in as_of_dates(found, wanted) if mature(d, wanted, found.data_end)]
    apart = dates[:: -(-wanted.horizon_days // 28)]
    built = build(found, pairs_at(found, wanted, apart), names=["age_days"])
    event = labels(found, wanted, built.keys, built.state, None)
    rows = built.keys.assign(event=event).dropna(subset=["event"])
    truth = pd.read_parquet(folder / "truth", columns=["customer_id", "as_of", target])
    both = rows.merge(truth, on=["customer_id", "as_of"], how="left", validate="one_to_one")
    chance = both[target]
    assert chance.notna().all()
    assert both.loc[both["event"] == 1, "customer_id"].nunique() >= 10
    spread = np.sqrt((chance * (1.0 - chance)).sum())
    assert abs((both["event"] - chance).sum()) < 3.5 * spread


class TestMembership:
    def test_a_pause_is_shorter_than_the_grace(self, staged) -> None:
        rows = table(staged("membership")[0], "subscriptions")
        rows = rows[rows["occurred_at"] <= rows["known_at"]]
        rows = rows.sort_values(["subscription_id", "occurred_at"])
        after = rows.groupby("subscription_id")[["status", "occurred_at"]].shift(-1)
        paused = (rows["status"] == "paused") & after["status"].notna()
        assert paused.sum() > 20
        assert (after["status"][paused] == "active").all()
        days = (after["occurred_at"] - rows["occurred_at"])[paused] / pd.Timedelta(days=1)
        assert days.between(18.5, 20).all()
        assert (rows["quantity"] == 1).all()


class TestContract:
    def test_terms_are_fixed(self, staged) -> None:
        folder, found = staged("contract")
        rows = table(folder, "subscriptions")
        assert set(rows["interval"]) == {"year"}
        assert set(rows["interval_count"]) == {1, 2, 3}
        ended = rows[rows["status"] == "canceled"]
        assert (ended["occurred_at"] >= ended["cancel_requested_at"].fillna(pd.Timestamp(0))).all()
        assert found.counts["fx_rates"].used > 20

    def test_customers_pay_in_their_currency(self, staged) -> None:
        folder, _ = staged("contract")
        home = table(folder, "customers").groupby("customer_id")["currency"].last()
        paid = table(folder, "invoices")
        assert set(paid["currency"]) == {"USD", "EUR", "GBP"}
        assert (paid["currency"] == paid["customer_id"].map(home)).all()


class TestConsumption:
    def test_goods_come_back_for_what_they_cost(self, staged) -> None:
        rows = table(staged("consumption")[0], "orders")
        key = ["order_id", "product"]
        back = rows[rows["is_return"]].merge(
            rows[~rows["is_return"]], on=key, how="left", suffixes=("", "_bought")
        )
        assert 0.04 < rows["is_return"].mean() < 0.08
        assert back["amount_bought"].notna().all()
        assert (back["amount"] == back["amount_bought"]).all()
        days = (back["occurred_at"] - back["occurred_at_bought"]).dt.days
        assert days.between(4, 24).all()

    def test_the_end_of_the_year_is_busy(self, staged) -> None:
        rows = table(staged("consumption")[0], "orders")
        per_month = rows.groupby(rows["occurred_at"].dt.month).size()
        assert per_month[12] > 1.3 * per_month[[2, 3, 4]].mean()
