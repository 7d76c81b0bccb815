"""A walk over a list: pages of one scoring run, bound together by cursors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from serving import cursor
from serving.cursor import Cursor
from serving.errors import ApiError, fault
from serving.records import Filters, Key, Run, Score, Sort
from serving.services import Services

LOSING: Final = ("churn", "silence", "inactivity", "contraction")  # kinds that lose revenue


@dataclass(frozen=True)
class Listing:
    """What is walked: filters, order and the size of a page."""

    filters: Filters
    sort: Sort
    limit: int

    def view(self) -> dict[str, Any]:
        """What a cursor is bound to, beside the run."""
        return asdict(self.filters) | {"sort": self.sort}


@dataclass(frozen=True)
class ListPage:
    """One page of one run; `next_cursor` is None on the last."""

    run: Run
    scores: Sequence[Score]
    next_cursor: str | None


def default_sort(kind: str) -> Sort:
    """By money: what may be lost, or what may be won."""
    return "-revenue_at_risk" if kind in LOSING else "-expected_gain"


def read_page(services: Services, listing: Listing, text: str | None) -> ListPage | None:
    """The page after a cursor, or the first of the current run; None before the first run.

    Raises
    ------
    ApiError
        400 `cursor_invalid`, `cursor_mismatch`; 410 `run_gone`.
    """
    place = None if text is None else cursor.open_for(text, listing.view(), services.secret)
    run_id = services.reader.current_run_id() if place is None else place.run_id
    if run_id is None:
        return None
    page = services.reader.list_scores(
        listing.filters,
        sort=listing.sort,
        after=None if place is None else Key(*place.after),
        limit=listing.limit,
        run_id=run_id,
    )
    run = services.reader.run(run_id)  # after the rows: a run pruned meanwhile gave none
    if run is None:
        raise _gone(run_id)
    return ListPage(run, page.scores, _sealed(services, listing, run_id, page.after))


def _sealed(services: Services, listing: Listing, run_id: int, after: Key | None) -> str | None:
    if after is None:
        return None
    place = Cursor(run_id, cursor.fingerprint(listing.view()), [after.value, after.customer_id])
    return cursor.seal(place, services.secret)


def _gone(run_id: int) -> ApiError:
    detail = f"scoring run {run_id} of this cursor is gone; start again without a cursor"
    return ApiError(410, "run_gone", detail, errors=[fault("/query/cursor", "run_gone", detail)])
