"""The command line: one short function per verb."""

import json
import logging
import sys
import warnings
from collections.abc import Iterable
from contextlib import closing, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.exceptions import TyperException

from features.console import print_table, progress_bar
from features.errors import LeakError, RetentionError, SourceError
from features.project import Project, RevenueModel, load_project

if TYPE_CHECKING:
    from features.staging import Staged
    from models.registry import Registry
    from serving.settings import Settings

app = typer.Typer(
    help="Who will leave, who will buy more, and why: from a company's own tables to a list.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
ProjectFile = Annotated[Path, typer.Argument(metavar="P", help="A retention.toml or its folder.")]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Read the tables from here instead.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
OneTarget = Annotated[str | None, typer.Option(help="Only this target.")]
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
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False))
    except TyperException as error:
        sys.exit(f"retention: {error.format_message()}")
    except RetentionError as error:
        sys.exit(f"retention: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"retention: {error.filename}: {error.strerror}")
    except typer.Abort:
        sys.exit("retention: stopped")


@app.command(epilog="Example: retention init exports/")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of CSV files.")],
) -> None:
    """Look at a folder of CSV files and draft a commented project file."""
    from features.draft import draft

    text, path = draft(folder), folder / "retention.toml"
    with path.open("x", encoding="utf-8") as file:  # never over somebody's work
        file.write(text)
    _say(f"{path} is written; read it through, then: retention check {folder}")


@app.command(epilog="Example: retention simulate demo --customers 20000 --months 24 --seed 7")
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write to.")],
    customers: Customers = 5000,
    months: Annotated[int, typer.Option(min=3, help="How many months of history.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same company.")] = 7,
    model: Annotated[RevenueModel, typer.Option(help="What kind of company.")] = "subscription",
    preset: Annotated[Literal["reference"] | None, typer.Option(help="A fixed company.")] = None,
    usage_rate: Annotated[float, typer.Option(min=0, max=100, help="Factor on use.")] = 1.0,
) -> None:
    """Write the tables of a company whose true risks are known, with a project file."""
    from simulation.company import simulate as write

    size: dict[str, Any] = {"customers": customers, "months": months, "seed": seed}
    with progress_bar("Simulating") as say:
        write(out, **size, model=model, preset=preset, usage_rate=usage_rate, progress=say)
    _say(f"{preset or f'{customers:,} customers over {months} months'} are in {out}")


@app.command(epilog="Example: retention check examples/telco.toml --data ../shared/data")
def check(project: ProjectFile, as_json: AsJson = False, data: DataFolder = None) -> None:
    """Read and check the tables, and say what they are ready for; also as a page."""
    _readiness((_stage if as_json else _check)(load_project(project, data)), as_json=as_json)


@app.command(epilog="Example: retention build demo")
def build(project: ProjectFile, data: DataFolder = None) -> None:
    """Build the features of every target as they stood at each of its moments."""
    _build(_stage(load_project(project, data).with_targets()))


@app.command(epilog="Example: retention train demo --target churn --json")
def train(
    project: ProjectFile, target: OneTarget = None, as_json: AsJson = False, data: DataFolder = None
) -> None:
    """Learn each target, prove it on later time, and promote what passes the gate."""
    read = load_project(project, data).with_targets()
    names = {target: read.target(target)} if target else read.targets  # an unknown one stops here
    _train(_stage(read), names, as_json=as_json)


@app.command(epilog="Example: retention score demo --as-of 2026-10-01 --csv list.csv")
def score(
    project: ProjectFile,
    as_of: Annotated[datetime | None, typer.Option(help="Default: the end of the data.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the list here.")] = None,
    data: DataFolder = None,
) -> None:
    """Score every customer for every target and publish the list."""
    _score(_stage(load_project(project, data).with_targets()), as_of, csv)


@app.command(epilog="Example: retention run examples/cdnow.toml")
def run(project: ProjectFile, data: DataFolder = None) -> None:
    """Check, build, train and score."""
    staged = _check(load_project(project, data).with_targets())
    _build(staged)
    _train(staged, staged.project.targets)
    _score(staged)


@app.command(epilog="Example: retention serve demo --port 8000")
def serve(
    project: ProjectFile,
    port: Port = 8000,
    host: Annotated[str, typer.Option(help="Loopback only, as there are no keys.")] = "127.0.0.1",
    data: DataFolder = None,
) -> None:
    """Serve the scores over HTTP, with the list as a page at /."""
    read = load_project(project, data).with_targets()
    settings = _settings(read, data=data, host=host, port=port)
    from serving.listen import listen  # reads the environment, which is checked by now

    listen(settings, lambda address: _say(f"the list is at {address}; Ctrl-C stops it"))


