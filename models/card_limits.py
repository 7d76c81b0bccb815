"""What a model must not be used for, and where its proof is thin, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from features.tables import TABLES
from models.card_words import day, number, share

Json = Mapping[str, Any]
FEW = 50  # customers with the event, below which a segment proves little
MANY = 10  # looks at one test, from which on small gains mean nothing
MOVED = 1.25  # between the rates of two origins: the base rate is not steady


def limits(card: Json, report: Json) -> Iterator[str]:
    """Each sentence a limit, the common ones first."""
    target = card["target"]
    yield (
        "Not for terms, prices, credit, employment or any other decision on a person's rights: it"
        " was proven for choosing whom to contact, over many customers, and says little of one."
    )
    yield (
        "Reasons say what moved a score. They are not causes, and none says what an action would"
        " change."
    )
    yield (
        f"Only for customers who are eligible for this target, and only for the"
        f" {target['horizon_days']} days after the as-of date."
        if not target.get("label")
        else "Only for customers of whom the same columns were recorded in the same way."
    )
    yield from _of_grade(card)
    yield from _of_time(card, report)
    yield from _of_data(card)
    yield from _of_proof(report)


def missing_tables(card: Json) -> list[str]:
    """Canonical tables that the project lacks; none where it is a snapshot, which is alone."""
    tables = card.get("tables") or {}
    if not tables or "snapshots" in tables:
        return []
    return [name for name in TABLES if name not in tables and name != "snapshots"]


def _of_grade(card: Json) -> Iterator[str]:
    if card["grade"] == "C":
        yield "Grade C: chance may explain what it seems to know. Not to be used for decisions."
    if card["grade"] == "U":
        yield "Grade U: unproven. Not to be used."


def _of_time(card: Json, report: Json) -> Iterator[str]:
    """How old its knowledge is, and whether the past was steady."""
    until = card.get("known_until")
    if until is None:
        yield "It was tested on other customers of the same snapshot, not on later time."
    else:
        yield (
            f"It knows nothing of what came after {day(until)}; where prices, products or customers"
            " changed since, drift must be looked for (`retention monitor`)."
        )
    rates = [one["test"]["rate"] for one in report["origins"] if one["test"]["rate"]]
    if len(rates) > 1 and max(rates) > MOVED * min(rates):
        yield (
            f"Drift: the rate of the event was between {share(min(rates))} and {share(max(rates))}"
            " at the origins, so the level of probabilities may be off by as much."
        )


def _of_data(card: Json) -> Iterator[str]:
    missing = missing_tables(card)
    if missing:
        yield f"It never saw what these tables would tell: {', '.join(missing)}."


def _of_proof(report: Json) -> Iterator[str]:
    """Segments with few events, tests that drifted, warnings of gate and guard, many looks."""
    thin = [
        f"{one['column']} {one['value']} ({number(one['events'])})"
        for one in report["segments"]
        if one["events"] < FEW
    ]
    if thin:
        yield (
            f"Thin segments, with fewer than {FEW} customers with the event in all tests:"
            f" {', '.join(thin)}. Their metrics prove little."
        )
    for one in report["drift"]:
        if one["flagged"]:
            yield f"Drift: {one['reason']}."
    for check in report["gate"]:
        if check["state"] == "warning":
            yield f"{check['name'].capitalize()}: {check['proof']}."
    looks = (report["looks"] or {}).get("count", 0)
    if looks >= MANY:
        yield f"This test was looked at {looks} times: small gains over other models mean nothing."
