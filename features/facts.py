"""The staged facts that labels are judged by, read once and cut to what was known at a moment."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property

import ibis.expr.types as ir
import pandas as pd

from features.engine import Tables, tables_for, to_frame
from features.errors import UnfitDataError
from features.project import Revenue, Target
from features.project_kinds import PRODUCT_COLUMNS, product_table
from features.revenue.ledger import customer_steps, item_changes
from features.staging import Staged
from features.state_products import sold

_EVENTS = {"silence": "orders", "inactivity": "usage"}
_CLOCKED = ["customer_id", "occurred_at", "known_at"]
_LEDGER = [
    *_CLOCKED,
    "subscription_id",
    "plan_id",
    "status",
    "quantity",
    "interval",
    "interval_count",
    "unit_amount",
    "discount_amount",
    "discount_percent",
    "discount_kind",
    "discount_ends_at",
    "end_reason",
]


def pauses(staged: Staged) -> bool:
    """Whether the company ever paused a subscription."""
    if "subscriptions" not in staged.tables:
        return False
    rows = tables_for(staged)["subscriptions"]
    return len(to_frame(rows.filter(rows.status == "paused").select("status").limit(1))) > 0


class Facts:
    """What the labels of one target read; nothing is read before it is asked for."""

    def __init__(self, staged: Staged, target: Target) -> None:
        self._staged, self._target = staged, target
        self._read: dict[str, pd.DataFrame] = {}
        self._items: tuple[datetime | None, pd.DataFrame] | None = None

    @cached_property
    def _tables(self) -> Tables:
        return tables_for(self._staged)

    @property
    def policy(self) -> Revenue:
        """Under which MRR is counted."""
        return self._staged.project.revenue

    def events(self, known_before: datetime | None) -> pd.DataFrame:
        """Orders, returns left out, or uses."""
        table = _EVENTS[self._target.kind]
        return _known(self._once(table, lambda rows: _bought(rows).select(_CLOCKED)), known_before)

    def steps(self, known_before: datetime | None) -> pd.DataFrame:
        """Steps of MRR, see `features.revenue.ledger`."""
        return customer_steps(self.items(known_before))

    def changes(self, known_before: datetime | None) -> pd.DataFrame:
        """Changes of subscriptions as they came."""
        return _known(self._once("subscriptions", _priced), known_before)

    def uses(self, known_before: datetime | None) -> pd.DataFrame:
        """Purchases or uses of the product of a cross-sell, see `training.outcomes.cross_sell`."""
        name = self.product_table
        if name == "subscriptions":
            items = self.items(known_before)
            paid = items["plan_id"].isin([self._target.product]) & (items["item"] > 0)
            return items.loc[paid, ["customer_id", "occurred_at"]].assign(needs_coverage=False)

        def of_product(rows: ir.Table) -> ir.Table:
            rows = sold(rows, name, self._target.product)
            return rows.select(*_CLOCKED, product=rows[PRODUCT_COLUMNS[name]])

        found = _known(self._once(name, of_product), known_before)
        return found.assign(needs_coverage=name == "usage")

    def spent(self, as_of: datetime) -> pd.Series | None:
        """What each customer spent on the product in the 365 days before a moment.

        None where the product is not an order's, or orders have no amounts.
        """
        orders = self._tables.get("orders")
        if self.product_table != "orders" or orders is None or "amount" not in orders.columns:
            return None

        def lines(rows: ir.Table) -> ir.Table:
            since = rows.occurred_at >= as_of - timedelta(days=365)
            seen = (rows.occurred_at < as_of) & (rows.known_at < as_of)
            rows = sold(rows.filter(since & seen), "orders", str(self._target.product))
            return rows.group_by("customer_id").aggregate(spent=rows.amount.cast("float64").sum())

        found = to_frame(lines(orders))
        return found.set_index("customer_id")["spent"].dropna()

    @property
    def product_table(self) -> str:
        """Where the product of a cross-sell is named."""
        return product_table("target", self._target, self._staged.project)

    def items(self, known_before: datetime | None) -> pd.DataFrame:
        """What every subscription earns after every change; the last asked for are kept."""
        if self._items is None or self._items[0] != known_before:
            rows = self.changes(known_before)
            has_plans = "plans" in self._staged.tables
            plans = self._once("plans", _priced) if has_plans else None
            self._items = (known_before, item_changes(rows, self.policy, plans))
        return self._items[1]

    def _once(self, table: str, choose: Callable[[ir.Table], ir.Table]) -> pd.DataFrame:
        if table not in self._staged.tables:
            raise UnfitDataError(
                f"the target needs the table {table!r}, which the project does not map"
            )
        if table not in self._read:
            self._read[table] = to_frame(choose(self._tables[table]))
        return self._read[table]


def _known(facts: pd.DataFrame, before: datetime | None) -> pd.DataFrame:
    return facts if before is None else facts[facts["known_at"] < before]


def _bought(rows: ir.Table) -> ir.Table:
    """Rows that are no returns."""
    return rows.filter(~rows.is_return.fill_null(False)) if "is_return" in rows.columns else rows


def _priced(rows: ir.Table) -> ir.Table:
    """The columns that the ledger reads, amounts as float64: exact to fifteen digits."""
    kept = rows.select([column for column in rows.columns if column in _LEDGER])
    decimals = {c: kept[c].cast("float64") for c, t in kept.schema().items() if t.is_decimal()}
    return kept.mutate(**decimals) if decimals else kept
