"""What is checked on every mapped row, and the one line a fault is reported with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Self

from features.sources import literal, quote
from features.tables import (
    INTERVALS,
    PAYMENT_STATUSES,
    REVENUE_MODELS,
    SUBSCRIPTION_STATUSES,
    TABLES,
    TICKET_CHANGES,
)

Level = Literal["error", "warning"]

ALLOWED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("subscriptions", "status"): SUBSCRIPTION_STATUSES,
    ("subscriptions", "interval"): INTERVALS,
    ("plans", "interval"): INTERVALS,
    ("plans", "revenue_model"): REVENUE_MODELS,
    ("payments", "status"): PAYMENT_STATUSES,
    ("tickets", "change"): TICKET_CHANGES,
    ("surveys", "kind"): ("nps", "csat", "ces", "exit"),
}
_RETURN = "NOT coalesce(is_return, FALSE)"
# table, column -> SQL that must also hold for a negative value to be impossible
NEVER_NEGATIVE: Mapping[tuple[str, str], str] = {
    ("plans", "unit_amount"): "TRUE",
    ("plans", "interval_count"): "TRUE",
    ("subscriptions", "unit_amount"): "TRUE",
    ("subscriptions", "quantity"): "TRUE",
    ("subscriptions", "interval_count"): "TRUE",
    ("subscriptions", "discount_amount"): "TRUE",
    ("subscriptions", "discount_percent"): "TRUE",
    ("payments", "amount"): "status <> 'refunded'",
    ("orders", "amount"): _RETURN,
    ("orders", "quantity"): _RETURN,
    ("usage", "quantity"): "TRUE",
    ("costs", "amount"): "TRUE",
    ("fx_rates", "rate"): "TRUE",
    ("treatments", "propensity"): "TRUE",
    ("snapshots", "mrr"): "TRUE",
}
BLOCKS: Mapping[str, str] = {
    "customers": "everything about these customers",
    "plans": "plan features and prices taken from plans",
    "subscriptions": "coverage, MRR, and churn, upsell and conversion of these customers",
    "invoices": "billing features",
    "payments": "payment features and involuntary churn",
    "orders": "purchase features, silence targets and value from orders",
    "usage": "usage features",
    "tickets": "support features",
    "surveys": "survey features",
    "touches": "contact features",
    "treatments": "measuring whether acting helped",
    "costs": "CAC and CLTV:CAC",
    "fx_rates": "amounts in other currencies",
    "snapshots": "scoring these customers",
}
SAYS: Mapping[str, str] = {
    "missing_value": "have no value",
    "not_timestamp": "are not a date (expected YYYY-MM-DD, with a time or not)",
    "not_decimal": "are not a number",
    "not_number": "are not a number",
    "not_integer": "are not a whole number",
    "not_boolean": "are neither true nor false",
    "not_string": "are not a text",
    "unknown_customer": "name a customer that is not in customers",
    "duplicate_key": "repeat a key",
    "negative": "are negative",
    "in_future": "lie at or after data_end",
    "before_start": "end before they start",
    "malformed": "do not have the header's number of values",
    "not_understood": "could not be read as the expressions need",
    "repeats": "repeat another row exactly and are kept (deduplicate = true drops them)",
    "empty": "no rows are left",
}


@dataclass(frozen=True)
class Finding:
    """One fault of one column: how many rows, three examples, and the line that says so."""

    level: Level
    table: str
    column: str
    code: str
    count: int
    examples: tuple[str, ...]
    text: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """The inverse of `as_json`."""
        return cls(**raw | {"examples": tuple(raw["examples"])})


@dataclass(frozen=True)
class RowCount:
    """Where the rows of a table's sources went: rows_in = used + filtered + quarantined."""

    rows_in: int
    used: int
    filtered: int
    quarantined: int


def domain_fault(table: str, columns: Sequence[str], *, has_customers: bool) -> str:
    """SQL of the first fault of a typed row, null when there is none.

    Faults are texts `column: code`; the orphan test reads the table `known_customers`.
    """
    faults = ["WHEN _fault IS NOT NULL THEN _fault"]
    for column in columns:
        allowed = ALLOWED.get((table, column))
        if allowed:
            values = ", ".join(literal(value) for value in allowed)
            faults.append(f"WHEN {quote(column)} NOT IN ({values}) THEN '{column}: not_allowed'")
        condition = NEVER_NEGATIVE.get((table, column))
        if condition:
            if condition is _RETURN and "is_return" not in columns:
                condition = "TRUE"
            faults.append(f"WHEN {quote(column)} < 0 AND {condition} THEN '{column}: negative'")
    if "ends_at" in columns:
        faults.append("WHEN ends_at < occurred_at THEN 'ends_at: before_start'")
    if TABLES[table].has_customer and table != "customers" and has_customers:
        known = "customer_id IN (SELECT customer_id FROM known_customers)"
        faults.append(f"WHEN NOT ({known}) THEN 'customer_id: unknown_customer'")
    return f"CASE {' '.join(faults)} END"


def future_fault(table: str, columns: Sequence[str], data_end: datetime) -> str | None:
    """SQL of the fault of a row that is dated, or known, at or after `data_end`."""
    moment = f"TIMESTAMP {literal(data_end.isoformat(sep=' '))}"
    faults = []
    if table not in {"plans", "fx_rates", "costs", "snapshots"}:
        if "occurred_at" in columns and not TABLES[table].announces:
            faults.append(f"WHEN occurred_at >= {moment} THEN 'occurred_at: in_future'")
        if "known_at" in columns:
            faults.append(f"WHEN known_at >= {moment} THEN 'known_at: in_future'")
        if "cancel_requested_at" in columns:
            faults.append(
                f"WHEN cancel_requested_at >= {moment} THEN 'cancel_requested_at: in_future'"
            )
    return f"CASE {' '.join(faults)} END" if faults else None


def finding(
    table: str,
    fault: str,
    count: int,
    examples: Sequence[str],
    *,
    level: Level,
    values: Sequence[str] = (),
) -> Finding:
    """The finding of a fault `column: code`."""
    column, _, code = fault.partition(": ")
    says = SAYS.get(code, code)
    if code == "not_allowed":
        says = f"are not one of {', '.join(ALLOWED[table, column])}"
    if code == "negative" and table == "orders":
        says += " and not marked is_return"
    came = f" ({', '.join(repr(value) for value in values)})" if values else ""
    shown = f", e.g. {', '.join(examples)}" if examples else ""
    rows = "row" if count == 1 else "rows"
    lead = "" if code == "empty" else f"{count} {rows} "
    effect = "stops" if level == "error" else "left out of"
    if code in {"repeats", "empty"} and level == "warning":
        effect = "touches" if code == "repeats" else "no"
    text = (
        f"{level}: {table}.{column}: {lead}{says}{came}{shown}; {effect} {BLOCKS[table]}"
        if column
        else f"{level}: {table}: {lead}{says}{came}{shown}; {effect} {BLOCKS[table]}"
    )
    return Finding(level, table, column, code, count, tuple(examples), text)
