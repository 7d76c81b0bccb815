"""From tables to a published list for the kinds that need products, falls of MRR and causes."""

import numpy as np
import pandas as pd
import pytest

from features.frames import frame
from features.project import load_project
from features.staging import Staged, stage
from serving.gains import median_increase
from serving.queries import Reader
from serving.records import Filters
from serving.scoring import score
from serving.store import Store
from training.readiness import plan
from training.sample import Dataset
from training.train import train

TOML = """
name = "addons"
revenue_model = "subscription"
data_end = 2025-07-01
limits = { min_events = 10 }
[sources.customers]
file = "customers.csv"
[sources.subscriptions]
file = "subscriptions.csv"
[sources.orders]
file = "orders.csv"
[sources.usage]
file = "usage.csv"
[targets.addon]
kind = "cross_sell"
product = "addon"
product_in = "orders"
horizon_days = 30
min_age_days = 0
features = ["active_days_28d", "usage_events_90d", "mrr", "tenure_days"]
as_of = { every = "month", start = 2024-07-01 }
[targets.export]
kind = "cross_sell"
product = "export"
product_in = "usage"
horizon_days = 30
min_age_days = 0
features = ["active_days_28d", "usage_events_90d", "mrr", "tenure_days"]
as_of = { every = "month", start = 2024-07-01 }
[targets.fewer]
kind = "contraction"
horizon_days = 30
min_age_days = 0
features = ["active_days_28d", "usage_events_90d", "mrr", "tenure_days"]
as_of = { every = "month", start = 2024-07-01 }
[targets.churn]
kind = "churn"
horizon_days = 30
grace_days = 10
min_age_days = 0
features = ["active_days_28d", "usage_events_90d", "mrr", "tenure_days"]
as_of = { every = "month", start = 2024-07-01 }
"""
MONTHS = pd.date_range("2024-01-01", "2025-06-01", freq="MS")
N = 400


def company(rng: np.random.Generator) -> dict[str, str]:
    """Keen customers use a lot, buy add-ons and export; the others shrink and leave."""
    lines: dict[str, list[str]] = {
        "customers": ["customer_id,occurred_at"],
        "subscriptions": [
            "customer_id,occurred_at,subscription_id,status,quantity,interval,unit_amount,end_reason"
        ],
        "orders": ["customer_id,occurred_at,product,amount"],
        "usage": ["customer_id,occurred_at,event"],
    }
    for number in range(N):
        _live(f"c{number}", lines, rng, keen=number % 2 == 0)
    return {table: "\n".join(rows) for table, rows in lines.items()}


def _live(who: str, lines: dict[str, list[str]], rng: np.random.Generator, *, keen: bool) -> None:
    joined = MONTHS[rng.integers(0, 12)]
    lines["customers"].append(f"{who},{joined:%Y-%m-%d}")
    seats, has = 6, set()

    def change(day: str, status: str, reason: str = "") -> None:
        row = f"{who},{day},s{who},{status},{seats},month,30,{reason}"
        lines["subscriptions"].append(row)

    change(f"{joined:%Y-%m-%d}", "active")
    for month in MONTHS[joined <= MONTHS]:
        for day in rng.integers(1, 28, rng.poisson(9 if keen else 1.5)):
            lines["usage"].append(f"{who},{month:%Y-%m}-{day:02d} 10:00:00,login")
        late = f"{month:%Y-%m}-{rng.integers(2, 28):02d} 15:00:00"
        for product, table, extra in (("addon", "orders", ",120"), ("export", "usage", "")):
            if product not in has and rng.random() < (0.15 if keen else 0.005):
                has.add(product)
                lines[table].append(f"{who},{late},{product}{extra}")
        if rng.random() < (0.005 if keen else 0.1) and seats > 1:
            seats -= 1
            change(late, "active")
        elif month > joined and rng.random() < (0.004 if keen else 0.05):
            change(late, "canceled", "payment_failed" if rng.random() < 0.4 else "")
            return


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    folder = tmp_path_factory.mktemp("addons")
    for table, text in company(np.random.default_rng(4)).items():
        (folder / f"{table}.csv").write_text(text, encoding="utf-8")
    (folder / "retention.toml").write_text(TOML, encoding="utf-8")
    return stage(load_project(folder))


@pytest.fixture(scope="module")
def reports(staged, registry):
    names = ("addon", "fewer")
    return {name: train(staged.project, staged, name, registry=registry) for name in names}


@pytest.fixture(scope="module")
def listed(staged, registry, reports, tmp_path_factory):
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    store.migrate()
    score(staged.project, staged, store=store, registry=registry)
    reader = Reader(store, "addons")
    yield lambda target: list(reader.iter_scores(Filters(target, status=None)))
    store.close()


def rows(staged: Staged, table: str) -> pd.DataFrame:
    return pd.read_csv(staged.project.data_folder / f"{table}.csv")


@pytest.mark.parametrize("name", ["addon", "fewer"])
def test_a_signal_is_learned(name, reports):
    report = reports[name]
    assert report.promoted, report.reason
    assert report.model["auc"]["value"] > 0.6
    assert "events_by_cause" not in report.as_json()["train"]


def test_events_of_churn_are_told_by_cause(staged):
    data = Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))
    found = plan(data, staged.data_end, min_events=10)
    assert found.missing is None
    for part in (found.train, found.test):
        causes = part["events_by_cause"]
        assert sum(causes.values()) == part["events"]
        assert min(causes.values()) > 0


def test_who_has_the_product_is_not_scored(staged, listed):
    orders = rows(staged, "orders")
    left = set(rows(staged, "subscriptions").query("status == 'canceled'")["customer_id"])
    has = set(orders["customer_id"])
    for entry in listed("addon"):
        who = entry.customer.customer_id
        expected = "already_churned" if who in left else "not_eligible" if who in has else None
        assert entry.not_scored_reason == expected


def test_a_gain_is_what_buyers_spent(staged, listed):
    """Every buyer spent 120 in the last year: 10 a month."""
    target = staged.project.target("addon")
    assert median_increase(staged, target, staged.data_end) == 10.0
    scored = [entry for entry in listed("addon") if entry.probability is not None]
    assert scored
    for entry in scored:
        assert entry.expected_kind == "gain"
        assert float(entry.expected_amount) == pytest.approx(entry.probability * 120)


def test_a_contraction_risks_revenue(listed):
    scored = [entry for entry in listed("fewer") if entry.probability is not None]
    assert {entry.expected_kind for entry in scored} == {"revenue_at_risk"}
    assert all(entry.expected_amount is not None for entry in scored)


def test_a_use_has_no_price(staged, listed):
    assert median_increase(staged, staged.project.target("export"), staged.data_end) is None
    assert {entry.not_scored_reason for entry in listed("export")} >= {"no_model", "not_eligible"}
