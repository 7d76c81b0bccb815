"""The canonical tables that every source is mapped onto.

Physical types of the staged Parquet: text is `string`; moments are `timestamp[us]` without a zone,
in UTC; amounts and quantities are `decimal(18, 6)`; ranks and counts are `int64`; flags are `bool`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Type = Literal["string", "timestamp", "decimal", "integer", "boolean"]


@dataclass(frozen=True)
class Column:
    """A canonical column."""

    name: str
    type: Type = "string"
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A canonical table: its columns, its key (empty when rows may repeat) and whose it is."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    has_customer: bool = True
    is_history: bool = False  # rows are versions: the last one known holds
    announces: bool = False  # may know today what happens later (occurred_at after data_end)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from a line such as `plan_id! tier:integer`, where `!` marks a required one."""
    columns = []
    for word in text.split():
        name, _, kind = word.partition(":")
        required = (kind or name).endswith("!")
        columns.append(Column(name.rstrip("!"), kind.rstrip("!") or "string", required))  # type: ignore[arg-type]
    return tuple(columns)


_CLOCK = "occurred_at:timestamp! known_at:timestamp"
_FACT = f"customer_id! {_CLOCK}"
_PRICE = "interval interval_count:integer unit_amount:decimal currency"

_TABLES = (
    Table(
        "customers",
        _columns(
            "customer_id! occurred_at:timestamp known_at:timestamp name segment country currency"
            " owner_id parent_id acquisition_channel email external_ids objected_at:timestamp"
        ),
        key=("customer_id", "occurred_at"),
        is_history=True,
    ),
    Table(
        "plans",
        _columns(
            f"plan_id! {_CLOCK} name revenue_model tier:integer {_PRICE}".replace(
                "occurred_at:timestamp!", "occurred_at:timestamp"
            )
        ),
        key=("plan_id", "occurred_at"),
        has_customer=False,
        is_history=True,
    ),
    Table(
        "subscriptions",
        _columns(
            f"{_FACT} subscription_id! plan_id status! quantity:decimal {_PRICE}"
            " discount_amount:decimal discount_percent:decimal discount_kind"
            " discount_ends_at:timestamp current_period_end:timestamp auto_renew:boolean"
            " cancel_requested_at:timestamp end_reason"
        ),
        key=("subscription_id", "occurred_at"),
        is_history=True,
        announces=True,
    ),
    Table(
        "invoices",
        _columns(
            f"{_FACT} invoice_id! subscription_id amount:decimal currency due_at:timestamp kind"
        ),
        key=("invoice_id",),
        announces=True,
    ),
    Table(
        "payments",
        _columns(f"{_FACT} payment_id! invoice_id status! amount:decimal currency failure_code"),
        key=("payment_id",),
    ),
    Table(
        "orders",
        _columns(
            f"{_FACT} order_id amount:decimal currency quantity:decimal product is_return:boolean"
        ),
    ),
    Table("usage", _columns(f"{_FACT} event quantity:decimal user_id")),
    Table(
        "tickets",
        _columns(f"{_FACT} ticket_id! change! priority csat:decimal"),
        key=("ticket_id", "change", "occurred_at"),
    ),
    Table("surveys", _columns(f"{_FACT} kind score:decimal reason text")),
    Table("touches", _columns(f"{_FACT} channel direction kind campaign")),
    Table(
        "treatments",
        _columns(f"{_FACT} experiment! arm! propensity:decimal is_control:boolean"),
        key=("experiment", "customer_id"),
    ),
    Table(
        "costs",
        _columns("period_start:timestamp! period_end:timestamp! amount:decimal! currency channel"),
        key=("period_start", "period_end", "channel"),
        has_customer=False,
    ),
    Table(
        "fx_rates",
        _columns(f"currency! {_CLOCK} rate:decimal!"),
        key=("currency", "occurred_at"),
        has_customer=False,
    ),
    Table(
        "snapshots",
        _columns("customer_id! as_of:timestamp mrr:decimal sample row_number:integer"),
        key=("customer_id", "as_of"),
    ),
)

TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _TABLES})

INTERVALS = ("day", "week", "month", "quarter", "year")
SUBSCRIPTION_STATUSES = ("trialing", "active", "past_due", "paused", "canceled", "expired")
PAYMENT_STATUSES = ("succeeded", "failed", "refunded")
TICKET_CHANGES = ("opened", "resolved", "reopened")
REVENUE_MODELS = ("subscription", "membership", "freemium", "contract", "consumption")
