"""Training of one target: back-test, gate, and what is registered when it passes."""

from collections.abc import Callable
from dataclasses import replace

from features.built import Built
from features.frames import frame
from features.project import Project
from features.staging import Staged
from models.registry import Registry
from training.backtest import backtest, champion_of
from training.gate import judge, unready
from training.guard import Guard
from training.readiness import Plan, plan
from training.register import refit, register
from training.report import Report, report_of
from training.sample import Dataset

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
    target = project.target(target_name)
    say = _named(target_name, progress)
    say("features")
    built = frame(staged, target_name, progress=say)
    guard = Guard(staged, target_name, built)
    data = Dataset(staged, target, prepare(built) if prepare else built)
    data_end = data.data_end
    planned = plan(data, data_end, project.limits.min_events)
    say("leak guard")
    guard.before(data, planned, data_end)
    if planned.missing is not None:
        return replace(_unready(target_name, planned), guard=guard.as_json())
    champion = champion_of(registry.champion(project.model_name(target_name)))
    found = backtest(data, planned.origins, data_end, champion, say)
    verdict = judge(found.evidence())
    guard.after(data, found.trials, found.draws.average()[found.best]["auc"].value)
    report = report_of(target_name, data, found, verdict, guard.warnings)
    if verdict.grade == "U":
        return replace(report, guard=guard.as_json())
    say("registering")
    whole = refit(data, found, data_end)
    guard.refitted(data, whole.rows)
    version = register(project, staged, data, found, report, whole, registry)
    return replace(report, version=version, guard=guard.as_json())


def _named(target: str, progress: Progress | None) -> Progress:
    """Progress that says which target it speaks of."""
    return lambda text: progress(f"{target}: {text}") if progress else None


def _unready(target: str, planned: Plan) -> Report:
    verdict = unready(f"grade U, nothing is promoted: {planned.missing}")
    return Report(
        target,
        verdict.promoted,
        verdict.grade,
        verdict.reason,
        train=planned.train,
        test=planned.test,
    )
