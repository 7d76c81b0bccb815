"""What a customer who buys more adds per month, by what past increases were."""

from datetime import datetime

import pandas as pd

from features.facts import Facts
from features.project import Target
from features.revenue.ledger import MILLIONTH, customer_steps
from features.staging import Staged


def median_increase(staged: Staged, target: Target, as_of: datetime | None) -> float | None:
    """The median past increase that the target asks about, as known at a moment.

    Of a conversion it is the first paid MRR of a customer; of a cross-sell the rise of MRR when a
    customer that paid already first pays for the plan, or what buyers of the product spent on it in
    the last 365 days / 12; otherwise every rise of MRR by plan, quantity or add-on of at least
    `min_increase`.

    Returns
    -------
    float or None
        Per month; None without subscriptions, amounts or increases, and for a product that is a
        use, which nothing prices.
    """
    if as_of is None or "subscriptions" not in staged.tables:
        return None
    facts = Facts(staged, target)
    if target.kind == "cross_sell" and facts.product_table != "subscriptions":
        spent = facts.spent(as_of)
        return None if spent is None or spent.empty else float(spent.median()) / 12
    items = facts.items(as_of)
    steps = customer_steps(items)
    steps = steps[steps["at"] < as_of]
    if steps.empty or not steps["has_amounts"].iloc[0]:
        return None
    if target.kind == "conversion":
        rises = first_paid(steps)
    elif target.kind == "cross_sell":
        rises = with_plan(steps, facts.uses(as_of))
    else:
        rises = increases(steps, target)
    return float(rises.median()) / MILLIONTH if len(rises) else None


def first_paid(steps: pd.DataFrame) -> pd.Series:
    """The first MRR above zero of each customer, in millionths."""
    return steps[steps["mrr"] > 0].groupby("customer_id")["mrr"].first()


def with_plan(steps: pd.DataFrame, uses: pd.DataFrame) -> pd.Series:
    """Rises at the first paid moment of a plan of customers that paid before, in millionths."""
    first = uses.groupby("customer_id")["occurred_at"].min()
    same = steps["customer_id"].eq(steps["customer_id"].shift())
    before = steps["mrr"].shift().where(same, 0.0)
    starts = steps["at"].eq(steps["customer_id"].map(first))
    rise = steps["mrr"] - before
    return rise[starts & (before > 0) & (rise > 0)]


def increases(steps: pd.DataFrame, target: Target) -> pd.Series:
    """Rises of customers that paid before, price rises and ended discounts left out."""
    same = steps["customer_id"].eq(steps["customer_id"].shift())
    before = steps["mrr"].shift().where(same, 0.0)
    parts = steps[["mrr", "organic"]].diff().where(same, 0.0)
    rise = parts.min(axis="columns")
    return rise[(before > 0) & (rise > 0) & (rise >= target.min_increase * before)]
