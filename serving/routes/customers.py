"""Scores of one customer: `/v1/customers/{customer_id}/scores`."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from features.errors import ModelNotFoundError
from serving.answers import not_modified, problems, tagged
from serving.reading import described, described_one, explained, missing, read_score
from serving.routes.params import CustomerId, IncludeText, TargetName, parse_include
from serving.services import ServicesDep
from serving.strict import StrictRoute
from serving.views import AnyScore, CustomerScores, Explanation

router = APIRouter(prefix="/v1/customers", tags=["scores"], route_class=StrictRoute)
_FAULTS: dict[int | str, dict[str, Any]] = not_modified() | problems(400, 404, 422)


@router.get(
    "/{customer_id}/scores",
    operation_id="listCustomerScores",
    summary="Current scores of a customer",
    response_model=CustomerScores,
    responses=_FAULTS,
)
def list_customer_scores(
    request: Request, services: ServicesDep, customer_id: CustomerId, include: IncludeText = None
) -> Response:
    """All targets, in the order of the project file; a target without a score says why."""
    wanted = parse_include(include)
    scores = [] if "\x00" in customer_id else services.reader.scores_of(customer_id)
    if not scores:
        raise missing(services, customer_id)
    body = {"customer_id": customer_id, "scores": described(services, scores, wanted)}
    return tagged(body, request)


@router.get(
    "/{customer_id}/scores/{target}",
    operation_id="getCustomerScore",
    summary="Current score of a customer for one target",
    response_model=AnyScore,
    responses=_FAULTS,
)
def get_customer_score(
    request: Request,
    services: ServicesDep,
    customer_id: CustomerId,
    target: TargetName,
    include: IncludeText = None,
) -> Response:
    """One score; a customer that is not scored is an answer too, with its reason."""
    wanted = parse_include(include)
    score = read_score(services, customer_id, target)
    return tagged(described_one(services, score, wanted), request)


@router.get(
    "/{customer_id}/scores/{target}/explanation",
    operation_id="explainCustomerScore",
    summary="Why a score is what it is",
    response_model=Explanation,
    responses=_FAULTS,
)
def explain_customer_score(
    request: Request, services: ServicesDep, customer_id: CustomerId, target: TargetName
) -> Response:
    """Reasons with evidence, what the company can act on, and the feature values as they stood."""
    score = read_score(services, customer_id, target)
    if score.status == "not_scored":
        raise ModelNotFoundError(
            f"customer {customer_id!r} has no {target} score to explain: {score.not_scored_reason}"
        )
    return tagged(explained(services, score), request)
