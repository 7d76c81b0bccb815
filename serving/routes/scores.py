"""The at-risk list: `GET /v1/scores`."""

from typing import Annotated, Final, cast, get_args

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from serving.answers import answer, problems
from serving.errors import ApiError
from serving.listing import Listing, default_sort, read_page
from serving.reading import described
from serving.records import Filters, Sort
from serving.render import run_ref
from serving.routes.params import IncludeText, moment, parse_include, plain, refused, words
from serving.services import Services, ServicesDep
from serving.strict import StrictRoute
from serving.views import ScorePage

router = APIRouter(prefix="/v1", tags=["scores"], route_class=StrictRoute)
BANDS: Final = ("low", "medium", "high")
SORTS: Final[tuple[str, ...]] = get_args(Sort)
_BY_MONEY: Final = ("-revenue_at_risk", "-expected_gain")

Text = Annotated[str | None, Query()]


class ListParams:
    """The filters of the list, as query parameters."""

    def __init__(
        self,
        target: Annotated[str, Query(examples=["churn"])],
        band: Annotated[str | None, Query(description="comma separated: low, medium, high")] = None,
        min_probability: Annotated[float | None, Query(ge=0, le=1)] = None,
        owner: Text = None,
        segment: Text = None,
        plan: Text = None,
        renewal_before: Annotated[str | None, Query(examples=["2027-02-01"])] = None,
        changed_since: Annotated[str | None, Query(examples=["2026-11-15T00:00:00Z"])] = None,
    ) -> None:
        self.filters = Filters(
            target=target,
            bands=words("band", band, BANDS),
            min_probability=min_probability,
            owner=plain("owner", owner),
            segment=plain("segment", segment),
            plan=plain("plan", plan),
            renewal_before=moment("renewal_before", renewal_before),
            changed_since=moment("changed_since", changed_since),
        )


def parse_sort(services: Services, target: str, text: str | None) -> Sort:
    """The order asked for, by default the money of the target's kind."""
    from_kind = default_sort(services.project.target(target).kind)
    if text is None:
        return from_kind
    if text not in SORTS or (text in _BY_MONEY and text != from_kind):
        allowed = [name for name in SORTS if name not in _BY_MONEY or name == from_kind]
        raise refused("sort", "not_allowed", f"{text!r} is not one of {', '.join(allowed)}")
    return cast(Sort, text)


@router.get(
    "/scores",
    operation_id="listScores",
    summary="The at-risk list",
    response_model=ScorePage,
    responses=problems(400, 404, 410, 422),
)
def list_scores(
    services: ServicesDep,
    params: Annotated[ListParams, Depends()],
    sort: Annotated[str | None, Query(description="by default the money of the target")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    include: IncludeText = None,
) -> Response:
    """A walk over `next_cursor` sees every score of one run once, even while another run lands."""
    wanted = parse_include(include)
    order = parse_sort(services, params.filters.target, sort)
    page = read_page(services, Listing(params.filters, order, limit), cursor)
    if page is None:
        raise ApiError(503, "no_scoring_run", "nothing was scored yet; run `retention score`")
    body = {
        "run": run_ref(page.run),
        "scores": described(services, page.scores, wanted),
        "next_cursor": page.next_cursor,
    }
    return answer(body)
