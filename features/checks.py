"""What is checked on every mapped row, and the one line a fault is reported with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from features.project import Project
from features.project_kinds import product_table
from features.sources_raw import literal, quote
from features.tables import (
    INTERVALS,
    PAYMENT_STATUSES,
    REVENUE_MODELS,
    SUBSCRIPTION_STATUSES,
    TABLES,
    TICKET_CHANGES,
)

if TYPE_CHECKING:
    pass

Level = Literal["error", "warning"]
NEEDS: Mapping[str, str] = {  # kind of target -> the table that shows staying or leaving
    "churn": "subscriptions",
    "upsell": "subscriptions",
    "cross_sell": "subscriptions",
    "contraction": "subscriptions",
    "conversion": "subscriptions",
    "silence": "orders",
    "inactivity": "usage",
}

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
    "customers": "every feature and score of these customers",
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
    "missing_value": "without a value",
    "not_timestamp": "with a value that is not a date (YYYY-MM-DD, a time may follow)",
    "not_decimal": "with a value that is not a number",
    "not_number": "with a value that is not a number",
    "not_integer": "with a value that is not a whole number",
    "not_boolean": "with a value that is neither true nor false",
    "not_string": "with a value that is not a text",
    "not_allowed": "with a value that is not allowed",
    "unknown_customer": "with a customer that is not in customers",
    "duplicate_key": "with a key that came before",
    "negative": "with a negative value",
    "in_future": "at or after data_end",
    "before_start": "with an end before the start",
    "malformed": "without the header's number of values",
    "repeats": "exactly like another row, kept (deduplicate = true drops them)",
    "empty": "left",
    "low_days": "none of which is after the 12th of a month: day and month may be swapped",
    "enormous": "more than 1,000 times what 95 % of the rows stay below",
    "no_currency": "without a currency where others have one",
    "not_finite": "with a value that is no finite number, read as missing",
    "coded": "with a code or word among numbers, so that all are read as text",
}
# Rows that are used all the same.
KEPT = ("repeats", "low_days", "enormous", "no_currency", "not_finite", "coded")


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


def domain_fault(table: str, columns: Sequence[str], *, has_customers: bool) -> tuple[str, str]:
    """SQL of the first fault of a typed row, and of the value that is not allowed; null if none.

    Faults are texts `column: code`; the orphan test reads the table `known_customers`.
    """
    faults, values = (
        ["WHEN _fault IS NOT NULL THEN _fault"],
        ["WHEN _fault IS NOT NULL THEN _value"],
    )
    for column in columns:
        if allowed := ALLOWED.get((table, column)):
            listed = ", ".join(literal(value) for value in allowed)
            case = f"WHEN {quote(column)} NOT IN ({listed}) THEN"
            faults.append(f"{case} '{column}: not_allowed'")
            values.append(f"{case} {quote(column)}")
        if condition := NEVER_NEGATIVE.get((table, column)):
            if condition is _RETURN and "is_return" not in columns:
                condition = "TRUE"
            faults.append(f"WHEN {quote(column)} < 0 AND {condition} THEN '{column}: negative'")
    if "ends_at" in columns:
        faults.append("WHEN ends_at < occurred_at THEN 'ends_at: before_start'")
    if TABLES[table].has_customer and table != "customers" and has_customers:
        known = "customer_id IN (SELECT customer_id FROM known_customers)"
        faults.append(f"WHEN NOT ({known}) THEN 'customer_id: unknown_customer'")
    return f"CASE {' '.join(faults)} END", f"CASE {' '.join(values)} END"


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
    examples: Sequence[str] = (),
    *,
    values: Sequence[str] = (),
    share: float | None = None,
    limit: float = 0.0,
    hint: str = "",
) -> Finding:
    """The finding of a fault `column: code`, in one line.

    Parameters
    ----------
    examples : sequence of str
        Keys of the first rows.
    values : sequence of str
        What came in place of a value that could be read.
    share : float or None
        Of the table's rows that are bad; given when it exceeds `limit`, and then an error.
    hint : str
        What may explain it.
    """
    column, _, code = fault.rpartition(": ")
    says = SAYS[code]
    if code == "not_allowed":
        says += f" (allowed: {', '.join(ALLOWED[table, column])})"
    if code == "negative" and table == "orders":
        says += " that is not marked is_return"
    came = f" ({', '.join(repr(value) for value in values)})" if values else ""
    shown = f", e.g. {', '.join(examples)}" if examples else ""
    why = f" ({hint})" if hint else ""
    level: Level = "warning" if share is None else "error"
    where = f"{table}.{column}" if column else table
    rows = "row" if count == 1 else "rows"
    effect = _effect(table, code, share, limit)
    text = f"{level}: {where}: {count} {rows} {says}{came}{shown}{why}; {effect}"
    return Finding(level, table, column, code, count, tuple(examples), text)


def _effect(table: str, code: str, share: float | None, limit: float) -> str:
    """What a fault blocks."""
    if code in KEPT:
        return f"counted in {BLOCKS[table]}"
    if code == "empty":
        return f"blocks {BLOCKS[table]}" if share is not None else f"no {BLOCKS[table]}"
    if share is None:
        return f"left out of {BLOCKS[table]}"
    return (
        f"blocks {BLOCKS[table]}: {100 * share:.4g} % of {table} is bad, "
        f"limits.quarantine_share allows {100 * limit:.4g} %"
    )


def empty_table(table: str, count: RowCount, *, is_needed: bool) -> list[Finding]:
    """The finding of a table without a usable row; an error where the project needs it."""
    if count.used or (count.quarantined and not is_needed):
        return []
    return [finding(table, ": empty", 0, share=1.0 if is_needed else None)]


def needed_tables(project: Project) -> dict[str, str]:
    """Tables that a project cannot do without, each with what needs it."""
    needed = {} if "snapshots" in project.sources else {"customers": "every project"}
    for name, target in project.targets.items():
        if "snapshots" in project.sources and target.label is not None:
            needed["snapshots"] = f"targets.{name}"
            continue
        needed[NEEDS[target.kind]] = f"targets.{name} (kind {target.kind})"
        if target.kind == "cross_sell":
            needed[product_table(f"targets.{name}", target, project)] = f"targets.{name}.product"
        if target.as_of.anchor_table is not None:
            needed[target.as_of.anchor_table] = f"targets.{name}.as_of.anchor"
    return needed
