"""State from subscriptions: what runs, what it earns, when it ends, and what came before."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.engine import Tables, to_frame
from features.grid import DAY, Grid, microseconds
from features.history import Pairs, Versions, expand, shown_at
from features.project import Revenue
from features.revenue.amounts import monthly_amount, with_prices
from features.revenue.ledger import COUNTED
from features.state_ledger import ledger_state
from features.state_profile import Columns, history_frame

_MONTHS = {"day": 12 / 365, "week": 12 / 52, "month": 1.0, "quarter": 3.0, "year": 12.0}
_RUNNING = ("active", "past_due", "trialing", "paused")
_NEVER = np.iinfo(np.int64).min


def subscription_state(
    tables: Tables,
    policy: Revenue,
    grid: Grid,
    pairs: Pairs,
    codes: pd.Index,
    products: Mapping[str, str],
) -> Columns:
    """Every subscription column of the state; see `features.state`.

    `products` names a flag for each plan of which a paid subscription is looked for.
    """
    rows = history_frame(tables, "subscriptions", codes, ["subscription_id"], values=["status"])
    plans = to_frame(tables["plans"]) if "plans" in tables else None
    has_amounts = any(tables.has(name, ("unit_amount",)) for name in ("subscriptions", "plans"))
    ledger = ledger_state(
        rows, plans, policy, grid, pairs, has_amounts=has_amounts, products=products
    )
    since = ledger["days_since_subscription_row"] = _since_last_row(rows, grid, pairs, len(codes))
    ledger["ever_subscribed"] = ~np.isnan(since)
    known = _running(rows, plans, policy, grid, pairs, has_amounts=has_amounts)
    current = _over_customer(known, len(pairs))
    ledger["paused"] &= current.pop("pauses")
    return ledger | current


def _since_last_row(rows: pd.DataFrame, grid: Grid, pairs: Pairs, n_customers: int) -> np.ndarray:
    """Days since the newest subscription row known at each pair; NaN before the first."""
    occurred, told = microseconds(rows["occurred_at"]), microseconds(rows["known_at"])
    newest = np.full((len(grid.as_of) + 1, n_customers), _NEVER)
    np.maximum.at(newest, (shown_at(occurred, told, grid.as_of), rows["code"]), occurred)
    last = np.maximum.accumulate(newest)[pairs.as_of, pairs.customer]
    return np.where(last == _NEVER, np.nan, (grid.as_of[pairs.as_of] - last) / DAY)


def _running(
    rows: pd.DataFrame,
    plans: pd.DataFrame | None,
    policy: Revenue,
    grid: Grid,
    pairs: Pairs,
    *,
    has_amounts: bool,
) -> pd.DataFrame:
    """The running subscriptions of every pair, described as they were known at its as-of."""
    rows = with_prices(rows, plans)
    entity = rows["subscription_id"].factorize()[0].astype(np.int64)
    row, start, stop = Versions.of(rows, entity, grid.as_of).spans()
    span, moment = expand(start, stop)
    row = row[span]
    at = pairs.find(rows["code"].to_numpy()[row], moment)
    running = rows["status"].isin(_RUNNING).to_numpy()[row]
    keep = (at >= 0) & running
    row, at, moment, entity_at = row[keep], at[keep], moment[keep], entity[row[keep]]
    known = rows.iloc[row].reset_index(drop=True).assign(at=at, moment=moment, entity=entity_at)
    known["since"] = _overdue_since(rows, entity, grid, known)
    known = _described(known, plans, grid)
    known["pays"] = _pays(known, policy, grid, has_amounts=has_amounts)
    known["announced"] = _is_announced(rows, entity, grid, known)
    return known


def _pays(
    known: pd.DataFrame, policy: Revenue, grid: Grid, *, has_amounts: bool
) -> np.ndarray | pd.Series:
    """Whether a running subscription counts towards coverage just before the as-of."""
    counted = [*COUNTED, *(["trialing"] if policy.trial_counts else [])]
    counts = known["status"].isin(counted) & (
        known["status"].ne("past_due") | (known["overdue"] <= policy.dunning_days)
    )
    if not has_amounts:
        return counts
    as_of = grid.as_of[known["moment"].to_numpy()].astype("datetime64[us]")
    return counts & (monthly_amount(known.assign(occurred_at=as_of), policy) > 0)


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
    known["overdue"] = np.where(past_due, (as_of - known["since"]) / DAY, 0.0)
    known["weight"] = known["status"].ne("trialing") * known["unit_amount"].astype(
        "float64"
    ).fillna(1)
    known["on_trial"] = known["status"].eq("trialing")
    known["tier"] = _tiers(plans, grid, known)
    return known


def _tiers(plans: pd.DataFrame | None, grid: Grid, known: pd.DataFrame) -> np.ndarray:
    """Rank of each subscription's plan, from the last version of the plan known at the as-of."""
    none = np.full(len(known), np.nan)
    if plans is None or "tier" not in plans:
        return none
    plans = plans.dropna(subset=["plan_id"]).copy()
    for clock in ("occurred_at", "known_at"):
        plans[clock] = plans[clock].fillna(pd.Timestamp(0))
    plans = plans.sort_values(["plan_id", "occurred_at", "known_at"], ignore_index=True)
    entity, names = plans["plan_id"].factorize()
    row, start, stop = Versions.of(plans, entity.astype(np.int64), grid.as_of).spans()
    span, moment = expand(start, stop)
    tiers = np.full((len(names) + 1, len(grid.as_of)), np.nan)
    tiers[entity[row][span], moment] = plans["tier"].astype("float64").to_numpy()[row][span]
    place = pd.Index(names).get_indexer(pd.Index(known["plan_id"]))
    return np.asarray(tiers[place, known["moment"].to_numpy()])


