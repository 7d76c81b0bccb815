"""Money: what is paid, what failed, what it costs per seat and per use."""

import ibis.expr.types as ir
import numpy as np

from features.declare import EVER, derived, measure
from features.windows import Windows, safe_ratio

_PRICED = ("subscriptions",)


@measure(
    windows=(28, 90, 180, EVER),
    unit="payments",
    reason="payment_trouble",
    actionable=True,
    monotone=1,
)
def failed_payments(payments: ir.Table) -> ir.Value:
    """Failed payments."""
    return payments.status == "failed"


@measure(windows=(90, 180, EVER), unit="payments", reason="payments")
def succeeded_payments(payments: ir.Table) -> ir.Value:
    """Payments that succeeded."""
    return payments.status == "succeeded"


@measure(windows=(180,), unit="refunds", reason="refunds", actionable=True)
def refunds(payments: ir.Table) -> ir.Value:
    """Refunds."""
    return payments.status == "refunded"


@measure(windows=(90, 180), unit="money", reason="payments", needs=("amount",))
def paid_amount(payments: ir.Table) -> ir.Value:
    """Amount paid."""
    return (payments.status == "succeeded").ifelse(payments.amount, None)


@measure(
    reduce="last",
    unit="days",
    reason="payment_trouble",
    actionable=True,
    says="Last failed payment was {value:.0f} days ago",
)
def days_since_failed_payment(payments: ir.Table) -> ir.Value:
    """Days since a payment last failed."""
    return payments.status == "failed"


@measure(
    reduce="last", unit="days", reason="payments", says="Last payment was {value:.0f} days ago"
)
def days_since_last_payment(payments: ir.Table) -> ir.Value:
    """Days since a payment last succeeded."""
    return payments.status == "succeeded"


@derived(
    unit="share",
    reason="payment_trouble",
    window_days=180,
    actionable=True,
    says="{value:.0%} of the payments of the last 180 days failed",
)
def failed_payment_share_180d(f: Windows) -> np.ndarray:
    """Failed payments against all attempts of the last 180 days."""
    failed = f.failed_payments(0, 180)
    return safe_ratio(failed, failed + f.succeeded_payments(0, 180))


@derived(
    unit="share",
    reason="payment_trouble",
    actionable=True,
    says="{value:.0%} of all payments so far failed",
)
def failed_payment_share_ever(f: Windows) -> np.ndarray:
    """Failed payments against all attempts ever."""
    failed = f.failed_payments()
    return safe_ratio(failed, failed + f.succeeded_payments())


@derived(unit="money per month", reason="price", tables=_PRICED, says="Pays {value:,.2f} a month")
def mrr(f: Windows) -> np.ndarray:
    """Monthly recurring revenue."""
    return f["mrr"]


@derived(
    unit="money per month",
    reason="price",
    tables=_PRICED,
    says="Pays {value:,.2f} per seat a month",
)
def mrr_per_seat(f: Windows) -> np.ndarray:
    """Monthly recurring revenue per seat."""
    return safe_ratio(f["mrr"], f["quantity"])


@derived(
    unit="days",
    reason="price_rise",
    tables=_PRICED,
    says="The price rose {value:,.0f} days ago",
)
def days_since_price_rise(f: Windows) -> np.ndarray:
    """Days since MRR rose though the customer changed nothing, as by price or a discount's end."""
    return f["days_since_price_rise"]


@derived(
    unit="share",
    reason="price_rise",
    tables=_PRICED,
    says="The last rise of the price was by {value:.0%}",
)
def price_rise_share(f: Windows) -> np.ndarray:
    """By how much MRR last rose though the customer changed nothing, against what it was."""
    return f["price_rise_share"]


@derived(
    unit="money",
    reason="price",
    tables=("subscriptions", "usage"),
    window_days=28,
    actionable=True,
    says="Pays {value:,.2f} per active day",
)
def mrr_per_active_day_28d(f: Windows) -> np.ndarray:
    """Monthly recurring revenue per active day of the last 28 days."""
    return safe_ratio(f["mrr"], f.active_days(0, 28))


@derived(
    unit="days",
    reason="payment_trouble",
    tables=_PRICED,
    actionable=True,
    says="Days past due of the oldest unpaid invoice: {value:.0f}",
    monotone=1,
)
def days_past_due(f: Windows) -> np.ndarray:
    """Days a running subscription has been past due; 0 when none is, null when none runs."""
    return f["days_past_due"]


@measure(reduce="last", unit="days", reason="last_fact", hidden=True)
def days_since_payment_attempt(payments: ir.Table) -> ir.Value:
    """Days since the last attempt to pay or refund."""
    return payments.occurred_at.notnull()


@measure(reduce="last", unit="days", reason="last_fact", hidden=True)
def days_since_invoice(invoices: ir.Table) -> ir.Value:
    """Days since the last invoice."""
    return invoices.occurred_at.notnull()
