"""The panel that survival is learned from: who paid at a date, and how long the coverage lasted."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import build
from features.built import Built
from features.clock import as_of_dates, pairs_at
from features.days import DAY, days_later, micros, wall_clock
from features.errors import UnfitDataError
from features.facts import Facts
from features.frames import frame
from features.project import AsOf, Project, Target
from features.staging import Staged
from models.curve import EDGES, kaplan_meier
from training.end_reasons import ended_for
from training.labels import known_after, settled
from training.outcomes import Floats, Rows, coverage_end
from training.sample import Dataset
from training.timeline import OPEN

Progress = Callable[[str], None]
YEARS_APART = 3 * 365  # cohorts are years where first payments lie so many days apart, or quarters
OTHER = "other"  # the cause of an end that the target does not ask about
LEAVING = ("churn", "silence")


def lifetime_target(project: Project, name: str | None = None) -> str:
    """The target whose panel tells lifetimes: the one named, else the first that can.

    Raises
    ------
    UnknownTargetError
        No target of that name.
    UnfitDataError
        It tells no moment of leaving, or none of the project's does.
    """
    names = [name] if name is not None else [*project.targets]
    for one in names:
        target = project.target(one)
        if target.kind in LEAVING and target.label is None:
            return one
    said = ", ".join(f"{one} ({_kind(project.target(one))})" for one in names)
    raise UnfitDataError(
        "lifetimes need a target of kind churn or silence with dated facts; the project declares"
        f" {said or 'none'}"
    )


def _kind(target: Target) -> str:
    return "a label of a snapshot" if target.label is not None else target.kind


@dataclass(frozen=True)
class Ends:
    """When rows end, by what is known at a moment.

    Attributes
    ----------
    days : ndarray of float, shape (n,)
        From the as-of date to the end; infinite while it lasts, NaN where it had ended before.
    observed : ndarray of float, shape (n,)
        Days after the as-of date whose ends are settled: those up to the moment, less the grace.
    cause : ndarray of object, shape (n,)
        `voluntary` or `involuntary`, `other` for an end that the target does not ask about.
    """

    days: Floats
    observed: Floats
    cause: npt.NDArray[np.object_]


class Panel:
    """Eligible rows of a churn target with features, and their ends at any moment of knowledge."""

    def __init__(self, staged: Staged, target: Target, built: Built) -> None:
        self.data = Dataset(staged, target, built)
        self.target = settled(target, staged)
        self.data_end = staged.data_end
        self.state = built.state.iloc[self.data.rows].reset_index(drop=True)
        self._facts = Facts(staged, self.target)
        self._steps: dict[datetime, pd.DataFrame] = {}

    def __len__(self) -> int:
        return len(self.data.keys)

    @property
    def as_of(self) -> pd.Series:
        """Of each row."""
        return self.data.keys["as_of"]

    @property
    def wait_days(self) -> int:
        """How long an end must have lasted to count."""
        return known_after(self.target).days - self.target.horizon_days

    @cached_property
    def cohort(self) -> npt.NDArray[np.object_]:
        """The year or, in a short history, the quarter of the first payment."""
        first = self.state["first_paid_at"]
        long = (first.max() - first.min()).days > YEARS_APART
        names = first.dt.to_period("Y" if long else "Q").astype(str)
        return np.asarray(names, dtype=object)

    def steps(self, known_before: datetime) -> pd.DataFrame:
        """Steps of MRR from facts known before a moment."""
        if known_before not in self._steps:
            self._steps[known_before] = self._facts.steps(known_before)
        return self._steps[known_before]

    def ends(self, known_before: datetime) -> Ends:
        """The ends of all rows from facts known before a moment."""
        rows = Rows.of(self.data.keys, self.target)
        end, cause = coverage_end(self.steps(known_before), rows, self.target)
        if self.target.end_reasons:
            facts, reasons = self._facts.changes(known_before), self.target.end_reasons
            asked = ended_for(facts, rows.customer, np.minimum(end, OPEN - 1) + 1, reasons)
            cause = np.where(asked | (end == OPEN), cause, OTHER)
        decided = (cause != "involuntary") & (cause != OTHER) & (end != OPEN)
        cause = np.where(decided, "voluntary", cause)
        zone = self.target.zone
        moment = micros(pd.DatetimeIndex([known_before]))
        settled_at = days_later(moment, -self.wait_days, zone)[0]
        start = wall_clock(rows.start, zone)
        days = np.full(len(end), np.inf)
        known = (end >= rows.start) & (end < settled_at)
        days[known] = (wall_clock(end[known], zone) - start[known]) / DAY
        observed = (wall_clock(np.array([settled_at]), zone)[0] - start) / DAY
        return Ends(np.where(end < rows.start, np.nan, days), np.maximum(observed, 0.0), cause)

    def known(self, ends: Ends, until: datetime | None = None) -> npt.NDArray[np.int64]:
        """Rows that can teach: covered at an as-of date before a moment, one period observed."""
        fit = ~np.isnan(ends.days) & (ends.observed >= EDGES[1])
        if until is not None:
            fit &= (self.as_of < until).to_numpy()
        return np.flatnonzero(fit)


def monthly(target: Target) -> Target:
    """The target on a calendar grid: an anchor asks only of some customers, a curve is for all."""
    if target.as_of.anchor is None:
        return target
    return target.model_copy(update={"as_of": AsOf(start=target.as_of.start)}).in_zone(target.zone)


def panel_frame(staged: Staged, name: str, progress: Progress | None = None) -> Built:
    """Features of everybody at the target's dates, monthly ones where it is anchored."""
    target = staged.project.target(name)
    if target.as_of.anchor is None:
        return frame(staged, name, progress=progress)
    pairs = pairs_at(staged, monthly(target), as_of_dates(staged, monthly(target)))
    return build(staged, pairs, names=target.features or None, progress=progress)


def by_cohort(cohort: npt.NDArray[np.object_], ends: Ends, survival: Floats, at: Any) -> list[Any]:
    """Rows (cohort, customers, days, predicted, Kaplan-Meier), where Kaplan-Meier is known.

    Parameters
    ----------
    survival : ndarray of shape (n, h)
        Predicted, at the days `at`.
    """
    found = []
    for name in sorted(set(cohort)):
        mine = cohort == name
        observed = kaplan_meier(ends.days[mine], ends.observed[mine], at)
        for place, days in enumerate(at):
            if not np.isnan(observed[place]):
                predicted = float(survival[mine, place].mean())
                row = [str(name), int(mine.sum()), int(days), predicted, float(observed[place])]
                found.append(row)
    return found
