"""What a customer who buys more adds per month, by what past increases were."""

from datetime import datetime

import pandas as pd

from features.project import Target
from features.revenue.ledger import MILLIONTH, mrr_steps
from features.staging import Staged


def median_increase(staged: Staged, target: Target, as_of: datetime | None) -> float | None:
    """The median past increase of MRR that the target asks about, as known at a moment.

    For a conversion it is the first paid MRR of a customer; otherwise every rise by plan, quantity
    or add-on of at least `min_increase`.

    Returns
    -------
    float or None
        Per month; None without subscriptions, amounts or increases.
    """
    path = staged.tables.get("subscriptions")
    if path is None or as_of is None:
        return None
    facts = pd.read_parquet(path)
    facts = facts[(facts["known_at"] < as_of) & (facts["occurred_at"] < as_of)]
    plans = staged.tables.get("plans")
    steps = mrr_steps(
        facts, staged.project.revenue, None if plans is None else pd.read_parquet(plans)
    )
    if steps.empty or not steps["has_amounts"].iloc[0]:
        return None
    rises = first_paid(steps) if target.kind == "conversion" else increases(steps, target)
    return float(rises.median()) / MILLIONTH if len(rises) else None


def first_paid(steps: pd.DataFrame) -> pd.Series:
    """The first MRR above zero of each customer, in millionths."""
    return steps[steps["mrr"] > 0].groupby("customer_id")["mrr"].first()


def increases(steps: pd.DataFrame, target: Target) -> pd.Series:
    """Rises of customers that paid before, price rises and ended discounts left out."""
    same = steps["customer_id"].eq(steps["customer_id"].shift())
    before = steps["mrr"].shift().where(same, 0.0)
    parts = steps[["mrr", "organic"]].diff().where(same, 0.0)
    rise = parts.min(axis="columns")
    return rise[(before > 0) & (rise > 0) & (rise >= target.min_increase * before)]
