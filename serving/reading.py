"""Puts a stored score together with what was asked beside it: reasons and feature values."""

from collections.abc import Collection, Sequence

import numpy as np

from features.errors import CustomerNotFoundError, UnknownTargetError
from serving.records import Run, Score, TargetModel
from serving.render import Json, model_ref, moment, score_json
from serving.rows import Floats, decode_row
from serving.services import Services

REASONS = 3
Include = Collection[str]


def read_score(services: Services, customer_id: str, target: str) -> Score:
    """The current score; UnknownTargetError or CustomerNotFoundError when there is none."""
    services.project.target(target)
    score = None if "\x00" in customer_id else services.reader.score_of(customer_id, target)
    if score is None:
        raise missing(services, customer_id, target)
    return score


def missing(services: Services, customer_id: str, target: str | None = None) -> Exception:
    """Why nothing was found."""
    if target is not None and target not in services.project.targets:
        return UnknownTargetError(target, services.project.targets)
    return CustomerNotFoundError(customer_id[:200])


def described(services: Services, scores: Sequence[Score], include: Include) -> list[Json]:
    """The scores as JSON, in order; reasons that were not stored are computed in one go."""
    reasons = with_reasons(services, scores) if "reasons" in include else [None] * len(scores)
    answers = []
    for score, reason in zip(scores, reasons, strict=True):
        run, models = services.run(score.run_id)
        model = models[score.target]
        features = feature_values(services, score) if "features" in include else None
        answers.append(score_json(score, run, model, reasons=reason, features=features))
    return answers


def described_one(services: Services, score: Score, include: Include) -> Json:
    """One score as JSON; the short way for the most frequent request."""
    if score.reasons is not None and "features" not in include:
        run, models = services.run(score.run_id)
        reasons = score.reasons if "reasons" in include else None
        return score_json(score, run, models[score.target], reasons=reasons)
    return described(services, [score], include)[0]


def context(services: Services, score: Score) -> tuple[Run, TargetModel]:
    """The run and the model of a score."""
    run, models = services.run(score.run_id)
    return run, models[score.target]


def stored_row(services: Services, score: Score) -> Floats | None:
    """The model row a score came from."""
    return services.reader.row(score.customer.customer_id, score.target, score.run_id)


def feature_values(services: Services, score: Score) -> dict[str, float | str | None] | None:
    """Feature values as they stood; None when the customer was not scored."""
    row = stored_row(services, score)
    _, model = context(services, score)
    if row is None or model.features is None:
        return None
    return decode_row(model.features, row)


def with_reasons(services: Services, scores: Sequence[Score]) -> list[list[Json] | None]:
    """Stored reasons in the order of the scores, and computed ones where none were stored."""
    found = [score.reasons for score in scores]
    groups: dict[tuple[str, int], list[int]] = {}
    for place, score in enumerate(scores):
        if score.status == "scored" and score.reasons is None:
            version = context(services, score)[1].version
            if version is not None:
                groups.setdefault((score.target, version), []).append(place)
    for (target, version), places in groups.items():
        computed = _explained(services, target, version, [scores[place] for place in places])
        for place, reasons in zip(places, computed, strict=True):
            found[place] = reasons
    return found


def _explained(
    services: Services, target: str, version: int, scores: Sequence[Score]
) -> list[list[Json]]:
    """Reasons from the stored rows, by the model version that scored them."""
    ids = [score.customer.customer_id for score in scores]
    rows = services.reader.rows(ids, target, scores[0].run_id)
    known = [customer_id for customer_id in ids if customer_id in rows]
    if not known:
        return [[] for _ in ids]
    model = services.champions.version(target, version)
    made = model.explain(np.vstack([rows[customer_id] for customer_id in known]), top=REASONS)
    by_id = dict(zip(known, made, strict=True))
    return [by_id.get(customer_id, []) for customer_id in ids]


def explained(services: Services, score: Score) -> Json:
    """A score with all that explains it."""
    run, model = context(services, score)
    reasons = with_reasons(services, [score])[0] or []
    changes = would_change(services, score)
    return {
        "customer_id": score.customer.customer_id,
        "target": score.target,
        "probability": score.probability,
        "band": score.band,
        "reasons": reasons,
        "could_lower_risk": [
            r for r in reasons if r["controllable"] and r["direction"] == "raises_risk"
        ],
        "context": [reason for reason in reasons if not reason["controllable"]],
        "would_change": changes,
        "would_change_reason": None if changes else "nothing_within_reach",
        "features": feature_values(services, score) or {},
        "model": model_ref(model),
        "features_as_of": moment(run.as_of),
        "scored_at": moment(run.published_at),
    }


def would_change(services: Services, score: Score) -> list[Json]:
    """What within reach would change a score, by the model version that made it."""
    row, version = stored_row(services, score), context(services, score)[1].version
    if row is None or version is None:
        return []
    return services.champions.version(score.target, version).would_change(row)


def is_raising(reason: Json) -> bool:
    """Whether a reason makes the event more probable."""
    return str(reason["direction"]).startswith("raises")
