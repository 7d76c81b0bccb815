"""Curves of many customers as the few rows that a chart or a table shows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.curve import EDGES, Curve, kaplan_meier
from models.portable import Floats

NORMAL = 1.959964  # the 97.5 % quantile


def kaplan_meier_interval(
    days: ArrayLike, observed: ArrayLike, at: ArrayLike
) -> tuple[Floats, Floats]:
    """The pointwise 95 % interval of `models.curve.kaplan_meier`, each of shape (h,).

    Greenwood's variance on the scale of log(-log(share)), so that it stays between 0 and 1; without
    width while nobody has left, or where everybody has.

    Parameters
    ----------
    days, observed : array-like of shape (n,)
        As `models.curve.kaplan_meier` takes them.
    at : array-like of shape (h,)

    References
    ----------
    Kalbfleisch, J. D., & Prentice, R. L. (2002). The statistical analysis of failure time data
    (2nd ed.). Wiley. Section 1.4.
    """
    days, observed = np.asarray(days, np.float64), np.asarray(observed, np.float64)
    at, share = np.atleast_1d(np.asarray(at, np.float64)), kaplan_meier(days, observed, at)
    moments, events = np.unique(days[days < observed], return_counts=True)
    last = np.sort(np.minimum(days, observed))
    at_risk = len(last) - np.searchsorted(last, moments, side="left")
    stay = np.maximum(at_risk - events, 1)  # where none stays the share is 0
    sums = np.append(0.0, np.cumsum(events / (at_risk * stay)))
    spread = np.sqrt(sums[np.searchsorted(moments, at, side="left")])
    inside = (share > 0) & (share < 1)
    logs = np.log(np.where(inside, share, 0.5))
    power = np.exp(NORMAL * spread / -logs)
    low, high = np.exp(logs * power), np.exp(logs / power)
    return np.where(inside, low, share), np.where(inside, high, share)


def with_kaplan_meier(
    survival: Floats,
    groups: ArrayLike,
    days: ArrayLike,
    observed: ArrayLike,
    at: Sequence[int],
) -> pd.DataFrame:
    """The mean curve of each group beside what happened to it, for `cohorts_chart`.

    Parameters
    ----------
    survival : ndarray of shape (n, h)
        Predicted, at the days `at`.
    groups, days, observed : array-like of shape (n,)
        Name of the group, days to the end and days known, see `models.curve.kaplan_meier`.
    at : sequence of int, of length h

    Returns
    -------
    DataFrame
        `group` (with its size), `days`, `expected`, `observed`, `low`, `high`; a row per group and
        day, where anybody of the group is known for that long.
    """
    groups, days, observed = np.asarray(groups), np.asarray(days), np.asarray(observed)
    parts = []
    for name in np.unique(groups.astype(str)):
        mine = groups.astype(str) == name
        low, high = kaplan_meier_interval(days[mine], observed[mine], at)
        part = {
            "group": f"{name}: {mine.sum():,} customers",
            "days": [*at],
            "expected": survival[mine].mean(axis=0),
            "observed": kaplan_meier(days[mine], observed[mine], at),
        }
        parts.append(pd.DataFrame(part | {"low": low, "high": high}).dropna())
    return pd.concat(parts, ignore_index=True)


def by_period(curve: Curve, groups: ArrayLike) -> pd.DataFrame:
    """The mean hazard of each group in each period: `group`, `day` (of its begin), `hazard`.

    Customers weigh by how likely they are to be there when the period begins.

    Parameters
    ----------
    groups : array-like of shape (n,)
        Name of the group of each customer.
    """
    names, starts = np.asarray(groups).astype(str), EDGES[:-1]
    there = curve.survival(starts)
    parts = []
    for name in np.unique(names):
        mine = names == name
        hazard = np.average(curve.hazard[mine], axis=0, weights=there[mine])
        parts.append(pd.DataFrame({"group": name, "day": starts, "hazard": hazard}))
    return pd.concat(parts, ignore_index=True)


def by_causes(curve: Curve, days: Sequence[int]) -> pd.DataFrame:
    """Expected shares of all customers: `days`, `what`, `share`; they add up to 1 at every day.

    Parameters
    ----------
    days : sequence of int
        Up to a year.

    Raises
    ------
    ValueError
        Days below zero or beyond a year.
    """
    shares = {cause: left.mean(axis=0) for cause, left in curve.incidence(days).items()}
    shares["still there"] = curve.survival(days).mean(axis=0)
    parts = [
        pd.DataFrame({"days": [*days], "what": what, "share": share})
        for what, share in shares.items()
    ]
    return pd.concat(parts, ignore_index=True)
