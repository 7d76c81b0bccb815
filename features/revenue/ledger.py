"""From subscription changes to the monthly recurring revenue of every customer over time."""

import numpy as np
import pandas as pd

from features.project import Revenue
from features.revenue.amounts import MILLIONTH, monthly_amount, number, with_prices

__all__ = ["COUNTED", "MILLIONTH", "customer_steps", "item_changes", "mrr_steps", "with_prices"]

NONE = np.int64(0)
COUNTED = ("active", "past_due")  # statuses that earn; a trial by the policy, dunning for a time
_IN_TIME = ["_of", "occurred_at", "known_at"]  # `_of`: the subscription as a number
_COMPARED = ["item", "status", "plan_id", "quantity", "interval", "_is_out"]
_ORGANIC = ("new", "plan", "quantity", "end")  # what a customer decides; not price, pause, dunning


def mrr_steps(
    subscriptions: pd.DataFrame,
    policy: Revenue,
    plans: pd.DataFrame | None = None,
    *,
    has_amounts: bool | None = None,
) -> pd.DataFrame:
    """The step function of MRR per customer.

    Parameters
    ----------
    subscriptions : canonical table, one row per change of a subscription
        `customer_id` may be any hashable, also a code.
    plans : canonical table, optional
        Gives price and interval where a subscription has none.

    Returns
    -------
    DataFrame sorted by `customer_id`, `at`, one row per change: `mrr` (int64, millionths a month,
    holds until the next row), `organic` (int64, running sum of the changes that are the customer's
    own: start, plan, quantity, end; not price, discount, pause or dunning), `cause`, `has_amounts`
    (False when no price is known at all: a running subscription then counts as 1).
    """
    return customer_steps(item_changes(subscriptions, policy, plans, has_amounts=has_amounts))


def customer_steps(items: pd.DataFrame) -> pd.DataFrame:
    """`mrr_steps` from the changes of its subscriptions."""
    has_amounts = items.attrs["has_amounts"]
    return _by_customer(items[items["delta"] != 0]).assign(has_amounts=has_amounts)


def item_changes(
    subscriptions: pd.DataFrame,
    policy: Revenue,
    plans: pd.DataFrame | None = None,
    *,
    has_amounts: bool | None = None,
) -> pd.DataFrame:
    """Every change of every subscription, with what it earns from then on.

    Returns
    -------
    DataFrame sorted by `subscription_id`, `occurred_at`
        The rows given and those that nobody wrote (dunning ran out, a discount ended), with `item`
        (int64, millionths a month), `delta` against the row before, `cause`, and `own`: the delta
        where it is the customer's own doing. `attrs["has_amounts"]` as in `mrr_steps`.
    """
    rows = with_prices(subscriptions, plans)
    if has_amounts is None:
        has_amounts = bool(rows["unit_amount"].notna().any())
    rows["_of"] = pd.factorize(rows["subscription_id"], sort=True)[0]
    rows = rows.sort_values(_IN_TIME, kind="stable")
    rows["item"] = monthly_amount(rows, policy) if has_amounts else MILLIONTH
    items = _with_synthetic_rows(rows, policy, has_amounts=has_amounts)
    items["item"] = items["item"].where(_counts(items, policy), NONE)
    same = items["_of"].eq(items["_of"].shift())
    before = items[_COMPARED].shift().where(same)
    earlier = items["item"].shift(fill_value=NONE).where(same, NONE)
    items["delta"] = items["item"] - earlier
    items["cause"] = _cause(items, before)
    items["own"] = items["delta"].where(items["cause"].isin(_ORGANIC), NONE)
    items.attrs["has_amounts"] = has_amounts
    return items


