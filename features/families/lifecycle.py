"""Where a customer stands: age, plan, term, renewal, and what changed before."""

import numpy as np

from features.declare import derived
from features.windows import Windows

_PLAN = ("subscriptions",)


@derived(unit="days", reason="tenure", tables=("customers",), says="Customer for {value:,.0f} days")
def age_days(f: Windows) -> np.ndarray:
    """Days since the customer first appeared."""
    return f["age_days"]


@derived(unit="days", reason="tenure", tables=_PLAN, says="Paying for {value:,.0f} days")
def tenure_days(f: Windows) -> np.ndarray:
    """Days since the first paid subscription."""
    return f["tenure_days"]


@derived(
    unit="days",
    reason="tenure",
    tables=_PLAN,
    says="In the present paid stretch for {value:,.0f} days",
)
def coverage_days(f: Windows) -> np.ndarray:
    """Days since the present stretch of paid coverage began."""
    return f["coverage_days"]


@derived(
    unit="times",
    reason="earlier_churn",
    tables=_PLAN,
    says="Left and came back {value:.0f} times before",
)
def earlier_churns(f: Windows) -> np.ndarray:
    """How often paid coverage ended before."""
    return f["earlier_churns"]


@derived(
    unit="changes",
    reason="tenure",
    tables=_PLAN,
    says="{value:.0f} changes of what the customer pays so far",
)
def subscription_changes(f: Windows) -> np.ndarray:
    """Changes of the monthly recurring revenue so far."""
    return f["subscription_changes"]


@derived(kind="category", unit="plan", reason="plan", tables=_PLAN, says="Is on the plan {value}")
def plan(f: Windows) -> np.ndarray:
    """The plan of the largest running subscription."""
    return f["plan_id"]


@derived(
    unit="rank", reason="plan", tables=("subscriptions", "plans"), says="Plan rank {value:.0f}"
)
def plan_tier(f: Windows) -> np.ndarray:
    """Rank of the plan among the plans."""
    return f["plan_tier"]


@derived(unit="months", reason="term", tables=_PLAN, says="Pays every {value:.0f} months")
def interval_months(f: Windows) -> np.ndarray:
    """Months between two payments of the plan."""
    return f["interval_months"]


@derived(unit="seats", reason="seats", tables=_PLAN, says="{value:,.0f} seats")
def seats(f: Windows) -> np.ndarray:
    """Seats (quantity) over the running subscriptions."""
    return f["quantity"]


@derived(
    unit="days", reason="renewal", tables=_PLAN, says="{value:.0f} days to the end of the term"
)
def days_to_renewal(f: Windows) -> np.ndarray:
    """Days until the paid term ends; negative when overdue."""
    return f["days_to_renewal"]


@derived(
    unit="flag",
    reason="auto_renewal",
    tables=_PLAN,
    actionable=True,
    says="Automatic renewal: {value}",
)
def auto_renew(f: Windows) -> np.ndarray:
    """Whether the subscription renews by itself."""
    return f["auto_renew"]


@derived(
    unit="changes",
    reason="plan_changes",
    tables=_PLAN,
    window_days=180,
    says="{value:.0f} upgrades in the last 180 days",
)
def upgrades_180d(f: Windows) -> np.ndarray:
    """Own increases of MRR in the last 180 days."""
    return f["upgrades_180d"]


@derived(
    unit="changes",
    reason="plan_changes",
    tables=_PLAN,
    window_days=180,
    says="{value:.0f} downgrades in the last 180 days",
)
def downgrades_180d(f: Windows) -> np.ndarray:
    """Own decreases of MRR in the last 180 days, above zero."""
    return f["downgrades_180d"]


@derived(
    unit="days",
    reason="plan_changes",
    tables=_PLAN,
    says="Last change of plan, seats or price was {value:,.0f} days ago",
)
def days_since_mrr_change(f: Windows) -> np.ndarray:
    """Days since the customer's MRR last changed."""
    return f["days_since_mrr_change"]
