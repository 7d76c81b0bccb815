"""Scores rows that a caller gives, with the champion; nothing is stored."""

from typing import Any

import numpy as np

from models.loaded import LoadedModel
from models.value import band_of
from serving.errors import ApiError, fault, invalid
from serving.reading import REASONS, stored_row
from serving.records import Score
from serving.render import Json, hundredths, moment
from serving.rows import Floats, encode_row
from serving.services import Services
from serving.views_posted import PredictionRequest, PredictionRow


def predict(services: Services, request: PredictionRequest) -> Json:
    """The answer to a prediction request.

    Raises
    ------
    ApiError
        422 with a pointer for a target, customer or feature that cannot be used.
    ModelNotFoundError
        While nothing was promoted for the target.
    """
    if request.target not in services.project.targets:
        known = ", ".join(services.project.targets)
        raise invalid("/target", "unknown_target", f"the project declares {known}")
    model = services.champions.need(request.target)
    card = model.card["features"]
    rows = [
        encode_row(card, row.features, f"/rows/{i}/features", _base(services, request, i, model))
        for i, row in enumerate(request.rows)
    ]
    matrix = np.vstack(rows)
    probabilities = model.probability(matrix).tolist()
    reasons = model.explain(matrix, top=REASONS) if "reasons" in request.include else None
    made = [
        _prediction(services, row, probability)
        for row, probability in zip(request.rows, probabilities, strict=True)
    ]
    if reasons is not None:
        made = [one | {"reasons": why} for one, why in zip(made, reasons, strict=True)]
    return {
        "target": request.target,
        "model": loaded_ref(request.target, model),
        "predictions": made,
    }


def _prediction(services: Services, row: PredictionRow, probability: float) -> Json:
    return {
        "customer_id": row.customer_id,
        "probability": probability,
        "score": hundredths(probability),
        "band": band_of(probability, services.project.bands),
    }


def _base(
    services: Services, request: PredictionRequest, place: int, model: LoadedModel
) -> Floats | None:
    """The stored row that a customer's overrides change; None when the row stands alone."""
    customer_id = request.rows[place].customer_id
    if customer_id is None:
        return None
    pointer = f"/rows/{place}/customer_id"
    score = services.reader.score_of(customer_id, request.target)
    if score is None:
        raise invalid(pointer, "customer_not_found", f"customer {customer_id!r} is not known")
    row = stored_row(services, score)
    if row is None:
        raise invalid(
            pointer,
            "not_scored",
            f"customer {customer_id!r} was not scored ({score.not_scored_reason}); "
            "give all features without customer_id",
        )
    return _for_version(services, score, row, model, pointer)


def _for_version(
    services: Services, score: Score, row: Floats, model: LoadedModel, pointer: str
) -> Floats:
    """The stored row; refused when it was encoded for another version of the model."""
    stored = services.run(score.run_id)[1][score.target].version
    if stored != model.version:
        detail = (
            f"the stored features are those of version {stored}, the champion is "
            f"{model.version}; score again, or give all features without customer_id"
        )
        raise ApiError(
            422, "model_changed", detail, errors=[fault(pointer, "model_changed", detail)]
        )
    return row


def loaded_ref(target: str, model: LoadedModel) -> dict[str, Any]:
    """The model version behind a prediction."""
    trained = model.card.get("trained_at")
    return {
        "name": target,
        "version": str(model.version),
        "grade": model.card.get("grade"),
        "trained_at": trained if trained is None or isinstance(trained, str) else moment(trained),
    }
