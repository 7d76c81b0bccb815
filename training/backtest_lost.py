"""The recurring revenue that was lost, customer by customer, with the moment it ended."""

import numpy as np
import pandas as pd

from features.days import micros
from features.project import Target
from features.revenue.ledger import MILLIONTH
from training.end_reasons import ended_for
from training.sample import Dataset
from training.timeline import OPEN, Timeline, coverage_runs


def lost_mrr(data: Dataset) -> pd.DataFrame | str:
    """Every end of coverage that is a churn of the target, or the sentence why there is none.

    Returns
    -------
    DataFrame of shape (n, 3)
        `customer_id`, `at` (int64, microseconds), `mrr` (that of the moment before, per month).
    """
    target = data.target
    if target.label is not None or target.kind != "churn":
        return "only a churn with dated subscriptions has a moment at which MRR ends"
    steps = data.facts.steps(data.data_end)
    if not len(steps) or not steps["has_amounts"].iloc[0]:
        return "no amounts: what was lost is not known"
    lost = ends(steps, target)
    if target.where is not None:  # others were never asked about
        lost = lost[lost["customer_id"].isin(data.keys["customer_id"])]
    if target.end_reasons:
        changes = data.facts.changes(data.data_end)
        at = lost["at"].to_numpy() + 1
        counts = ended_for(changes, lost["customer_id"], at, target.end_reasons)
        lost = lost[counts]
    return lost.reset_index(drop=True)


def ends(steps: pd.DataFrame, target: Target) -> pd.DataFrame:
    """The ends of coverage that did not resume in time, from steps of MRR."""
    runs = coverage_runs(steps, target.grace_days, target.pause_days or 0, target.zone)
    over = runs.end != OPEN
    customer, at = runs.customer[over].reset_index(drop=True), runs.end[over]
    line = Timeline(steps["customer_id"], micros(steps["at"]))
    before = line.order[line.last_before(customer, at)]
    mrr = steps["mrr"].to_numpy(dtype=np.float64)[before] / MILLIONTH
    return pd.DataFrame({"customer_id": customer, "at": at, "mrr": mrr})
