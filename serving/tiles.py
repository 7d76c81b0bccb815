"""The sums above a list, in one query."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, case, false, func, select

from serving.lists import Condition, Found, Query, joined
from serving.records import AT_RISK, MICRO, Tiles
from serving.schema import RunCustomer, ScoreEntry

RENEWAL_DAYS = 90
_COUNTS = ("scored", "at_risk", "high", "renewals_90d", "at_risk_renewing", "overdue_renewals")


def tiles_select(conditions: Sequence[Condition], as_of: datetime | None) -> Query:
    """Counts and sums per currency; without a moment (snapshots) nothing renews."""
    at_risk = ScoreEntry.band.in_(AT_RISK)
    due: Condition = false()
    overdue: Condition = false()
    if as_of is not None:
        end = as_of + timedelta(days=RENEWAL_DAYS)
        due = RunCustomer.renewal_at.between(as_of, end - timedelta(microseconds=1))
        overdue = RunCustomer.renewal_at < as_of
    mrr = RunCustomer.mrr_micro
    return (
        select(
            RunCustomer.currency,
            func.count(ScoreEntry.probability),
            _count(at_risk),
            _count(ScoreEntry.band == "high"),
            _count(due),
            _count(due & at_risk),
            _count(overdue),
            func.sum(mrr),
            func.sum(ScoreEntry.probability * mrr),
            func.sum(case((ScoreEntry.band == "high", mrr))),
            func.sum(ScoreEntry.expected_micro),
        )
        .join_from(ScoreEntry, RunCustomer, joined())
        .where(*conditions)
        .group_by(RunCustomer.currency)
    )


def _count(condition: Condition) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def tiles_record(rows: Sequence[Found]) -> Tiles:
    """The rows of `tiles_select` in one record."""
    split = 1 + len(_COUNTS)
    counts = {name: sum(row[1 + i] for row in rows) for i, name in enumerate(_COUNTS)}
    mrr, mrr_at_risk, mrr_high, expected = (_by_currency(rows, split + i) for i in range(4))
    return Tiles(
        **counts, mrr=mrr, mrr_at_risk=mrr_at_risk, mrr_high_band=mrr_high, expected=expected
    )


def _by_currency(rows: Sequence[Found], column: int) -> dict[str, Decimal]:
    """Amounts of one column, largest first; a currency without amounts is left out."""
    known = [(row[0], row[column]) for row in rows if row[column] is not None]
    amounts = {currency: Decimal(round(micro)) / MICRO for currency, micro in known}
    return dict(sorted(amounts.items(), key=lambda item: -item[1]))
