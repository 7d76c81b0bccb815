"""The page of one customer: scores, reasons, what can be done, the figures behind them."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from serving.charts import NARROW, WIDE, history_svg
from serving.listing import LOSING
from serving.pages import words
from serving.pages.page import page
from serving.reading import feature_values, is_raising, missing, with_reasons, would_change
from serving.records import Point, Score, TargetModel
from serving.render import Json
from serving.services import Services, ServicesDep

router = APIRouter(include_in_schema=False)
MIN_POINTS = 2  # a line needs two


@dataclass(frozen=True)
class Panel:
    """One target of the customer."""

    score: Score
    model: TargetModel
    is_loss: bool
    raising: list[Json]
    lowering: list[Json]
    would_change: list[Json]
    history: list[Point]
    charts: tuple[str, ...]
    families: dict[str, list[dict[str, Any]]]

    @property
    def title(self) -> str:
        """What is predicted."""
        return words.label(self.score.target)

    @property
    def is_scored(self) -> bool:
        """Whether there is a probability."""
        return self.score.status == "scored"


@router.get("/customers/{customer_id:path}")
def show_customer(services: ServicesDep, customer_id: str, target: str | None = None) -> Response:
    """All targets of a customer; the one named in the address is open."""
    scores = [] if "\x00" in customer_id else services.reader.scores_of(customer_id)
    if not scores:
        raise missing(services, customer_id, target)
    run, models = services.run(scores[0].run_id)
    reasons = with_reasons(services, scores)
    panels = [
        _panel(services, score, models[score.target], why or [])
        for score, why in zip(scores, reasons, strict=True)
    ]
    chosen = next((p for p in panels if p.score.target == target), _first(panels))
    context = {
        "project": services.project,
        "customer": scores[0].customer,
        "run": run,
        "panels": panels,
        "chosen": chosen,
    }
    return page("customer.html", context)


def _first(panels: list[Panel]) -> Panel:
    """The first target with a score, else the first."""
    return next((panel for panel in panels if panel.is_scored), panels[0])


def _panel(services: Services, score: Score, model: TargetModel, reasons: list[Json]) -> Panel:
    history = services.reader.history(score.customer.customer_id, score.target)
    known = [point for point in history if point.probability is not None]
    return Panel(
        score=score,
        model=model,
        is_loss=model.kind in LOSING,
        raising=[reason for reason in reasons if is_raising(reason)],
        lowering=[reason for reason in reasons if not is_raising(reason)],
        would_change=would_change(services, score),
        history=known,
        charts=_charts(known, model) if len(known) >= MIN_POINTS else (),
        families=_families(model, feature_values(services, score) or {}, score.customer.currency),
    )


def _charts(history: list[Point], model: TargetModel) -> tuple[str, ...]:
    """The line for a wide screen and for a narrow one; the style sheet shows one of them."""
    return tuple(history_svg(history, model.bands, width) for width in (WIDE, NARROW))


def _families(
    model: TargetModel, values: dict[str, Any], currency: str
) -> dict[str, list[dict[str, Any]]]:
    """Feature values with their meaning, by family, in the order of the catalogue."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for feature in model.features or []:
        shown = words.value(values.get(feature["name"]), feature["unit"], currency)
        grouped.setdefault(feature["family"], []).append(feature | {"shown": shown})
    return grouped if values else {}
