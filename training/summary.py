"""A training report as one line for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from models.card_recipe import search_words

SUMMARY_COLUMNS = ("target", "test rows", "AUC", "log loss", "constant's", "grade", "promoted")


def summary_row(name: str, report: Mapping[str, Any]) -> tuple[object, ...]:
    """The cells under `SUMMARY_COLUMNS` of one target's report as JSON."""
    model, constant = (
        report.get("model") or {},
        (report.get("baselines") or {}).get("constant") or {},
    )
    return (
        name,
        (report.get("test") or {}).get("rows", 0),
        _interval(model.get("auc")),
        _interval(model.get("log_loss")),
        _interval(constant.get("log_loss")),
        report.get("grade") or "-",
        "yes" if report["promoted"] else "no",
    )


def sentences(name: str, report: Mapping[str, Any]) -> Iterator[str]:
    """The verdict, what to look at, and what a search for settings found."""
    yield f"{name}: {report['reason']}"
    yield from (f"{name}: {warning}" for warning in report["warnings"])
    yield from (f"{name}: {search_words(one)}" for one in report["tuning"])


def _interval(metric: Mapping[str, float | None] | None) -> str:
    """Such as `0.712 (0.690 to 0.731)`; a dash when there is none."""
    if metric is None or metric["value"] is None:
        return "-"
    if metric["low"] is None:
        return f"{metric['value']:.3f}"
    return "{value:.3f} ({low:.3f} to {high:.3f})".format_map(metric)
