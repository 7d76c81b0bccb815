"""How much, how often, how broadly and how recently a customer uses the product."""

import ibis.expr.types as ir
import numpy as np

from features.declare import derived, measure
from features.windows import Windows, safe_ratio


@measure(windows=(7, 28, 90, 180), unit="events", reason="usage", actionable=True)
def usage_events(usage: ir.Table) -> ir.Value:
    """Uses of the product."""
    return usage.occurred_at.notnull()


@measure(
    windows=(7, 28, 90, 180), unit="quantity", reason="usage", actionable=True, needs=("quantity",)
)
def usage_quantity(usage: ir.Table) -> ir.Value:
    """Quantity used."""
    return usage.quantity


@measure(reduce="days", windows=(7, 28, 90, 180), unit="days", reason="usage", actionable=True)
def active_days(usage: ir.Table) -> ir.Value:
    """Days with any use."""
    return usage.day


@measure(
    reduce="distinct",
    windows=(28, 90),
    unit="users",
    reason="usage",
    actionable=True,
    needs=("user_id",),
)
def active_users(usage: ir.Table) -> ir.Value:
    """Distinct users seen."""
    return usage.user_id


@measure(
    reduce="distinct",
    windows=(28, 90),
    unit="kinds",
    reason="usage",
    actionable=True,
    needs=("event",),
)
def event_kinds(usage: ir.Table) -> ir.Value:
    """Distinct kinds of use."""
    return usage.event


@measure(reduce="top_share", windows=(28, 90), unit="share", reason="usage", needs=("event",))
def usage_top_kind_share(usage: ir.Table) -> ir.Value:
    """Share of uses that are of the commonest kind."""
    return usage.event


@measure(
    reduce="last",
    unit="days",
    reason="usage",
    actionable=True,
    says="Last use was {value:.0f} days ago",
)
def days_since_last_use(usage: ir.Table) -> ir.Value:
    """Days since the product was last used."""
    return usage.occurred_at.notnull()


@measure(reduce="first", unit="days", reason="tenure", says="First use was {value:.0f} days ago")
def days_since_first_use(usage: ir.Table) -> ir.Value:
    """Days since the product was first used."""
    return usage.occurred_at.notnull()


@measure(
    reduce="streak",
    windows=(90,),
    unit="days",
    reason="usage",
    actionable=True,
    says="In use for {value:.0f} days in a row up to now",
)
def active_streak(usage: ir.Table) -> ir.Value:
    """Days in a row with any use, up to now."""
    return usage.day


@measure(reduce="longest_streak", windows=(90,), unit="days", reason="usage")
def longest_streak(usage: ir.Table) -> ir.Value:
    """Most days in a row with any use."""
    return usage.day


@measure(
    reduce="gap_mean",
    windows=(90,),
    unit="days",
    reason="usage",
    actionable=True,
    says="In use every {value:.1f} days on average in the last 90 days",
)
def active_gap_mean(usage: ir.Table) -> ir.Value:
    """Mean days from one day with use to the next."""
    return usage.day


@measure(reduce="gap_sd", windows=(90,), unit="days", reason="usage", actionable=True)
def active_gap_sd(usage: ir.Table) -> ir.Value:
    """How much the days from one day with use to the next vary (standard deviation)."""
    return usage.day


@measure(
    reduce="latest",
    unit="quantity",
    reason="usage",
    needs=("quantity",),
    says="The last use was of {value:,.0f}",
)
def last_use_quantity(usage: ir.Table) -> ir.Value:
    """Quantity of the last use."""
    return usage.quantity


@derived(unit="days", reason="usage", window_days=28, actionable=True)
def active_days_prev_28d(f: Windows) -> np.ndarray:
    """Days with any use in the 28 days before the last 28."""
    return f.active_days(28, 56)


@derived(unit="events", reason="usage", window_days=28, actionable=True)
def usage_events_prev_28d(f: Windows) -> np.ndarray:
    """Uses of the product in the 28 days before the last 28."""
    return f.usage_events(28, 56)


@derived(
    unit="ratio",
    reason="usage_trend",
    window_days=28,
    actionable=True,
    says="Active days {moved} from {before:.0f} to {now:.0f} in four weeks",
    compares=("active_days_prev_28d", "active_days_28d"),
)
def active_days_trend_28d(f: Windows) -> np.ndarray:
    """Active days of the last 28 days against the 28 before; null when there were none before."""
    return safe_ratio(f.active_days(0, 28), f.active_days(28, 56))


