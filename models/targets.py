"""Who can be scored for a target at a moment, and the reason why someone cannot.

One rule serves training and scoring. Points that the table of reasons leaves open are fixed here:

- A trial that never paid is `trial_only` for the kinds that need coverage; every other way of
  failing the eligibility of the kind, or its `where`, is `not_eligible`.
- `already_churned` is who paid once and no longer does; who never paid cannot have churned, and a
  paused customer has not before the pause has lasted `pause_max_days` (`not_eligible` until then).
- A conversion's `audience`: `trial` has nothing but trials; `one_time_buyer` ordered and never had
  a subscription; `free` is everybody else who never paid for one.
- Who has ever had the product of a cross-sell does not lack it.
- `insufficient_history` (no fact in 180 days) asks of kinds that need coverage, and of conversion,
  that a customer who once used the product left a trace in that time. Silence and inactivity state
  their own span, `active_days`, and a source without any usage cannot go quiet. A customer that
  went quiet is not scored but still teaches, so training does not ask; nor whether data are stale.
- On snapshots a row labelled with the event has left already; only that and an objection count.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.project import Target
from features.where import holds

REASONS = (
    "objection_recorded",
    "already_churned",
    "cancellation_scheduled",
    "not_eligible",
    "trial_only",
    "too_new",
    "not_due",
    "stale_data",
    "insufficient_history",
    "no_model",
)
STALE_AFTER = timedelta(days=7)
HISTORY = timedelta(days=180)
LEAVING = frozenset({"churn", "silence", "inactivity"})
NEEDS_COVERAGE = frozenset({"churn", "upsell", "cross_sell", "contraction"})

Flags = npt.NDArray[np.bool_]


def not_scored_reason(
    target: Target,
    state: pd.DataFrame,
    as_of: datetime | pd.Series | None,
    *,
    due: set[str] | None,
    customer_id: pd.Series,
    data_end: datetime | None,
) -> pd.Series:
    """The first reason that keeps a customer from being scored.

    Parameters
    ----------
    target : Target
        Its kind decides who is eligible; `where`, `active_days`, `min_age_days` narrow it.
    state : DataFrame of shape (n, columns)
        The state of `features.build` at `as_of`; of snapshots, with the label column.
    as_of : datetime, Series of shape (n,) or None
        One moment for all, one per row, or None for snapshots.
    due : set of str or None
        Customers whose anchor falls at `as_of`; None when all are due.
    customer_id : Series of shape (n,)
    data_end : datetime or None
        Exclusive end of the source; None, in training, asks neither whether it is stale nor
        whether a customer went quiet.

    Returns
    -------
    Series of object, shape (n,)
        A code of `REASONS` in their order, or None for a customer that is scored. `no_model` is
        for the caller to add.
    """
    reasons = np.full(len(state), None, dtype=object)
    if target.label is not None:
        found = list(_snapshot(target, state))
    else:
        moment = _moments(as_of, state.index)
        found = list(_history(target, state, moment, customer_id))
        found += list(
            _timing(target, state, moment, customer_id=customer_id, due=due, data_end=data_end)
        )
    for code, applies in reversed(found):
        reasons[applies] = code
    return pd.Series(reasons, index=state.index, dtype=object)


def has_event(target: Target, column: pd.Series) -> pd.Series:
    """Which snapshot rows carry the event: 1.0, 0.0, or NaN where the label is missing."""
    text = column.astype(str).str.strip()
    if pd.api.types.is_float_dtype(column):  # a missing label turns whole numbers into floats
        text = text.str.removesuffix(".0")
    if target.positive is not None:
        event = text == target.positive
    else:
        event = text.str.lower().isin({"1", "true", "yes", "y"})
    return event.astype(float).where(column.notna())


def _moments(as_of: datetime | pd.Series | None, index: pd.Index) -> pd.Series:
    """`as_of` as one moment per row."""
    values = as_of.to_numpy() if isinstance(as_of, pd.Series) else as_of
    return pd.Series(values, index=index, dtype="datetime64[us]")


def _snapshot(target: Target, state: pd.DataFrame) -> Iterator[tuple[str, Flags]]:
    left = has_event(target, state[str(target.label)]) == 1
    if "objected" in state:
        yield "objection_recorded", _flags(state["objected"])
    yield "already_churned" if target.kind in LEAVING else "not_eligible", _flags(left)
    if target.where is not None:
        yield "not_eligible", ~holds(state, target.where)


def _history(
    target: Target, state: pd.DataFrame, as_of: pd.Series, customer_id: pd.Series
) -> Iterator[tuple[str, Flags]]:
    """Reasons in what the customer is: objected, gone, going, outside the target, on trial."""
    covered = _flags(state["covered"])
    yield "objection_recorded", _flags(state["objected"])
    if target.kind in ("silence", "inactivity"):
        last = state["last_order_at" if target.kind == "silence" else "last_activity_at"]
        yield "already_churned", _flags(last < as_of - timedelta(days=target.active_days))
        yield "not_eligible", _flags(last.isna())
    else:
        gone = _flags(state["ever_covered"]) & ~covered
        yield "already_churned", gone & ~_flags(state["paused"])
    if target.kind == "churn":
        yield "cancellation_scheduled", _flags(state["end_announced"])
    if target.kind == "conversion":
        yield "not_eligible", _flags(state["ever_covered"]) | ~_audience(target, state)
    if target.product_column is not None:
        yield "not_eligible", _flags(state[target.product_column])
    if target.kind in NEEDS_COVERAGE:
        yield "not_eligible", ~covered & ~_flags(state["trialing"])
    if target.where is not None:
        seen = state.assign(as_of=as_of, customer_id=customer_id.to_numpy())
        yield "not_eligible", ~holds(seen, target.where)
    if target.kind in NEEDS_COVERAGE:
        yield "trial_only", ~covered


def _audience(target: Target, state: pd.DataFrame) -> Flags:
    """Whom a conversion is for; anybody who never paid when it does not say."""
    trial = _flags(state["trialing"])
    buyer = _flags(state["last_order_at"].notna()) & ~_flags(state["ever_subscribed"])
    if target.audience == "trial":
        return trial
    if target.audience == "one_time_buyer":
        return buyer
    return ~trial & ~buyer if target.audience == "free" else np.ones(len(state), dtype=bool)


def _timing(
    target: Target,
    state: pd.DataFrame,
    as_of: pd.Series,
    *,
    customer_id: pd.Series,
    due: set[str] | None,
    data_end: datetime | None,
) -> Iterator[tuple[str, Flags]]:
    """Reasons in when it is: too young, not the day, the source or the customer without news."""
    age = as_of - state["first_seen_at"]
    yield "too_new", _flags(age < timedelta(days=target.min_age_days))
    if due is not None:
        yield "not_due", ~_flags(customer_id.isin(list(due)))
    if data_end is None:
        return
    yield "stale_data", _flags(as_of > pd.Timestamp(data_end) + STALE_AFTER)
    if target.kind not in ("silence", "inactivity"):
        quiet = state["last_fact_at"] < as_of - HISTORY
        yield "insufficient_history", _flags(quiet & state["last_activity_at"].notna())


def _flags(column: pd.Series) -> Flags:
    return column.fillna(False).to_numpy(dtype=bool)
