"""Training of one target: back-test, gate, and what is registered when it passes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from features.frames import frame
from features.project import Project
from features.staging import Staged
from models.registry import Registry
from training.backtest import backtest, champion_of
from training.gate import judge, unready
from training.guard import check_columns, check_rows, check_score
from training.readiness import Plan, plan
from training.register import register
from training.report import Report, report_of
from training.sample import Dataset

__all__ = ["Report", "train"]

Progress = Callable[[str], None]


def train(
    project: Project,
    staged: Staged,
    target_name: str,
    *,
    registry: Registry,
    progress: Progress | None = None,
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

    Returns
    -------
    Report
        With grade U, and nothing registered, where the data cannot teach or prove the target.

    Raises
    ------
    LeakError
        A column or row knows what it could not have known.
    UnknownTargetError, UnknownFeatureError, UnfitDataError, ProjectError
        The project asks for what is not there.
    """
    target = project.target(target_name)
    say = _named(target_name, progress)
    say("features")
    data = Dataset(staged, target, frame(staged, target_name, progress=say))
    check_rows(data.keys, data.keys)
    data_end = None if data.is_snapshot else staged.data_end
    planned = plan(data, data_end, project.limits.min_events)
    if planned.missing is not None:
        return _unready(target_name, planned)
    _check_columns(data, planned, data_end)
    champion = champion_of(registry.champion(project.model_name(target_name)))
    found = backtest(data, planned.origins, data_end, champion, say)
    verdict = judge(found.evidence())
    auc = found.draws.average()[found.best]["auc"].value
    warning = check_score(auc, project.limits.plausible_auc)
    report = report_of(target_name, data, found, verdict, [warning] if warning else [])
    if verdict.grade == "U":
        return report
    say("registering")
    return replace(report, version=register(project, staged, data, found, report, registry))


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


def _check_columns(data: Dataset, planned: Plan, data_end: datetime | None) -> None:
    """The guard on the newest rows that train in the back-test."""
    if planned.origins:
        newest = planned.origins[-1]
        rows, y = data.newest(*data.labelled(newest.train, newest.at))
    else:
        rows, y = data.parts()[0] if data_end is None else data.labelled(None, data_end)
    encoder = data.encoder(rows)
    check_columns(data.sample(rows, y, encoder), encoder.names)
