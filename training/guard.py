"""The leak guard: fails a training that knows what it could not have known, and gives the proof.

Before a model is fitted: rows are those of the build, no column was written because of the
outcome, no single feature gives the answer away, and features built again without what came later
are the same. After the back-test: the rows that were used are sound, and the score is plausible.
"""

from collections.abc import Sequence
from datetime import datetime

from features.built import Built
from features.staging import Staged
from training.guard_check import Check, check_of, stop_if_failed
from training.guard_columns import check_columns
from training.guard_future import check_future
from training.guard_rows import check_keys, check_refit, check_trials, hashes
from training.guard_static import findings, outcomes_of
from training.labels import eligible
from training.readiness import Plan
from training.report import Json
from training.sample import Dataset, Floats, Rows
from training.trial import Trial

SUSPICIOUS_AUC = 0.95  # of a model; only a warning where the project sets no limit


class Guard:
    """All checks of one training.

    Parameters
    ----------
    staged : Staged
    target_name : str
    built : Built
        The frame as it was built, before anything was done to its rows.

    Attributes
    ----------
    checks : list of Check
    """

    def __init__(self, staged: Staged, target_name: str, built: Built) -> None:
        self._staged, self._name = staged, target_name
        self._target = staged.project.target(target_name)
        self._built = hashes(built.keys[eligible(self._target, built.keys, built.state)])
        self.checks: list[Check] = []

    @property
    def warnings(self) -> list[str]:
        """What the reader of a report should look at."""
        return [check.proof for check in self.checks if check.state == "warning"]

    def before(self, data: Dataset, planned: Plan, data_end: datetime | None) -> None:
        """Rows and columns, before anything is learned.

        Raises
        ------
        LeakError
            With the proof of every check that failed.
        """
        self.checks.append(check_keys(data.keys, self._built))
        stop_if_failed(self._name, self.checks)  # labels of made-up rows would prove nothing
        self.checks.append(self._outcome(data, data_end))
        self.checks.append(check_columns(data, *_training_rows(data, planned, data_end)))
        self.checks.append(check_future(self._staged, data))
        stop_if_failed(self._name, self.checks)

    def after(self, data: Dataset, trials: Sequence[Trial], auc: float | None) -> None:
        """The rows that were used and the score that came of them.

        Raises
        ------
        LeakError
            With the proof of every check that failed.
        """
        self.checks.append(check_trials(data.keys, trials))
        self.checks.append(check_score(auc, self._staged.project.limits.plausible_auc))
        stop_if_failed(self._name, self.checks)

    def refitted(self, data: Dataset, rows: Rows) -> None:
        """The rows of the model to register.

        Raises
        ------
        LeakError
            With the proof.
        """
        self.checks.append(check_refit(data.keys, rows))
        stop_if_failed(self._name, self.checks)

    def as_json(self) -> tuple[Json, ...]:
        """The checks as plain JSON, in the order they were made."""
        return tuple(check.as_json() for check in self.checks)

    def _outcome(self, data: Dataset, data_end: datetime | None) -> Check:
        """Columns written because of the outcome; of a snapshot, values are judged as features."""
        found = findings(self._staged, self._target, outcomes_of(data, data_end))
        mine = [one for one in found if not (data.target.label and one.code == "value")]
        faults = [one for one in mine if one.level == "error"]
        said = [one.text.partition(": ")[2] for one in faults or mine]
        columns = [f"{one.table}.{one.column}" for one in faults or mine]
        if faults or not mine:
            return check_of(
                "outcome", said, "no column was written because of the outcome", columns=columns
            )
        return Check("outcome", "warning", "; ".join(said), tuple(columns))


def check_score(auc: float | None, plausible: float | None) -> Check:
    """A score that is too good to be true: above what the project allows, else a warning."""
    if auc is None:
        return Check("score", "skipped", "the model has no AUC")
    if plausible is not None and auc > plausible:
        return Check(
            "score",
            "failed",
            f"the model's AUC of {auc:.3f} is above limits.plausible_auc = {plausible}:"
            " some feature knows the outcome",
        )
    if plausible is None and auc > SUSPICIOUS_AUC:
        return Check(
            "score",
            "warning",
            f"the model's AUC of {auc:.3f} is unusually high: look for a feature that knows",
        )
    return Check("score", "passed", f"the model's AUC of {auc:.3f} is plausible")


def _training_rows(data: Dataset, planned: Plan, data_end: datetime | None) -> tuple[Rows, Floats]:
    """The newest rows that train in the back-test; all that have an answer where there is none."""
    if planned.origins:
        newest = planned.origins[-1]
        return data.newest(*data.labelled(newest.train, newest.at))
    return data.parts()[0] if data_end is None else data.labelled(data.mature(data_end), data_end)
