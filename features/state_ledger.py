"""State from the MRR ledger: what a customer earns, for how long, and what changed before."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.grid import DAY, Grid, microseconds
from features.history import Pairs, expand, shown_at
from features.project import Revenue
from features.revenue.ledger import MILLIONTH, customer_steps, item_changes
from features.state_profile import Columns

_NEVER = np.iinfo(np.int64).min


def ledger_state(
    rows: pd.DataFrame,
    plans: pd.DataFrame | None,
    policy: Revenue,
    grid: Grid,
    pairs: Pairs,
    *,
    has_amounts: bool,
    products: Mapping[str, str],
) -> Columns:
    """MRR at each pair and the history of coverage before it, from the steps known by then.

    `products` names a flag for each plan of which a paid subscription is looked for.
    """
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
        rows[~is_late].assign(customer_id=lambda r: r["code"] * (n_as_of + 1)),
        rows[is_late]
        .iloc[span]
        .assign(
            customer_id=lambda r: r["code"] * (n_as_of + 1) + 1 + moment,
            subscription_id=lambda r: r["subscription_id"].astype(str) + "\0" + moment.astype(str),
        ),
    ]
    items = item_changes(
        pd.concat(parts, ignore_index=True), policy, plans, has_amounts=has_amounts
    )
    target = _whose(pairs, late, n_as_of)
    state = _read_steps(customer_steps(items), grid, pairs, target)
    kept = np.timedelta64(policy.pause_max_days, "D").astype("timedelta64[us]").astype(np.int64)
    state["paused"] &= grid.as_of[pairs.as_of] < state.pop("changed_us") + kept
    state |= {name: _has_plan(items, plan, grid, pairs, target) for name, plan in products.items()}
    none = np.full(len(pairs), np.nan)
    unknown = dict.fromkeys(("mrr", "days_since_price_rise", "price_rise_share"), none)
    return state if has_amounts else state | unknown


def _whose(pairs: Pairs, late: np.ndarray, n_as_of: int) -> np.ndarray:
    """Whose steps each pair reads: its customer's, or those of its customer at its as-of alone."""
    is_late = np.zeros(len(pairs), bool)
    inside = pairs.customer < len(late)
    is_late[inside] = late[pairs.customer[inside]]
    return np.asarray(pairs.customer * (n_as_of + 1) + np.where(is_late, 1 + pairs.as_of, 0))


def _has_plan(
    items: pd.DataFrame, plan: str, grid: Grid, pairs: Pairs, target: np.ndarray
) -> np.ndarray:
    """Whether each pair had ever paid for a plan."""
    paid = items[items["plan_id"].eq(plan) & (items["item"] > 0)]
    first = paid.groupby("customer_id")["occurred_at"].min()
    at = microseconds(first.reindex(target))
    return np.asarray((at != _NEVER) & (at < grid.as_of[pairs.as_of]))


def _read_steps(steps: pd.DataFrame, grid: Grid, pairs: Pairs, target: np.ndarray) -> Columns:
    """Look the steps up at every pair; a step counts from the first as-of after it."""
    has, place = _places(steps, grid, pairs, target)
    table = _step_table(steps)

    def read(column: str) -> np.ndarray:
        found = table[column].to_numpy()[place] if len(steps) else 0
        return np.asarray(np.where(has, found, 0))

    def since(column: str) -> np.ndarray:
        days = (grid.as_of[pairs.as_of] - read(column)) / DAY
        return np.asarray(np.where(has, days, np.nan))

    mrr = read("mrr") / MILLIONTH
    rose = read("rose_at") > 0
    ups, downs = _recent(table, grid, target, pairs.as_of, place, has)
    return {
        "mrr": mrr,
        "covered": mrr > 0,
        "ever_covered": has,
        "paused": has & (mrr == 0) & (read("is_pause") == 1),
        "changed_us": read("at_us").astype(np.int64),
        "earlier_churns": read("churns").astype(np.float64),
        "subscription_changes": read("changes").astype(np.float64),
        "tenure_days": since("first_at"),
        "coverage_days": np.where(mrr > 0, since("covered_at"), np.nan),
        "days_since_mrr_change": since("at_us"),
        "days_since_price_rise": np.where(rose, since("rose_at"), np.nan),
        "price_rise_share": np.where(rose, read("rose_by"), np.nan),
        "first_paid_us": np.where(has, read("first_at"), _NEVER).astype(np.int64),
        "covered_us": np.where(mrr > 0, read("covered_at"), _NEVER).astype(np.int64),
        "upgrades_180d": ups,
        "downgrades_180d": downs,
    }


def _places(
    steps: pd.DataFrame, grid: Grid, pairs: Pairs, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each pair has a step, and the row of its last one."""
    n_as_of = len(grid.as_of)
    who, at = steps["customer_id"].to_numpy(np.int64), microseconds(steps["at"])
    key = who * (n_as_of + 1) + np.searchsorted(grid.as_of, at, side="right")
    place = np.searchsorted(key, target * (n_as_of + 1) + pairs.as_of, side="right") - 1
    has = place >= 0
    place = np.maximum(place, 0)
    if len(who):
        has &= who[place] == target
    return has, place


def _step_table(steps: pd.DataFrame) -> pd.DataFrame:
    """Running facts of the steps of each customer."""
    by = steps.groupby("customer_id", sort=False)
    before = by["mrr"].shift(fill_value=0)
    own = steps["organic"] - by["organic"].shift(fill_value=0)
    table = pd.DataFrame({"who": steps["customer_id"], "mrr": steps["mrr"]})
    table["is_pause"] = steps["cause"].eq("pause").astype(np.int64)
    table["at_us"] = microseconds(steps["at"])
    table["first_at"] = table.groupby("who")["at_us"].transform("first")
    starts = (before == 0) & (steps["mrr"] > 0)
    table["covered_at"] = table["at_us"].where(starts).groupby(table["who"]).ffill().fillna(0)
    table["churns"] = ((before > 0) & (steps["mrr"] == 0)).groupby(table["who"]).cumsum()
    table["changes"] = by.cumcount() + 1
    stays = (before > 0) & (steps["mrr"] > 0)
    rest = steps["mrr"] - before - own  # of nobody's wish: a dearer price, an ended discount
    rises = stays & (rest > 0)
    table["rose_at"] = table["at_us"].where(rises).groupby(table["who"]).ffill().fillna(0)
    table["rose_by"] = (rest / before.where(rises)).groupby(table["who"]).ffill()
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
