"""The proof of a target: rows, origins, leak guard, back-test, verdict; nothing is registered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from features.built import Built
from features.frames import frame
from features.project import Project
from features.staging import Staged
from models.registry import Registry
from training.backtest import Backtest, backtest, champion_of
from training.gate import judge, unready
from training.guard import Guard
from training.readiness import Plan, plan
from training.report import Json, Report, report_of
from training.sample import Dataset
from training.splits import N_ORIGINS

Progress = Callable[[str], None]
Prepare = Callable[[Built], Built]


@dataclass(frozen=True)
class Proof:
    """A report with what it was made from.

    Attributes
    ----------
    found : Backtest or None
        None where the data cannot teach or prove the target.
    """

    data: Dataset
    data_end: datetime | None
    found: Backtest | None
    guard: Guard
    report: Report


def prove(
    project: Project,
    staged: Staged,
    target_name: str,
    *,
    registry: Registry,
    say: Progress,
    prepare: Prepare | None = None,
    n_origins: int | None = None,
) -> Proof:
    """Back-test one target by the code that trains it.

    Parameters
    ----------
    n_origins : int, optional
        How many rolling origins where history allows; `N_ORIGINS` when left out. A test that the
        project fixes stands.

    Raises
    ------
    LeakError
        A column or row knows what it could not have known; `rows` are all checks of the guard.
    UnknownTargetError, UnknownFeatureError, UnfitDataError, ProjectError
        The project asks for what is not there.
    """
    target = project.target(target_name)
    say("features")
    built = frame(staged, target_name, progress=say)
    guard = Guard(staged, target_name, built)
    data = Dataset(staged, target, prepare(built) if prepare else built)
    data_end = data.data_end
    planned = plan(data, data_end, project.limits.min_events, n_origins or N_ORIGINS)
    say("leak guard")
    guard.before(data, planned, data_end)
    if planned.missing is not None:
        report = replace(_unready(target_name, planned), guard=guard.as_json())
        return Proof(data, data_end, None, guard, report)
    champion = champion_of(registry.champion(project.model_name(target_name)))
    found = backtest(data, planned.origins, data_end, champion, say)
    verdict = judge(found.evidence())
    guard.after(data, found.trials, found.draws.average()[found.best]["auc"].value)
    report = report_of(target_name, data, found, verdict, guard.warnings)
    return Proof(data, data_end, found, guard, replace(report, guard=guard.as_json()))


def named(target: str, progress: Progress | None) -> Progress:
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


def run_backtest(
    staged: Staged,
    target_name: str,
    *,
    registry: Registry,
    progress: Progress | None = None,
    n_origins: int | None = None,
) -> Json:
    """Back-test one target and register nothing; arguments and errors are those of `prove`.

    Returns
    -------
    dict
        The report as plain JSON.
    """
    say = named(target_name, progress)
    proof = prove(
        staged.project, staged, target_name, registry=registry, say=say, n_origins=n_origins
    )
    return proof.report.as_json()
