"""Training of one target: back-test, gate, and what is registered when it passes."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from features.built import Built
from features.project import Project
from features.staging import Staged
from models.registry import Registry
from training.backtest_run import named, prove
from training.register import refit, register
from training.report import Report

if TYPE_CHECKING:
    from training.tune import Tuner

__all__ = ["Report", "train"]

Progress = Callable[[str], None]
Prepare = Callable[[Built], Built]


def train(
    project: Project,
    staged: Staged,
    target_name: str,
    *,
    registry: Registry,
    progress: Progress | None = None,
    prepare: Prepare | None = None,
    tuner: "Tuner | None" = None,
) -> Report:
    """Learn one target, prove it on later time, register and promote it if it passes the gate.

    Parameters
    ----------
    project : Project
    staged : Staged
    target_name : str
    registry : Registry
    progress : callable, optional
        Called with a few words before each long step.
    prepare : callable, optional
        Changes the rows before they are split, such as leaving some out. Rows that it makes up or
        repeats fail the training.
    tuner : Tuner, optional
        Searches settings for longer; the default recipe is used when left out.

    Returns
    -------
    Report
        With grade U, and nothing registered, where the data cannot teach or prove the target.

    Raises
    ------
    LeakError
        A column or row knows what it could not have known; `rows` are all checks of the guard.
    UnknownTargetError, UnknownFeatureError, UnfitDataError, ProjectError
        The project asks for what is not there.
    """
    say = named(target_name, progress)
    proof = prove(
        project, staged, target_name, registry=registry, say=say, prepare=prepare, tuner=tuner
    )
    data, found, guard = proof.data, proof.found, proof.guard
    report = replace(proof.report, tuning=tuple(tuner.found) if tuner else ())
    if found is None or report.grade == "U":
        return report
    say("refit")
    whole = refit(data, found, proof.data_end)
    guard.refitted(data, whole.rows)
    report = replace(report, guard=guard.as_json(), reasons=whole.told.get("reasons"))
    say("registering")
    return replace(report, version=register(project, staged, data, found, report, whole, registry))
