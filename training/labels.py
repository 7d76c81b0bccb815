"""What happened within the horizon, for each customer and as-of date, from the staged facts.

A label looks at `[as_of, as_of + horizon)` and at facts known before a given moment. Whether the
answer can be known yet belongs to the date (`mature`), never to the row.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from features.errors import ProjectError, UnfitDataError
from features.project import Target
from features.revenue.ledger import mrr_steps
from features.staging import Staged
from models.targets import has_event, not_scored_reason
from training.end_reasons import ended_for
from training.timeline import OPEN, Ints, Timeline, coverage_runs, micros

DAY = 86_400_000_000  # microseconds
Floats = npt.NDArray[np.float64]


def known_after(target: Target) -> timedelta:
    """How long after `as_of` the answer is known: the horizon, for churn with its grace."""
    grace = target.grace_days if target.kind == "churn" else 0
    return timedelta(days=target.horizon_days + grace)


def mature(as_of: datetime, target: Target, moment: datetime) -> bool:
    """Whether the labels of an as-of date are known at a moment."""
    return as_of + known_after(target) <= moment


def labels(
    staged: Staged,
    target: Target,
    keys: pd.DataFrame,
    state: pd.DataFrame,
    known_before: datetime | None,
) -> pd.Series:
    """The event of a target per row: 1.0, 0.0, or NaN where not eligible or not known.

    Parameters
    ----------
    staged : Staged
    target : Target
    keys : DataFrame of shape (n, 2)
        `customer_id`, `as_of`.
    state : DataFrame of shape (n, columns)
        State of the same rows, see `features.build`.
    known_before : datetime or None
        Facts known from then on do not count; None for snapshots, which have no clock.

    Returns
    -------
    Series of float, shape (n,)
        With the index of `keys`.
    """
    return Labeller(staged, target, keys, state)(known_before)


class Labeller:
    """Labels of the same rows at several moments of knowledge; the facts are read once."""

    def __init__(
        self, staged: Staged, target: Target, keys: pd.DataFrame, state: pd.DataFrame
    ) -> None:
        self.target, self._staged, self._keys = target, staged, keys
        self._snapshot = None if target.label is None else _column(state, target.label)
        self.eligible = eligible(target, keys, state)
        self._facts: pd.DataFrame | None = None

    def __call__(self, known_before: datetime | None) -> pd.Series:
        """Labels from facts known before a moment."""
        if self._snapshot is not None:
            event = has_event(self.target, self._snapshot).to_numpy()
        else:
            event = self._outcome(known_before)
        return pd.Series(np.where(self.eligible, event, np.nan), index=self._keys.index)

    def _outcome(self, known_before: datetime | None) -> Floats:
        table, judge = _kind(self.target)
        if self._facts is None:
            self._facts = _facts(self._staged, table)
        known = facts = self._facts
        if known_before is not None:
            known = facts = facts[facts["known_at"] < known_before]
        if table == "subscriptions":
            facts = mrr_steps(known, self._staged.project.revenue, _plans(self._staged))
        customer, as_of = self._keys["customer_id"], micros(self._keys["as_of"])
        event = judge(facts, customer, as_of, self.target)
        if self.target.end_reasons:
            until = as_of + self.target.horizon_days * DAY
            counts = ended_for(known, customer, until, self.target.end_reasons)
            event = np.where((event == 1) & ~counts, 0.0, event)
        return event


def eligible(target: Target, keys: pd.DataFrame, state: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows may train and test: those scoring would have scored; all rows of snapshots."""
    if target.label is not None:
        return np.ones(len(keys), dtype=bool)
    reason = not_scored_reason(
        target, state, keys["as_of"], due=None, customer_id=keys["customer_id"], data_end=None
    )
    return reason.isna().to_numpy()


def _churn(steps: pd.DataFrame, customer: pd.Series, as_of: Ints, target: Target) -> Floats:
    """Coverage ends in the window for longer than the grace; NaN when it had ended before."""
    runs = coverage_runs(steps, target.grace_days * DAY)
    line = Timeline(runs.customer, runs.start)
    at = line.last_before(customer, as_of)
    end = np.append(runs.end[line.order], -OPEN)[at]
    label = (end < as_of + target.horizon_days * DAY).astype(float)
    return np.where(end >= as_of, label, np.nan)


def _absence(facts: pd.DataFrame, customer: pd.Series, as_of: Ints, target: Target) -> Floats:
    """No order, or no use, in the window."""
    line = Timeline(facts["customer_id"], micros(facts["occurred_at"]))
    came = line.any_within(customer, as_of, as_of + target.horizon_days * DAY)
    return (~came).astype(float)


