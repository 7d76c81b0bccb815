"""State from subscriptions: what runs, what it earns, when it ends, and what came before."""

import numpy as np
import pandas as pd

from features.engine import Tables, to_frame
from features.grid import DAY, Grid, microseconds
from features.history import Pairs, Versions, expand
from features.project import Revenue
from features.state_ledger import ledger_state
from features.state_profile import Columns, history_frame

_MONTHS = {"day": 12 / 365, "week": 12 / 52, "month": 1.0, "quarter": 3.0, "year": 12.0}
_RUNNING = ("active", "past_due", "trialing", "paused")
_NEVER = np.iinfo(np.int64).min


def subscription_state(
    tables: Tables, policy: Revenue, grid: Grid, pairs: Pairs, codes: pd.Index
) -> Columns:
    """Every subscription column of the state; see `features.state`."""
    rows = history_frame(tables, "subscriptions", codes, ["subscription_id"], values=["status"])
    plans = to_frame(tables["plans"]) if "plans" in tables else None
    ledger = ledger_state(rows, plans, policy, grid, pairs)
    return ledger | _current_state(rows, plans, grid, pairs)


def _current_state(
    rows: pd.DataFrame, plans: pd.DataFrame | None, grid: Grid, pairs: Pairs
) -> Columns:
    """Describe the running subscriptions: totals over all, the rest of the largest one."""
    entity = rows["subscription_id"].factorize()[0].astype(np.int64)
    row, start, stop = Versions.of(rows, entity, grid.as_of).spans()
    span, moment = expand(start, stop)
    row = row[span]
    at = pairs.find(rows["code"].to_numpy()[row], moment)
    running = rows["status"].isin(_RUNNING).to_numpy()[row]
    keep = (at >= 0) & running
    row, at, moment, entity_at = row[keep], at[keep], moment[keep], entity[row[keep]]
    known = rows.iloc[row].reset_index(drop=True).assign(at=at, moment=moment, entity=entity_at)
    known = _described(known, plans, grid)
    known["announced"] = _is_announced(rows, entity, grid, known)
    return _over_customer(known, len(pairs))


def _described(known: pd.DataFrame, plans: pd.DataFrame | None, grid: Grid) -> pd.DataFrame:
    """Numbers of each running subscription at each as-of."""
    as_of = grid.as_of[known["moment"].to_numpy()]
    for column in (
        "quantity",
        "unit_amount",
        "interval_count",
        "auto_renew",
        "plan_id",
        "interval",
    ):
        if column not in known:
            known[column] = None
    known["quantity"] = known["quantity"].astype("float64").fillna(1.0)
    months = known["interval"].map(_MONTHS).astype("float64")
    known["months"] = months * known["interval_count"].astype("float64").fillna(1.0)
    known["renew"] = known["auto_renew"].astype("float64")
    ends = known.get("current_period_end", pd.Series(pd.NaT, known.index))
    known["period_end"] = microseconds(ends)
    past_due = known["status"].eq("past_due").to_numpy()
    since = microseconds(known["occurred_at"])
    known["overdue"] = np.where(past_due, (as_of - since) / DAY, 0.0)
    known["weight"] = known["status"].ne("trialing") * known["unit_amount"].astype(
        "float64"
    ).fillna(1)
    known["on_trial"] = known["status"].eq("trialing")
    known["tier"] = known["plan_id"].map(_tiers(plans)).astype("float64")
    return known


def _tiers(plans: pd.DataFrame | None) -> dict[str, float]:
    """Rank of each plan; a plan's rank is its newest one."""
    if plans is None or "tier" not in plans:
        return {}
    newest = plans.sort_values("occurred_at", kind="stable").groupby("plan_id")["tier"].last()
    return {str(plan): float(tier) for plan, tier in newest.dropna().items()}


def _is_announced(
    rows: pd.DataFrame, entity: np.ndarray, grid: Grid, known: pd.DataFrame
) -> np.ndarray:
    """Whether the end of a running subscription was known though it had not come."""
    ends = rows["status"].isin(["canceled", "expired"]).to_numpy()
    occurred, told = microseconds(rows["occurred_at"]), microseconds(rows["known_at"])
    start = np.searchsorted(grid.as_of, told, side="right")
    stop = np.searchsorted(grid.as_of, occurred, side="right")
    early = ends & (start < stop)
    span, moment = expand(start[early], stop[early])
    n_as_of = len(grid.as_of)
    announced = np.unique(entity[early][span] * n_as_of + moment)
    key = known["entity"].to_numpy() * n_as_of + known["moment"].to_numpy()
    found = np.isin(key, announced)
    if "cancel_requested_at" in known:
        asked = microseconds(known["cancel_requested_at"])
        found |= (asked != _NEVER) & (asked < grid.as_of[known["moment"].to_numpy()])
    return found


def _over_customer(known: pd.DataFrame, n_pairs: int) -> Columns:
    """One row per pair: sums and extremes over running subscriptions, names of the largest."""
    known = known.sort_values(["at", "weight", "subscription_id"], ascending=[True, False, True])
    by = known.groupby("at", sort=True)
    first = by.first()
    at = first.index.to_numpy()
    ends = known["period_end"].where(known["period_end"] != _NEVER).groupby(known["at"]).min()
    state = {
        "quantity": _spread(by["quantity"].sum(), at, n_pairs),
        "interval_months": _spread(first["months"], at, n_pairs),
        "auto_renew": _spread(first["renew"], at, n_pairs),
        "plan_tier": _spread(first["tier"], at, n_pairs),
        "days_past_due": _spread(by["overdue"].max(), at, n_pairs),
        "trialing": _spread(by["on_trial"].all(), at, n_pairs) == 1,
        "end_announced": _spread(by["announced"].all(), at, n_pairs) == 1,
    }
    plan = np.full(n_pairs, None, object)
    plan[at] = first["plan_id"].where(first["plan_id"].notna(), None)
    renewal = np.full(n_pairs, _NEVER)
    renewal[at] = ends.reindex(at).fillna(_NEVER).astype(np.int64)
    return state | {"plan_id": plan, "renewal_us": renewal}


def _spread(values: pd.Series, at: np.ndarray, n_pairs: int) -> np.ndarray:
    out = np.full(n_pairs, np.nan)
    out[at] = values.astype("float64")
    return out
