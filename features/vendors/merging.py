"""One history of customers from several vendors: what each knows, carried on to the next row."""

from collections.abc import Sequence
from typing import Any

from features.errors import ProjectError
from features.tables import TABLES

_KEPT = ("customer_id", "occurred_at", "known_at")


def merged_customers(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The customer sources of several vendors as one source.

    A version of a customer replaces the one before whole, so a row of the CRM would forget what
    billing said: each column without a value takes the last one that was known by then. A row that
    was known late is a version of the moment it was known too, after those of the meantime.
    """
    inputs: dict[str, Any] = {}
    parts = []
    for entry in entries:
        for name, one in entry["inputs"].items():
            if inputs.setdefault(name, one) != one:
                raise ProjectError(f"source: two vendors have an input {name!r}")
        where = f" WHERE {entry['where']}" if "where" in entry else ""
        parts.append(f"SELECT * FROM (\n{entry['query']}\n){where}")
    rows = " UNION ALL BY NAME ".join(parts)
    names = [name for name in TABLES["customers"].names if name not in _KEPT]
    empty = "SELECT " + ", ".join(f"NULL::VARCHAR AS {name}" for name in names) + " WHERE FALSE"
    rows = f"{rows} UNION ALL BY NAME {empty}"
    now = ", ".join(f"max({name}) AS {name}" for name in names)
    carried = ", ".join(f"{_carried(name)} AS {name}" for name in names)
    query = (
        f"WITH told AS ({rows}), moments AS ("
        f" SELECT customer_id, occurred_at, max(known_at) AS known_at, {now} FROM ("
        "SELECT * FROM told UNION ALL SELECT * REPLACE (known_at AS occurred_at) FROM told"
        " WHERE moment(known_at) > moment(occurred_at)) GROUP BY customer_id, occurred_at)"
        f" SELECT customer_id, occurred_at, known_at, {carried} FROM moments WINDOW known AS"
        " (PARTITION BY customer_id ORDER BY"
        " greatest(moment(occurred_at), moment(known_at)), moment(occurred_at))"
    )
    return {"inputs": inputs, "query": query}


def _carried(name: str) -> str:
    """SQL of the last value known; ids in other systems add up."""
    if name != "external_ids":
        return f"last_value({name} IGNORE NULLS) OVER known"
    return (
        "list_reduce(list(external_ids) FILTER (WHERE external_ids IS NOT NULL) OVER known,"
        " lambda one, other: json_merge_patch(one, other)::VARCHAR)"
    )
