"""Charts of lifetimes and of what contacts earn; each is given sums and means, never a customer."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas import DataFrame

from models.charts import HEIGHT, WIDTH, Chart
from models.metrics import equal_count_bins

_PERCENT = alt.Axis(format="%")
_CAUSES = {"still there": "#d9d9d9", "voluntary": "#4c78a8", "involuntary": "#f58518"}
_INK, _OTHER = "#4c78a8", "#f58518"
_ORDERS = ("expected", "came")


def hazard_chart(rows: DataFrame, title: str = "Who leaves in each month ahead") -> Chart:
    """The mean probability to leave in each period of who is there when it begins.

    Parameters
    ----------
    rows : DataFrame
        As `training.lifetime_curves.by_period` gives them.
    """
    chart: Chart = (
        alt.Chart(rows)
        .mark_line(point=True, interpolate="step-after")
        .encode(
            x=alt.X("day:Q", title="Days from today, in periods of 30"),
            y=alt.Y("hazard:Q", title="Leave in the period", axis=_PERCENT),
            color=alt.Color("group:N", title=None, sort=None),
            tooltip=["group", "day", alt.Tooltip("hazard:Q", format=".1%")],
        )
        .properties(title=title, width=WIDTH, height=HEIGHT)
    )
    return chart


def cohorts_chart(rows: DataFrame, title: str = "Expected, and what happened") -> Chart:
    """Expected survival of each cohort (line) over Kaplan-Meier (steps) with its interval (band).

    Parameters
    ----------
    rows : DataFrame
        As `training.lifetime_curves.with_kaplan_meier` gives them.
    """
    least = np.floor(10 * float(rows["low"].min())) / 10
    scale, axis = alt.Scale(domain=[least, 1.0], nice=False), alt.Axis(format="%", tickCount=5)
    names = alt.Scale(domain=["expected", "Kaplan-Meier"], range=[_INK, _OTHER])
    color = alt.Color("kind:N", title=None, scale=names)
    base = alt.Chart(rows).encode(x=alt.X("days:Q", title="Days ahead", axis=alt.Axis(tickCount=5)))
    line = base.mark_line(strokeWidth=2).transform_calculate(kind="'expected'")
    line = line.encode(y=alt.Y("expected:Q", title="Still there", axis=axis, scale=scale))
    steps = base.mark_line(interpolate="step-after").transform_calculate(kind="'Kaplan-Meier'")
    steps = steps.encode(y=alt.Y("observed:Q", title="Still there", axis=axis, scale=scale))
    band = base.mark_area(opacity=0.2, color=_OTHER, interpolate="step-after").encode(
        y=alt.Y("low:Q", title="Still there", axis=axis, scale=scale), y2="high:Q"
    )
    lines = (steps.encode(color=color), line.encode(color=color))
    panels = alt.layer(band, *lines).properties(width=200, height=170)
    chart: Chart = panels.facet(alt.Facet("group:N", title=None), columns=3)
    return chart.properties(title=title)


def causes_chart(rows: DataFrame, title: str = "Where customers will be") -> Chart:
    """Shares of customers that are still there or have left, by cause, stacked over the days.

    Parameters
    ----------
    rows : DataFrame
        As `training.lifetime_curves.by_causes` gives them.
    """
    names = [name for name in rows["what"].unique() if name != "still there"]
    colors = [_CAUSES.get(name, "#e45756") for name in ("still there", *names)]
    scale = alt.Scale(domain=["still there", *names], range=colors)
    chart: Chart = (
        alt.Chart(rows)
        .mark_area()
        .encode(
            x=alt.X("days:Q", title="Days ahead", scale=alt.Scale(nice=False)),
            y=alt.Y("share:Q", title="Customers", axis=_PERCENT, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("what:N", title=None, scale=scale),
            order=alt.Order("rank:Q"),
            tooltip=["days", "what", alt.Tooltip("share:Q", format=".1%")],
        )
        .transform_calculate(rank="datum.what == 'still there' ? 0 : 1")
        .properties(title=title, width=WIDTH, height=HEIGHT)
    )
    return chart


def spread_chart(
    values: ArrayLike, mark: Mapping[str, float], said: str, title: str, bins: int = 30
) -> Chart:
    """How a quantity is spread over customers, with some values marked by name.

    Parameters
    ----------
    values : array-like of shape (n,)
        Of each customer, NaN where it is unknown; drawn as counts in bins up to the 99th
        percentile, the rest in the last.
    mark : mapping of str to float
    said : str
        What the quantity is, with its unit.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    top = max(float(np.quantile(known, 0.99)), *mark.values())
    count, edges = np.histogram(np.minimum(known, top), bins=bins, range=(0, top * 1.02))
    rows = DataFrame({"low": edges[:-1], "high": edges[1:], "customers": count})
    marked = DataFrame({"at": [*mark.values()], "name": [*mark]})
    bars = (
        alt.Chart(rows)
        .mark_bar(color="#bbb")
        .encode(
            x=alt.X("low:Q", title=said, bin="binned", axis=alt.Axis(format="~s")),
            x2="high:Q",
            y=alt.Y("customers:Q", title="Customers"),
            tooltip=["low", "high", "customers"],
        )
    )
    rules = alt.Chart(marked).encode(x="at:Q", color=alt.Color("name:N", title=None, sort=None))
    marks = rules.mark_rule(strokeWidth=2)
    return alt.layer(bars, marks).properties(title=title, width=WIDTH, height=220)


