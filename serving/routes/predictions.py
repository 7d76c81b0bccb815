"""Scoring of given features: `POST /v1/predictions`."""

from fastapi import APIRouter
from starlette.responses import Response

from serving.answers import answer, problems
from serving.predicting import predict
from serving.services import ServicesDep
from serving.strict import StrictRoute
from serving.views_posted import PredictionAnswer, PredictionRequest

router = APIRouter(prefix="/v1", tags=["predictions"], route_class=StrictRoute)


@router.post(
    "/predictions",
    operation_id="predict",
    summary="Score given or overridden features",
    response_model=PredictionAnswer,
    responses=problems(400, 404, 413, 415, 422),
)
def create_predictions(services: ServicesDep, body: PredictionRequest) -> Response:
    """Up to 200 rows by the champion; the same number as a scoring run gives for the same row."""
    return answer(predict(services, body))
