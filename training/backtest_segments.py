"""How good a model is in each part of the customers: the metrics of a back-test by segment."""

from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from models.bootstrap import Origin, bootstrap
from training.report import Json, metrics_json
from training.sample import Dataset, Rows
from training.trial import Trial

SMALL = 50  # customers; a value with fewer is put together with the other small ones
VALUES = 8  # of one column, the greatest; the rest is put together
COLUMNS = 4  # attributes of the profile, where they are all that there is
OTHER = "other"
MISSING = "not known"


def segments_of(data: Dataset, trials: Sequence[Trial], model: str) -> list[Json]:
    """The metrics of one model per value of every column that tells customers apart.

    Returns
    -------
    list of dict
        `column`, `value`, `values` (how many were put together), `rows`, `customers`, `events`
        (distinct customers), `rate` and `predicted` (means over origins), `origins` (how many had
        such rows), `happened` and `expected` (events in all those rows, and the sum of their
        probabilities), `apart` (their difference in standard errors over customers) and `metrics`
        with intervals, means over those origins.
    """
    return [one for column in columns_of(data) for one in _of_column(data, trials, model, column)]


def miscalibrated(segments: Sequence[Json]) -> list[str]:
    """A sentence for each segment whose level is off by more than chance among so many gives."""
    sure = NormalDist().inv_cdf(1 - 0.025 / max(len(segments), 1))
    return [
        f"{one['column']} {one['value']}: {one['expected']:,.0f} were expected to have the event"
        f" and {one['happened']:,.0f} had it"
        for one in segments
        if one["apart"] is not None and abs(one["apart"]) > sure
    ]


def columns_of(data: Dataset) -> list[pd.Series]:
    """What the state offers; without any, the first categories of the profile."""
    state = [data.cuts[name] for name in data.cuts if data.cuts[name].nunique() > 1]
    profile = [
        data.frame[feature.name].astype("category")
        for feature in data.catalogue
        if feature.family == "profile" and feature.kind == "category"
    ]
    known = {str(column.name) for column in state}
    return (
        state
        + [column for column in profile if column.nunique() > 1 and column.name not in known][
            : max(COLUMNS - len(state), 0)
        ]
    )


def _of_column(
    data: Dataset, trials: Sequence[Trial], model: str, column: pd.Series
) -> Iterator[Json]:
    tested = np.concatenate([trial.test_rows for trial in trials])
    named, together = merged(column.iloc[tested], data.customer[tested])
    ends = np.cumsum([len(trial.test_rows) for trial in trials])[:-1]
    by_trial = np.split(named.to_numpy(), ends)
    values = sorted(named.unique(), key=lambda one: (one in (OTHER, MISSING), one))
    for value in values if len(values) > 1 else []:
        yield {
            "column": str(column.name),
            "value": value,
            "values": len(together) if value == OTHER else 1,
            **_metrics(data, trials, model, [np.flatnonzero(part == value) for part in by_trial]),
        }


def merged(column: pd.Series, customer: Rows) -> tuple[pd.Series, list[str]]:
    """Tested rows of a column as text with its small values put together, and which those are."""
    text = column.astype(object).where(column.notna(), MISSING).astype(str)
    people = pd.DataFrame({"value": text.to_numpy(), "customer": customer})
    size = people.groupby("value")["customer"].nunique().sort_values(ascending=False, kind="stable")
    ranked = enumerate(size.items())
    small = [str(value) for place, (value, n) in ranked if n < SMALL or place >= VALUES]
    return text.where(~text.isin(small), OTHER), small


def _metrics(data: Dataset, trials: Sequence[Trial], model: str, parts: Sequence[Rows]) -> Json:
    """The counts and metrics of some rows of each trial."""
    held = [(trial, part) for trial, part in zip(trials, parts, strict=True) if len(part)]
    rows = np.concatenate([trial.test_rows[part] for trial, part in held])
    y = np.concatenate([trial.y[part] for trial, part in held])
    scored = [
        Origin(
            trial.y[part],
            {model: trial.probability[model][part]},
            data.customer[trial.test_rows[part]],
            trial.constant,
        )
        for trial, part in held
    ]
    p = np.concatenate([one.predictions[model] for one in scored])
    people = np.unique(data.customer[rows], return_inverse=True)[1]
    gaps = np.bincount(people, weights=p - y)
    error = float(np.sqrt(gaps @ gaps))
    return {
        "happened": float(y.sum()),
        "expected": float(p.sum()),
        "apart": float(gaps.sum()) / error if error else None,
        "rows": len(rows),
        "customers": len(np.unique(data.customer[rows])),
        "events": len(np.unique(data.customer[rows[y == 1]])),
        "rate": float(np.mean([one.y.mean() for one in scored])),
        "predicted": float(np.mean([one.predictions[model].mean() for one in scored])),
        "origins": len(scored),
        "metrics": metrics_json(bootstrap(scored).average()[model]),
    }
