"""Charts of the pages: Altair functions, drawn as SVG that takes the page's own colours."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import altair as alt
import vl_convert as vlc
from pandas import DataFrame

from serving.records import Point

_INK: Final = "currentColor"  # inside the page the SVG follows light and dark
WIDE, NARROW = 1060, 250
_HEIGHT = 150


def history_chart(
    points: Sequence[Point], bands: Mapping[str, float], width: int = WIDE
) -> alt.TopLevelMixin:
    """A customer's probability over scoring runs, with the lower edges of the bands.

    Parameters
    ----------
    points : sequence of Point
        Scored runs, oldest first; at least two.
    bands : mapping
        Lower edge by band, in probability.
    width : int
        Of the plot, in pixels.
    """
    frame = DataFrame(
        {
            "moment": [point.as_of or point.published_at for point in points],
            "probability": [point.probability for point in points],
        }
    )
    edges = DataFrame({"edge": list(bands.values()), "band": list(bands)})
    top = min(1.0, 1.2 * max(*frame["probability"], *bands.values()))
    y = alt.Y(
        "probability:Q",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(format=".0%", tickCount=4, title=None),
    )
    x = alt.X(
        "moment:T",
        axis=alt.Axis(
            title=None,
            format="%-d %b %Y",
            tickCount=max(width // 160, 2),
            labelOverlap=True,
            grid=False,
        ),
    )
    base = alt.Chart(frame).encode(x=x, y=y)
    line = base.mark_line(strokeWidth=2, color=_INK)
    dots = base.mark_circle(size=44, color=_INK, opacity=1)
    rules = (
        alt.Chart(edges).mark_rule(strokeDash=[3, 4], color=_INK, opacity=0.35).encode(y="edge:Q")
    )
    return _dressed(alt.layer(rules, line, dots), width)


def _dressed(
    chart: alt.LayerChart | alt.FacetChart, width: int, height: int = _HEIGHT
) -> alt.LayerChart | alt.FacetChart:
    """Sizes, and every colour taken from the page."""
    dressed: alt.LayerChart | alt.FacetChart = (
        chart.properties(width=width, height=height, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_INK,
            domainColor=_INK,
            tickColor=_INK,
            gridColor=_INK,
            gridOpacity=0.12,
            domainOpacity=0.25,
            tickOpacity=0.25,
            labelFontSize=12,
            labelFont="system-ui, sans-serif",
        )
    )
    return dressed


def history_svg(points: Sequence[Point], bands: Mapping[str, float], width: int = WIDE) -> str:
    """`history_chart` as SVG with a text alternative."""
    return _drawn(tuple(points), tuple(bands.items()), width)


@lru_cache(maxsize=256)
def _drawn(points: tuple[Point, ...], bands: tuple[tuple[str, float], ...], width: int) -> str:
    chart = history_chart(points, dict(bands), width)
    first, last = points[0], points[-1]
    return _svg(
        chart,
        f"Probability over {len(points)} scoring runs: "
        f"{first.probability:.0%} at first, {last.probability:.0%} now",
    )


def _svg(chart: alt.TopLevelMixin, told: str) -> str:
    """A chart as SVG that says in words what it shows."""
    svg: str = vlc.vegalite_to_svg(chart.to_dict())
    return svg.replace("<svg ", f'<svg role="img" aria-label="{told}" ', 1)


def bands_svg(bands: Sequence[Mapping[str, Any]], width: int = 420) -> str:
    """What happened against what was called, by band of probability; the diagonal is perfect.

    Parameters
    ----------
    bands : sequence of mapping
        `called`, `rate`, `low`, `high` and `customers` of each band.
    """
    frame = DataFrame(bands)[["called", "rate", "low", "high", "customers"]]
    edge = max(float(frame["called"].max()), float(frame["high"].max()))
    line = alt.Chart(DataFrame({"called": [0, edge], "rate": [0, edge]}))
    axis = alt.Axis(format=".0%", tickCount=5)
    base = alt.Chart(frame).encode(
        x=alt.X("called:Q", title="Called", axis=axis),
        y=alt.Y("rate:Q", title="Happened", axis=axis),
    )
    chart = alt.layer(
        line.mark_line(strokeDash=[3, 4], color=_INK, opacity=0.35).encode(x="called", y="rate"),
        base.mark_rule(color=_INK, opacity=0.5).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_circle(color=_INK, opacity=1).encode(
            size=alt.Size("customers:Q", legend=None, scale=alt.Scale(range=[30, 200]))
        ),
    )
    told = f"Share in which it happened against the probability, in {len(frame)} bands"
    return _svg(_dressed(chart, width, 300), told)


def drift_svg(features: Sequence[Mapping[str, Any]], width: int = 420) -> str:
    """The PSI of features, a bar each, with a tick for what chance gives.

    Parameters
    ----------
    features : sequence of mapping
        `name`, `psi` and `limit` of each, in the order to be shown.
    """
    frame = DataFrame(features)[["name", "psi", "limit"]]
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(frame).encode(y=y)
    x = alt.X("psi:Q", title="Population stability index; the tick is what chance gives")
    chart = alt.layer(
        base.mark_bar(color=_INK, opacity=0.35).encode(x=x),
        base.mark_tick(color=_INK, thickness=2).encode(x="limit:Q"),
    )
    first = frame.iloc[0]
    told = f"PSI of {len(frame)} features, first {first['name']} with {first['psi']:.2f}"
    room = {"left": 40, "top": 5, "right": 5, "bottom": 5}  # labels may be set wider than measured
    return _svg(_dressed(chart, width, 22 * len(frame)).properties(padding=room), told)
