"""The proof of a target: rows, origins, leak guard, back-test, verdict; nothing is registered."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from features.built import Built
from features.frames import frame
from features.project import Project
from features.staging import Staged
from models.charts import origins_chart, write_chart
from models.registry import Registry
from training.backtest import Backtest, backtest, champion_of
from training.backtest_kept import keep_tested
from training.backtest_lists import lists_of
from training.backtest_looks import Look, record
from training.backtest_segments import miscalibrated, segments_of
from training.backtest_table import chart_rows
from training.gate import judge, unready
from training.guard import Guard
from training.monitor_slices import drift_warnings, slice_drift
from training.readiness import Plan, plan
from training.readiness_targets import thin_of
from training.report import Json, Report, report_of
from training.sample import Chooser, Dataset
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
    verb: str = "train",
    tuner: Callable[[Dataset], Chooser] | None = None,
) -> Proof:
    """Back-test one target by the code that trains it; the result is kept under `backtests/`.

    Parameters
    ----------
    n_origins : int, optional
        How many rolling origins where history allows; `N_ORIGINS` when left out. A test that the
        project fixes stands.
    verb : str
        On whose behalf, for the log of looks.
    tuner : callable, optional
        Gives how settings are chosen, where not by the default recipe.

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
    data.chooser = tuner(data) if tuner else None
    found = backtest(data, planned.origins, data_end, champion, say)
    guard.after(data, found.trials, found.draws.average()[found.best]["auc"].value)
    say("lists and segments")
    lists = lists_of(data, found.trials, project.money)
    thin = thin_of(data, planned, project.limits.min_events)
    segments = segments_of(data, found.trials, found.best)
    off = miscalibrated(segments)
    verdict = judge(found.evidence(), guard.checks, thin, off, project.gate)
    drift = slice_drift(data, found.trials)
    warnings = (*planned.left_out, *guard.warnings, *off, *drift_warnings(drift))
    report = report_of(target_name, data, found, verdict, warnings, lists)
    report = replace(
        report,
        guard=guard.as_json(),
        segments=tuple(segments),
        drift=tuple(drift),
        looks=_look(staged, report, verb),
    )
    keep(report, project.outputs / "backtests")
    keep_tested(data, found, project.outputs / "backtests", target_name)
    return Proof(data, data_end, found, guard, report)


def _look(staged: Staged, report: Report, verb: str) -> Json:
    """The looks at this test, with this one."""
    test, loss = report.test or {}, (report.model or {}).get("log_loss") or {}
    look = Look(
        report.target,
        test.get("as_of", ()),
        staged.fingerprint,
        verb,
        report.recipe or "",
        loss.get("value"),
    )
    return record(staged.project.outputs, look)


def keep(report: Report, folder: Path) -> None:
    """Write the newest back-test of a target, `<target>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.target}.json"
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    scratch.replace(path)


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
        gate=verdict.as_json(),
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
        The report as plain JSON; its chart is written beside it, see `keep` and `origins_page`.
    """
    say = named(target_name, progress)
    proof = prove(
        staged.project,
        staged,
        target_name,
        registry=registry,
        say=say,
        n_origins=n_origins,
        verb="backtest",
    )
    report = proof.report.as_json()
    if proof.found is not None:
        page = origins_page(staged.project, target_name)
        write_chart(origins_chart(chart_rows(report)), page.parent, page.stem)
    return report


def origins_page(project: Project, target_name: str) -> Path:
    """Where the chart over origins of the newest back-test is; as a picture beside it too."""
    return project.outputs / "backtests" / f"{target_name}-origins.html"
