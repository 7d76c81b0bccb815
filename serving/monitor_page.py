"""What monitoring found of a target as one page: a file that needs nothing beside it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from serving.charts import bands_svg, drift_svg
from serving.readiness_page import percent
from serving.templates import report_page

_TONES: Final = {"keep": "good", "watch": "warn", "recalibrate": "warn", "retrain": "bad"}

Report = Mapping[str, Any]


def monitor_page(project: str, report: Report) -> str:
    """HTML of a report as `training.monitor.monitor` makes it."""
    helpers = {"mark": _mark, "interval": _interval, "so_far": _so_far}
    helpers |= {"percent": percent, "number": _number}
    judged = next((one for one in reversed(report["runs"]) if "happened" in one), None)
    drifts = list(_drifts(report))
    return report_page(
        "monitor.html",
        helpers,
        project=project,
        report=report,
        lead=report["reason"][:1].upper() + report["reason"][1:] + ".",
        facts=list(_facts(report)),
        sections=_sections(judged),
        judged=judged,
        bands=Markup(bands_svg(judged["bands"])) if judged else None,  # noqa: S704 - drawn by us
        drifts=drifts,
        chart=Markup(drift_svg(drifts[0][1]["features"])) if drifts else None,  # noqa: S704
    )


def write_page(project: str, report: Report, folder: Path) -> Path:
    """The report as `<target>.json` and `<target>.html` in a folder; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{report['target']}.html"
    for path, text in (
        (page.with_suffix(".json"), json.dumps(report, indent=1, allow_nan=False)),
        (page, monitor_page(project, report)),
    ):
        scratch = path.with_name(f"{path.name}.part")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    return page


def _sections(judged: Report | None) -> list[tuple[str, str]]:
    middle = [("calibration", "Calibration")] if judged else []
    return [("runs", "Past runs"), *middle, ("drift", "Drift")]


def _facts(report: Report) -> Iterator[str]:
    if report["run"] is None:
        return
    moment = f" as of {report['as_of'][:10]}" if report["as_of"] else ""
    yield f"newest run {report['run']}{moment}"
    yield "no model" if report["version"] is None else f"model version {report['version']}"
    yield f"{report['customers']:,} customers"
    if report["scores"]:
        yield f"scores moved by a PSI of {report['scores']['psi']:.3f}"


def _drifts(report: Report) -> Iterator[tuple[str, Report]]:
    if report["drift"]:
        yield "Against the rows its model learned from", report["drift"]
    if report["before"]:
        yield "Against the run before", report["before"]


def _mark(verdict: str) -> Markup:
    """A verdict as a word with a shape and a colour."""
    return Markup('<span class="mark {}">{}</span>').format(_TONES[verdict], verdict)


def _interval(metric: Report) -> str:
    """Such as `0.712 (0.690 to 0.731)`."""
    if metric["value"] is None:
        return "undefined"
    if metric.get("low") is None:
        return f"{metric['value']:.3f}"
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


def _so_far(story: Report) -> str:
    """Where what is known so far leads, or why it tells nothing."""
    told = story.get("so_far") or {}
    if told.get("rate") is None:
        return str(told.get("reason", "")) or "not known"
    return f"about {percent(told['rate'])} ({percent(told['low'])} to {percent(told['high'])})"


def _number(value: int) -> str:
    return f"{value:,}"
