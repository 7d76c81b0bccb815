"""A back-test as rows of one table and a few sentences for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

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


def _cell(metric: Json | None, *, with_interval: bool) -> str:
    """Such as `0.412 (0.399 to 0.426)`; a dash where it is undefined."""
    if metric is None or metric["value"] is None:
        return "-"
    if metric["low"] is None or not with_interval:
        return f"{metric['value']:.3f}"
    return "{value:.4f} ({low:.4f} to {high:.4f})".format_map(metric)


def sentences(target: str, report: Mapping[str, Any]) -> Iterator[str]:
    """The verdict, and what else a reader must know."""
    yield f"{target}: {report['reason']}"
