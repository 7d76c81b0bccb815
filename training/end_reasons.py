"""Ends that count as the event of a churn target: of several ways to leave, those it asks about."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.days import Ints, micros
from training.timeline import Timeline

ENDED = ("canceled", "expired")


def ended_for(
    facts: pd.DataFrame, customer: pd.Series, before: Ints, reasons: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Whether the last end of a customer's subscriptions before a moment has one of some reasons.

    Parameters
    ----------
    facts : DataFrame of shape (m, columns)
        Changes of subscriptions; without `end_reason` no end has a reason.
    customer : Series of shape (n,)
    before : ndarray of int64, shape (n,)
        Microseconds, exclusive.
    reasons : sequence of str
        Values of `end_reason`.

    Returns
    -------
    ndarray of bool, shape (n,)
        False where there is no end.
    """
    if "end_reason" not in facts:
        return np.zeros(len(customer), dtype=bool)
    ends = facts[facts["status"].isin(ENDED)]
    line = Timeline(ends["customer_id"], micros(ends["occurred_at"]))
    listed = ends["end_reason"].isin(list(reasons)).to_numpy()[line.order]
    return np.append(listed, False)[line.last_before(customer, before)]
