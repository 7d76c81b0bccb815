"""Trouble: tickets opened, still open, reopened, urgent, and how they were judged."""

import ibis.expr.types as ir
import numpy as np

from features.declare import derived, measure
from features.windows import Windows, safe_ratio


@measure(windows=(28, 90, 180), unit="tickets", reason="tickets", actionable=True)
def tickets_opened(tickets: ir.Table) -> ir.Value:
    """Support tickets opened."""
    return tickets.change == "opened"


@measure(windows=(90,), unit="tickets", reason="tickets", actionable=True)
def tickets_reopened(tickets: ir.Table) -> ir.Value:
    """Support tickets reopened."""
    return tickets.change == "reopened"


@measure(windows=(90,), unit="tickets", reason="tickets", actionable=True, needs=("priority",))
def urgent_tickets(tickets: ir.Table) -> ir.Value:
    """Urgent or high-priority tickets opened."""
    return (tickets.change == "opened") & tickets.priority.lower().isin(["urgent", "high"])


@measure(windows=(), unit="points", reason="ticket_satisfaction", needs=("csat",))
def csat_points(tickets: ir.Table) -> ir.Value:
    """Sum of satisfaction scores of resolved tickets."""
    return tickets.csat


@measure(windows=(), unit="answers", reason="ticket_satisfaction", needs=("csat",))
def csat_answers(tickets: ir.Table) -> ir.Value:
    """Satisfaction scores given."""
    return tickets.csat.notnull()


@measure(
    reduce="last",
    unit="days",
    reason="tickets",
    says="Last ticket was opened {value:.0f} days ago",
)
def days_since_last_ticket(tickets: ir.Table) -> ir.Value:
    """Days since a ticket was last opened."""
    return tickets.change == "opened"


@derived(
    unit="points",
    reason="ticket_satisfaction",
    window_days=180,
    actionable=True,
    says="Mean ticket satisfaction of the last 180 days is {value:.1f}",
)
def csat_mean_180d(f: Windows) -> np.ndarray:
    """Mean satisfaction with tickets resolved in the last 180 days."""
    return safe_ratio(f.csat_points(0, 180), f.csat_answers(0, 180))


@derived(
    unit="tickets",
    reason="open_tickets",
    tables=("tickets",),
    actionable=True,
    says="{value:.0f} tickets are open",
)
def open_tickets(f: Windows) -> np.ndarray:
    """Tickets open at the moment."""
    return f["open_tickets"]


@derived(
    unit="days",
    reason="open_tickets",
    tables=("tickets",),
    actionable=True,
    says="The oldest open ticket has waited {value:.0f} days",
)
def oldest_open_ticket_days(f: Windows) -> np.ndarray:
    """Age of the oldest open ticket; null when none is open."""
    return f["oldest_open_ticket_days"]


@measure(reduce="last", unit="days", reason="last_fact", hidden=True)
def days_since_ticket_change(tickets: ir.Table) -> ir.Value:
    """Days since a ticket last changed."""
    return tickets.occurred_at.notnull()
