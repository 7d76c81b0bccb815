"""A small company, scored and served: a real store with two runs, a real model, a registry."""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pandas import DataFrame

from features.declare import Feature
from features.project import Project, load_project
from models.fitted import Fitted
from models.peers import peers_card
from models.registry import Registry
from serving.app import create_app
from serving.records import TargetModel
from serving.settings import Settings
from serving.store import Store
from serving.writer import RunWriter, scoring_run

AS_OF = datetime(2026, 11, 22)
BEFORE = AS_OF - timedelta(days=7)
CUSTOMERS = 60
TOML = """
name = "acme"
revenue_model = "subscription"
[sources.customers]
file = "customers.parquet"
[targets.churn]
kind = "churn"
[targets.upsell]
kind = "upsell"
[targets.conversion]
kind = "conversion"
horizon_days = 30
"""
FEATURES = (
    Feature(
        "active_days_28d",
        "usage",
        "days",
        "Days with any use in the last 28 days.",
        "use",
        actionable=True,
    ),
    Feature("seats_used_share", "usage", "share", "Seats used of seats bought.", "seats"),
    Feature("failed_payments_90d", "billing", "payments", "Failed payments in 90 days.", "pay"),
    Feature("tenure_days", "lifecycle", "days", "Days since the first payment.", "tenure"),
    Feature("plan", "profile", "", "Plan the customer is on.", "plan", kind="category"),
)
NAMES = ("Northwind", "Bluebird", "Cedar & Sons", "Lumen", "O'Hara", "Petrov", "Quartz", "Sable")
OWNERS = ("ana", "ben", None)
PLANS = ("basic", "team", "business")
SEGMENTS = ("small", "mid", "large")
REASON = {
    "code": "use",
    "direction": "raises_risk",
    "controllable": True,
    "text": "Active days fell from 19 to 6 in the last 28 days",
    "contribution": 0.14,
    "evidence": {"feature": "active_days_28d", "value": 6.0},
}
GOOD = REASON | {
    "code": "tenure",
    "direction": "lowers_risk",
    "controllable": False,
    "text": "A customer for 4 years",
    "contribution": -0.05,
    "evidence": {"feature": "tenure_days", "value": 1460.0},
}


def customer_id(place: int) -> str:
    return f"c_{place:03d}"


def frame(rows: int, seed: int = 3) -> DataFrame:
    """Made-up features; one value is missing."""
    rng = np.random.default_rng(seed)
    plans = rng.choice(PLANS, rows)
    made = DataFrame(
        {
            "active_days_28d": rng.integers(0, 29, rows).astype(float),
            "seats_used_share": rng.random(rows),
            "failed_payments_90d": rng.poisson(0.4, rows).astype(float),
            "tenure_days": rng.integers(20, 1500, rows).astype(float),
            "plan": plans.astype(object),
        }
    )
    made.loc[0, "seats_used_share"] = np.nan
    return made


def fit(seed: int = 3) -> Fitted:
    rows = frame(400, seed)
    odds = 1.2 - 0.16 * rows["active_days_28d"] + 0.9 * rows["failed_payments_90d"]
    left = np.random.default_rng(seed).random(400) < 1 / (1 + np.exp(-odds))
    params = {"n_estimators": 12, "num_leaves": 4, "linear_weight": 0.3}
    return Fitted.fit(rows, left.astype(int), FEATURES, params)


def register(registry: Registry, target: str, seed: int = 3) -> int:
    """Log and promote a model; returns its version."""
    extra = {
        "target": {"name": target, "kind": target},
        "currency": "USD",
        "grade": "A",
        "trained_at": "2026-11-01T03:10:00Z",
    }
    fitted = fit(seed)
    extra["peers"] = peers_card(
        fitted.portable, fitted.encoder.transform(frame(400)), np.arange(400)
    )
    name = f"acme.{target}"
    version = registry.log(name, fitted, extra, params={}, metrics={"auc": 0.8})
    registry.promote(name, version)
    return version


def make_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "retention.toml"
    path.write_text(TOML, encoding="utf-8")
    return load_project(path)


def band(probability: float) -> str:
    return "high" if probability >= 0.6 else "medium" if probability >= 0.3 else "low"


