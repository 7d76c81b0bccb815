"""The command line: one short function per verb."""

import logging
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.exceptions import TyperException

import retention_jobs as jobs
from features.console import print_table, progress_bar
from features.errors import RetentionError
from features.project import RevenueModel, load_project

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
Target = Annotated[str, typer.Option(help="Of which target.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; one line.")]
OneTarget = Annotated[str | None, typer.Option(help="Only this target.")]
Customers = Annotated[int, typer.Option(min=1, help="How many customers.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
CATALOGUE_PAGE = Path(__file__).parent / "docs" / "features.md"


def main() -> None:
    """Run the command line: 0 when it worked, 1 and one sentence when the user can mend it."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # those of libraries are for developers
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # there is one of ours
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
    jobs.tell(f"{path} is written; read it through, then: retention check {folder}")


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
    jobs.tell(f"{preset or f'{customers:,} customers over {months} months'} are in {out}")


@app.command(epilog="Example: retention check examples/telco.toml --data ../shared/data")
def check(project: ProjectFile, as_json: AsJson = False, data: DataFolder = None) -> None:
    """Read and check the tables, and say what they are ready for; also as a page."""
    read = jobs.stage if as_json else jobs.check
    jobs.readiness(read(load_project(project, data)), as_json=as_json)


@app.command(epilog="Example: retention build demo")
def build(project: ProjectFile, data: DataFolder = None) -> None:
    """Build the features of every target as they stood at each of its moments."""
    jobs.build(jobs.stage(load_project(project, data).with_targets()))


@app.command(epilog="Example: retention train demo --target churn --json")
def train(
    project: ProjectFile,
    target: OneTarget = None,
    tune: Annotated[
        str | None, typer.Option(metavar="TIME", help="Search settings for so long: 90s, 10m, 1h.")
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Learn each target, prove it on later time, and promote what passes the gate."""
    read = load_project(project, data).with_targets()
    names = {target: read.target(target)} if target else read.targets  # an unknown one stops here
    seconds = jobs.tuning_time(tune)
    staged = jobs.stage(read)
    for found in staged.findings:
        typer.echo(found.text, err=True)
    jobs.train(staged, names, as_json=as_json, tune=seconds)


@app.command(epilog="Example: retention backtest demo --target churn --origins 5")
def backtest(
    project: ProjectFile,
    target: OneTarget = None,
    origins: Annotated[
        int | None, typer.Option(min=1, help="How many, where history allows and no test is fixed.")
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Prove each target on later time beside simple baselines; nothing is registered."""
    read = load_project(project, data).with_targets()
    names = {target: read.target(target)} if target else read.targets
    jobs.backtest(jobs.stage(read), names, origins, as_json=as_json)


@app.command(epilog="Example: retention score demo --as-of 2026-10-01 --csv list.csv")
def score(
    project: ProjectFile,
    as_of: Annotated[datetime | None, typer.Option(help="Default: the end of the data.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the list here.")] = None,
    data: DataFolder = None,
) -> None:
    """Score every customer for every target and publish the list."""
    jobs.score(jobs.stage(load_project(project, data).with_targets()), as_of, csv)


@app.command(epilog="Example: retention lifetime demo --csv lifetimes.csv")
def lifetime(
    project: ProjectFile,
    target: OneTarget = None,
    as_of: Annotated[datetime | None, typer.Option(help="Default: the end of the data.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row each here.")] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Tell how long customers will stay and what they will still pay, and prove it."""
    read = load_project(project, data).with_targets()
    jobs.lifetime(read, target, as_of, csv, as_json=as_json)


@app.command(epilog="Example: retention monitor demo --target churn")
def monitor(
    project: ProjectFile,
    target: OneTarget = None,
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Compare past scores with what happened, look for drift, and say whether to retrain."""
    read = load_project(project, data).with_targets()
    names = {target: read.target(target)} if target else read.targets
    jobs.monitor(jobs.stage(read), names, as_json=as_json)


@app.command(epilog="Example: retention models demo --target churn")
def models(
    project: ProjectFile, target: OneTarget = None, as_json: AsJson = False, data: DataFolder = None
) -> None:
    """List the versions of every model, and what was decided on them, when and why."""
    jobs.models(load_project(project, data).with_targets(), target, as_json=as_json)


@app.command(epilog="Example: retention promote demo --target churn --version 3")
def promote(
    project: ProjectFile,
    target: Target,
    version: Annotated[int | None, typer.Option(min=1, help="Default: the challenger.")] = None,
    reason: Reason = None,
    force: Annotated[bool, typer.Option("--force", help="Though the gate was not passed.")] = False,
    data: DataFolder = None,
) -> None:
    """Make a version the champion if it passed the gate; the decision is recorded."""
    jobs.promote(load_project(project, data), target, version, reason, force=force)


@app.command(epilog='Example: retention rollback demo --target churn --reason "complaints"')
def rollback(
    project: ProjectFile, target: Target, reason: Reason = None, data: DataFolder = None
) -> None:
    """Make the champion before the present one the champion again; the decision is recorded."""
    jobs.rollback(load_project(project, data), target, reason)


@app.command(epilog="Example: retention run examples/cdnow.toml")
def run(project: ProjectFile, data: DataFolder = None) -> None:
    """Check, build, train and score."""
    staged = jobs.check(load_project(project, data).with_targets())
    jobs.build(staged)
    jobs.train(staged, staged.project.targets)
    jobs.score(staged)


@app.command(epilog="Example: retention serve demo --port 8000")
def serve(
    project: ProjectFile,
    port: Port = 8000,
    host: Annotated[str, typer.Option(help="Loopback only, as there are no keys.")] = "127.0.0.1",
    data: DataFolder = None,
) -> None:
    """Serve the scores over HTTP, with the list as a page at /."""
    read = load_project(project, data).with_targets()
    settings = jobs.settings_of(read, data=data, host=host, port=port)
    from serving.listen import listen  # reads the environment, which is checked by now

    listen(settings, lambda address: jobs.tell(f"the list is at {address}; Ctrl-C stops it"))


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
        jobs.tell(f"{CATALOGUE_PAGE} is written")


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
        jobs.tell("to see the list: retention serve demo")
    else:
        serve(Path("demo"), port=port)


if __name__ == "__main__":
    main()
