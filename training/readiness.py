"""Whether the data can teach and prove a target, and what is missing by how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from training.labels import known_after, mature
from training.report import Json, rows_json
from training.sample import Dataset, Floats, Rows
from training.splits import N_ORIGINS, Origin, origins


@dataclass(frozen=True)
class Plan:
    """The origins of a back-test, or the sentence why there can be none.

    Attributes
    ----------
    origins : tuple of Origin
        Empty for a snapshot, which has no time.
    missing : str or None
    train, test : dict or None
        The rows there are, as a report counts them.
    left_out : tuple of str
        A sentence for each origin whose test can prove nothing.
    """

    origins: tuple[Origin, ...] = ()
    missing: str | None = None
    train: Json | None = None
    test: Json | None = None
    left_out: tuple[str, ...] = ()


def plan(
    data: Dataset, data_end: datetime | None, min_events: int, n_origins: int = N_ORIGINS
) -> Plan:
    """The back-test that the data allow.

    Parameters
    ----------
    data : Dataset
    data_end : datetime or None
        None for a snapshot.
    min_events : int
        Distinct customers with the event, and without it, needed in train and in test.
    n_origins : int
        How many rolling origins where history allows.
    """
    if data_end is None:
        return _plan_snapshot(data, min_events)
    dates = sorted(data.keys["as_of"].unique())
    if not dates:
        return Plan(missing="nobody was eligible at any as-of date")
    found = origins(data.target, dates, data_end, n_origins)
    if not found:
        return Plan(missing=_too_short(data, dates, data_end))
    # Origins too early to have seen enough are left out while later ones are not.
    enough = [one for one in found if _enough(data, one, min_events)]
    silent = {one.at: why for one in enough if (why := _one_outcome(data, one, data_end))}
    kept = tuple([one for one in enough if one.at not in silent] or found[-1:])
    train = data.labelled(kept[-1].train, kept[-1].at)
    tests = sorted({date for one in kept for date in one.test})
    test = data.labelled(tests, data_end)
    missing = _few("training", data, *train, min_events) or _few("test", data, *test, min_events)
    learned = rows_json(data, *train, known_before=kept[-1].at)
    tested = rows_json(data, *test, listed=True)
    return Plan(kept, missing, learned, tested, tuple(silent.values()))


def _plan_snapshot(data: Dataset, min_events: int) -> Plan:
    """The fixed split of a snapshot; all rows train and test where it is cross-validated."""
    train, test = data.parts()
    first = "snapshot" if data.holdout is None else "training"
    missing = _few(first, data, *train, min_events) or _few("test", data, *test, min_events)
    return Plan((), missing, rows_json(data, *train), rows_json(data, *test))


def _enough(data: Dataset, origin: Origin, min_events: int) -> bool:
    rows, y = data.labelled(origin.train, origin.at)
    return _few("", data, rows, y, min_events) is None


def _one_outcome(data: Dataset, origin: Origin, data_end: datetime) -> str | None:
    """The sentence for a test in which all have the event, or nobody; None for any other."""
    _, y = data.labelled(origin.test, data_end)
    if 0 < y.sum() < len(y):
        return None
    what = "all have the event" if y.any() else "none has the event"
    return f"the origin {origin.at:%Y-%m-%d} is left out: of its {len(y):,} test rows {what}"


def _few(where: str, data: Dataset, rows: Rows, y: Floats, needed: int) -> str | None:
    """The sentence for too few distinct customers with or without the event."""
    for value, what in ((1, "with the event"), (0, "without the event")):
        found = len(np.unique(data.customer[rows[y == value]]))
        if found < needed:
            return (
                f"the {where} rows hold {found} customers {what} and {needed} are needed:"
                f" {needed - found} are missing"
            )
    return None


def _too_short(data: Dataset, dates: Sequence[datetime], data_end: datetime) -> str:
    """How much longer the history must be for one date to train and a later one to test."""
    wait = known_after(data.target)
    ready = [date for date in dates if mature(date, data.target, data_end)]
    # The first date trains at an origin `wait` later, whose own answer takes `wait` again.
    lacking = max(dates[0] + 2 * wait - data_end, timedelta(days=1))
    return (
        f"history is {-(-lacking // timedelta(days=1))} days too short: an answer is known"
        f" {wait.days} days after its as-of date, {len(ready)} of {len(dates)} dates have one,"
        " and none is left to test a model trained before it"
    )