def recall_chart(
    report: Mapping[str, Any], title: str = "Lost revenue that the list had seen"
) -> Chart:
    """Lead-time recall of a back-test's report, by model and days before the end."""
    models = {"model": report["model"], **report["baselines"]}
    rows = DataFrame(
        {"model": name, "days": f"{days} days before"} | of[f"lead_time_recall_{days}d"]
        for name, of in models.items()
        for days in (30, 60, 90)
        if of.get(f"lead_time_recall_{days}d", {}).get("value") is not None
    )
    color = alt.Color("model:N", title="Model", sort=[*models])
    base = alt.Chart(rows).encode(
        x=alt.X("days:N", title=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=[*models]),
        color=color,
    )
    said = "Of the MRR lost, in the top tenth"
    axis = alt.Y("low:Q", title=said, axis=_PERCENT)
    points = base.mark_circle(size=60, opacity=1).encode(
        y="value:Q", tooltip=["model", "days", alt.Tooltip("value:Q", format=".0%")]
    )
    whiskers = base.mark_rule().encode(y=axis, y2="high:Q")
    return alt.layer(whiskers, points).properties(title=title, width=WIDTH, height=HEIGHT)


def profit_chart(
    rows: DataFrame, currency: str, title: str = "Profit of a run by how many are contacted"
) -> Chart:
    """What was realised by capacity and list (lines), and what was expected of each (dotted).

    Parameters
    ----------
    rows : DataFrame
        As `training.backtest_value.profit_curve` gives them, with `model` as it is to be named; an
        interval is drawn of the first.
    """
    first = rows[rows["model"] == rows["model"].iloc[0]]
    names = [*rows["model"].unique()]
    base = alt.Chart(rows).encode(
        x=alt.X(
            "capacity:Q",
            title="Customers that can be contacted",
            scale=alt.Scale(type="log", nice=False),
        ),
        color=alt.Color("model:N", title="List by", sort=names),
        tooltip=["model", "capacity", alt.Tooltip("realised:Q", format=",.0f")],
    )
    y = alt.Y("realised:Q", title=f"Profit, {currency}", axis=alt.Axis(format="~s"))
    band = alt.Chart(first).mark_area(opacity=0.15, color=_INK)
    dotted = alt.Chart(first).mark_line(strokeDash=[2, 3], color=_INK)
    return alt.layer(
        band.encode(x="capacity:Q", y=alt.Y("low:Q"), y2="high:Q"),
        dotted.encode(x="capacity:Q", y="expected:Q"),
        base.mark_line().encode(y=y),
    ).properties(title=title, width=WIDTH, height=HEIGHT)