def _conversion(steps: pd.DataFrame, customer: pd.Series, as_of: Ints, target: Target) -> Floats:
    """The first paid coverage starts in the window; NaN when it had started before."""
    runs = coverage_runs(steps)
    first = pd.Series(runs.start).groupby(runs.customer.to_numpy()).min()
    start = first.reindex(customer.to_numpy()).to_numpy(dtype=float, na_value=np.inf)
    label = (start < as_of + target.horizon_days * DAY).astype(float)
    return np.where(start >= as_of, label, np.nan)


def _upsell(steps: pd.DataFrame, customer: pd.Series, as_of: Ints, target: Target) -> Floats:
    """MRR, and the part of it bought as plan, quantity or add-on, rise by `min_increase`."""
    rows, step, base = _window(steps, customer, as_of, target)
    mrr, organic = _values(steps, "mrr"), _values(steps, "organic")
    rise = np.minimum(mrr[step] - mrr[base[rows]], organic[step] - organic[base[rows]])
    enough = rise >= target.min_increase * mrr[base[rows]]
    return _where_based(_any(rows, enough & (rise > 0), len(as_of)), mrr, base)


def _contraction(steps: pd.DataFrame, customer: pd.Series, as_of: Ints, target: Target) -> Floats:
    """MRR falls and stays above zero through the window."""
    rows, step, base = _window(steps, customer, as_of, target)
    mrr = _values(steps, "mrr")
    falls = _any(rows, mrr[step] < mrr[base[rows]], len(as_of))
    ends = _any(rows, mrr[step] <= 0, len(as_of))
    return _where_based(falls & ~ends, mrr, base)


def _window(
    steps: pd.DataFrame, customer: pd.Series, as_of: Ints, target: Target
) -> tuple[Ints, Ints, Ints]:
    """Pairs (row, step of its window) and for each row the step that held before `as_of`, or -1."""
    line = Timeline(steps["customer_id"], micros(steps["at"]))
    low = line.before(customer, as_of)
    count = line.before(customer, as_of + target.horizon_days * DAY) - low
    rows = np.repeat(np.arange(len(as_of)), count)
    offset = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    base = np.append(line.order, -1)[line.last_before(customer, as_of)]
    return rows, line.order[low[rows] + offset], base


def _values(steps: pd.DataFrame, name: str) -> Ints:
    """A column of the steps with a zero behind it, for rows without a step (-1)."""
    return np.append(steps[name].to_numpy(dtype=np.int64), 0)


def _any(rows: Ints, flag: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.bool_]:
    return np.bincount(rows[flag], minlength=n) > 0


def _where_based(event: npt.NDArray[np.bool_], mrr: Ints, base: Ints) -> Floats:
    """The event as a number; NaN for a row without MRR at `as_of`, known only later."""
    return np.where(mrr[base] > 0, event.astype(float), np.nan)


_Judge = Callable[[pd.DataFrame, pd.Series, Ints, Target], Floats]
_KINDS: dict[str, tuple[str, _Judge]] = {
    "churn": ("subscriptions", _churn),
    "silence": ("orders", _absence),
    "inactivity": ("usage", _absence),
    "upsell": ("subscriptions", _upsell),
    "conversion": ("subscriptions", _conversion),
    "contraction": ("subscriptions", _contraction),
}


def _kind(target: Target) -> tuple[str, _Judge]:
    if target.kind not in _KINDS:
        raise ProjectError(
            f"targets of kind {target.kind!r} cannot be trained; {sorted(_KINDS)} can"
        )
    return _KINDS[target.kind]


def _facts(staged: Staged, table: str) -> pd.DataFrame:
    """The columns of a staged table that a label needs; returns are not orders."""
    if table not in staged.tables:
        raise UnfitDataError(
            f"the target needs the table {table!r}, which the project does not map"
        )
    path = staged.tables[table]
    if table == "subscriptions":
        return pd.read_parquet(path)
    columns = ["customer_id", "occurred_at", "known_at"]
    if table == "usage":
        return pd.read_parquet(path, columns=columns)
    if "is_return" not in pq.read_schema(path).names:
        return pd.read_parquet(path, columns=columns)
    facts = pd.read_parquet(path, columns=[*columns, "is_return"])
    return facts.loc[~facts["is_return"].fillna(False).astype(bool), columns]


def _plans(staged: Staged) -> pd.DataFrame | None:
    return pd.read_parquet(staged.tables["plans"]) if "plans" in staged.tables else None


def _column(state: pd.DataFrame, name: str) -> pd.Series:
    if name not in state:
        raise UnfitDataError(f"the label column {name!r} is not in the snapshots")
    return state[name]
