"""What monitoring found, as lines for a person: a row per run, newest first, and why."""

from collections.abc import Iterator, Mapping
from typing import Any

COLUMNS = (
    "target",
    "run",
    "as of",
    "version",
    "customers",
    "drift",
    "predicted",
    "happened",
    "verdict",
)


def table_rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """The cells under `COLUMNS`: the newest run with drift and verdict, then those before it."""
    name, stories = found["target"], {one["run"]: one for one in found["runs"]}
    newest = stories.pop(found["run"], None)
    yield (
        name,
        _or_dash(found["run"]),
        (found["as_of"] or "-")[:10],
        _or_dash(found["version"]),
        found["customers"],
        f"{found['drift']['moved']:.3f}" if found["drift"] else "-",
        *_outcome(newest),
        found["verdict"],
    )
    for one in reversed(stories.values()):
        version = _or_dash(one["version"])
        yield name, one["run"], one["as_of"][:10], version, one["customers"], "", *_outcome(one), ""


def sentences(found: Mapping[str, Any]) -> Iterator[str]:
    """The advice with its reason, and what to expect of the newest run until its answer is in."""
    yield f"{found['target']}: {found['verdict']}; {found['reason']}"
    newest = next((one for one in found["runs"] if one["run"] == found["run"]), None)
    if newest is not None and not newest["known"] and newest["expected"]:
        loss, auc = newest["expected"]["log_loss"], newest["expected"]["auc"]["value"]
        ranks = "" if auc is None else f" and an AUC of {auc:.3f}"
        yield (
            f"{found['target']}: what happened is known on {newest['known_on']}; an estimate until"
            f" then, if the probabilities hold: a log loss of {loss['value']:.3f}"
            f" ({loss['low']:.3f} to {loss['high']:.3f}){ranks}"
        )


def _outcome(story: Mapping[str, Any] | None) -> tuple[str, str]:
    """Predicted and happened; of what is not known the estimate, or the day it will be."""
    if story is None or not story["expected"]:
        return "-", "-"
    if "happened" in story:
        called, came = story["predicted"], story["happened"]
        learned = " (learned from)" if story["seen"] else ""
        return _count(called["events"], called["rate"]), (
            _count(came["events"], came["rate"]) + learned
        )
    rate = story["expected"]["rate"]["value"]
    if story["known"]:
        return _count(rate * story["customers"], rate), "nobody is left in the data"
    so_far, due = story["so_far"], f"known on {story['known_on']}"
    about = "" if so_far["rate"] is None else f"about {so_far['rate']:.1%}, "
    return _count(rate * story["customers"], rate), about + due


def _count(events: float, rate: float) -> str:
    return f"{events:,.0f} ({rate:.1%})"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
