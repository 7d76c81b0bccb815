"""The work behind the verbs of the command line, and what it prints."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from features.console import print_table, progress_bar
from features.errors import LeakError, ModelNotFoundError, RetentionError, SourceError
from features.project import Project

if TYPE_CHECKING:
    from features.staging import Staged
    from models.registry import Registry
    from serving.settings import Settings


def tell(*lines: str) -> None:
    """Plain lines on stdout."""
    for line in lines:
        typer.echo(line)


def stage(project: Project) -> "Staged":
    """Read all sources; what has not changed is not built again later."""
    from features.staging import stage

    with progress_bar("Reading tables") as say:
        return stage(project, progress=say)


def check(project: Project) -> "Staged":
    """Read all sources, and print where their rows went and what is wrong with them."""
    from features.summary import TABLE_COLUMNS, remarks, table_rows

    try:
        staged = stage(project)
    except SourceError as error:
        tell(*error.lines)
        raise
    print_table(TABLE_COLUMNS, table_rows(staged))
    tell(*remarks(staged))
    return staged


def readiness(staged: "Staged", *, as_json: bool) -> None:
    """Print what the tables are ready for, and write it as a page."""
    from serving.readiness_page import write_page
    from training.readiness_report import readiness, shown

    with redirect_stdout(sys.stderr), progress_bar("Judging") as say:
        page = write_page(report := readiness(staged, say), staged.project.outputs)
    if as_json:
        tell(json.dumps(report, indent=1))
    else:
        for columns, rows in shown(report):
            print_table(columns, rows)
        tell(f"the report is a page too: {page}")


def build(staged: "Staged") -> None:
    """Build the frame of each target, and print its size."""
    from features.frames import frame
    from features.summary import FRAME_COLUMNS, frame_row

    with progress_bar("Building features") as say:
        rows = [frame_row(n, frame(staged, n, progress=say)) for n in staged.project.targets]
    print_table(FRAME_COLUMNS, rows)


@contextmanager
def _proving(title: str, *, as_json: bool) -> Iterator[Callable[[str], None]]:
    """What a library prints goes to stderr; a leak is shown with all that was looked at."""
    try:
        with redirect_stdout(sys.stderr), progress_bar(title) as say:
            yield say
    except LeakError as error:
        if not as_json:
            print_table(LeakError.COLUMNS, error.rows)
        raise


def backtest(
    staged: "Staged", names: Iterable[str], n_origins: int | None, *, as_json: bool = False
) -> None:
    """Back-test targets, and print every origin."""
    from training.backtest_run import origins_page, run_backtest
    from training.backtest_table import COLUMNS, sentences, table_rows

    registry = registry_of(staged.project)
    with _proving("Back-test", as_json=as_json) as say:
        found = {
            name: run_backtest(staged, name, registry=registry, progress=say, n_origins=n_origins)
            for name in names
        }
    if as_json:
        tell(json.dumps({"targets": found}, indent=1))
    else:
        print_table(COLUMNS, (row for one in found.items() for row in table_rows(*one)))
        tell(*(line for one in found.items() for line in sentences(*one)))
        pages = [origins_page(staged.project, name) for name, one in found.items() if one["model"]]
        tell(*(f"the origins are a chart too: {page}" for page in pages))


def tuning_time(text: str | None) -> int | None:
    """Seconds of `--tune`; None where nothing is tuned."""
    if text is None:
        return None
    from training.tune import seconds_of

    return seconds_of(text)


def _tuner(staged: "Staged", target: str, seconds: int | None, say: Callable[[str], None]) -> Any:
    """What searches settings for a target for so long; None where nothing is tuned."""
    if seconds is None:
        return None
    from training.tune import Tuner

    path = staged.project.outputs / "tune" / f"{target}.db"
    return Tuner(path, staged.fingerprint, seconds, lambda text: say(f"{target}: {text}"))


def train(
    staged: "Staged", names: Iterable[str], *, as_json: bool = False, tune: int | None = None
) -> None:
    """Train targets, and print the reports.

    With `tune`, settings of each target are searched for so many seconds.
    """
    from training.summary import SUMMARY_COLUMNS, sentences, summary_row
    from training.train import train as learn

    project, registry = staged.project, registry_of(staged.project)
    with _proving("Training", as_json=as_json) as say:
        reports = {}
        for name in names:
            tuner = _tuner(staged, name, tune, say)
            report = learn(project, staged, name, registry=registry, progress=say, tuner=tuner)
            reports[name] = report.as_json()
    if as_json:
        tell(json.dumps({"targets": reports}, indent=1))
    else:
        print_table(SUMMARY_COLUMNS, (summary_row(*one) for one in reports.items()))
        tell(*(line for one in reports.items() for line in sentences(*one)))


def score(staged: "Staged", as_of: datetime | None = None, csv: Path | None = None) -> None:
    """Score, publish, write the list when asked for, and print how many there are."""
    from serving.export import check_writable, write_csv
    from serving.scoring import score as publish
    from serving.store import Store
    from serving.summary import SUMMARY_COLUMNS, summary_row

    if csv:
        check_writable(csv)  # before long work
    project, registry = staged.project, registry_of(staged.project)
    store = Store.for_project(project, settings_of(project).store_url)
    with closing(store), progress_bar("Scoring") as say:
        store.migrate()
        done = publish(project, staged, as_of=as_of, store=store, registry=registry, progress=say)
        if csv:
            write_csv(store, project.name, csv)
    print_table(SUMMARY_COLUMNS, map(summary_row, done.targets))
    tell(*(one.remark for one in done.targets if one.remark))


def lifetime(
    project: Project, target: str | None, as_of: datetime | None, csv: Path | None, *, as_json: bool
) -> None:
    """Learn and prove survival, write the customers when asked for, and print the sums."""
    from serving.export import check_writable
    from training.lifetime_panel import lifetime_target
    from training.lifetime_report import lifetimes
    from training.lifetime_summary import sentences, tables

    lifetime_target(project, target)  # before long work
    if csv:
        check_writable(csv)
    with redirect_stdout(sys.stderr):
        staged = stage(project)
        with progress_bar("Lifetimes") as say:
            models = registry_of(project)
            found = lifetimes(staged, target=target, as_of=as_of, registry=models, progress=say)
    if csv:
        found.customers.to_csv(csv, index=False)
    if as_json:
        tell(json.dumps(found.summary, indent=1))
        return
    for columns, rows in tables(found.summary):
        print_table(columns, rows)
    tell(*sentences(found.summary))


def monitor(staged: "Staged", names: Iterable[str], *, as_json: bool = False) -> None:
    """Look back at the published runs of targets, write a page each, and print the advice."""
    from serving.monitor_page import write_page
    from serving.store import Store
    from training.monitor_table import COLUMNS, sentences, table_rows

    project, registry = staged.project, registry_of(staged.project)
    store = Store.for_project(project, settings_of(project).store_url)
    with closing(store), redirect_stdout(sys.stderr), progress_bar("Monitoring") as say:
        store.migrate()
        found = {name: _monitored(staged, name, registry, store, say) for name in names}
    folder = project.outputs / "monitor"
    pages = [write_page(project.name, one, folder) for one in found.values()]
    if as_json:
        tell(json.dumps({"targets": found}, indent=1))
        return
    print_table(COLUMNS, (row for one in found.values() for row in table_rows(one)))
    tell(*(line for one in found.values() for line in sentences(one)))
    tell(*(f"the report is a page too: {page}" for page in pages))


def _monitored(
    staged: "Staged", name: str, registry: "Registry", store: Any, say: Callable[[str], None]
) -> dict[str, Any]:
    """Stored runs of a target, handed over to monitoring."""
    from serving.stored import published
    from training.monitor import monitor as look_back
    from training.monitor_labels import StoredRun

    project = staged.project
    model = project.model_name(name)
    runs = [
        StoredRun(
            one.id, one.as_of, one.version, one.customers, one.probability, one.names, one.rows
        )
        for one in published(store, project.name, name)
    ]
    champion = registry.champion_version(model)

    @cache
    def card(version: int) -> dict[str, Any] | None:
        try:
            return registry.load(model, version).card
        except ModelNotFoundError:
            return None

    return look_back(staged, name, runs, card, champion=champion, progress=say)


def models(project: Project, target: str | None, *, as_json: bool) -> None:
    """Print the versions of targets with the newest decision on each."""
    from training.promotion import COLUMNS, modelled, table_rows, version_rows

    registry = registry_of(project)
    names = [target] if target else modelled(registry, project)
    if as_json:
        tell(json.dumps({n: version_rows(registry, project, n) for n in names}, indent=1))
    else:
        print_table(COLUMNS, (row for n in names for row in table_rows(registry, project, n)))


def promote(
    project: Project, target: str, version: int | None, reason: str | None, *, force: bool
) -> None:
    """Promote a version, and say what changed."""
    from training.promotion import promote, sentence

    registry = registry_of(project)
    done = promote(registry, project, target, version, reason=reason, force=force)
    tell(sentence(project.model_name(target), done))


def rollback(project: Project, target: str, reason: str | None) -> None:
    """Go back to the champion before, and say what changed."""
    from training.promotion import rollback, sentence

    done = rollback(registry_of(project), project, target, reason=reason)
    tell(sentence(project.model_name(target), done))


def registry_of(project: Project) -> "Registry":
    """Where models are kept: as the settings say, else among the project's outputs."""
    from models.registry import Registry

    return Registry.for_project(project, settings_of(project).tracking_uri)


def settings_of(project: Project, **given: Any) -> "Settings":
    """The service's settings: what is given, then RETENTION_* variables, then defaults."""
    from pydantic import ValidationError

    from serving.settings import Settings

    try:
        return Settings(project=project.path, **given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        said = fault["msg"].removeprefix("Value error, ")
        raise RetentionError(f"setting {fault['loc'][0]}: {said}") from None
