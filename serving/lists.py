"""How filters, sorts and pages become SQL, the same on both databases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from serving.records import MICRO, Customer, Filters, Key, Score, Sort
from serving.schema import RunCustomer, ScoreEntry

Condition = ColumnElement[bool]
Query = Select[*tuple[Any, ...]]
Found = Row[*tuple[Any, ...]]
_SAME = 1e-9  # probabilities nearer than this are one

_SCORE = (
    ScoreEntry.run_id,
    ScoreEntry.target,
    ScoreEntry.status,
    ScoreEntry.not_scored_reason,
    ScoreEntry.probability,
    ScoreEntry.band,
    ScoreEntry.percentile,
    ScoreEntry.rank,
    ScoreEntry.value_micro,
    ScoreEntry.expected_micro,
    ScoreEntry.expected_kind,
    ScoreEntry.expected_reason,
    ScoreEntry.renewal_in_horizon,
    ScoreEntry.out_of_fold,
    ScoreEntry.previous_probability,
    ScoreEntry.previous_band,
    ScoreEntry.previous_as_of,
    ScoreEntry.reasons,
    ScoreEntry.contact,
    ScoreEntry.contact_profit_micro,
    ScoreEntry.involuntary,
    ScoreEntry.remaining_months,
    ScoreEntry.lifetime_value_micro,
)
_AMOUNTS = (8, 9, 19, 22)  # of `_SCORE`, in millionths
_CUSTOMER = (
    RunCustomer.customer_id,
    RunCustomer.name,
    RunCustomer.segment,
    RunCustomer.owner_id,
    RunCustomer.plan_id,
    RunCustomer.country,
    RunCustomer.external_ids,
    RunCustomer.renewal_at,
    RunCustomer.mrr_micro,
    RunCustomer.currency,
)


@dataclass(frozen=True)
class _Order:
    """A column to sort by; rows without a value come last, whatever the direction."""

    column: InstrumentedAttribute[Any]
    descending: bool = False
    always_scored: bool = False  # set on every scored row


_ORDERS: dict[Sort, _Order] = {
    "-revenue_at_risk": _Order(ScoreEntry.rank, always_scored=True),
    "-expected_gain": _Order(ScoreEntry.rank, always_scored=True),
    "-probability": _Order(ScoreEntry.probability, descending=True, always_scored=True),
    "probability": _Order(ScoreEntry.probability, always_scored=True),
    "-mrr": _Order(RunCustomer.mrr_micro, descending=True),
    "mrr": _Order(RunCustomer.mrr_micro),
    "renewal_date": _Order(RunCustomer.renewal_at),
}


def scores_select() -> Query:
    """Scores with their customers; `score_record` reads its rows."""
    return select(*_SCORE, *_CUSTOMER).join_from(ScoreEntry, RunCustomer, joined())


def joined() -> Condition:
    """A score belongs to the customer of its run."""
    return and_(
        RunCustomer.run_id == ScoreEntry.run_id, RunCustomer.customer_id == ScoreEntry.customer_id
    )


def money(micro: int | Decimal | None) -> Decimal | None:
    """Whole millionths as an exact amount."""
    return None if micro is None else Decimal(micro) / MICRO


def score_record(row: Found) -> Score:
    """A row of `scores_select`."""
    entry, person = list(row[: len(_SCORE)]), list(row[len(_SCORE) :])
    person[8] = money(person[8])
    for place in _AMOUNTS:
        entry[place] = money(entry[place])
    run_id, target, *rest = entry
    return Score(*[run_id, target, Customer(*person), *rest])


def conditions(filters: Filters, run_id: int, base_run_id: int | None = None) -> list[Condition]:
    """What must hold for a row of `scores_select`; `base_run_id` is the run changes are against."""
    found: list[Condition] = [ScoreEntry.run_id == run_id, ScoreEntry.target == filters.target]
    for value, column in (
        (filters.status, ScoreEntry.status),
        (filters.owner, RunCustomer.owner_id),
        (filters.segment, RunCustomer.segment),
        (filters.plan, RunCustomer.plan_id),
    ):
        if value is not None:
            found.append(column == value)
    if filters.bands:
        found.append(ScoreEntry.band.in_(filters.bands))
    if filters.customer_ids:
        found.append(ScoreEntry.customer_id.in_(filters.customer_ids))
    if filters.min_probability is not None:
        found.append(ScoreEntry.probability >= filters.min_probability)
    return found + _more_conditions(filters, base_run_id)


def _more_conditions(filters: Filters, base_run_id: int | None) -> list[Condition]:
    """The conditions on owner, renewal, change and text."""
    found: list[Condition] = []
    if filters.unassigned:
        found.append(RunCustomer.owner_id.is_(None))
    if filters.renewal_from is not None:
        found.append(RunCustomer.renewal_at >= filters.renewal_from)
    if filters.renewal_before is not None:
        found.append(RunCustomer.renewal_at < filters.renewal_before)
    if filters.got_worse:
        found.append(ScoreEntry.probability > ScoreEntry.previous_probability)
    if base_run_id is not None:
        found.append(_changed(base_run_id))
    if filters.search:
        found.append(
            or_(
                func.lower(RunCustomer.name).contains(filters.search.lower(), autoescape=True),
                RunCustomer.customer_id.startswith(filters.search, autoescape=True),
            )
        )
    return found


def _changed(base_run_id: int) -> Condition:
    """Not the same status, band and probability in the earlier run."""
    base = aliased(ScoreEntry)
    same = select(literal(1)).where(
        base.run_id == base_run_id,
        base.target == ScoreEntry.target,
        base.customer_id == ScoreEntry.customer_id,
        base.status == ScoreEntry.status,
        base.band.is_not_distinct_from(ScoreEntry.band),
        func.abs(func.coalesce(base.probability - ScoreEntry.probability, 0)) <= _SAME,
    )
    return ~same.exists()


def paged(query: Query, filters: Filters, sort: Sort, after: Key | None, limit: int) -> Query:
    """The query sorted, from after a key on, one row more than the page to see whether it ends."""
    order = _ORDERS[sort]
    nullable = not (order.always_scored and filters.status == "scored")
    if after is not None:
        query = query.where(_beyond(order, after, nullable=nullable))
    column = order.column.desc() if order.descending else order.column.asc()
    tie = ScoreEntry.customer_id.desc() if order.descending else ScoreEntry.customer_id.asc()
    return query.order_by(column.nulls_last() if nullable else column, tie).limit(limit + 1)


def _beyond(order: _Order, after: Key, *, nullable: bool) -> Condition:
    """Rows that come after a key."""
    tie = ScoreEntry.customer_id
    if after.value is None:
        beyond = tie < after.customer_id if order.descending else tie > after.customer_id
        return and_(order.column.is_(None), beyond)
    value = after.value
    if order.column is RunCustomer.renewal_at:
        value = datetime.fromisoformat(str(value))  # type: ignore[assignment]
    key = tuple_(literal(value, order.column.type), literal(after.customer_id))
    here = tuple_(order.column, tie)
    later = here < key if order.descending else here > key
    return or_(later, order.column.is_(None)) if nullable else later


def key_of(score: Score, sort: Sort) -> Key:
    """Where a score stands in a list."""
    column = _ORDERS[sort].column
    customer = score.customer
    value: float | int | str | None
    if column is ScoreEntry.rank:
        value = score.rank
    elif column is ScoreEntry.probability:
        value = score.probability
    elif column is RunCustomer.mrr_micro:
        value = None if customer.mrr is None else int(customer.mrr * MICRO)
    else:
        value = customer.renewal_at.isoformat() if customer.renewal_at else None
    return Key(value, customer.customer_id)


def page_of(rows: Sequence[Found], sort: Sort, limit: int) -> tuple[list[Score], Key | None]:
    """The scores of a page and where the next one starts."""
    scores = [score_record(row) for row in rows[:limit]]
    return scores, key_of(scores[-1], sort) if len(rows) > limit else None
