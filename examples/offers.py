"""Features of complete_journey: what a campaign offers, and what became of coupons before."""

import ibis.expr.types as ir

from features.declare import measure


@measure(reduce="latest", unit="type", reason="offer", needs=("kind",))
def campaign_type(touches: ir.Table) -> ir.Value:
    """Type of the campaign last received: 1 is A, 2 is B, 3 is C."""
    return touches.kind.cases(("Type A", 1), ("Type B", 2), else_=3)


@measure(windows=(28, 90, 180), unit="baskets", reason="coupons", needs=("event",))
def coupon_baskets(usage: ir.Table) -> ir.Value:
    """Baskets in which a coupon was used, of a campaign or not."""
    return usage.event == "basket"


@measure(windows=(90, 180), unit="redemptions", reason="coupons", needs=("event",))
def redemptions(usage: ir.Table) -> ir.Value:
    """Redemptions of a campaign's coupons, those of a day counted once."""
    return usage.event != "basket"


@measure(reduce="last", unit="days", reason="coupons", needs=("event",))
def days_since_last_redemption(usage: ir.Table) -> ir.Value:
    """Days since a coupon of a campaign was redeemed."""
    return usage.event != "basket"
