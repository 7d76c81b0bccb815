"""The home page: who is at risk (or ready to buy), by money, with the reason in words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from serving.errors import ApiError
from serving.freshness import is_stale
from serving.listing import Listing, ListPage, read_page
from serving.pages import words
from serving.pages.page import page
from serving.pages.view import ListQuery, View
from serving.reading import is_raising, with_reasons
from serving.records import Filters, Run, Score, TargetModel, Tiles
from serving.render import Json
from serving.services import Services, ServicesDep

router = APIRouter(include_in_schema=False)
AT_RISK: Final = "high,medium"


@dataclass(frozen=True)
class Row:
    """A customer in the list."""

    score: Score
    reason: Json | None
    change: float | None

    @property
    def name(self) -> str:
        """What the company calls the customer."""
        return self.score.customer.name or self.score.customer.customer_id


@dataclass(frozen=True)
class Tile:
    """A number above the list, and the address of the customers behind it."""

    title: str
    figure: str
    note: str
    url: str
    current: bool


@router.get("/")
def show_list(services: ServicesDep, query: Annotated[ListQuery, Query()]) -> Response:
    """The list as its address says."""
    view = View(services, query)
    found = _read(services, view)
    base: dict[str, Any] = {"view": view, "project": services.project}
    if found is None:
        return page("no_run.html", base)
    return page("list.html", base | _context(services, view, found))


def _context(services: Services, view: View, found: ListPage) -> dict[str, Any]:
    """What the template needs beside the view."""
    model = services.run(found.run.id)[1][view.target]
    tiles = services.reader.tiles(Filters(target=view.target), found.run.id)
    stale_after = services.settings.stale_after_hours
    return {
        "run": found.run,
        "model": model,
        "rows": _rows(services, found),
        "total": services.reader.count(view.filters, found.run.id),
        "tiles": _tiles(view, found.run, tiles),
        "scored": tiles.scored,
        "next_url": view.url(cursor=found.next_cursor) if found.next_cursor else None,
        "choices": services.reader.choices(found.run.id),
        "stale": is_stale(found.run, stale_after, datetime.now(UTC)),
        "unscored": _unscored(found.run, model),
    }


def _read(services: Services, view: View) -> ListPage | None:
    """The page of the list; one whose run is gone starts again by itself."""
    listing = Listing(view.filters, view.sort, services.settings.page_size)
    try:
        return read_page(services, listing, view.cursor)
    except ApiError as error:
        if view.cursor is None or error.status_code not in (400, 410):
            raise
        view.cursor = None
        return read_page(services, listing, None)


def _rows(services: Services, found: ListPage) -> list[Row]:
    reasons = with_reasons(services, found.scores)
    return [_row(score, why or []) for score, why in zip(found.scores, reasons, strict=True)]


def _row(score: Score, reasons: list[Json]) -> Row:
    raising = (reason for reason in reasons if is_raising(reason))
    change = None
    if score.probability is not None and score.previous_probability is not None:
        change = score.probability - score.previous_probability
    return Row(score, next(raising, None), change)


def _tiles(view: View, run: Run, tiles: Tiles) -> list[Tile]:
    """The sums above the list; those on renewals only where something renews."""
    shown = _loss_tiles(view, run, tiles) if view.is_loss else _gain_tiles(view, run, tiles)
    if tiles.renewals_90d or tiles.overdue_renewals:
        shown.append(_renewing(view, run, tiles))
    if tiles.at_risk_renewing:
        shown.append(_at_risk_renewing(view, run, tiles))
    return shown


def _loss_tiles(view: View, run: Run, tiles: Tiles) -> list[Tile]:
    share = f"{tiles.at_risk / tiles.scored:.0%} of those scored" if tiles.scored else ""
    return [
        _scored(view, run, tiles),
        _tile(view, "At risk", f"{tiles.at_risk:,}", share, view.tile_url(run, band=AT_RISK)),
        _tile(
            view,
            "MRR at risk",
            words.sums(tiles.mrr_at_risk),
            _expected_note(tiles),
            view.tile_url(run, band="high"),
        ),
    ]


def _expected_note(tiles: Tiles) -> str:
    high = words.sums(tiles.mrr_high_band) if tiles.high else "none"
    return f"expected; {high} in the high band"


def _gain_tiles(view: View, run: Run, tiles: Tiles) -> list[Tile]:
    likely = view.tile_url(run, band=AT_RISK)
    return [
        _scored(view, run, tiles),
        _tile(view, "Likely", f"{tiles.at_risk:,}", "high or medium band", likely),
        _tile(
            view,
            "Expected gain",
            words.sums(tiles.expected),
            f"over a year; {tiles.high:,} in the high band",
            view.tile_url(run, band="high"),
        ),
    ]


def _scored(view: View, run: Run, tiles: Tiles) -> Tile:
    known = run.counts.get("customers")
    note = f"of {known:,} customers" if known else ""
    return _tile(view, "Customers scored", f"{tiles.scored:,}", note, view.tile_url(run))


def _renewing(view: View, run: Run, tiles: Tiles) -> Tile:
    overdue = f"{tiles.overdue_renewals:,} overdue" if tiles.overdue_renewals else "none overdue"
    url = view.tile_url(run, renewing=True)
    return _tile(view, "Renewals in 90 days", f"{tiles.renewals_90d:,}", overdue, url)


def _at_risk_renewing(view: View, run: Run, tiles: Tiles) -> Tile:
    title = "At risk and renewing" if view.is_loss else "Likely and renewing"
    url = view.tile_url(run, band=AT_RISK, renewing=True)
    return _tile(view, title, f"{tiles.at_risk_renewing:,}", "within 90 days", url)


def _tile(view: View, title: str, figure: str, note: str, url: str) -> Tile:
    return Tile(title, figure, note, url, current=url == view.url(sort=None, cursor=None))


def _unscored(run: Run, model: TargetModel) -> list[tuple[str, int]]:
    """How many were not scored, by reason, most first."""
    found: dict[str, Any] = run.counts.get("targets", {}).get(model.target, {})
    reasons: dict[str, int] = found.get("not_scored", {})
    return sorted(reasons.items(), key=lambda item: -item[1])
