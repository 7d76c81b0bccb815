"""The readiness report as one page: a file that needs nothing beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from serving.templates import report_page

_TONES: Final = {
    "ok": "good", "ready": "good", "available": "good", "warning": "warn", "thin": "warn",
    "partly": "warn", "error": "bad", "unready": "bad", "empty": "bad", "missing": "off",
}  # fmt: skip
_SECTIONS: Final = (
    ("targets", "Targets"),
    ("tables", "Tables"),
    ("features", "Feature families"),
    ("columns", "Columns"),
    ("all", "Everything"),
)
_LEADS: Final = {
    "ready": "Every target can be learned and proven.",
    "thin": "Every target can be learned, but the proof will be loose where data are thin.",
    "unready": "Not every target can be learned yet; what is missing stands beside it.",
    "error": "Not every target could be judged; the reason stands beside it.",
    "no targets": "The tables can be read; a target says what to predict from them.",
}

Report = Mapping[str, Any]


def readiness_page(report: Report) -> str:
    """HTML of a report as `training.readiness_report` makes it."""
    helpers = {"mark": _mark, "meter": _meter, "number": _number}
    helpers |= {"percent": percent, "width": _width}
    return report_page(
        "readiness.html",
        helpers,
        report=report,
        lead=_LEADS[report["verdict"]],
        facts=list(_facts(report)),
        sections=_SECTIONS,
        absent=[one for one in report["tables"] if one["state"] == "missing"],
        faults=[_said(one) for table in report["tables"] for one in table["faults"]],
        leaks=list(_leaks(report)),
    )


def write_page(report: Report, folder: Path) -> Path:
    """The page as `readiness.html` in a folder, in place of an older one."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "readiness.html"
    page.write_text(readiness_page(report), encoding="utf-8")
    return page


def _facts(report: Report) -> list[str]:
    mapped = [one for one in report["tables"] if one["state"] != "missing"]
    rows, aside = (sum(one[name] for one in mapped) for name in ("used", "quarantined"))
    facts = [f"{len(mapped)} tables", f"{rows:,} rows used", f"{aside:,} set aside"]
    if report["data_end"]:
        facts.append(f"known until {report['data_end'][:16].replace('T', ' ')} UTC")
    return facts


def _said(finding: Report) -> dict[str, Any]:
    """A finding without the level that its line begins with."""
    return {"level": finding["level"], "said": finding["text"].partition(": ")[2]}


def _leaks(report: Report) -> list[dict[str, Any]]:
    """Findings of the leak guard, errors first; the same of several targets once."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for column in report["columns"]:
        for one in column["findings"]:
            said = one["text"].partition(": ")[2]
            key = (column["table"], column["column"], one["code"])
            first = found.setdefault(
                key,
                {
                    "table": column["table"],
                    "column": column["column"],
                    "state": one["level"],
                    "said": said,
                },
            )
            first.setdefault("targets", []).append(one["target"])
    for one in found.values():
        one["said"] = f"({', '.join(one['targets'])}) {one['said']}"
    return sorted(found.values(), key=lambda one: one["state"] != "error")


def _mark(state: str) -> Markup:
    """A state as a word with a shape and a colour."""
    return Markup('<span class="mark {}">{}</span>').format(_TONES[state], state)


def _meter(share: float | None) -> Markup:
    """A share as a bar with its number."""
    if share is None:
        return Markup("")
    return Markup(
        '<div class="meter"><div class="bar"><i style="width:{}%"></i></div><span>{}</span></div>'
    ).format(f"{100 * share:.1f}", percent(share))


def _number(value: int) -> str:
    return f"{value:,}"


def percent(share: float | None) -> str:
    """A share in per cent: nearly all is not all, and hardly any not none."""
    if share is None:
        return ""
    if 0.995 <= share < 1:
        return "> 99 %"
    return "< 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def _width(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"
