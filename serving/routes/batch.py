"""Many customers in one call: `POST /v1/scores:batchGet`."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.answers import answer, problems
from serving.batching import batch_get
from serving.errors import REQUEST_ID
from serving.services import ServicesDep
from serving.strict import StrictRoute
from serving.views_posted import BatchAnswer, BatchGet

router = APIRouter(prefix="/v1", tags=["scores"], route_class=StrictRoute)


_PARTLY: dict[int | str, dict[str, Any]] = {
    207: {"model": BatchAnswer, "description": "Some ids failed; each says why"}
}


@router.post(
    "/scores:batchGet",
    operation_id="batchGetScores",
    summary="Scores of up to 1,000 customers",
    response_model=BatchAnswer,
    responses=_PARTLY | problems(400, 413, 415, 422),
)
def batch_get_scores(request: Request, services: ServicesDep, body: BatchGet) -> Response:
    """Answered in the order asked, each id with its own status."""
    results = batch_get(services, body, str(request.scope[REQUEST_ID]), request.url.path)
    failed = any(result["status"] != 200 for result in results)
    return answer({"results": results}, 207 if failed else 200)
