"""Rows for stores under test; every value that a test does not name has a plain default."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from serving.records import TargetModel
from serving.store import Store
from serving.writer import RunWriter, scoring_run

MONDAY = datetime(2026, 11, 2)
WEEK = timedelta(days=7)


def model(target: str = "churn", version: int | None = 1) -> TargetModel:
    return TargetModel(
        target=target,
        kind=target,
        horizon_days=90,
        bands={"medium": 0.3, "high": 0.6},
        name=f"acme.{target}" if version else None,
        version=version,
        grade="A" if version else None,
        trained_at=MONDAY if version else None,
        features=[{"name": "logins_28d", "kind": "number", "codes": None}] if version else None,
    )


def customer(customer_id: str, **known: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "name": customer_id.upper(),
        "segment": None,
        "owner_id": None,
        "plan_id": None,
        "country": None,
        "external_ids": {"salesforce": f"00{customer_id}"},
        "renewal_at": None,
        "mrr_micro": 5_000_000,
        "currency": "USD",
    } | known


def entry(customer_id: str, probability: float, rank: int, **known: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "status": "scored",
        "not_scored_reason": None,
        "probability": probability,
        "band": "high" if probability >= 0.6 else "medium" if probability >= 0.3 else "low",
        "percentile": 0,
        "rank": rank,
        "value_micro": 5_000_000,
        "expected_micro": round(probability * 60_000_000),
        "expected_kind": "revenue_at_risk",
        "expected_reason": None,
        "renewal_in_horizon": None,
        "out_of_fold": False,
        "previous_probability": None,
        "previous_band": None,
        "previous_as_of": None,
        "reasons": None,
        "contact": None,
        "contact_profit_micro": None,
        "involuntary": None,
        "remaining_months": None,
        "lifetime_value_micro": None,
    } | known


def unscored(customer_id: str, reason: str) -> dict[str, Any]:
    empty = dict.fromkeys(entry("x", 0.0, 1)) | {"customer_id": customer_id, "out_of_fold": False}
    kind = {"expected_kind": "revenue_at_risk"}
    return empty | kind | {"status": "not_scored", "not_scored_reason": reason}


def fill(run: RunWriter, probabilities: dict[str, float]) -> None:
    run.add_models([model()])
    run.add_customers([customer(who) for who in probabilities])
    ids = list(probabilities)
    run.add_rows("churn", ids, np.array([[p] for p in probabilities.values()]))
    places = enumerate(probabilities.items(), start=1)
    run.add_scores("churn", [entry(who, p, place) for place, (who, p) in places])


def write(
    store: Store, probabilities: dict[str, float], as_of: datetime = MONDAY, **how: Any
) -> int:
    with scoring_run(store, "acme", as_of=as_of, **how) as run:
        fill(run, probabilities)
        run.publish({"customers": len(probabilities)})
    return run.run_id


def publish(
    store: Store,
    customers: list[dict[str, Any]],
    scores: dict[str, list[dict[str, Any]]],
    as_of: datetime | None = MONDAY,
) -> int:
    with scoring_run(store, "acme", as_of=as_of) as run:
        run.add_models([model(target) for target in scores])
        run.add_customers(customers)
        for target, entries in scores.items():
            run.add_scores(target, entries)
        run.publish({"customers": len(customers)})
    return run.run_id
