"""The state of the list page: what the URL says, as filters, chips and links."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from pydantic import BaseModel

from serving.listing import LOSING, default_sort
from serving.pages import words
from serving.records import Filters, Run
from serving.routes import params as parameters
from serving.routes.scores import BANDS, parse_sort
from serving.services import Services

RENEWAL_DAYS: Final = 90
_ORDER: Final = (
    "target", "band", "q", "owner", "segment", "plan", "min_probability",
    "renewal_from", "renewal_before", "sort",
)  # fmt: skip
_NOT_CHIPS: Final = ("target", "sort")


class ListQuery(BaseModel):
    """What the address of the page may hold; an empty field of the form is no filter."""

    target: str = ""
    band: str = ""
    q: str = ""
    owner: str = ""
    segment: str = ""
    plan: str = ""
    min_probability: str = ""
    renewal_from: str = ""
    renewal_before: str = ""
    sort: str = ""
    cursor: str = ""

    def given(self) -> dict[str, str]:
        """The fields that say something, but not the place in the list."""
        fields = self.model_dump(exclude={"cursor"})
        return {name: value.strip() for name, value in fields.items() if value.strip()}


@dataclass(frozen=True)
class Chip:
    """An active filter and the address without it."""

    text: str
    without: str


class View:
    """One view of the list, made from its address.

    Raises
    ------
    ApiError
        For a value that cannot be used; the page shows it.
    """

    def __init__(self, services: Services, query: ListQuery) -> None:
        self.given = query.given()
        self.cursor = query.cursor or None
        self.target = self.given.get("target") or next(iter(services.project.targets))
        self.kind = services.project.target(self.target).kind
        self.is_loss = self.kind in LOSING
        self.sort = parse_sort(services, self.target, self.given.get("sort"))
        self.bands = parameters.words("band", self.given.get("band"), BANDS)
        self.filters = self._filters()

    def _filters(self) -> Filters:
        given = {name: parameters.plain(name, value) for name, value in self.given.items()}
        return Filters(
            target=self.target,
            bands=self.bands,
            min_probability=_percent(given.get("min_probability")),
            owner=None if self.unassigned else given.get("owner"),
            unassigned=self.unassigned,
            segment=given.get("segment"),
            plan=given.get("plan"),
            renewal_from=parameters.moment("renewal_from", given.get("renewal_from")),
            renewal_before=parameters.moment("renewal_before", given.get("renewal_before")),
            search=given.get("q"),
        )

    @property
    def unassigned(self) -> bool:
        """Whether customers without an owner are asked for."""
        return self.given.get("owner") == "(none)"

    def url(self, **changes: str | None) -> str:
        """The address of this view with some parts changed; None takes one away."""
        parts: dict[str, Any] = self.given | changes
        kept = [(name, parts[name]) for name in (*_ORDER, "cursor") if parts.get(name)]
        return f"/?{urlencode(kept)}" if kept else "/"

    @property
    def chips(self) -> list[Chip]:
        """The active filters."""
        names = [name for name in _ORDER if name in self.given and name not in _NOT_CHIPS]
        rest = [Chip(_SAYS[n](self.given[n]), self.url(**{n: None})) for n in names if n != "band"]
        return [*map(self._band_chip, self.bands), *rest]

    def _band_chip(self, band: str) -> Chip:
        others = ",".join(other for other in self.bands if other != band)
        return Chip(f"{words.label(band)} band", self.url(band=others or None))

    @property
    def cleared(self) -> str:
        """The address without filters."""
        kept = [(name, self.given[name]) for name in _NOT_CHIPS if name in self.given]
        return f"/?{urlencode(kept)}" if kept else "/"

    def tile_url(self, run: Run, *, band: str | None = None, renewing: bool = False) -> str:
        """The address that shows the customers behind a tile."""
        chosen = {"target": self.given.get("target"), "band": band}
        if renewing and run.as_of is not None:
            end = run.as_of + timedelta(days=RENEWAL_DAYS)
            chosen |= {
                "renewal_from": f"{run.as_of:%Y-%m-%d}",
                "renewal_before": f"{end:%Y-%m-%d}",
            }
        kept = [(name, value) for name, value in chosen.items() if value]
        return f"/?{urlencode(kept)}" if kept else "/"

    def sort_url(self, name: str) -> str:
        """The address sorted another way; the default is left out."""
        return self.url(sort=None if name == default_sort(self.kind) else name)


def _percent(text: str | None) -> float | None:
    """A percentage of the form as a probability."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise parameters.refused("min_probability", "not_a_percentage", "give 0 to 100")
    return number / 100


def _date(text: str) -> str:
    return words.day(parameters.moment("renewal", text))


_SAYS: Final = {
    "q": lambda text: f"Name or id: {text}",
    "owner": lambda text: "No owner" if text == "(none)" else f"Owner: {text}",
    "segment": lambda text: f"Segment: {text}",
    "plan": lambda text: f"Plan: {text}",
    "min_probability": lambda text: f"At least {text} %",
    "renewal_from": lambda text: f"Renews from {_date(text)}",
    "renewal_before": lambda text: f"Renews before {_date(text)}",
}
