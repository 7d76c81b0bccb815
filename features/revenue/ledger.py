"""From subscription changes to the monthly recurring revenue of every customer over time."""

import numpy as np
import pandas as pd

from features.project import Revenue

MILLIONTH = 1_000_000
NONE = np.int64(0)
_PER_MONTH = {  # periods of one interval in a month; spec: 52 weeks and 365 days a year
    "month": 1.0,
    "quarter": 1 / 3,
    "year": 1 / 12,
    "week": 52 / 12,
    "day": 365 / 12,
}
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
    rows = with_prices(subscriptions, plans)
    if has_amounts is None:
        has_amounts = bool(rows["unit_amount"].notna().any())
    rows = rows.sort_values(["subscription_id", "occurred_at", "known_at"], kind="stable")
    rows["item"] = monthly_amount(rows, policy) if has_amounts else MILLIONTH
    items = _with_synthetic_rows(rows, policy, has_amounts=has_amounts)
    items["item"] = items["item"].where(_counts(items, policy), NONE)
    same = items["subscription_id"].eq(items["subscription_id"].shift())
    before = items.shift().where(same)
    items["delta"] = items["item"] - before["item"].fillna(NONE).astype(np.int64)
    items["cause"] = _cause(items, before)
    items["own"] = items["delta"].where(items["cause"].isin(_ORGANIC), NONE)
    return _by_customer(items[items["delta"] != 0]).assign(has_amounts=has_amounts)


def monthly_amount(rows: pd.DataFrame, policy: Revenue) -> pd.Series:
    """Net recurring price per month in millionths, rounded half-even; 0 where no price is known."""
    count = _number(rows, "interval_count").fillna(1.0).clip(lower=1.0)
    factor = rows["interval"].map(_PER_MONTH).astype("float64").fillna(1.0) / count
    price = _number(rows, "unit_amount") * _number(rows, "quantity").fillna(1.0)
    if policy.discounts != "none":
        kind = rows.get("discount_kind", pd.Series(None, rows.index, dtype=object))
        once = kind.isin(["once", "one_off"])
        if "discount_ends_at" in rows:
            ended = rows["discount_ends_at"] <= rows["occurred_at"]
        else:
            ended = pd.Series(False, rows.index)
        applies = ~ended & (~once | (policy.discounts == "all"))
        percent = _number(rows, "discount_percent").fillna(0.0).where(applies, 0.0)
        amount = _number(rows, "discount_amount").fillna(0.0).where(applies, 0.0)
        price = (price * (1 - percent / 100) - amount).clip(lower=0.0)
    monthly = np.rint(price.fillna(0.0) * factor * MILLIONTH)
    return pd.Series(monthly, index=rows.index).astype(np.int64)


def with_prices(subscriptions: pd.DataFrame, plans: pd.DataFrame | None) -> pd.DataFrame:
    """Fill price and interval from the plan's version of the moment; canonical gaps become null."""
    rows = subscriptions.copy()
    for column in (
        "plan_id",
        "quantity",
        "interval",
        "interval_count",
        "unit_amount",
        "end_reason",
    ):
        if column not in rows:
            rows[column] = None
    if plans is None or "unit_amount" not in plans or rows.empty:
        return rows
    columns = [c for c in ("interval", "interval_count", "unit_amount") if c in plans]
    known = plans.get("known_at", plans["occurred_at"])
    effective = plans["occurred_at"].where(~(known > plans["occurred_at"]), known)
    plans = plans.assign(occurred_at=effective.fillna(pd.Timestamp(0)))
    versions = plans.sort_values("occurred_at")[["plan_id", "occurred_at", *columns]]
    versions = versions.astype({"occurred_at": "datetime64[us]"})
    rows["_order"] = np.arange(len(rows))
    rows = pd.merge_asof(
        rows.sort_values("occurred_at"),
        versions.rename(columns={c: f"plan_{c}" for c in columns}),
        on="occurred_at",
        by="plan_id",
    ).sort_values("_order", ignore_index=True)
    unpriced = rows["unit_amount"].isna()
    for column in columns:
        gap = unpriced if column == "unit_amount" else unpriced & rows[column].isna()
        rows[column] = rows[column].where(~gap, rows[f"plan_{column}"])
    return rows


def _with_synthetic_rows(rows: pd.DataFrame, policy: Revenue, *, has_amounts: bool) -> pd.DataFrame:
    """Add what happens without a row: dunning runs out, a discount ends."""
    group = rows["subscription_id"]
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
    every = pd.concat([part for part in parts if len(part)] or [rows], ignore_index=True)
    return every.sort_values(["subscription_id", "occurred_at", "known_at"], kind="stable")


def _counts(items: pd.DataFrame, policy: Revenue) -> pd.Series:
    """Whether the subscription counts towards MRR in that state."""
    states = ["active", "past_due", *(["trialing"] if policy.trial_counts else [])]
    return items["status"].isin(states) & ~items["_is_out"]


def _cause(items: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Why the amount of a subscription changed."""
    was_paid = before["item"].fillna(0) > 0
    is_paid = items["item"] > 0
    stays = was_paid & is_paid
    plan = stays & items["plan_id"].ne(before["plan_id"]) & items["plan_id"].notna()
    quantity = (
        stays
        & ~plan
        & _number(items, "quantity").fillna(1).ne(_number(before, "quantity").fillna(1))
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
    moved = (
        items.sort_values("delta", key=abs, kind="stable")
        .groupby(["customer_id", "occurred_at"], sort=True)
        .agg(delta=("delta", "sum"), own=("own", "sum"), cause=("cause", "last"))
        .reset_index()
    )
    moved = moved[(moved["delta"] != 0) | (moved["own"] != 0)]
    sums = moved.groupby("customer_id", sort=False)[["delta", "own"]].cumsum()
    return pd.DataFrame(
        {
            "customer_id": moved["customer_id"],
            "at": moved["occurred_at"].astype("datetime64[us]"),
            "mrr": sums["delta"].astype(np.int64),
            "organic": sums["own"].astype(np.int64),
            "cause": moved["cause"].astype(object),
        }
    ).reset_index(drop=True)


def _number(rows: pd.DataFrame, column: str) -> pd.Series:
    """A decimal or number column as float64; null where absent."""
    if column not in rows:
        return pd.Series(np.nan, index=rows.index)
    return rows[column].astype("float64")