def _overdue_since(
    rows: pd.DataFrame, entity: np.ndarray, grid: Grid, known: pd.DataFrame
) -> np.ndarray:
    """When the unbroken run of past-due rows began, of those known at each as-of."""
    n_as_of = len(grid.as_of)
    occurred, told = microseconds(rows["occurred_at"]), microseconds(rows["known_at"])
    late = rows["status"].eq("past_due").to_numpy()
    row, start, stop = Versions.of(rows[~late], entity[~late], grid.as_of).spans()
    span, moment = expand(start, stop)
    other = pd.Series(occurred[~late][row][span], index=entity[~late][row][span] * n_as_of + moment)
    span, moment = expand(
        shown_at(occurred[late], told[late], grid.as_of), np.full(int(late.sum()), n_as_of)
    )
    key, at = entity[late][span] * n_as_of + moment, occurred[late][span]
    after = at > other.reindex(key).fillna(_NEVER).to_numpy()
    first = pd.Series(at[after], index=key[after]).groupby(level=0).min()
    mine = known["entity"].to_numpy() * n_as_of + known["moment"].to_numpy()
    return first.reindex(mine).fillna(0).to_numpy()


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
    known["is_paused"] = known["status"].eq("paused")
    beside = ~known["pays"] & known.groupby("at")["pays"].transform("any")
    known["ends"] = known["announced"] | beside  # what pays nothing keeps nobody who pays
    by = known.groupby("at", sort=True)
    first = known.drop_duplicates("at").set_index("at")
    at = first.index.to_numpy()
    ends = known["period_end"].where(known["period_end"] != _NEVER).groupby(known["at"]).min()
    state = {
        "quantity": _spread(by["quantity"].sum(), at, n_pairs),
        "interval_months": _spread(first["months"], at, n_pairs),
        "auto_renew": _spread(first["renew"], at, n_pairs),
        "plan_tier": _spread(first["tier"], at, n_pairs),
        "days_past_due": _spread(by["overdue"].max(), at, n_pairs),
        "trialing": _spread(by["on_trial"].all(), at, n_pairs) == 1,
        "pauses": _spread(by["is_paused"].any(), at, n_pairs) == 1,
        "end_announced": _spread(by["ends"].all(), at, n_pairs) == 1,
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