@derived(
    unit="ratio",
    reason="usage_trend",
    window_days=28,
    actionable=True,
    says="Uses {moved} from {before:,.0f} to {now:,.0f} in four weeks",
    compares=("usage_events_prev_28d", "usage_events_28d"),
)
def usage_events_trend_28d(f: Windows) -> np.ndarray:
    """Uses of the last 28 days against the 28 before; null when there were none before."""
    return safe_ratio(f.usage_events(0, 28), f.usage_events(28, 56))


@derived(
    unit="ratio",
    reason="usage_trend",
    window_days=28,
    actionable=True,
    says="Use in the last week runs at {value:.0%} of the last four weeks' pace",
)
def usage_pace_7d_28d(f: Windows) -> np.ndarray:
    """Uses per day of the last 7 days against the last 28."""
    return 4 * safe_ratio(f.usage_events(0, 7), f.usage_events(0, 28))


@derived(
    unit="ratio",
    reason="usage_trend",
    window_days=90,
    actionable=True,
    says="Use in the last four weeks runs at {value:.0%} of the last 90 days' pace",
)
def usage_pace_28d_90d(f: Windows) -> np.ndarray:
    """Uses per day of the last 28 days against the last 90."""
    return 90 / 28 * safe_ratio(f.usage_events(0, 28), f.usage_events(0, 90))


@derived(
    unit="ratio",
    reason="usage_trend",
    window_days=90,
    actionable=True,
    says="Quantity used in the last four weeks runs at {value:.0%} of the last 90 days' pace",
)
def quantity_pace_28d_90d(f: Windows) -> np.ndarray:
    """Quantity per day of the last 28 days against the last 90."""
    return 90 / 28 * safe_ratio(f.usage_quantity(0, 28), f.usage_quantity(0, 90))


@derived(
    unit="share",
    reason="usage",
    window_days=28,
    actionable=True,
    says="Active on {value:.0%} of the last 28 days",
)
def active_days_share_28d(f: Windows) -> np.ndarray:
    """Share of the last 28 days with any use."""
    return f.active_days(0, 28) / 28


@derived(
    unit="events",
    reason="usage",
    window_days=28,
    actionable=True,
    says="{value:,.1f} uses on an active day, on average, in the last 28 days",
)
def usage_per_active_day_28d(f: Windows) -> np.ndarray:
    """Uses per active day of the last 28 days."""
    return safe_ratio(f.usage_events(0, 28), f.active_days(0, 28))


@derived(
    unit="share",
    reason="usage",
    tables=("subscriptions",),
    window_days=28,
    actionable=True,
    says="{value:.0%} of the seats were used in the last 28 days",
)
def seats_used_share_28d(f: Windows) -> np.ndarray:
    """Distinct users of the last 28 days against the seats bought."""
    return safe_ratio(f.active_users(0, 28), f["quantity"])


@derived(
    unit="quantity",
    reason="usage",
    tables=("subscriptions",),
    window_days=28,
    actionable=True,
    says="Quantity used per seat in the last 28 days: {value:,.1f}",
)
def quantity_per_seat_28d(f: Windows) -> np.ndarray:
    """Quantity used per seat bought, last 28 days."""
    return safe_ratio(f.usage_quantity(0, 28), f["quantity"])


@derived(unit="users", reason="usage", window_days=28, actionable=True)
def active_users_prev_28d(f: Windows) -> np.ndarray:
    """Distinct users seen in the 28 days before the last 28."""
    return f.active_users(28, 56)


@derived(
    unit="ratio",
    reason="usage",
    window_days=28,
    actionable=True,
    says="Active users {moved} from {before:.0f} to {now:.0f} in four weeks",
    compares=("active_users_prev_28d", "active_users_28d"),
)
def active_users_trend_28d(f: Windows) -> np.ndarray:
    """Distinct users of the last 28 days against the 28 before; null when none were before."""
    return safe_ratio(f.active_users(0, 28), f.active_users(28, 56))


@derived(
    unit="share",
    reason="usage",
    window_days=180,
    says="In use on {value:.0%} of the last 180 days, or of those since first use",
    actionable=True,
)
def active_days_share_180d(f: Windows) -> np.ndarray:
    """Share of the last 180 days, or of those since first use, with any use."""
    return safe_ratio(f.active_days(0, 180), np.clip(f.days_since_first_use(), 1, 180))


@derived(
    unit="ratio",
    reason="usage",
    window_days=90,
    says="Silent for {value:.1f} times the customer's usual gap",
    actionable=True,
)
def usage_silence_ratio_90d(f: Windows) -> np.ndarray:
    """Days since the last use against the mean gap between active days of the last 90 days."""
    return safe_ratio(f.days_since_last_use(), f.active_gap_mean(0, 90))