def terms_chart(rows: DataFrame, currency: str, title: str = "Profit of a run") -> Chart:
    """Realised profit by success rate and contact cost, each cell with how many are contacted.

    Parameters
    ----------
    rows : DataFrame
        As `training.backtest_value.profit_under` gives them.
    """
    edge = 1.5 * float(rows["realised"].abs().max()) or 1.0  # pale enough to read on
    pairs = rows[["realised", "contacted"]].itertuples(index=False)
    told = rows.assign(said=[f"{earned:,.0f} ({count:,.0f})" for earned, count in pairs])
    base = alt.Chart(told).encode(
        x=alt.X(
            "success_rate:O", title="Contacts that work", axis=alt.Axis(format=".0%", labelAngle=0)
        ),
        y=alt.Y("contact_cost:O", title=f"Cost of a contact, {currency}", sort="descending"),
    )
    color = alt.Scale(scheme="blueorange", domain=[-edge, edge], reverse=True)
    return alt.layer(
        base.mark_rect().encode(
            color=alt.Color("realised:Q", title="Profit", scale=color, legend=None)
        ),
        base.mark_text(fontSize=12).encode(text="said:N"),
    ).properties(title=title, width=alt.Step(95), height=alt.Step(36))


def money_chart(
    amount: ArrayLike,
    sorts: Mapping[str, ArrayLike],
    title: str = "Revenue at risk that a list holds",
) -> Chart:
    """Share of an amount that the first customers of a list hold, by what the list is sorted by.

    Parameters
    ----------
    amount : array-like of shape (n,)
        Of each customer; NaN holds nothing.
    sorts : mapping of str to array-like of shape (n,)
        Greatest first.
    """
    held = np.nan_to_num(np.asarray(amount, dtype=np.float64))
    count = len(held)
    places = np.unique(np.linspace(0, count, 60).astype(int))
    parts = []
    for name, by in sorts.items():
        key = np.nan_to_num(np.asarray(by, dtype=np.float64), nan=-np.inf)
        order = np.argsort(-key, kind="stable")
        share = np.append(0.0, np.cumsum(held[order])) / (held.sum() or 1.0)
        parts.append(DataFrame({"list": name, "customers": places, "share": share[places]}))
    chart: Chart = (
        alt.Chart(pd.concat(parts))
        .mark_line()
        .encode(
            x=alt.X("customers:Q", title="Customers on the list"),
            y=alt.Y("share:Q", title="Share of it all", axis=_PERCENT),
            color=alt.Color("list:N", title="Sorted by", sort=[*sorts]),
            tooltip=["list", "customers", alt.Tooltip("share:Q", format=".0%")],
        )
        .properties(title=title, width=WIDTH, height=HEIGHT)
    )
    return chart


def orders_chart(came: ArrayLike, expected: Mapping[str, ArrayLike], title: str) -> Chart:
    """Mean orders that came against those expected, in ten equal-count groups by model.

    Parameters
    ----------
    came : array-like of shape (n,)
        Of each customer.
    expected : mapping of str to array-like of shape (n,)
        By model; one whose numbers are NaN is left out.
    """
    parts = []
    for name, values in expected.items():
        rows = DataFrame({"expected": values, "came": came}, dtype=np.float64).dropna()
        groups = rows.groupby(equal_count_bins(rows["expected"].to_numpy()))
        parts.append(groups.mean().assign(customers=groups.size(), model=name))
    found = pd.concat(parts)
    edge = float(found[["expected", "came"]].max().max())
    diagonal = alt.Chart(DataFrame({"expected": [0, edge], "came": [0, edge]}))
    points = alt.Chart(found).encode(
        x=alt.X("expected:Q", title="Expected orders per customer"),
        y=alt.Y("came:Q", title="Orders that came per customer"),
        color=alt.Color("model:N", title=None, sort=[*expected]),
        tooltip=["model", "customers", *(alt.Tooltip(f"{n}:Q", format=".2f") for n in _ORDERS)],
    )
    return alt.layer(
        diagonal.mark_line(strokeDash=[4, 4], color="#888").encode(x="expected:Q", y="came:Q"),
        points.mark_line(),
        points.mark_circle(size=60, opacity=1),
    ).properties(title=title, width=WIDTH, height=HEIGHT)
