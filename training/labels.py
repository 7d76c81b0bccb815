"""What happened within the horizon, for each customer and as-of date, from the staged facts.

A label looks at `[as_of, as_of + horizon)` and at facts known before a given moment. Whether the
answer can be known yet belongs to the date (`mature`), never to the row.
"""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.clock import offers_at
from features.days import days_later, micros
from features.errors import UnfitDataError
from features.facts import Facts, pauses
from features.project import Target
from features.staging import Staged
from models.targets import has_event, not_scored_reason
from training import outcomes
from training.end_reasons import ended_for
from training.outcomes import Flags, Floats, Rows

CAUSES = ("voluntary", "involuntary")


def settled(target: Target, staged: Staged) -> Target:
    """The target with the days that a paused customer has to come back.

    Left open, they are those of the revenue policy where the company pauses subscriptions at all.
    """
    if target.kind != "churn" or target.label is not None or target.pause_days is not None:
        return target
    days = staged.project.revenue.pause_max_days if pauses(staged) else 0
    return target.model_copy(update={"pause_days": days})


def known_after(target: Target) -> timedelta:
    """How long after `as_of` the answer is known: the horizon, for churn with its grace.

    Where customers pause, a pause that is longer than the grace is waited for (`settled`).
    """
    wait = max(target.grace_days, target.pause_days or 0) if target.kind == "churn" else 0
    return timedelta(days=target.horizon_days + wait)


def mature(as_of: datetime, target: Target, moment: datetime) -> bool:
    """Whether the labels of an as-of date are known at a moment."""
    wait = known_after(target)
    if target.zone == "UTC":
        return as_of + wait <= moment
    known = days_later(micros(pd.DatetimeIndex([as_of])), wait.days, target.zone)
    return bool(known[0] <= micros(pd.DatetimeIndex([moment]))[0])


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


def causes(
    staged: Staged, target: Target, keys: pd.DataFrame, known_before: datetime | None
) -> pd.Series:
    """Why coverage ended, for rows whose churn happened.

    `involuntary` where payment failed or dunning ran out, `voluntary` otherwise (a cancellation, a
    term that was not renewed, a pause without return, a free plan); the change that took away most
    decides.

    Parameters
    ----------
    staged : Staged
    target : Target
    keys : DataFrame of shape (n, 2)
        `customer_id`, `as_of`.
    known_before : datetime or None
        As for `labels`.

    Returns
    -------
    Series of object, shape (n,)
        None where there is no event, for other kinds, and for snapshots, which tell no cause.
    """
    found = Outcomes(staged, settled(target, staged), keys)
    if target.kind != "churn" or target.label is not None:
        return pd.Series(None, index=keys.index, dtype=object)
    return found.causes(known_before)


class Outcomes:
    """What happened to the same rows at several moments of knowledge.

    Attributes
    ----------
    facts : Facts
        What the answers are read from, once.
    """

    def __init__(self, staged: Staged, target: Target, keys: pd.DataFrame) -> None:
        self.target, self._staged, self._keys = target, staged, keys
        self.facts = Facts(staged, target)
        self._rows: Rows | None = None
        self._unpaid: dict[datetime | None, Flags] = {}
        self._events: dict[datetime | None, Floats] = {}

    def event(self, known_before: datetime | None) -> Floats:
        """The event of each row from facts known before a moment, whoever is eligible."""
        if known_before not in self._events:
            self._events[known_before] = self._judged(known_before)
        return self._events[known_before]

    def causes(self, known_before: datetime | None) -> pd.Series:
        """The cause of each event of a churn."""
        event = self.event(known_before)
        cause = np.full(len(event), None, dtype=object)
        unpaid = self._unpaid[known_before]
        cause[event == 1] = "voluntary"
        cause[(event == 1) & unpaid] = "involuntary"
        return pd.Series(cause, index=self._keys.index, dtype=object)

    def _judged(self, known_before: datetime | None) -> Floats:
        target, facts = self.target, self.facts
        if self._rows is None:
            self._rows = Rows.of(self._keys, target)
        rows = self._rows
        if target.kind in ("silence", "inactivity"):
            return outcomes.absence(facts.events(known_before), rows)
        steps = facts.steps(known_before)
        if target.kind == "churn":
            event, self._unpaid[known_before] = outcomes.churn(steps, rows, target)
            if target.end_reasons:
                changes = facts.changes(known_before)
                counts = ended_for(changes, rows.customer, rows.end, target.end_reasons)
                event = np.where((event == 1) & ~counts, 0.0, event)
            return event
        if target.kind == "cross_sell":
            return outcomes.cross_sell(steps, facts.uses(known_before), rows, self._offers())
        if target.kind == "upsell":
            return outcomes.upsell(steps, rows, target)
        if target.kind == "contraction":
            return outcomes.contraction(steps, rows, facts.policy.switch_gap_hours)
        return outcomes.conversion(steps, rows)

    def _offers(self) -> pd.Series | None:
        """What each row was offered by its anchor; None where all are asked for one product."""
        if self.target.product_from is None:
            return None
        offers = offers_at(self._staged, self.target, list(self._keys["as_of"].unique()))
        found = self._keys[["customer_id", "as_of"]].merge(offers, how="left")
        return found["product"].set_axis(self._keys.index)


class Labeller:
    """Labels of the same rows at several moments of knowledge; the facts are read once."""

    def __init__(
        self, staged: Staged, target: Target, keys: pd.DataFrame, state: pd.DataFrame
    ) -> None:
        self.target, self._keys = settled(target, staged), keys
        self._snapshot = None if target.label is None else _column(state, target.label)
        self._outcomes = Outcomes(staged, self.target, keys)
        self.eligible = eligible(target, keys, state)

    def __call__(self, known_before: datetime | None) -> pd.Series:
        """Labels from facts known before a moment."""
        if self._snapshot is not None:
            event = has_event(self.target, self._snapshot).to_numpy()
        else:
            event = self._outcomes.event(known_before)
        return pd.Series(np.where(self.eligible, event, np.nan), index=self._keys.index)

    @property
    def facts(self) -> Facts:
        """What the labels are read from."""
        return self._outcomes.facts

    def causes(self, known_before: datetime | None) -> pd.Series | None:
        """The cause of each event; None where the target has none."""
        if self._snapshot is not None or self.target.kind != "churn":
            return None
        return self._outcomes.causes(known_before)


def eligible(target: Target, keys: pd.DataFrame, state: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows may train and test: those scoring would have scored; all rows of snapshots."""
    if target.label is not None:
        return np.ones(len(keys), dtype=bool)
    reason = not_scored_reason(
        target, state, keys["as_of"], due=None, customer_id=keys["customer_id"], data_end=None
    )
    return reason.isna().to_numpy()


def _column(state: pd.DataFrame, name: str) -> pd.Series:
    if name not in state:
        raise UnfitDataError(f"the label column {name!r} is not in the snapshots")
    return state[name]
