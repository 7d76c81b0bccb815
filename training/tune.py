"""A longer search for settings within a time budget, on folds in time order; it can be resumed."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from features.errors import RetentionError
from training.labels import known_after
from training.recipe import FEW_ROWS, Choice, Folds, inner_folds, thinned
from training.sample import Chooser, Dataset, Sample
from training.search import SEARCH_ROWS, SEEDS, TREES, choose
from training.trial import FOLDS
from training.tune_search import Search

COMPLETE, PRUNED = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED
TIME_FOLDS = 3
FORMAT = b"2"  # of what a study keeps; one of another format is not taken up
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
        `default_log_loss` of the default recipe on the same `folds` (in `time`, or by `customers`;
        the best as chosen on the other folds), which was `taken`, whether it was `stopped`, and
        all `trials`.
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
        """The best setting found, where searching surely beats the default recipe.

        Both are asked on the same folds: for each one, the setting that is best on all others is
        learned and judged there, as the best of many settings looks better than it is on the folds
        that chose it.
        """
        default = choose(sample, categorical)
        small = sample.take(thinned(sample, SEARCH_ROWS))
        ordered = time_folds(small, wait) if wait is not None else []
        folds = ordered or inner_folds(small)
        if not folds:
            return default
        search = Search(small, folds, categorical, time.monotonic() + seconds)
        study = self._study(small)
        stopped = self._run(study, search)
        complete = study.get_trials(deepcopy=False, states=(COMPLETE,))
        trials = [*map(_told, study.get_trials(deepcopy=False, states=(COMPLETE, PRUNED)))]
        told: Json = {"folds": "time" if ordered else "customers", "stopped": stopped}
        told |= {"settings": len(trials), "pruned": len(trials) - len(complete), "trials": trials}
        if not complete:
            self.found.append(told | {"taken": "default"})
            return default
        always = {"n_seeds": SEEDS} if len(sample) <= FEW_ROWS else {}
        tuned, others = search.chosen(study.best_trial, complete, always)
        taken, loss = search.compared(others, default.setting)
        self.found.append(told | loss | {"taken": "tuned" if taken else "default"})
        return Choice(tuned) if taken else default

    def _study(self, sample: Sample) -> optuna.Study:
        """The study of these rows, begun or taken up again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        rows = hashlib.blake2b(FORMAT, digest_size=8)
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

    def _run(self, study: optuna.Study, search: Search) -> bool:
        """Try settings until the time is over; whether somebody stopped it before."""

        def told(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
            tried = study.get_trials(deepcopy=False, states=(COMPLETE, PRUNED))
            self._say(f"tuning, {len(tried)} settings tried")

        try:
            study.optimize(search, timeout=search.left(), callbacks=[told])
        except KeyboardInterrupt:
            self._say("tuning stopped; what was found is kept")
            return True
        return False


def _told(trial: optuna.trial.FrozenTrial) -> Json:
    """A setting that was tried: log loss, of the folds done where it was cut short, and seconds."""
    seconds = trial.duration.total_seconds() if trial.duration else None
    loss = (
        trial.value
        if trial.state == COMPLETE
        else trial.intermediate_values.get(max(trial.intermediate_values, default=0))
    )
    return {"log_loss": loss, "pruned": trial.state == PRUNED, "seconds": seconds, **trial.params}
