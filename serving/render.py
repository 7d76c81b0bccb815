"""Turns the store's records into the JSON shapes of the API, as plain dicts on the hot path."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from models.lifetime import NAME
from models.value import cents
from serving.records import Run, Score, TargetModel

Json = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if value is None else value.isoformat(timespec="seconds") + "Z"


def day(value: datetime | None) -> str | None:
    """The date of a moment."""
    return None if value is None else value.date().isoformat()


def money(amount: Decimal | None, currency: str) -> Json | None:
    """An amount in hundredths, as text."""
    rounded = cents(amount)
    return None if rounded is None else {"amount": f"{rounded:f}", "currency": currency}


def hundredths(probability: float) -> int:
    """The score: the probability out of 100, halves up."""
    return int(probability * 100 + 0.5)


def model_ref(model: TargetModel) -> Json:
    """The model version behind a score."""
    return {
        "name": model.target,
        "version": str(model.version),
        "grade": model.grade,
        "trained_at": moment(model.trained_at),
    }


def run_ref(run: Run) -> Json:
    """The scoring run an answer was read from."""
    return {
        "id": run.id,
        "as_of": moment(run.as_of),
        "published_at": moment(run.published_at),
    }


def score_json(
    score: Score,
    run: Run,
    model: TargetModel,
    *,
    reasons: list[Json] | None = None,
    features: Mapping[str, Any] | None = None,
) -> Json:
    """One score as `spec` "A score"; parts that were not asked for are left out."""
    head: Json = {
        "customer_id": score.customer.customer_id,
        "external_ids": score.customer.external_ids,
        "target": score.target,
        "status": score.status,
    }
    tail: Json = {
        "features_as_of": moment(run.as_of),
        "scored_at": moment(run.published_at),
    }
    if score.status == "not_scored" or score.probability is None:
        return head | {"reason": score.not_scored_reason} | tail
    body = head | _figures(score, run, model, score.probability)
    if reasons is not None:
        body["reasons"] = reasons
    if features is not None:
        body["features"] = dict(features)
    body["model"] = model_ref(model)
    return body | tail


def _figures(score: Score, run: Run, model: TargetModel, probability: float) -> Json:
    """Probability, time and money."""
    customer = score.customer
    end = None if run.as_of is None else run.as_of + timedelta(days=model.horizon_days)
    expected = f"expected_{score.expected_kind}"
    figures: Json = {
        "probability": probability,
        "score": hundredths(probability),
        "band": score.band,
        "percentile": score.percentile,
        "horizon_days": model.horizon_days,
        "horizon_end": day(end),
        "renewal_date": day(customer.renewal_at),
        "renewal_in_horizon": score.renewal_in_horizon,
        "mrr": money(customer.mrr, customer.currency),
        expected: money(score.expected_amount, customer.currency),
    }
    if score.expected_amount is None:
        figures["expected_reason"] = score.expected_reason
    if score.contact is not None:
        profit = money(score.contact_profit, customer.currency)
        figures["contact"] = {"advised": score.contact, "expected_profit": profit}
    if score.involuntary is not None:
        voluntary = probability - score.involuntary
        figures["causes"] = {"voluntary": voluntary, "involuntary": score.involuntary}
    told = run.lifetime_model(score.target)
    if told is not None and score.remaining_months is not None:
        figures["lifetime"] = {
            "expected_remaining_months": round(score.remaining_months, 2),
            "predicted_cltv": money(score.lifetime_value, customer.currency),
            "model": {"name": NAME} | told | {"version": str(told["version"])},
        }
    figures["change"] = _change(score, probability)
    return figures


def _change(score: Score, probability: float) -> Json | None:
    """Against the run before; null when there was no score then."""
    if score.previous_probability is None or score.previous_as_of is None:
        return None
    return {
        "since": day(score.previous_as_of),
        "probability": round(probability - score.previous_probability, 12),
        "band_from": score.previous_band,
    }
