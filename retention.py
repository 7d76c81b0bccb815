"""The command line: one short function per verb."""

import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.exceptions import TyperException

from features.errors import RetentionError, SourceError

if TYPE_CHECKING:
    from features.project import Project
    from features.staging import Staged
    from serving.settings import Settings
    from training.train import Report

Say = Callable[[str], None]  # takes what is being done, such as `churn: date 3 of 12`

app = typer.Typer(
    help="Who will leave, who will buy more, and why: from a company's own tables to a list.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
ProjectFile = Annotated[Path, typer.Argument(metavar="P", help="A retention.toml or its folder.")]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Read the tables from here instead.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Default: the end of the data."),
]
Customers = Annotated[int, typer.Option(min=1, help="How many customers.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
CATALOGUE_PAGE = Path(__file__).parent / "docs" / "features.md"


def main() -> None:
    """Run the command line: 0 when it worked, 1 and one sentence when the user can mend it."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # those of libraries are for developers
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except TyperException as error:
        code = _fail(error.format_message())
    except RetentionError as error:
        code = _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        code = _fail(f"{error.filename}: {error.strerror}")
    except typer.Abort:
        code = _fail("stopped")
    sys.exit(code or 0)


@app.command(epilog="Example: retention init exports/")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of CSV files.")],
) -> None:
    """Look at a folder of CSV files and draft a commented project file."""
    from features.draft import draft

    _say(f"{draft(folder)} is written; read it through, then: retention check {folder}")


@app.command(epilog="Example: retention simulate demo --customers 20000 --months 24 --seed 7")
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write to.")],
    customers: Customers = 5000,
    months: Annotated[int, typer.Option(min=3, help="How many months of history.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same company.")] = 7,
) -> None:
    """Write the tables of a company whose true risks are known, with a project file."""
    from simulation.company import simulate as write

    with _bar("Simulating") as say:
        write(out, customers=customers, months=months, seed=seed, progress=say)
    _say(f"{customers:,} customers over {months} months are in {out}")


@app.command(epilog="Example: retention check examples/telco.toml --data ../shared/data")
def check(project: ProjectFile, data: DataFolder = None) -> None:
    """Read and check the tables; one line for each thing that is wrong."""
    _check(_project(project, data))


@app.command(epilog="Example: retention build demo")
def build(project: ProjectFile, data: DataFolder = None) -> None:
    """Build the features of every target as they stood at each of its moments."""
    _build(_stage(_project(project, data)))


@app.command(epilog="Example: retention train demo --target churn --json")
def train(
    project: ProjectFile,
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    data: DataFolder = None,
) -> None:
    """Learn each target, prove it on later time, and promote what passes the gate."""
    reports = _train(_stage(_project(project, data)), target)
    if as_json:
        _say(json.dumps({"targets": {name: r.as_json() for name, r in reports.items()}}, indent=1))
    else:
        _print_reports(reports)


@app.command(epilog="Example: retention score demo --as-of 2026-10-01 --csv list.csv")
def score(
    project: ProjectFile,
    as_of: AsOf = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the list here.")] = None,
    data: DataFolder = None,
) -> None:
    """Score every customer for every target and publish the list."""
    _score(_stage(_project(project, data)), as_of, csv)


@app.command(epilog="Example: retention run examples/cdnow.toml")
def run(project: ProjectFile, data: DataFolder = None) -> None:
    """Check, build, train and score."""
    _run(_project(project, data))


@app.command(epilog="Example: retention serve demo --port 8000")
def serve(
    project: ProjectFile,
    port: Port = 8000,
    host: Annotated[str, typer.Option(help="Loopback only, as there are no keys.")] = "127.0.0.1",
    data: DataFolder = None,
) -> None:
    """Serve the scores over HTTP, with the list as a page at /."""
    _serve(_project(project, data), data=data, host=host, port=port)


@app.command(epilog="Example: retention features --write")
def features(
    write: Annotated[bool, typer.Option("--write", help="Write docs/features.md too.")] = False,
) -> None:
    """Print every feature: name, family, unit, window, meaning, whether it can be acted on."""
    from features.catalogue import CATALOGUE
    from features.catalogue_page import COLUMNS, catalogue_page, feature_row

    _print(COLUMNS, map(feature_row, CATALOGUE.values()))
    if write:
        CATALOGUE_PAGE.write_text(catalogue_page(CATALOGUE.values()), encoding="utf-8")
        _say(f"{CATALOGUE_PAGE} is written")


@app.command(epilog="Example: retention demo --customers 1000 --no-serve")
def demo(
    customers: Customers = 5000,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop after scoring.")] = False,
    port: Port = 8000,
) -> None:
    """Run the main job on a simulated company in ./demo, then serve it."""
    simulate(Path("demo"), customers=customers, months=24, seed=7)
    project = _project(Path("demo"), None)
    _run(project)
    if no_serve:
        _say("to see the list: retention serve demo")
    else:
        _serve(project, host="127.0.0.1", port=port)


def _fail(sentence: str) -> int:
    """Say what went wrong on stderr; the exit code."""
    typer.echo(f"retention: {sentence}", err=True)
    return 1


def _say(*lines: str) -> None:
    """Plain lines on stdout."""
    for line in lines:
        typer.echo(line)


@contextmanager
def _bar(title: str) -> Iterator[Say]:
    """A progress bar on stderr; a text with `3 of 12` in it fills the bar."""
    shown = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*shown, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)

        def say(text: str) -> None:
            count = re.search(r"([\d,]+) of ([\d,]+)", text)
            done, total = (
                (float(n.replace(",", "")) for n in count.groups()) if count else (0, None)
            )
            bars.update(task, description=f"{title}: {text}", completed=done, total=total)

        yield say


def _print(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; whole lines when that is not a terminal."""
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False).print(table)


def _project(path: Path, data: Path | None) -> "Project":
    from features.project import load_project

    return load_project(path, data)


def _run(project: "Project") -> None:
    """The main job."""
    staged = _check(project)
    _build(staged)
    _print_reports(_train(staged))
    _score(staged)


def _stage(project: "Project") -> "Staged":
    """Read all sources; what has not changed is not built again later."""
    from features.staging import stage

    with _bar("Reading tables") as say:
        return stage(project, progress=say)


def _check(project: "Project") -> "Staged":
    """Read all sources, and print where their rows went and what is wrong with them."""
    try:
        staged = _stage(project)
    except SourceError as error:
        _say(*error.lines)
        raise
    _print(
        ("table", "rows in", "used", "filtered", "quarantined"),
        ((name, *asdict(rows).values()) for name, rows in staged.counts.items()),
    )
    _say(*(found.text for found in staged.findings), *staged.notes)
    for source, columns in staged.unused.items():
        _say(f"{source}: not used: {', '.join(columns)}")
    return staged


def _build(staged: "Staged") -> None:
    """Build the frame of each target, and print its size."""
    from features.frames import frame

    rows = []
    with _bar("Building features") as say:
        for name in staged.project.targets:
            built = frame(staged, name, progress=say)
            moments = built.keys["as_of"].dropna().dt.date
            span = (moments.min(), moments.max()) if len(moments) else ("-", "-")
            rows.append((name, len(built.keys), built.features.shape[1], *span))
    _print(("target", "rows", "features", "from", "to"), rows)


def _train(staged: "Staged", target: str | None = None) -> "dict[str, Report]":
    """Train one target or all; whatever a library prints goes to stderr."""
    from models.registry import Registry
    from training.train import train as learn

    project = staged.project
    registry = Registry.for_project(project)
    names = list(project.targets) if target is None else [target]
    with redirect_stdout(sys.stderr), _bar("Training") as say:
        return {n: learn(project, staged, n, registry=registry, progress=say) for n in names}


def _score(staged: "Staged", as_of: datetime | None = None, csv: Path | None = None) -> None:
    """Score, publish, write the list when asked for, and print how many there are."""
    from models.registry import Registry
    from serving.export import write_csv
    from serving.scoring import score as publish
    from serving.store import Store

    project = staged.project
    settings = _settings(project)
    registry = Registry.for_project(project, settings.tracking_uri)
    with closing(Store.for_project(project, settings.store_url)) as store, _bar("Scoring") as say:
        store.migrate()
        summary = publish(
            project, staged, as_of=as_of, store=store, registry=registry, progress=say
        )
        if csv:
            write_csv(store, project.name, csv)


def _settings(project: "Project", **given: Any) -> "Settings":
    """The service's settings: what is given, then RETENTION_* variables, then defaults."""
    from pydantic import ValidationError

    from serving.settings import Settings

    try:
        return Settings(project=project.path, **given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise RetentionError(f"setting {fault['loc'][0]}: {fault['msg']}") from None


def _serve(project: "Project", **given: Any) -> None:
    """Listen until stopped."""
    from serving.listen import address, listen

    settings = _settings(project, **given)
    _say(f"the list is at {address(settings)}; Ctrl-C stops it")
    listen(settings)


def _print_reports(reports: "dict[str, Report]") -> None:
    """One line for each target, then why it was promoted or not."""


if __name__ == "__main__":
    main()
