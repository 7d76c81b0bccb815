"""What a training says: rows, metrics with intervals, baselines, the verdict and its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from models.bootstrap import Interval
from training.backtest import Backtest
from training.backtest_lists import Lists
from training.gate import Verdict
from training.labels import CAUSES
from training.sample import Dataset, Floats, Rows
from training.trial import ALTERNATIVES, Trial

Json = dict[str, Any]
OfModel = dict[str, Interval]  # by metric
Metrics = dict[str, OfModel]  # by model
BASELINES = ("constant", "rule", *ALTERNATIVES, "champion")


@dataclass(frozen=True)
class Report:
    """The outcome of training one target.

    Attributes
    ----------
    target, grade, reason : str
    promoted : bool
    version : int or None
        In the registry; None when nothing was registered.
    recipe : str or None
        How the registered model is fitted, in words.
    train, test : dict or None
        Rows, rate, customers, events (distinct customers), of churn `events_by_cause` (who left for
        either cause counts for both), and as-of dates: of the newest origin's training, and of all
        tests (their rate is the mean over origins).
    model : dict or None
        Metrics of what is registered, or would be: means over origins.
    baselines : dict
    origins : tuple of dict
        The same at each origin.
    warnings : tuple of str
    guard : tuple of dict
        The checks of the leak guard: name, state, proof, columns.
    gate : tuple of dict
        The conditions of promotion: name, state, proof; promoted where none `failed`.
    reasons : dict or None
        `stability` of the reasons of what was registered, see `training.reason_stability`.
    tuning : tuple of dict
        The searches for settings beyond the default recipe, see `training.tune.Tuner.found`.
    segments : tuple of dict
        The metrics of `model` in parts of the customers, see `training.backtest_segments`.
    drift : tuple of dict
        Each test against what was learned there, see `training.monitor_slices.slice_drift`.
    looks : dict or None
        How often models were judged on this test: `count`, and `first`, the moment of the first.
    """

    target: str
    promoted: bool
    grade: str
    reason: str
    version: int | None = None
    recipe: str | None = None
    train: Json | None = None
    test: Json | None = None
    model: Json | None = None
    baselines: Json = field(default_factory=dict)
    origins: tuple[Json, ...] = ()
    warnings: tuple[str, ...] = ()
    guard: tuple[Json, ...] = ()
    gate: tuple[Json, ...] = ()
    reasons: Json | None = None
    tuning: tuple[Json, ...] = ()
    segments: tuple[Json, ...] = ()
    drift: tuple[Json, ...] = ()
    looks: Json | None = None

    def as_json(self) -> Json:
        """Plain JSON; what is undefined is null, and `reason` says why."""
        return {
            "train": self.train,
            "test": self.test,
            "model": self.model,
            "baselines": self.baselines,
            "promoted": self.promoted,
            "grade": self.grade,
            "reason": self.reason,
            "recipe": self.recipe,
            "version": self.version,
            "origins": list(self.origins),
            "warnings": list(self.warnings),
            "guard": list(self.guard),
            "gate": list(self.gate),
            "reasons": self.reasons,
            "tuning": list(self.tuning),
            "segments": list(self.segments),
            "drift": list(self.drift),
            "looks": self.looks,
        }


def report_of(
    target: str,
    data: Dataset,
    found: Backtest,
    verdict: Verdict,
    warnings: Sequence[str],
    lists: Lists,
) -> Report:
    """The report of a back-test and of what its lists were worth."""
    model, baselines = _models(
        found, found.draws.average(), found.champion_metrics(), lists.average
    )
    baselines["rule"]["column"] = found.trials[-1].rule
    newest = found.trials[-1]
    return Report(
        target,
        verdict.promoted,
        verdict.grade,
        verdict.reason,
        gate=verdict.as_json(),
        recipe=found.setting.name,
        train=rows_json(data, newest.train_rows, newest.train_y, known_before=newest.at),
        test=_tests(data, found.trials),
        model=model,
        baselines=baselines,
        origins=tuple(_origin(data, found, lists, number) for number in range(len(found.trials))),
        warnings=tuple(warnings),
    )


def _models(
    found: Backtest, metrics: Metrics, champion: OfModel | None, lists: Metrics
) -> tuple[Json, Json]:
    """The model and the baselines, with what their lists were worth where that is known."""
    known = metrics | ({"champion": champion} if champion is not None else {})
    shown = {name: metrics_json(of | lists.get(name, {})) for name, of in known.items()}
    return shown[found.best], {name: shown[name] for name in BASELINES if name in shown}


def _origin(data: Dataset, found: Backtest, lists: Lists, number: int) -> Json:
    trial = found.trials[number]
    champion, worth = found.champion_at(number), lists.origins[number]
    model, baselines = _models(found, found.draws.origin(number), champion, worth)
    return {
        "at": None if trial.at is None else f"{trial.at:%Y-%m-%d}",
        "train": rows_json(data, trial.train_rows, trial.train_y, known_before=trial.at),
        "test": rows_json(data, trial.test_rows, trial.y, listed=True),
        "model": model,
        "baselines": baselines,
    }


def _tests(data: Dataset, trials: Sequence[Trial]) -> Json:
    """All tests together; the rate is the mean over origins, as all else."""
    rows = np.concatenate([trial.test_rows for trial in trials])
    y = np.concatenate([trial.y for trial in trials])
    rate = float(np.mean([trial.y.mean() for trial in trials]))
    return rows_json(data, rows, y, listed=True) | {"rate": rate}


def rows_json(
    data: Dataset,
    rows: Rows,
    y: Floats,
    *,
    listed: bool = False,
    known_before: datetime | None = None,
) -> Json:
    """Some rows as the report counts them; events are customers, of churn by its cause too.

    Parameters
    ----------
    data : Dataset
    rows, y : ndarray of shape (n,)
        Rows of the dataset and their labels.
    listed : bool
        Name every as-of date, not only the first and the last.
    known_before : datetime, optional
        When the labels were known; at the end of the data when left out.
    """
    as_of = data.keys["as_of"].iloc[rows].dropna()
    dates = [f"{moment:%Y-%m-%d}" for moment in sorted(as_of.unique())]
    counted: Json = {
        "rows": len(rows),
        "rate": float(np.mean(y)) if len(y) else None,
        "customers": len(np.unique(data.customer[rows])),
        "events": len(np.unique(data.customer[rows[y == 1]])),
    }
    causes = data.causes(known_before)
    if causes is not None:
        counted["events_by_cause"] = {
            cause: len(np.unique(data.customer[rows[causes[rows] == cause]])) for cause in CAUSES
        }
    return counted | {"as_of": dates if listed else dates[:1] + dates[1:][-1:]}


def metrics_json(metrics: Mapping[str, Interval]) -> Json:
    """Each metric with its interval; null with a reason where undefined."""
    return {name: found.as_json() for name, found in metrics.items()}
