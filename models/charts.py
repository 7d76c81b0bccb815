"""Charts of a model, each an Altair function of plain numbers; none carries a customer's row."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import altair as alt
import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame

from features.declare import Feature
from models.metrics import calibration_bins, checked

Chart = alt.TopLevelMixin
WIDTH, HEIGHT = 420, 300
_CONTACTED = "Share of customers, highest probability first"
_ESTIMATE = ("value", "low", "high")
_SHARES = np.linspace(0.02, 1.0, 50)


def calibration_chart(y: ArrayLike, p: ArrayLike, title: str = "Calibration") -> Chart:
    """Observed rate against mean probability in ten equal-count bins; the diagonal is perfect."""
    found = calibration_bins(y, p)
    bins = DataFrame(found, columns=["rows", "predicted", "observed"])
    bins = bins.rename(columns={"rows": "customers"})
    edge = float(max(bins["predicted"].max(), bins["observed"].max(), 0.01)) if len(bins) else 1.0
    diagonal = alt.Chart(DataFrame({"predicted": [0, edge], "observed": [0, edge]}))
    points = alt.Chart(bins).encode(
        x=alt.X("predicted:Q", title="Mean probability", axis=alt.Axis(format="%")),
        y=alt.Y("observed:Q", title="Share in which it happened", axis=alt.Axis(format="%")),
        tooltip=["customers", _share_tip("predicted"), _share_tip("observed")],
    )
    return alt.layer(
        diagonal.mark_line(strokeDash=[4, 4], color="#888").encode(x="predicted", y="observed"),
        points.mark_line(color="#4c78a8"),
        points.mark_circle(color="#4c78a8", size=70),
    ).properties(title=title, width=WIDTH, height=HEIGHT)


def lift_chart(y: ArrayLike, p: ArrayLike, title: str = "Events found") -> Chart:
    """Share of the events among the customers with the highest probability, against chance."""
    y, p, _ = checked(y, p)
    rows = DataFrame({"contacted": [0.0, *_SHARES], "found": [0.0, *_found(y, p)]})
    curve = alt.Chart(rows).encode(
        x=alt.X("contacted:Q", title=_CONTACTED, axis=alt.Axis(format="%")),
        y=alt.Y("found:Q", title="Share of the events found", axis=alt.Axis(format="%")),
        tooltip=[_share_tip("contacted"), _share_tip("found")],
    )
    chance = alt.Chart(DataFrame({"contacted": [0, 1], "found": [0, 1]}))
    return alt.layer(
        chance.mark_line(strokeDash=[4, 4], color="#888").encode(x="contacted", y="found"),
        curve.mark_line(color="#4c78a8", point=False),
    ).properties(title=title, width=WIDTH, height=HEIGHT)


def _found(y: np.ndarray, p: np.ndarray) -> list[float]:
    """Share of the events in each top share; ties at their mean rate."""
    order = np.argsort(-p, kind="stable")
    groups = DataFrame({"p": p[order], "y": y[order]}).groupby("p", sort=False)["y"]
    rows = np.r_[0.0, np.cumsum(groups.size())]
    events = np.r_[0.0, np.cumsum(groups.sum())]
    total = events[-1] or 1.0
    return [float(np.interp(share * rows[-1], rows, events) / total) for share in _SHARES]


def top_features_chart(
    importance: Mapping[str, float],
    catalogue: Sequence[Feature] = (),
    top: int = 15,
    title: str = "What the model uses most",
) -> Chart:
    """Bars of the features with the greatest share (`Fitted.importance`), with their meaning."""
    meanings = {feature.name: feature.meaning for feature in catalogue}
    leaders = sorted(importance.items(), key=lambda item: -item[1])[:top]
    rows = DataFrame(
        {
            "feature": [name for name, _ in leaders],
            "share": [share for _, share in leaders],
            "meaning": [meanings.get(name, "") for name, _ in leaders],
        }
    )
    bars = alt.Chart(rows).mark_bar(color="#4c78a8")
    chart: Chart = bars.encode(
        x=alt.X("share:Q", title="Share of importance", axis=alt.Axis(format="%")),
        y=alt.Y("feature:N", sort=None, title="Feature", axis=alt.Axis(labelLimit=260)),
        tooltip=["feature", "meaning", _share_tip("share")],
    ).properties(title=title, width=WIDTH, height=alt.Step(18))
    return chart


def origins_chart(rows: DataFrame, title: str = "Every origin of the back-test") -> Chart:
    """One panel per metric: the estimate and interval of every model at every origin.

    Parameters
    ----------
    rows : DataFrame
        `metric`, `origin`, `model`, `value`, `low`, `high`; without `low` there is no interval.
    """
    models = list(dict.fromkeys(rows["model"]))
    panels = [_panel(part, str(name), models) for name, part in rows.groupby("metric", sort=False)]
    pairs = [alt.hconcat(*panels[at : at + 2]) for at in range(0, len(panels), 2)]
    chart: Chart = alt.vconcat(*pairs).properties(title=title)
    return chart


def _panel(rows: DataFrame, metric: str, models: list[str]) -> alt.LayerChart | alt.FacetChart:
    """Origins along the width, the models of each beside one another."""
    x = alt.X("origin:N", title=None, axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("model:N", sort=models)
    color = alt.Color("model:N", sort=models, title="Model")
    base = alt.Chart(rows.drop(columns="metric"))
    scale = alt.Scale(zero=False)
    whiskers = base.mark_rule().encode(
        x=x, xOffset=offset, color=color, y=alt.Y("low:Q", scale=scale, title=metric), y2="high:Q"
    )
    tips = ["model", "origin", *(alt.Tooltip(f"{name}:Q", format=".4f") for name in _ESTIMATE)]
    points = base.mark_circle(size=50).encode(
        x=x, xOffset=offset, color=color, y=alt.Y("value:Q", scale=scale), tooltip=tips
    )
    return alt.layer(whiskers, points, width=WIDTH, height=HEIGHT // 2)


def _share_tip(column: str) -> alt.Tooltip:
    return alt.Tooltip(column, type="quantitative", format=".1%")


def write_chart(chart: Chart, folder: Path, name: str) -> list[Path]:
    """Write a chart as HTML that needs no network, as Vega-Lite JSON and as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{kind}" for kind in ("html", "json", "png")]
    chart.save(str(paths[0]), inline=True)
    chart.save(str(paths[1]))
    chart.save(str(paths[2]), scale_factor=2)
    return paths


def svg(chart: Chart) -> str:
    """The chart as the text of an SVG picture."""
    text = StringIO()
    chart.save(text, format="svg")
    return text.getvalue()


def survival_chart(
    rows: Sequence[tuple[str, int, int, float, float]], title: str = "Still there, by cohort"
) -> Chart:
    """Expected share that stays (lines) and Kaplan-Meier (points) by cohort and days.

    Parameters
    ----------
    rows : sequence of (cohort, customers, days, expected, observed)
    """
    names = ["cohort", "customers", "days", "expected", "observed"]
    frame = DataFrame([*rows], columns=names)
    base = alt.Chart(frame).encode(
        x=alt.X("days:Q", title="Days from the as-of date"),
        color=alt.Color("cohort:N", title="First paid"),
        tooltip=["cohort", "customers", "days", _share_tip("expected"), _share_tip("observed")],
    )
    stays = alt.Axis(format="%")
    scale = alt.Scale(zero=False)
    return alt.layer(
        base.mark_line().encode(y=alt.Y("expected:Q", title="Stay", axis=stays, scale=scale)),
        base.mark_point(filled=True, size=60).encode(y=alt.Y("observed:Q", scale=scale)),
    ).properties(title=title, width=WIDTH, height=HEIGHT)
