"""A longer search for settings within a time budget, on folds in time order; it can be resumed."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from features.errors import RetentionError
from training.labels import known_after
from training.recipe import (
    CONSTANT,
    FEW_ROWS,
    WORKERS,
    Choice,
    Folds,
    Setting,
    fit_all,
    inner_folds,
    thinned,
)
from training.sample import Chooser, Dataset, Floats, Sample
from training.search import (
    LENGTHS,
    LINEAR_CS,
    SEARCH_ROWS,
    SEEDS,
    TREES,
    Found,
    blends,
    choose,
    clearly_better,
    least,
    lengths,
    losses,
)
from training.trial import FOLDS

COMPLETE, PRUNED = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED
TIME_FOLDS = 3
SECONDS = {"s": 1, "m": 60, "h": 3600}
Progress = Callable[[str], None]
Json = dict[str, Any]


def seconds_of(text: str) -> int:
    """Seconds of a time such as `90s`, `10m` or `1h`.

    Raises
    ------
    RetentionError
        It is no such time, or none at all.
    """
    found = re.fullmatch(r"([1-9]\d*)([smh])", text.strip())
    if found is None:
        raise RetentionError(f"--tune takes a time such as 90s, 10m or 1h; got {text!r}")
    return int(found[1]) * SECONDS[found[2]]


def time_folds(sample: Sample, wait: timedelta) -> Folds:
    """Later dates, each learned from the dates whose answer was known by then.

    Parameters
    ----------
    sample : Sample
    wait : timedelta
        How long after its date an answer is known.

    Returns
    -------
    list of (train, test)
        Up to `TIME_FOLDS`, oldest first; none where no date comes late enough.
    """
    as_of = sample.as_of.reset_index(drop=True)
    dates = pd.DatetimeIndex(np.sort(as_of.dropna().unique()))
    late = dates[dates >= dates[0] + wait] if len(dates) else dates
    folds = []
    for block in np.array_split(late, min(TIME_FOLDS, len(late))) if len(late) else ():
        train = np.flatnonzero(as_of + wait <= block[0])
        test = np.flatnonzero(as_of.isin(block))
        if all(0 < sample.y[rows].mean() < 1 for rows in (train, test)):
            folds.append((train, test))
    return folds


class Tuner:
    """Searches settings for one target; called with its rows, it gives how to choose among them.

    Parameters
    ----------
    path : Path
        The file of the studies. A study belongs to one fingerprint, target and set of rows, and
        goes on where it ended; another's is never taken up.
    fingerprint : str
        Of the data.
    seconds : float
        The time for all searches of a training: one, or one for each fold of a cross-validation.
    say : callable
        Called after each setting that was tried.

    Attributes
    ----------
    found : list of dict
        Of each search: `settings` tried and `pruned`, `log_loss` of the best and
        `default_log_loss` of the default recipe on the same `folds` (in `time`, or by `customers`),
        which was `taken`, and whether it was `stopped`.
    """

    def __init__(self, path: Path, fingerprint: str, seconds: float, say: Progress) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.seconds = seconds
        self.found: list[Json] = []
        self._say = say

    def __call__(self, data: Dataset) -> Chooser:
        """How to choose a setting on training rows of this dataset."""
        searches = FOLDS if data.data_end is None and data.holdout is None else 1
        wait = None if data.data_end is None else known_after(data.target)
        return partial(self.choose, wait=wait, seconds=self.seconds / searches)

    def choose(
        self, sample: Sample, categorical: Sequence[int], *, wait: timedelta | None, seconds: float
    ) -> Choice:
        """The best setting found, where it beats that of the default recipe on the same folds."""
        default = choose(sample, categorical)
        small = sample.take(thinned(sample, SEARCH_ROWS))
        ordered = time_folds(small, wait) if wait is not None else []
        folds = ordered or inner_folds(small)
        if not folds:
            return default
        search = _Search(small, folds, categorical, time.monotonic() + seconds)
        study = self._study(small)
        stopped = self._run(study, search)
        told: Json = {"folds": "time" if ordered else "customers", "stopped": stopped}
        told |= {"settings": len(_tried(study)), "pruned": len(_tried(study, PRUNED))}
        if not _tried(study, COMPLETE):
            self.found.append(told | {"taken": "default"})
            return default
        tuned = _setting(study.best_trial.user_attrs)
        if len(sample) <= FEW_ROWS:
            tuned = replace(tuned, params=tuned.params | {"n_seeds": SEEDS})
        taken, loss = search.compared(tuned, default.setting)
        self.found.append(told | loss | {"taken": "tuned" if taken else "default"})
        return Choice(tuned) if taken else default

    def _study(self, sample: Sample) -> optuna.Study:
        """The study of these rows, begun or taken up again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        rows = hashlib.blake2b(digest_size=8)
        for part in (self.fingerprint.encode(), sample.rows.tobytes(), sample.array.tobytes()):
            rows.update(part)
        study = optuna.create_study(
            storage=f"sqlite:///{self.path}",
            study_name=f"{self.path.stem}-{rows.hexdigest()}",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
            load_if_exists=True,
        )
        # A seed of its own for each time, so that a study taken up does not repeat itself.
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
        for leaves, trees in TREES.items():
            study.enqueue_trial(trees | {"num_leaves": leaves}, skip_if_exists=True)
        return study

    def _run(self, study: optuna.Study, search: "_Search") -> bool:
        """Try settings until the time is over; whether somebody stopped it before."""

        def told(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
            self._say(f"tuning, {len(_tried(study))} settings tried")

        try:
            study.optimize(search, timeout=search.left(), callbacks=[told])
        except KeyboardInterrupt:
            self._say("tuning stopped; what was found is kept")
            return True
        return False


class _Search:
    """The objective: mean log loss out of fold of trees at their best length and blend."""

    def __init__(
        self, sample: Sample, folds: Folds, categorical: Sequence[int], end: float
    ) -> None:
        self.sample, self.folds, self.categorical, self.end = sample, folds, categorical, end
        self.held = [sample.take(test) for _, test in folds]
        self.linear = [
            self._predicted(Setting(f"linear, c {c:g}", {"linear_weight": 1.0, "linear_c": c}))
            for c in LINEAR_CS
        ]

    def left(self) -> float:
        """Seconds left."""
        return max(self.end - time.monotonic(), 0.0)

    def __call__(self, trial: optuna.Trial) -> float:
        """The objective of one trial, pruned after each few folds."""
        params = _suggested(trial) | {"n_estimators": LENGTHS[-1]}
        longest = Setting(f"{params['num_leaves']} leaves", params)
        parts: dict[str, tuple[Setting, list[Floats]]] = {}
        best: Found | None = None
        for first in range(0, len(self.folds), WORKERS):
            few = self.folds[first : first + WORKERS]
            models = fit_all(self.sample, [(train, longest) for train, _ in few], self.categorical)
            for model, (_, test) in zip(models, few, strict=True):
                for setting, log_odds in lengths(longest, model, self.sample.array[test]):
                    parts.setdefault(setting.name, (setting, []))[1].append(log_odds)
            best = self._best(parts)
            done = first + len(few)
            value = self._mean(best[1], done)
            trial.report(value, done)
            if done < len(self.folds) and (trial.should_prune() or not self.left()):
                raise optuna.TrialPruned
        if best is None:
            raise optuna.TrialPruned
        trial.set_user_attr("name", f"tuned, {best[0].name}")
        trial.set_user_attr("params", best[0].params)
        return self._mean(best[1], len(self.folds))

    def _best(self, parts: dict[str, tuple[Setting, list[Floats]]]) -> Found:
        """Of all lengths and blends, the one with the least loss on the folds done so far."""
        done = len(next(iter(parts.values()))[1])
        held = self._joined(done)
        trees = least([(one, np.concatenate(z)) for one, z in parts.values()], held)
        linear = least([(one, np.concatenate(z[:done])) for one, z in self.linear], held)
        return least(blends(trees, linear), held)

    def _joined(self, done: int) -> Sample:
        tests = [test for _, test in self.folds[:done]]
        return self.sample.take(np.concatenate(tests))

    def _mean(self, log_odds: Floats, done: int) -> float:
        return float(losses(log_odds, self._joined(done).y).mean())

    def _predicted(self, setting: Setting) -> tuple[Setting, list[Floats]]:
        jobs = [(train, setting) for train, _ in self.folds]
        models = fit_all(self.sample, jobs, self.categorical)
        pairs = zip(models, self.held, strict=True)
        return setting, [model.decision_function(held.X) for model, held in pairs]

    def compared(self, tuned: Setting, default: Setting) -> tuple[bool, Json]:
        """Whether the tuned setting is better than the default, and the log loss of both.

        Both are fitted as they would be used. A constant must be beaten by more than noise.
        """
        held = self._joined(len(self.folds))
        one, other = (np.concatenate(self._predicted(s)[1]) for s in (tuned, default))
        loss = {
            "log_loss": float(losses(one, held.y).mean()),
            "default_log_loss": float(losses(other, held.y).mean()),
        }
        if default == CONSTANT:
            return clearly_better(one, other, held), loss
        return loss["log_loss"] < loss["default_log_loss"], loss


def _suggested(trial: optuna.Trial) -> Json:
    """The trees of one trial."""
    return {
        "num_leaves": trial.suggest_int("num_leaves", 2, 48, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 300, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 100.0, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
        "subsample": trial.suggest_float("subsample", 0.4, 1.0),
    }


def _setting(attributes: Json) -> Setting:
    return Setting(attributes["name"], dict(attributes["params"]))


def _tried(study: optuna.Study, *states: optuna.trial.TrialState) -> list[Any]:
    """Trials that ended, in some state."""
    return study.get_trials(deepcopy=False, states=states or (COMPLETE, PRUNED))
