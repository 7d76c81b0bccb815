"""Orders and returns: recency, frequency, money and the customer's own rhythm."""

import ibis
import ibis.expr.types as ir
import numpy as np

from features.declare import derived, measure
from features.windows import Windows, safe_ratio


def _bought(orders: ir.Table) -> ir.Value:
    """Which lines are purchases: returns are not orders."""
    if "is_return" in orders.columns:
        return ~orders.is_return.fill_null(False)
    return orders.occurred_at.notnull()


def _order(orders: ir.Table) -> ir.Value:
    """What identifies an order: its number, else its day."""
    if "order_id" in orders.columns:
        return orders.order_id.fill_null(orders.day.cast("string"))
    return orders.day.cast("string")


@measure(
    reduce="distinct",
    windows=(28, 90, 180, 0),
    unit="orders",
    reason="order_frequency",
    actionable=True,
)
def orders_placed(orders: ir.Table) -> ir.Value:
    """Distinct orders."""
    return ibis.ifelse(_bought(orders), _order(orders), ibis.null("string"))


@measure(
    reduce="days", windows=(28, 90, 180, 0), unit="days", reason="order_frequency", actionable=True
)
def order_days(orders: ir.Table) -> ir.Value:
    """Days with an order."""
    return ibis.ifelse(_bought(orders), orders.day, ibis.null("date"))


@measure(
    windows=(28, 90, 180, 365, 0),
    unit="money",
    reason="order_value",
    needs=("amount",),
    actionable=True,
)
def order_amount(orders: ir.Table) -> ir.Value:
    """Amount ordered."""
    return ibis.ifelse(_bought(orders), orders.amount, ibis.null("decimal(18, 6)"))


@measure(
    windows=(180,),
    unit="money",
    reason="returns",
    needs=("amount", "is_return"),
    actionable=True,
)
def return_amount(orders: ir.Table) -> ir.Value:
    """Amount sent back."""
    return ibis.ifelse(_bought(orders), ibis.null("decimal(18, 6)"), orders.amount.abs())


@measure(windows=(90, 180), unit="lines", reason="order_breadth", actionable=True)
def order_lines(orders: ir.Table) -> ir.Value:
    """Lines ordered."""
    return _bought(orders)


@measure(
    reduce="distinct",
    windows=(90, 180),
    unit="products",
    reason="order_breadth",
    needs=("product",),
    actionable=True,
)
def products_ordered(orders: ir.Table) -> ir.Value:
    """Distinct products ordered."""
    return ibis.ifelse(_bought(orders), orders["product"], ibis.null("string"))


@measure(
    reduce="last",
    unit="days",
    reason="order_recency",
    says="Last order was {value:.0f} days ago",
    actionable=True,
)
def days_since_last_order(orders: ir.Table) -> ir.Value:
    """Days since the last order."""
    return _bought(orders)


@measure(reduce="first", unit="days", reason="tenure", says="First order was {value:.0f} days ago")
def days_since_first_order(orders: ir.Table) -> ir.Value:
    """Days since the first order."""
    return _bought(orders)


@measure(
    reduce="gap_sd",
    windows=(365,),
    unit="days",
    reason="order_rhythm",
    says="Days between orders vary by {value:.0f} in the last year",
)
def order_gap_sd(orders: ir.Table) -> ir.Value:
    """How much the days from one order day to the next vary (standard deviation)."""
    return ibis.ifelse(_bought(orders), orders.day, ibis.null("date"))


@measure(
    reduce="latest",
    unit="money",
    reason="order_value",
    needs=("amount",),
    says="The last order line was of {value:,.2f}",
)
def last_order_amount(orders: ir.Table) -> ir.Value:
    """Amount of the last order line."""
    return ibis.ifelse(_bought(orders), orders.amount, ibis.null("decimal(18, 6)"))


@derived(
    unit="days",
    reason="order_rhythm",
    says="Orders every {value:.0f} days on average",
    actionable=True,
)
def order_gap_mean(f: Windows) -> np.ndarray:
    """Mean days between the customer's order days; null with fewer than two."""
    span = f.days_since_first_order() - f.days_since_last_order()
    return safe_ratio(span, f.order_days() - 1)


@derived(
    unit="ratio",
    reason="order_rhythm",
    says="Silent for {value:.1f} times the customer's usual gap between orders",
    actionable=True,
)
def order_silence_ratio(f: Windows) -> np.ndarray:
    """Days since the last order against the mean gap; null with fewer than two order days."""
    return safe_ratio(f.days_since_last_order(), order_gap_mean(f))


@derived(
    unit="ratio",
    reason="order_recency",
    says="The last order lies {value:.0%} of the way back to the first",
)
def order_recency_share(f: Windows) -> np.ndarray:
    """Days since the last order as a share of the days since the first."""
    return safe_ratio(f.days_since_last_order(), f.days_since_first_order())


@derived(
    unit="orders per 30 days",
    reason="order_frequency",
    says="{value:.1f} order days a month since the first order",
)
def order_rate(f: Windows) -> np.ndarray:
    """Order days per 30 days since the first order."""
    return 30 * safe_ratio(f.order_days(), np.maximum(f.days_since_first_order(), 30))


@derived(unit="orders", reason="order_trend", window_days=90, actionable=True)
def orders_placed_prev_90d(f: Windows) -> np.ndarray:
    """Distinct orders in the 90 days before the last 90."""
    return f.orders_placed(90, 180)


@derived(
    unit="ratio",
    reason="order_trend",
    window_days=90,
    actionable=True,
    says="Orders {moved} from {before:.0f} to {now:.0f} in 90 days",
    compares=("orders_placed_prev_90d", "orders_placed_90d"),
)
def orders_trend_90d(f: Windows) -> np.ndarray:
    """Orders of the last 90 days against the 90 before; null when there were none before."""
    return safe_ratio(f.orders_placed(0, 90), f.orders_placed(90, 180))


@derived(unit="money", reason="order_value", says="{value:,.2f} per order on average")
def order_value_mean(f: Windows) -> np.ndarray:
    """Mean amount of an order."""
    return safe_ratio(f.order_amount(), f.orders_placed())


@derived(
    unit="share",
    reason="returns",
    window_days=180,
    says="{value:.0%} of the amount ordered was sent back in 180 days",
    actionable=True,
)
def return_share_180d(f: Windows) -> np.ndarray:
    """Amount sent back against the amount ordered, last 180 days."""
    return safe_ratio(f.return_amount(0, 180), f.order_amount(0, 180))


@measure(reduce="last", unit="days", reason="last_fact", hidden=True)
def days_since_order_line(orders: ir.Table) -> ir.Value:
    """Days since the last line of an order or return."""
    return orders.occurred_at.notnull()
