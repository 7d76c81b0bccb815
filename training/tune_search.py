"""One search: the objective that Optuna minimises, what of it is used, and how it is compared."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna

from training.recipe import WORKERS, Folds, Setting, fit_all
from training.sample import Floats, Sample
from training.search import (
    LENGTHS,
    LINEAR_CS,
    Found,
    blends,
    clearly_better,
    constrained,
    least,
    lengths,
    losses,
)

CHOSEN, WITHOUT = "chosen", "without"  # what a trial keeps: on all folds, and without each
Tried = optuna.trial.FrozenTrial
Json = dict[str, Any]
Parts = dict[str, tuple[Setting, list[Floats]]]  # log-odds out of each fold, by setting


class Search:
    """The objective: mean log loss out of fold of trees at their best length and blend.

    Parameters
    ----------
    sample : Sample
        The rows to learn from.
    folds : list of (train, test)
    categorical : sequence of int
    end : float
        When the time is over, by `time.monotonic`.
    """

    def __init__(
        self, sample: Sample, folds: Folds, categorical: Sequence[int], end: float
    ) -> None:
        self.sample, self.folds, self.categorical, self.end = sample, folds, categorical, end
        alone = [
            Setting(f"linear, c {c:g}", {"linear_weight": 1.0, "linear_c": c}) for c in LINEAR_CS
        ]
        self.linear = [(one, self._predicted([one] * len(folds))) for one in alone]

    def left(self) -> float:
        """Seconds left."""
        return max(self.end - time.monotonic(), 0.0)

    def __call__(self, trial: optuna.Trial) -> float:
        """The objective of one trial, pruned after each few folds."""
        params = _suggested(trial) | {"n_estimators": LENGTHS[-1]}
        longest = Setting(f"{params['num_leaves']} leaves", params)
        parts: Parts = {}
        for first in range(0, len(self.folds), WORKERS):
            few = self.folds[first : first + WORKERS]
            models = fit_all(self.sample, [(train, longest) for train, _ in few], self.categorical)
            for model, (_, test) in zip(models, few, strict=True):
                for setting, log_odds in lengths(longest, model, self.sample.array[test]):
                    parts.setdefault(setting.name, (setting, []))[1].append(log_odds)
            done = range(first + len(few))
            trial.report(self._best(parts, done)[1], len(done))
            if len(done) < len(self.folds) and (trial.should_prune() or not self.left()):
                raise optuna.TrialPruned
        every = range(len(self.folds))
        setting, loss = self._best(parts, every)
        trial.set_user_attr(CHOSEN, _kept(setting, loss))
        without = [self._best(parts, [f for f in every if f != out] or every) for out in every]
        trial.set_user_attr(WITHOUT, [_kept(*one) for one in without])
        return loss

    def _predicted(self, settings: Sequence[Setting]) -> list[Floats]:
        """Log-odds out of each fold by the setting that belongs to it."""
        jobs = [(train, one) for (train, _), one in zip(self.folds, settings, strict=True)]
        models = fit_all(self.sample, jobs, self.categorical)
        return [
            model.decision_function(self.sample.X[test])
            for model, (_, test) in zip(models, self.folds, strict=True)
        ]

    def _best(self, parts: Parts, which: Sequence[int]) -> tuple[Setting, float]:
        """Of all lengths and blends, the one with the least loss on some folds, and that."""
        held = self._joined(which)

        def joined(one: tuple[Setting, list[Floats]]) -> Found:
            return one[0], np.concatenate([one[1][f] for f in which])

        trees = least([joined(one) for one in parts.values()], held)
        linear = least([joined(one) for one in self.linear], held)
        setting, log_odds = least(blends(trees, linear), held)
        return setting, float(losses(log_odds, held.y).mean())

    def _joined(self, which: Sequence[int]) -> Sample:
        return self.sample.take(np.concatenate([self.folds[f][1] for f in which]))

    def chosen(
        self, best: Tried, complete: Sequence[Tried], always: Json
    ) -> tuple[Setting, list[Setting]]:
        """The setting to use, and for each fold the one that is best on all others.

        What features promise is held to where that does not hurt the first by more than noise.

        Parameters
        ----------
        best : FrozenTrial
        complete : sequence of FrozenTrial
            All that were tried on every fold.
        always : dict
            Parameters that every setting is used with.
        """
        kept = zip(*(one.user_attrs[WITHOUT] for one in complete), strict=True)
        without = [min(fold, key=lambda one: float(one["loss"])) for fold in kept]
        tuned = _setting(best.user_attrs[CHOSEN], always)
        if self._keeps_promises(tuned):
            always = always | {"monotone": self.sample.monotone}
        return _setting(best.user_attrs[CHOSEN], always), [_setting(k, always) for k in without]

    def _keeps_promises(self, tuned: Setting) -> bool:
        """Whether trees held to what features promise are not worse by more than noise."""
        c = tuned.params["linear_c"]
        (linear,) = [z for setting, z in self.linear if setting.params["linear_c"] == c]
        found = constrained(
            self.sample, self.folds, self.categorical, tuned, np.concatenate(linear)
        )
        if found is None:
            return False
        free = np.concatenate(self._predicted([tuned] * len(self.folds)))
        return not clearly_better(free, found[1], self._joined(range(len(self.folds))))

    def compared(self, tuned: Sequence[Setting], default: Setting) -> tuple[bool, Json]:
        """Whether settings, one for each fold, surely beat the default; and the log loss of both.

        All are fitted as they would be used. Surely is by more than one standard error over
        customers.
        """
        held = self._joined(range(len(self.folds)))
        one = np.concatenate(self._predicted(tuned))
        other = np.concatenate(self._predicted([default] * len(self.folds)))
        loss = {
            "log_loss": float(losses(one, held.y).mean()),
            "default_log_loss": float(losses(other, held.y).mean()),
        }
        return clearly_better(one, other, held), loss


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


def _kept(setting: Setting, loss: float) -> Json:
    """A setting as a trial keeps it, with its mean log loss where it was chosen."""
    return {"name": f"tuned, {setting.name}", "params": setting.params, "loss": loss}


def _setting(kept: Json, always: Json) -> Setting:
    return Setting(kept["name"], kept["params"] | always)