def _with_synthetic_rows(rows: pd.DataFrame, policy: Revenue, *, has_amounts: bool) -> pd.DataFrame:
    """Add what happens without a row: dunning runs out, a discount ends."""
    group = rows["_of"]
    following = rows["occurred_at"].shift(-1).where(group.eq(group.shift(-1)))
    late = rows["status"].eq("past_due")
    fresh = late & ~(late.shift(fill_value=False) & group.eq(group.shift()))
    since = rows["occurred_at"].where(fresh).groupby((fresh | ~late).cumsum()).transform("first")
    runs_out = since.where(late) + pd.Timedelta(days=policy.dunning_days)
    rows = rows.assign(_is_out=late & (rows["occurred_at"] >= runs_out), _what="")
    due = late & (rows["occurred_at"] < runs_out) & ~(following <= runs_out)
    out = rows[due].assign(occurred_at=runs_out[due], _is_out=True, _what="involuntary")
    parts = [rows, out]
    if has_amounts and "discount_ends_at" in rows:
        ends = rows["discount_ends_at"]
        over = ends.notna() & (ends > rows["occurred_at"]) & ~(following <= ends)
        full = rows[over].assign(discount_amount=None, discount_percent=None, _what="discount_end")
        stopped = (late & (ends >= runs_out))[over]
        parts.append(
            full.assign(occurred_at=ends[over], item=monthly_amount(full, policy), _is_out=stopped)
        )
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return rows
    return pd.concat(parts, ignore_index=True).sort_values(_IN_TIME, kind="stable")


def _counts(items: pd.DataFrame, policy: Revenue) -> pd.Series:
    """Whether the subscription counts towards MRR in that state."""
    states = [*COUNTED, *(["trialing"] if policy.trial_counts else [])]
    return items["status"].isin(states) & ~items["_is_out"]


def _cause(items: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Why the amount of a subscription changed."""
    was_paid = before["item"].fillna(0) > 0
    is_paid = items["item"] > 0
    stays = was_paid & is_paid
    plan = stays & items["plan_id"].ne(before["plan_id"]) & items["plan_id"].notna()
    quantity = (
        stays & ~plan & number(items, "quantity").fillna(1).ne(number(before, "quantity").fillna(1))
    )
    interval = stays & ~plan & items["interval"].fillna("").ne(before["interval"].fillna(""))
    unpaid = items["end_reason"].eq("payment_failed") | items["_is_out"]
    first = before["status"].isna() | before["status"].isin(["trialing", "canceled", "expired"])
    choices: list[tuple[pd.Series, str]] = [
        (items["_what"].eq("involuntary"), "involuntary"),
        (items["_what"].eq("discount_end"), "discount_end"),
        (plan | interval, "plan"),
        (quantity, "quantity"),
        (stays, "price"),
        (is_paid & first, "new"),
        (is_paid & before["_is_out"].eq(True), "recovered"),
        (is_paid & before["status"].eq("paused"), "resume"),
        (is_paid, "new"),
        (items["status"].eq("paused"), "pause"),
        (unpaid, "involuntary"),
    ]
    cause = pd.Series("end", index=items.index, dtype=object)
    for holds, name in reversed(choices):
        cause = cause.mask(holds, name)
    return cause


def _by_customer(items: pd.DataFrame) -> pd.DataFrame:
    """Sum the changes of a customer's subscriptions at one moment and accumulate them."""
    who, customers = pd.factorize(items["customer_id"], sort=True)
    at = items["occurred_at"].to_numpy(dtype="datetime64[us]")
    delta, own = items["delta"].to_numpy(), items["own"].to_numpy()
    order = np.lexsort((np.abs(delta), at, who))
    who, at = who[order], at[order]
    edge = np.ones(min(len(who), 1), bool)
    last = np.append((who[1:] != who[:-1]) | (at[1:] != at[:-1]), edge)
    opens = np.flatnonzero(np.append(edge, last[:-1]))
    summed = [np.add.reduceat(part[order], opens) if len(opens) else part for part in (delta, own)]
    moved = (summed[0] != 0) | (summed[1] != 0)
    who, at = who[last][moved], at[last][moved]
    mrr, organic = (_running(part[moved], who) for part in summed)
    return pd.DataFrame(
        {
            "customer_id": customers.take(who),
            "at": at,
            "mrr": mrr,
            "organic": organic,
            "cause": pd.Series(items["cause"].to_numpy(object)[order][last][moved], dtype=object),
        }
    )


def _running(part: np.ndarray, who: np.ndarray) -> np.ndarray:
    """Sums up to each row of those of its customer; exact, as they are whole."""
    total = np.cumsum(part)
    first = np.flatnonzero(np.append(np.ones(min(len(who), 1), bool), who[1:] != who[:-1]))
    before = (total - part)[first]
    return np.asarray(total - np.repeat(before, np.diff(np.append(first, len(who)))))
