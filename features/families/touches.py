"""Contacts between the company and the customer."""

import ibis.expr.types as ir

from features.declare import measure


@measure(windows=(28, 90), unit="touches", reason="contact", needs=("direction",))
def touches_out(touches: ir.Table) -> ir.Value:
    """Contacts made by the company."""
    return touches.direction == "out"


@measure(windows=(28, 90), unit="touches", reason="contact", needs=("direction",))
def touches_in(touches: ir.Table) -> ir.Value:
    """Contacts made by the customer."""
    return touches.direction == "in"


@measure(
    reduce="last",
    unit="days",
    reason="contact",
    actionable=True,
    says="Last contact was {value:.0f} days ago",
)
def days_since_last_touch(touches: ir.Table) -> ir.Value:
    """Days since the last contact either way."""
    return touches.occurred_at.notnull()