def customers() -> list[dict[str, Any]]:
    """Two share one id of the billing system; some renew, some have no owner."""
    return [
        {
            "customer_id": customer_id(i),
            "name": None if i % 10 == 9 else f"{NAMES[i % len(NAMES)]} {i}",
            "segment": SEGMENTS[i % 3],
            "owner_id": OWNERS[(i // 2) % 3],
            "plan_id": PLANS[i % 3],
            "country": "NL",
            "external_ids": {"salesforce": f"001{i:04d}", "billing": f"b{max(i, 1)}"},
            "renewal_at": AS_OF + timedelta(days=6 * i - 20) if i % 4 else None,
            "mrr_micro": (40 + 37 * i) * 1_000_000 + 500_000,
            "currency": "USD",
        }
        for i in range(CUSTOMERS)
    ]


def entries(target: str, probabilities: list[float], before: list[float] | None) -> list[dict]:
    """All but the last three are scored, the first one only from the second run on.

    The reasons of every fifth are left to be computed.
    """
    money = {c["customer_id"]: c["mrr_micro"] for c in customers()}
    scored = range(0 if before else 1, CUSTOMERS - 3)
    expected = {i: round(probabilities[i] * money[customer_id(i)] * 12) for i in scored}
    ranks = {i: r for r, i in enumerate(sorted(scored, key=lambda i: -expected[i]), start=1)}
    return [
        _scored(target, i, probabilities, before, expected[i], ranks[i])
        if i in ranks
        else _not_scored(target, i)
        for i in range(CUSTOMERS)
    ]


def _scored(target, i, probabilities, before, expected, rank) -> dict:
    p = probabilities[i]
    return {
        "customer_id": customer_id(i),
        "status": "scored",
        "not_scored_reason": None,
        "probability": p,
        "band": band(p),
        "percentile": round(100 * np.mean([q < p for q in probabilities[:-3]])),
        "rank": rank,
        "value_micro": 1,
        "expected_micro": expected,
        "expected_kind": "revenue_at_risk" if target == "churn" else "gain",
        "expected_reason": None,
        "renewal_in_horizon": True,
        "out_of_fold": False,
        "previous_probability": before[i] if before and i else None,
        "previous_band": band(before[i]) if before and i else None,
        "previous_as_of": BEFORE if before and i else None,
        "reasons": None if i % 5 == 0 else [REASON, GOOD],
        "contact": True if i == 2 else None,
        "contact_profit_micro": 29_600_000 if i == 2 else None,
        "involuntary": probabilities[i] / 4 if target == "churn" and i == 2 else None,
        "remaining_months": 31.2567 if target == "churn" and i == 2 else None,
        "lifetime_value_micro": 2_871_504_999 if target == "churn" and i == 2 else None,
    }


def _not_scored(target: str, i: int) -> dict:
    empty = dict.fromkeys(_scored(target, 0, [0.1] * CUSTOMERS, None, 0, 1))
    kind = "revenue_at_risk" if target == "churn" else "gain"
    return empty | {
        "customer_id": customer_id(i),
        "status": "not_scored",
        "not_scored_reason": "already_churned",
        "expected_kind": kind,
        "out_of_fold": False,
    }


def target_model(target: str, version: int | None, fitted: Fitted) -> TargetModel:
    return TargetModel(
        target=target,
        kind=target,
        horizon_days=90,
        bands={"medium": 0.3, "high": 0.6},
        name=f"acme.{target}" if version else None,
        version=version,
        grade="A" if version else None,
        trained_at=datetime(2026, 11, 1, 3, 10) if version else None,
        features=fitted.encoder.card() if version else None,
    )


def score(store: Store, as_of: datetime, versions: dict[str, int], *, drift: float = 0.0) -> int:
    """Write a whole run from the real model's probabilities."""
    fitted = fit()
    rows = frame(CUSTOMERS, seed=9)
    found = fitted.probability(rows)
    matrix = fitted.encoder.transform(rows)
    ids = [customer_id(i) for i in range(CUSTOMERS)]
    with scoring_run(store, "acme", as_of=as_of, data_end=as_of, usage_to=as_of) as run:
        targets = ("churn", "upsell", "conversion")
        run.add_models([target_model(t, versions.get(t), fitted) for t in targets])
        run.add_customers(customers())
        for target in versions:
            run.add_rows(target, ids[:-3], matrix[:-3])
            p = [float(v) for v in np.clip(found + drift, 0.001, 0.999)]
            before = _before(run, target)
            run.add_scores(target, entries(target, p, before))
        run.add_scores("conversion", [_without_model(i) for i in range(CUSTOMERS)])
        run.publish(_counts(versions))
    return run.run_id


def _before(run: RunWriter, target: str) -> list[float] | None:
    _, before = run.before(target)
    if not before:
        return None
    return [before.get(customer_id(i), (0.0, ""))[0] or 0.0 for i in range(CUSTOMERS)]


def _without_model(i: int) -> dict:
    return _not_scored("conversion", i) | {"not_scored_reason": "no_model"}


def _counts(versions: dict[str, int]) -> dict[str, Any]:
    scored = {"scored": CUSTOMERS - 3, "not_scored": {"already_churned": 3}}
    targets = dict.fromkeys(versions, scored)
    told = {"version": 4, "grade": "B", "trained_at": "2026-11-02T03:10:00Z"}
    targets["churn"] = scored | {"lifetime": told}
    targets["conversion"] = {"scored": 0, "not_scored": {"no_model": CUSTOMERS}}
    return {"customers": CUSTOMERS, "targets": targets}


def build(folder: Path, *, runs: int = 2) -> Settings:
    """Everything a service needs, with `runs` published runs."""
    project = make_project(folder)
    registry = Registry.for_project(project)
    versions = {target: register(registry, target) for target in ("churn", "upsell")}
    store = Store.for_project(project)
    store.migrate()
    for back in reversed(range(runs)):
        as_of = AS_OF - timedelta(days=7 * back)
        score(store, as_of, versions, drift=-0.07 * back)
    store.close()
    return Settings(project=project.path, refresh_seconds=0.05)


def open_client(settings: Settings) -> TestClient:
    return TestClient(
        create_app(settings),
        base_url="http://127.0.0.1",
        client=("127.0.0.1", 50000),
        raise_server_exceptions=False,
    )


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Until the condition holds; fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a scored company; tests only read it."""
    return build(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="session")
def client(service: Settings) -> Iterator[TestClient]:
    """The running service."""
    with open_client(service) as opened:
        yield opened


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service whose project has no model and no run."""
    folder = tmp_path_factory.mktemp("empty")
    with open_client(Settings(project=make_project(folder).path)) as opened:
        yield opened


@pytest.fixture
def own_service(service: Settings, tmp_path: Path) -> Settings:
    """A scored company of the test's own, without the cost of fitting again."""
    source = service.project.parent
    shutil.copytree(source, tmp_path / "own")
    uri = f"sqlite:///{source / '.retention' / 'acme' / 'mlflow.db'}"
    return Settings(
        project=tmp_path / "own" / "retention.toml", refresh_seconds=0.05, tracking_uri=uri
    )