@app.command(epilog="Example: retention features --write")
def features(
    project: Annotated[
        Path | None, typer.Argument(metavar="P", help="With the features of this project's own.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write docs/features.md too.")] = False,
) -> None:
    """Print every feature: name, family, unit, window, meaning, whether it can be acted on."""
    from features.catalogue import CATALOGUE, catalogue
    from features.catalogue_page import COLUMNS, catalogue_page, feature_row
    from features.own import use_own

    if project is not None:
        use_own(load_project(project))
    print_table(COLUMNS, map(feature_row, catalogue().values()))
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
    simulate(Path("demo"), customers=customers)
    run(Path("demo"))
    if no_serve:
        _say("to see the list: retention serve demo")
    else:
        serve(Path("demo"), port=port)


def _say(*lines: str) -> None:
    """Plain lines on stdout."""
    for line in lines:
        typer.echo(line)


def _stage(project: Project) -> "Staged":
    """Read all sources; what has not changed is not built again later."""
    from features.staging import stage

    with progress_bar("Reading tables") as say:
        return stage(project, progress=say)


def _check(project: Project) -> "Staged":
    """Read all sources, and print where their rows went and what is wrong with them."""
    from features.summary import TABLE_COLUMNS, remarks, table_rows

    try:
        staged = _stage(project)
    except SourceError as error:
        _say(*error.lines)
        raise
    print_table(TABLE_COLUMNS, table_rows(staged))
    _say(*remarks(staged))
    return staged


def _readiness(staged: "Staged", *, as_json: bool) -> None:
    """Print what the tables are ready for, and write it as a page."""
    from serving.readiness_page import write_page
    from training.readiness_report import readiness, shown

    with redirect_stdout(sys.stderr), progress_bar("Judging") as say:
        page = write_page(report := readiness(staged, say), staged.project.outputs)
    if as_json:
        _say(json.dumps(report, indent=1))
    else:
        for columns, rows in shown(report):
            print_table(columns, rows)
        _say(f"the report is a page too: {page}")


def _build(staged: "Staged") -> None:
    """Build the frame of each target, and print its size."""
    from features.frames import frame
    from features.summary import FRAME_COLUMNS, frame_row

    with progress_bar("Building features") as say:
        rows = [frame_row(n, frame(staged, n, progress=say)) for n in staged.project.targets]
    print_table(FRAME_COLUMNS, rows)


def _train(staged: "Staged", names: Iterable[str], *, as_json: bool = False) -> None:
    """Train targets, and print the reports; what a library prints goes to stderr."""
    from training.summary import SUMMARY_COLUMNS, summary_row
    from training.train import train as learn

    project, registry = staged.project, _registry(staged.project)
    try:
        with redirect_stdout(sys.stderr), progress_bar("Training") as say:
            found = {n: learn(project, staged, n, registry=registry, progress=say) for n in names}
    except LeakError as error:
        if not as_json:
            print_table(LeakError.COLUMNS, error.rows)
        raise
    reports = {name: report.as_json() for name, report in found.items()}
    if as_json:
        _say(json.dumps({"targets": reports}, indent=1))
    else:
        print_table(SUMMARY_COLUMNS, (summary_row(*one) for one in reports.items()))
        _say(*(f"{name}: {report['reason']}" for name, report in reports.items()))


def _score(staged: "Staged", as_of: datetime | None = None, csv: Path | None = None) -> None:
    """Score, publish, write the list when asked for, and print how many there are."""
    from serving.export import check_writable, write_csv
    from serving.scoring import score as publish
    from serving.store import Store
    from serving.summary import SUMMARY_COLUMNS, summary_row

    if csv:
        check_writable(csv)  # before long work
    project, registry = staged.project, _registry(staged.project)
    store = Store.for_project(project, _settings(project).store_url)
    with closing(store), progress_bar("Scoring") as say:
        store.migrate()
        done = publish(project, staged, as_of=as_of, store=store, registry=registry, progress=say)
        if csv:
            write_csv(store, project.name, csv)
    print_table(SUMMARY_COLUMNS, map(summary_row, done.targets))


def _registry(project: Project) -> "Registry":
    """Where models are kept: as the settings say, else among the project's outputs."""
    from models.registry import Registry

    return Registry.for_project(project, _settings(project).tracking_uri)


def _settings(project: Project, **given: Any) -> "Settings":
    """The service's settings: what is given, then RETENTION_* variables, then defaults."""
    from pydantic import ValidationError

    from serving.settings import Settings

    try:
        return Settings(project=project.path, **given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        said = fault["msg"].removeprefix("Value error, ")
        raise RetentionError(f"setting {fault['loc'][0]}: {said}") from None


if __name__ == "__main__":
    main()
