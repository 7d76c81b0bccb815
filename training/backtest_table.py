"""A back-test as rows of one table and a few sentences for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from pandas import DataFrame

from models.card_words import lift_words
from training.backtest_lists import LEAD_DAYS
from training.report import Json

COLUMNS = (
    "target",
    "origin",
    "model",
    "rows",
    "rate",
    "log loss",
    "Brier skill",
    "AUC",
    "lift 10 %",
    "slope",
    "calibration error",
)
MANY_LOOKS = 10
CHARTED = {
    "log_loss": "Log loss",
    "brier_skill": "Brier skill",
    "auc": "ROC AUC",
    "lift10": "Lift in the top 10 %",
}
SHOWN = ("log_loss", "brier_skill", "auc", "lift10", "calibration_slope", "calibration_error")


def table_rows(target: str, report: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """A row per origin and model, then the averages; nothing where nothing was tested."""
    if report["model"] is None:
        return
    for origin in report["origins"]:
        yield from _models(target, origin["at"] or "held out", origin)
    if len(report["origins"]) > 1:
        yield from _models(target, "average", report)


def _models(target: str, when: str, part: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    test = part["test"]
    for name, metrics in {"model": part["model"], **part["baselines"]}.items():
        cells = (_cell(metrics.get(one), with_interval=one == "log_loss") for one in SHOWN)
        yield target, when, name, test["rows"], f"{test['rate']:.3f}", *cells


def chart_rows(report: Mapping[str, Any]) -> DataFrame:
    """What the chart over origins shows: every model at every origin, by metric."""
    rows = [
        {"metric": said, "origin": origin["at"] or "held out", "model": name}
        | {part: metrics[metric][part] for part in ("value", "low", "high")}
        for metric, said in CHARTED.items()
        for origin in report["origins"]
        for name, metrics in {"model": origin["model"], **origin["baselines"]}.items()
        if metrics[metric]["value"] is not None
    ]
    return DataFrame(rows, columns=["metric", "origin", "model", "value", "low", "high"])


def _cell(metric: Json | None, *, with_interval: bool) -> str:
    """Such as `0.412 (0.399 to 0.426)`; a dash where it is undefined."""
    if metric is None or metric["value"] is None:
        return "-"
    if metric["low"] is None or not with_interval:
        return f"{metric['value']:.3f}"
    return "{value:.4f} ({low:.4f} to {high:.4f})".format_map(metric)


def sentences(target: str, report: Mapping[str, Any]) -> Iterator[str]:
    """The verdict, what to look at, what its lists were worth, and looks at this test."""
    yield f"{target}: {report['reason']}"
    yield from (f"{target}: {warning}" for warning in report["warnings"])
    model = report["model"]
    if model is None:
        return
    ordered = lift_words(model.get("auc"))
    if ordered:
        yield f"{target}: {ordered}"
    found = [(days, model[f"lead_time_recall_{days}d"]) for days in LEAD_DAYS]
    known = [f"{_share(one)} {days} days before the end" for days, one in found if _known(one)]
    if known:
        yield f"{target}: of the MRR lost, the top tenth by revenue at risk held {', '.join(known)}"
    if _known(model["realised_profit"]):
        expected, realised = (model[f"{one}_profit"]["value"] for one in ("expected", "realised"))
        yield f"{target}: contacts of a run earn {realised:,.2f}, {expected:,.2f} were expected"
    if _known(model["top10_jaccard"]):
        yield f"{target}: two lists in a row share {_share(model['top10_jaccard'])} of their top"
    count = (report["looks"] or {}).get("count", 0)
    warning = ", so small gains may be luck" if count >= MANY_LOOKS else ""
    yield f"{target}: look {count} at this test{warning}"


def _known(metric: Json) -> bool:
    return metric["value"] is not None


def _share(metric: Json) -> str:
    """Such as `41 % (30 to 52 %)`."""
    if metric["low"] is None:
        return f"{metric['value']:.0%}"
    return "{value:.0%} ({low:.0%} to {high:.0%})".format_map(metric)
