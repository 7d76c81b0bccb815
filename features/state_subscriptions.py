"""State from subscriptions: what runs, what it earns, when it ends, and what came before."""

import numpy as np
import pandas as pd

from features.engine import Tables, to_frame
from features.grid import DAY, Grid, microseconds
from features.history import Pairs, Versions, expand, shown_at
from features.project import Revenue
from features.revenue.ledger import MILLIONTH, mrr_steps
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
    ledger = _ledger_state(rows, plans, policy, grid, pairs)
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
    for column in ("quantity", "unit_amount", "interval_count", "auto_renew", "plan_id", "interval"):
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
    known["weight"] = known["status"].ne("trialing") * known["unit_amount"].astype("float64").fillna(1)
    known["on_trial"] = known["status"].eq("trialing")
    known["tier"] = known["plan_id"].map(_tiers(plans)).astype("float64")
    return known


def _tiers(plans: pd.DataFrame | None) -> dict[str, float]:
    """Rank of each plan; a plan's rank is its newest one."""
    if plans is None or "tier" not in plans:
        return {}
    return plans.groupby("plan_id")["tier"].last().astype("float64").to_dict()


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


def _ledger_state(
    rows: pd.DataFrame,
    plans: pd.DataFrame | None,
    policy: Revenue,
    grid: Grid,
    pairs: Pairs,
) -> Columns:
    """MRR at each pair and the history of coverage before it, from the steps known by then."""
    n_as_of = len(grid.as_of)
    occurred, known = microseconds(rows["occurred_at"]), microseconds(rows["known_at"])
    shown = shown_at(occurred, known, grid.as_of)
    on_time = np.searchsorted(grid.as_of, occurred, side="right")
    late = np.zeros(int(rows["code"].max()) + 1 if len(rows) else 0, bool)
    late[rows["code"].to_numpy()[shown > on_time]] = True
    is_late = late[rows["code"].to_numpy()] if len(rows) else np.zeros(0, bool)
    # A customer with late rows is a customer of its own at every as-of: only what was known then.
    span, moment = expand(shown[is_late], np.full(int(is_late.sum()), n_as_of))
    parts = [
        rows[~is_late].assign(customer_id=rows["code"] * (n_as_of + 1)),
        rows[is_late].iloc[span].assign(
            customer_id=lambda r: r["code"] * (n_as_of + 1) + 1 + moment,
            subscription_id=lambda r: r["subscription_id"].astype(str) + "\0" + moment.astype(str),
        ),
    ]
    steps = mrr_steps(pd.concat(parts, ignore_index=True), policy, plans)
    return _read_steps(steps, grid, pairs, late)


def _read_steps(steps: pd.DataFrame, grid: Grid, pairs: Pairs, late: np.ndarray) -> Columns:
    """Look the steps up at every pair; a step counts from the first as-of after it."""
    n_as_of = len(grid.as_of)
    who, at = steps["customer_id"].to_numpy(np.int64), microseconds(steps["at"])
    key = who * (n_as_of + 1) + np.searchsorted(grid.as_of, at, side="right")
    customer, moment = pairs.customer, pairs.as_of
    is_late = np.zeros(len(pairs), bool)
    inside = customer < len(late)
    is_late[inside] = late[customer[inside]]
    target = customer * (n_as_of + 1) + np.where(is_late, 1 + moment, 0)
    place = np.searchsorted(key, target * (n_as_of + 1) + moment, side="right") - 1
    has = (place >= 0) & (who[np.maximum(place, 0)] == target) if len(who) else np.zeros(len(pairs), bool)
    place = np.maximum(place, 0)
    table = _step_table(steps)

    def read(column: str, nothing: float) -> np.ndarray:
        if not len(steps):
            return np.full(len(pairs), nothing)
        return np.where(has, table[column].to_numpy()[place], nothing)

    as_of = grid.as_of[moment]
    mrr = read("mrr", 0) / MILLIONTH
    since = lambda column: np.where(has, (as_of - read(column, 0)) / DAY, np.nan)  # noqa: E731
    ups, downs = _recent(table, grid, target, moment, place, has)
    amounts = bool(steps["has_amounts"].iloc[0]) if len(steps) else False
    return {
        "mrr": mrr,
        "has_amounts": np.full(len(pairs), amounts),
        "covered": mrr > 0,
        "ever_covered": has,
        "earlier_churns": read("churns", 0).astype(np.float64),
        "subscription_changes": read("changes", 0).astype(np.float64),
        "tenure_days": since("first_at"),
        "coverage_days": np.where(mrr > 0, since("covered_at"), np.nan),
        "days_since_mrr_change": since("at_us"),
        "first_paid_us": np.where(has, read("first_at", 0), _NEVER).astype(np.int64),
        "covered_us": np.where(mrr > 0, read("covered_at", 0), _NEVER).astype(np.int64),
        "upgrades_180d": ups,
        "downgrades_180d": downs,
    }


def _step_table(steps: pd.DataFrame) -> pd.DataFrame:
    """Running facts of the steps of each customer."""
    by = steps.groupby("customer_id", sort=False)
    before = by["mrr"].shift(fill_value=0)
    own = steps["organic"] - by["organic"].shift(fill_value=0)
    table = pd.DataFrame({"who": steps["customer_id"], "mrr": steps["mrr"]})
    table["at_us"] = microseconds(steps["at"])
    table["first_at"] = table.groupby("who")["at_us"].transform("first")
    starts = (before == 0) & (steps["mrr"] > 0)
    table["covered_at"] = table["at_us"].where(starts).groupby(table["who"]).ffill().fillna(0)
    table["churns"] = ((before > 0) & (steps["mrr"] == 0)).groupby(table["who"]).cumsum()
    table["changes"] = by.cumcount() + 1
    stays = (before > 0) & (steps["mrr"] > 0)
    table["ups"] = (stays & (own > 0)).cumsum()
    table["downs"] = (stays & (own < 0)).cumsum()
    return table


def _recent(
    table: pd.DataFrame,
    grid: Grid,
    target: np.ndarray,
    moment: np.ndarray,
    place: np.ndarray,
    has: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Own rises and falls of MRR in the 180 days before each pair."""
    if not len(table):
        return np.zeros(len(target)), np.zeros(len(target))
    who, at = table["who"].to_numpy(np.int64), table["at_us"].to_numpy(np.int64)
    edges = np.unique(grid.as_of - 180 * DAY)
    key = who * (len(edges) + 1) + np.searchsorted(edges, at, side="right")
    edge = np.searchsorted(edges, grid.as_of[moment] - 180 * DAY)
    old = np.searchsorted(key, target * (len(edges) + 1) + edge, side="right") - 1
    out = []
    for column in ("ups", "downs"):
        running = np.concatenate([[0], table[column].to_numpy()])
        out.append(np.where(has, running[place + 1] - running[np.minimum(old, place) + 1], 0.0))
    return out[0], out[1]
