"""Charts of a model, each an Altair function of plain numbers; none carries a customer's row."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame
from scipy.stats import binomtest

from features.declare import Feature
from models.metrics import calibration_bins, checked, equal_count_bins
from models.portable import Floats

Chart = alt.TopLevelMixin
LayerChart = alt.LayerChart | alt.FacetChart
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


def reliability_chart(
    y: ArrayLike, p: ArrayLike, group: ArrayLike, title: str = "Calibration by group"
) -> Chart:
    """Observed rate against mean probability, a panel for each group; the diagonal is perfect.

    Parameters
    ----------
    y, p : array-like of shape (n,)
    group : array-like of shape (n,)
        Names. Each is drawn in five equal-count bins, with the 95 % interval of the rate (Wilson,
        as if no two rows were of the same customer).
    """
    y, p, _ = checked(y, p)
    names = np.asarray(group).astype(str)
    parts = {name: _reliability(y[names == name], p[names == name]) for name in np.unique(names)}
    edge = max(float(part[["predicted", "high"]].max().max()) for part in parts.values())
    panels = [_reliability_panel(part, name, edge) for name, part in parts.items()]
    chart: Chart = alt.concat(*panels, columns=3).properties(title=title)
    return chart


def _reliability(y: Floats, p: Floats) -> DataFrame:
    """Bins of one group with the interval of their rates."""
    bins = equal_count_bins(p, 5)
    rows = []
    for number in np.unique(bins):
        mine = bins == number
        events, size = int(y[mine].sum()), int(mine.sum())
        low, high = binomtest(events, size).proportion_ci(method="wilson")
        rows.append((size, p[mine].mean(), events / size, low, high))
    return DataFrame(rows, columns=["rows", "predicted", "observed", "low", "high"])


def _reliability_panel(bins: DataFrame, name: str, edge: float) -> LayerChart:
    scale, axis = alt.Scale(domain=[0, edge], nice=False), alt.Axis(format="%", tickCount=4)
    base = alt.Chart(bins).encode(
        x=alt.X("predicted:Q", title="Mean probability", scale=scale, axis=axis),
        tooltip=["rows:Q", *map(_share_tip, ("predicted", "observed", "low", "high"))],
    )
    diagonal = alt.Chart(DataFrame({"predicted": [0, edge], "observed": [0, edge]}))
    return alt.layer(
        diagonal.mark_line(strokeDash=[4, 4], color="#888").encode(x="predicted", y="observed"),
        base.mark_rule(color="#4c78a8").encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_circle(color="#4c78a8", size=60, opacity=1).encode(
            y=alt.Y("observed:Q", title="Share in which it happened", scale=scale, axis=axis)
        ),
    ).properties(title=f"{name}: {int(bins['rows'].sum()):,} rows", width=190, height=190)


def agreement_chart(
    predicted: ArrayLike, true: ArrayLike, title: str = "Against the true probability"
) -> Chart:
    """Mean true against mean predicted probability in twenty equal-count groups.

    Each with the middle eighty percent of its true probabilities; on the diagonal the two agree.

    Parameters
    ----------
    predicted, true : array-like of shape (n,)
        Of the same rows; the truth is known of simulated companies only.
    """
    rows = DataFrame({"predicted": predicted, "true": true}, dtype=np.float64)
    by = rows.groupby(equal_count_bins(rows["predicted"].to_numpy(), 20))
    groups = by.mean().assign(rows=by.size())
    groups["low"], groups["high"] = by["true"].quantile(0.1), by["true"].quantile(0.9)
    edge = float(groups[["predicted", "high"]].max().max())
    axis = alt.Axis(format="%")
    base = alt.Chart(groups).encode(
        x=alt.X("predicted:Q", title="Mean predicted probability", axis=axis),
        tooltip=["rows:Q", *map(_share_tip, ("predicted", "true", "low", "high"))],
    )
    diagonal = alt.Chart(DataFrame({"predicted": [0, edge], "true": [0, edge]}))
    return alt.layer(
        diagonal.mark_line(strokeDash=[4, 4], color="#888").encode(x="predicted", y="true"),
        base.mark_rule(color="#4c78a8", opacity=0.5).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_circle(color="#4c78a8", size=60, opacity=1).encode(
            y=alt.Y("true:Q", title="True probability", axis=axis)
        ),
    ).properties(title=title, width=WIDTH, height=HEIGHT)


def reasons_chart(
    reasons: Sequence[Sequence[Mapping[str, Any]]], title: str = "The first reason"
) -> Chart:
    """How many customers have each first reason, and whether the company can act on it.

    Parameters
    ----------
    reasons : sequence of sequence of mapping
        Of each customer, as `Explainer.explain` gives them; those that lower the probability do
        not count.
    """
    first = [
        {"reason": one[0]["code"].replace("_", " "), "controllable": one[0]["controllable"]}
        for one in reasons
        if one and one[0]["contribution"] > 0
    ]
    rows = DataFrame(first, columns=["reason", "controllable"]).value_counts().reset_index()
    rows["act"] = np.where(rows["controllable"], "can be acted on", "context")
    kinds = alt.Scale(domain=["can be acted on", "context"], range=["#4c78a8", "#b8b8b8"])
    chart: Chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("count:Q", title="Customers", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("reason:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color("act:N", title=None, scale=kinds),
            tooltip=["reason:N", "count:Q"],
        )
        .properties(title=title, width=WIDTH, height=alt.Step(18))
    )
    return chart


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
