"""The back-test of a target: its trials, the metrics of every model, and which one is best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from pandas import DataFrame

from features.errors import UnfitDataError
from features.stored import Stored
from models.bootstrap import Draws, Interval, bootstrap
from models.bootstrap import Origin as Scored
from models.loaded import LoadedModel
from models.streamed import BLOCK
from training.gate import Evidence
from training.recipe import Setting
from training.sample import Dataset
from training.sequential import followed
from training.splits import Origin
from training.trial import ALTERNATIVES, Trial, run_origin, run_snapshot

CANDIDATES = ("model", *ALTERNATIVES)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Champion:
    """How the present champion takes part: refitted by its recipe, by itself, or not at all."""

    model: LoadedModel | None = None
    setting: Setting | None = None
    known_until: datetime | None = None  # the last moment whose knowledge it was fitted on
    note: str | None = None

    def judged_at(self, at: datetime | None) -> bool:
        """Whether it was fitted on nothing that an origin did not know."""
        return at is not None and self.known_until is not None and self.known_until <= at

    def knows(self, frame: DataFrame | Stored) -> bool:
        """Whether a frame has all its features; one of another build is refitted."""
        asked = self.model.features if self.model is not None else []
        return {feature.name for feature in asked} <= set(frame.columns)


def champion_of(model: LoadedModel | None) -> Champion:
    """What the card of the champion says about itself."""
    if model is None:
        return Champion()
    recipe, until = model.card.get("recipe"), model.card.get("known_until")
    setting = Setting(recipe["name"], dict(recipe["params"])) if recipe else None
    moment = datetime.fromisoformat(until) if until else None
    note = None
    if setting is None:
        note = f"the champion, version {model.version}, names no recipe and cannot be compared"
    return Champion(model, setting, moment, note)


@dataclass(frozen=True)
class Backtest:
    """Trials with the metrics of all models under the same draws of customers.

    Attributes
    ----------
    best : str
        Of `CANDIDATES`, the one with the least mean log loss: the one to register.
    against_champion : Draws or None
        `model` and `champion` on the origins where both can be judged.
    """

    trials: tuple[Trial, ...]
    draws: Draws
    best: str
    against_champion: Draws | None
    note: str | None

    @property
    def setting(self) -> Setting:
        """How to fit what is registered."""
        return ALTERNATIVES.get(self.best, self.trials[0].setting)

    def evidence(self) -> Evidence:
        """What the gate asks of the best."""
        found = self.draws.average()[self.best]
        loss = self.draws.value
        against = {name: self.draws.difference(self.best, name) for name in ("constant", "rule")}
        if self.against_champion is not None:
            against["champion"] = self.against_champion.difference("model", "champion")
        gain = loss["constant"]["log_loss"] - loss[self.best]["log_loss"]
        return Evidence(
            found["brier_skill"],
            found["lift10_attainable"],
            float(gain.min()),
            found["calibration_slope"],
            against,
            self.note,
        )

    def champion_at(self, number: int) -> dict[str, Interval] | None:
        """Of the champion at one origin, where it could be judged there."""
        judged = [place for place, one in enumerate(self.trials) if "champion" in one.probability]
        if self.against_champion is None or number not in judged:
            return None
        return self.against_champion.origin(judged.index(number))["champion"]

    def champion_metrics(self) -> dict[str, Interval] | None:
        """Of the champion where it could be judged."""
        return self.against_champion.average()["champion"] if self.against_champion else None


def backtest(
    data: Dataset,
    origins: Sequence[Origin],
    data_end: datetime | None,
    champion: Champion,
    progress: Progress,
) -> Backtest:
    """Run every origin (of a snapshot: its fixed split, or the folds) and measure all models.

    The setting is chosen at the first origin, before all others, and kept.
    """
    if data_end is None:
        progress("cross-validating" if data.holdout is None else "testing on the rows held out")
        return measured(data, [followed(data, run_snapshot(data, champion.setting))], champion)
    knows = champion.knows(data.frame)
    direct = [origin for origin in origins if knows and champion.judged_at(origin.at)]
    trials: list[Trial] = []
    for number, origin in enumerate(origins, 1):
        progress(f"origin {number} of {len(origins)}, {origin.at:%Y-%m-%d}")
        setting = trials[0].setting if trials else None
        refitted = None if direct else champion.setting
        trial = run_origin(data, origin, data_end, setting=setting, champion=refitted)
        trials.append(_with_champion(data, trial, champion) if origin in direct else trial)
    return measured(data, trials, champion)


def _with_champion(data: Dataset, trial: Trial, champion: Champion) -> Trial:
    """The trial with the champion's own predictions, where it still can make them."""
    if champion.model is None:
        return trial
    parts = []
    for start in range(0, len(trial.test_rows), BLOCK):
        rows = data.frame.iloc[trial.test_rows[start : start + BLOCK]]
        try:
            matrix = champion.model.matrix(rows)
        except UnfitDataError:  # a column of another type than it learned
            return trial
        parts.append(champion.model.probability(matrix))
    found = {"champion": np.concatenate(parts)}
    return replace(trial, probability=trial.probability | found)


def measured(data: Dataset, trials: Sequence[Trial], champion: Champion) -> Backtest:
    """Metrics of all models, and the best of them."""
    common = [_scored(data, trial, [*_own(trial)]) for trial in trials]
    draws = bootstrap(common)
    best = min(CANDIDATES, key=lambda name: float(draws.value[name]["log_loss"].mean()))
    judged = [trial for trial in trials if "champion" in trial.probability]
    pairs = [_scored(data, trial, [best, "champion"]) for trial in judged]
    renamed = [
        replace(
            p, predictions={"model": p.predictions[best], "champion": p.predictions["champion"]}
        )
        for p in pairs
    ]
    note = champion.note
    if champion.model is not None and not judged and note is None:
        note = f"the champion, version {champion.model.version}, could not be compared"
    return Backtest(tuple(trials), draws, best, bootstrap(renamed) if renamed else None, note)


def _own(trial: Trial) -> list[str]:
    return [name for name in trial.probability if name != "champion"]


def _scored(data: Dataset, trial: Trial, names: Sequence[str]) -> Scored:
    """Some models of a trial as the bootstrap reads them."""
    predictions = {name: np.asarray(trial.probability[name]) for name in names}
    return Scored(trial.y, predictions, data.customer[trial.test_rows], trial.constant)
