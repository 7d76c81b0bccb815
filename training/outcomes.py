"""Whether the event of a kind happened in the window of each row, from steps of MRR or from facts.

Every function answers for all rows at once: 1.0, 0.0, or NaN where later knowledge says that the
row was never eligible.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.days import Ints, days_later, micros
from features.project import Target
from training.timeline import OPEN, Timeline, coverage_runs

HOUR = 3_600_000_000  # microseconds
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Customers with the window `[start, end)` of each, in microseconds."""

    customer: pd.Series
    start: Ints
    end: Ints

    @classmethod
    def of(cls, keys: pd.DataFrame, target: Target) -> "Rows":
        """The label windows of (customer, as-of) pairs."""
        start = micros(keys["as_of"])
        return cls(keys["customer_id"], start, days_later(start, target.horizon_days, target.zone))


def churn(steps: pd.DataFrame, rows: Rows, target: Target) -> tuple[Floats, Flags]:
    """Coverage ends in the window and does not resume in time; and whether it was involuntary.

    Coverage that ends has the grace to resume; that of a paused customer `pause_days` where those
    are more. NaN where coverage had ended before.
    """
    end, cause = coverage_end(steps, rows, target)
    label = (end < rows.end).astype(float)
    return np.where(end >= rows.start, label, np.nan), (cause == "involuntary") & (end < rows.end)


def coverage_end(
    steps: pd.DataFrame, rows: Rows, target: Target
) -> tuple[Ints, npt.NDArray[np.object_]]:
    """When the coverage that a row had at its start ends, in microseconds, and why; `OPEN`, None.

    A row that had none gets a moment before its start.
    """
    runs = coverage_runs(steps, target.grace_days, target.pause_days or 0, target.zone)
    line = Timeline(runs.customer, runs.start)
    at = line.last_before(rows.customer, rows.start)
    end = np.append(runs.end[line.order], -OPEN)[at]
    return end, np.append(runs.cause[line.order], np.array([None], dtype=object))[at]


def absence(facts: pd.DataFrame, rows: Rows) -> Floats:
    """No order, or no use, in the window."""
    line = Timeline(facts["customer_id"], micros(facts["occurred_at"]))
    return (~line.any_within(rows.customer, rows.start, rows.end)).astype(float)


def conversion(steps: pd.DataFrame, rows: Rows) -> Floats:
    """The first paid coverage starts in the window; NaN where it had started before."""
    runs = coverage_runs(steps)
    first = pd.Series(runs.start).groupby(runs.customer.to_numpy()).min()
    start = first.reindex(rows.customer.to_numpy()).to_numpy(dtype=float, na_value=np.inf)
    return np.where(start >= rows.start, (start < rows.end).astype(float), np.nan)


def cross_sell(
    steps: pd.DataFrame, uses: pd.DataFrame, rows: Rows, offers: pd.Series | None = None
) -> Floats:
    """The product is used in the window by a customer that pays; NaN where it was used before.

    Parameters
    ----------
    uses : DataFrame with `customer_id`, `occurred_at`, `needs_coverage`
        Purchases of the product; a use that costs nothing itself counts while coverage lasts.
    offers : Series of str, optional
        The product of each row, where they differ; `uses` then have theirs as `product`.
    """
    customer, at = uses["customer_id"], micros(uses["occurred_at"])
    buyer, asked = customer, rows.customer
    if offers is not None:
        buyer, asked = _both(customer, uses["product"]), _both(rows.customer, offers)
    had = Timeline(buyer, at).last_before(asked, rows.start) >= 0
    mrr, line = _values(steps, "mrr"), Timeline(steps["customer_id"], micros(steps["at"]))
    held = np.append(line.order, -1)
    paid = ~uses["needs_coverage"].to_numpy(dtype=bool)
    paid |= mrr[held[line.last_before(customer, at + 1)]] > 0
    bought = Timeline(buyer[paid], at[paid])
    label = bought.any_within(asked, rows.start, rows.end)
    base = held[line.last_before(rows.customer, rows.start)]
    return np.where(had, np.nan, _where_based(label, mrr, base))


def _both(customer: pd.Series, product: pd.Series) -> pd.Series:
    """Customer and product as one text."""
    return customer.astype(str) + "\x00" + product.fillna("").astype(str).set_axis(customer.index)


def upsell(steps: pd.DataFrame, rows: Rows, target: Target) -> Floats:
    """MRR, and the part of it bought as plan, quantity or add-on, rise by `min_increase`."""
    row, step, base = _window(steps, rows)
    mrr, organic = _values(steps, "mrr"), _values(steps, "organic")
    rise = np.minimum(mrr[step] - mrr[base[row]], organic[step] - organic[base[row]])
    enough = rise >= target.min_increase * mrr[base[row]]
    return _where_based(_any(row, enough & (rise > 0), len(rows.start)), mrr, base)


def contraction(steps: pd.DataFrame, rows: Rows, switch_gap_hours: float = 24) -> Floats:
    """MRR falls, and stays above zero through the window.

    A subscription that is cancelled and created again within the switch gap, all in the window, was
    changed and not ended.
    """
    row, step, base = _window(steps, rows)
    mrr, at = _values(steps, "mrr"), np.append(micros(steps["at"]), OPEN)
    falls = (mrr[step] > 0) & (mrr[step] < mrr[base[row]])
    customer = steps["customer_id"]
    same = customer.eq(customer.shift(-1)).to_numpy(dtype=bool)
    resumes = np.where(same, at[1:], OPEN)[step]
    switched = (resumes - at[step] <= switch_gap_hours * HOUR) & (resumes < rows.end[row])
    n = len(rows.start)
    ends = _any(row, (mrr[step] <= 0) & ~switched, n)
    return _where_based(_any(row, falls, n) & ~ends, mrr, base)


def _window(steps: pd.DataFrame, rows: Rows) -> tuple[Ints, Ints, Ints]:
    """Pairs (row, step of its window) and for each row the step that held before it, or -1."""
    line = Timeline(steps["customer_id"], micros(steps["at"]))
    low = line.before(rows.customer, rows.start)
    count = line.before(rows.customer, rows.end) - low
    row = np.repeat(np.arange(len(rows.start)), count)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    base = np.append(line.order, -1)[line.last_before(rows.customer, rows.start)]
    return row, line.order[low[row] + offset], base


def _values(steps: pd.DataFrame, name: str) -> Ints:
    """A column of the steps with a zero behind it, for rows without a step (-1)."""
    return np.append(steps[name].to_numpy(dtype=np.int64), 0)


def _any(row: Ints, flag: Flags, n: int) -> Flags:
    return np.bincount(row[flag], minlength=n) > 0


def _where_based(event: Flags, mrr: Ints, base: Ints) -> Floats:
    """The event as a number; NaN for a row without MRR at `as_of`, known only later."""
    return np.where(mrr[base] > 0, event.astype(float), np.nan)
