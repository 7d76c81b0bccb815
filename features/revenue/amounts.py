"""What a subscription earns per month, in exact millionths, and where its price comes from."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from features.project import Revenue

MILLIONTH = 1_000_000
_PER_MONTH = {  # periods of one interval in a month; spec: 52 weeks and 365 days a year
    "month": Fraction(1),
    "quarter": Fraction(1, 3),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}
_FLOAT_ERROR = 1e-14  # of the greatest number on the way, well above that of five operations


def monthly_amount(rows: pd.DataFrame, policy: Revenue) -> pd.Series:
    """Net recurring price per month in millionths, rounded half-even; 0 where no price is known.

    Exact for decimals: float64 decides where it is sure, and fractions where the amount is so near
    a tie, or so large, that it is not.
    """
    terms = _terms(rows, policy)
    factor = terms["interval"].map({k: float(v) for k, v in _PER_MONTH.items()}).fillna(1.0)
    factor = factor.astype("float64") / terms["count"]
    gross = terms["price"] * terms["quantity"]
    net = (gross * (1 - terms["percent"] / 100) - terms["amount"]).clip(lower=0.0)
    monthly = (net * factor * MILLIONTH).fillna(0.0).to_numpy()
    nearest = np.rint(monthly)
    reach = (gross.abs() + terms["amount"]) * factor * MILLIONTH
    error = _FLOAT_ERROR * reach.fillna(0.0).to_numpy()
    doubtful = (np.abs(monthly - nearest) + error >= 0.5) & (net > 0).to_numpy()
    exact = nearest.astype(np.int64)
    if doubtful.any():
        exact[doubtful] = [_exact(row) for row in _originals(rows, terms)[doubtful].itertuples()]
    return pd.Series(exact, index=rows.index)


def _terms(rows: pd.DataFrame, policy: Revenue) -> pd.DataFrame:
    """Price, quantity, interval and the discount that holds, as float64."""
    percent, amount = (number(rows, f"discount_{name}").fillna(0.0) for name in _DISCOUNTS)
    if policy.discounts == "none":
        applies = pd.Series(False, rows.index)
    else:
        kind = rows.get("discount_kind", pd.Series(None, rows.index, dtype=object))
        applies = ~kind.isin(["once", "one_off"]) | (policy.discounts == "all")
        if "discount_ends_at" in rows:
            applies &= ~(rows["discount_ends_at"] <= rows["occurred_at"])
    return pd.DataFrame(
        {
            "price": number(rows, "unit_amount"),
            "quantity": number(rows, "quantity").fillna(1.0),
            "interval": rows["interval"],
            "count": number(rows, "interval_count").fillna(1.0).clip(lower=1.0),
            "percent": percent.where(applies, 0.0),
            "amount": amount.where(applies, 0.0),
        }
    )


_DISCOUNTS = ("percent", "amount")


def _originals(rows: pd.DataFrame, terms: pd.DataFrame) -> pd.DataFrame:
    """The terms with decimals as they came, where they count."""
    columns = {"price": "unit_amount", "quantity": "quantity"}
    columns |= {name: f"discount_{name}" for name in _DISCOUNTS}
    known = {new: rows[old] for new, old in columns.items() if old in rows}
    return terms.assign(
        **{
            name: terms[name].astype(object).where(terms[name].eq(0) | given.isna(), given)
            for name, given in known.items()
        }
    )


def _exact(row: Any) -> int:
    """The amount of one row in fractions."""
    price, quantity, percent, amount = (
        Fraction(Decimal(str(value)))
        for value in (row.price, row.quantity, row.percent, row.amount)
    )
    net = max(price * quantity * (1 - percent / 100) - amount, Fraction(0))
    factor = _PER_MONTH.get(row.interval, Fraction(1)) / Fraction(Decimal(str(row.count)))
    return round(net * factor * MILLIONTH)


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


def number(rows: pd.DataFrame, column: str) -> pd.Series:
    """A decimal or number column as float64; null where absent."""
    if column not in rows:
        return pd.Series(np.nan, index=rows.index)
    return rows[column].astype("float64")
