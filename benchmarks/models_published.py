"""Models against what is published and against other learners, on the same rows and columns.

    python benchmarks/models_published.py [--only KEY ...] [--without LEARNER ...] [--budget 30]

Every row of `cases/models_rows.py` is trained by the product's own proof of a target; the other
learners (`cases/models_rivals.py`) then learn from the same rows, encoded alike, and are judged on
the same test under the same draws of customers. A row's result stays in `results/models/` until
it is run again, so that rows can be run one by one; `--page` only writes the page anew.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cases.models_lines import AGAINST_CONSTANT, judged
from cases.models_page import page
from cases.models_rows import ROWS, Row

from features.built import Built
from features.project import Project, load_project
from features.staging import stage
from models.bootstrap import Draws, Interval, Origin, bootstrap
from models.registry import Registry
from simulation.company import simulate
from training.backtest_run import Proof, prove
from training.sequential import followed
from training.trial import Trial, run_folds

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "models"
EXAMPLES = HERE.parent / "examples"
COMPANY = {"customers": 5_000, "months": 24, "seed": 7}
SEED = 0
Json = dict[str, Any]


class Clock:
    """Seconds of each step of the proof, by what it says before them."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float]] = []

    def __call__(self, text: str) -> None:
        """Note when a step begins."""
        print(f"    {text}", flush=True)
        self.began.append((text, time.perf_counter()))

    def backtest(self) -> float:
        """Seconds between the leak guard and the lists."""
        texts = [text for text, _ in self.began]
        if "lists and segments" not in texts:
            return 0.0
        return self.at("lists and segments") - self.began[texts.index("leak guard") + 1][1]

    def at(self, text: str) -> float:
        """When a step began."""
        return next(moment for said, moment in self.began if said == text)


def project_of(row: Row, data: Path, folder: Path) -> Project:
    """The row's project, copied to a folder of its own so that its outputs are apart."""
    if row.example == "simulated":
        if not (folder / "company" / "retention.toml").exists():
            simulate(folder / "company", **COMPANY)
        return load_project(folder / "company")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*EXAMPLES.glob("*.toml"), *EXAMPLES.glob("*.py")):
        shutil.copy(path, folder / path.name)
    named = load_project(EXAMPLES / f"{row.example}.toml").data
    project = load_project(folder / f"{row.example}.toml", data / Path(named).name)
    if row.way == "":
        return project
    target = project.targets[row.target]
    split = target.split.model_copy(update={"group_duplicates": False})
    alone = {row.target: target.model_copy(update={"split": split})}
    return project.model_copy(update={"targets": alone, "name": f"{project.name}-{row.way}"})


def without_repeats(project: Project) -> Callable[[Built], Built]:
    """Leaves out rows whose line of the file was there before."""
    (source,) = project.sources["snapshots"]
    again = pd.read_csv(project.data_folder / str(source.file)).duplicated().to_numpy()

    def prepare(built: Built) -> Built:
        place = built.keys["customer_id"].astype(int).to_numpy() - 1
        return built.take(~again[place])

    return prepare


def proven(row: Row, project: Project) -> tuple[Proof, list[Trial], float]:
    """The product's proof of the target, its trials and the seconds of the back-test."""
    clock = Clock()
    proof = prove(
        project,
        stage(project),
        row.target,
        registry=Registry.for_project(project),
        say=clock,
        prepare=without_repeats(project) if row.way == "deduplicated" else None,
        verb="benchmark",
    )
    trials = [*proof.found.trials] if proof.found else []
    seconds, start = clock.backtest(), time.perf_counter()
    trials += [run_folds(proof.data, seed=seed) for seed in range(1, row.repeats)]
    return proof, trials, seconds + time.perf_counter() - start


def beside(
    proof: Proof, trials: list[Trial], budget: float, without: Collection[str], folder: Path
) -> tuple[list[Trial], dict[str, float], dict[str, str]]:
    """The trials with the predictions of the rivals; their seconds, and failures in words."""
    from cases.models_rivals import RIVALS, predicted, tasks  # noqa: PLC0415  extras of their own

    found: list[dict[str, np.ndarray]] = []
    seconds = {name: 0.0 for name in RIVALS if name not in without}
    failed = dict.fromkeys(without, "left out")
    for seed, trial in enumerate(trials):
        given = tasks(proof.data, trial, budget, seed)
        mine = {}
        for name in (one for one in RIVALS if one not in without):
            p, took, error = predicted(name, given, len(trial.y), folder)
            print(f"    {name}: {took:.1f} s {error}", flush=True)
            seconds[name] += took
            if p is None:
                failed[name] = error
            else:
                mine[name] = p
        told = {"constant": trial.probability["constant"]} | mine  # what is followed, as ours was
        found.append(dict(followed(proof.data, replace(trial, probability=told)).probability))
    own = {"constant": "constant", "rule": "rule", "model": "ours"}
    joined = [
        replace(trial, probability={new: trial.probability[old] for old, new in own.items()} | mine)
        for trial, mine in zip(trials, found, strict=True)
    ]
    kept = set.intersection(*(set(trial.probability) for trial in joined))
    return (
        [
            replace(t, probability={n: p for n, p in t.probability.items() if n in kept})
            for t in joined
        ],
        seconds,
        failed,
    )


def drawn(proof: Proof, trials: list[Trial], more: Callable[[Trial], Mapping[str, Any]]) -> Draws:
    """Metrics of all learners under the same draws of customers."""
    customer = proof.data.customer
    return bootstrap(
        [
            Origin(t.y, t.probability | dict(more(t)), customer[t.test_rows], t.constant)
            for t in trials
        ],
        seed=SEED,
    )


def measured(row: Row, given: argparse.Namespace) -> Json:
    """One row: ours, the rivals, and the lines."""
    from cases.models_extra import EXTRAS, Measured, true_probability  # noqa: PLC0415

    project = project_of(row, given.data.resolve(), given.folder.resolve())
    proof, trials, seconds = proven(row, project)
    print(f"    ours: {seconds:.1f} s", flush=True)
    took, failed = {"ours": seconds}, {}
    learners: dict[str, dict[str, Interval]] = {"ours": {}}
    against: Json = {}
    draws = Draws({}, {})
    source = project.folder if row.example == "simulated" else project.data_folder
    if trials:
        kept = given.folder.resolve() / "rivals"
        trials, others, failed = beside(proof, trials, given.budget, given.without, kept)
        took |= others
        draws = drawn(
            proof,
            trials,
            lambda t: (
                {"truth": true_probability(source, proof.data, t)} if row.extra == "truth" else {}
            ),
        )
        learners = {name: dict(one) for name, one in draws.average().items()}
        learners["ours"][AGAINST_CONSTANT] = draws.difference("ours", "constant")
        against = {
            name: {m: draws.difference("ours", name, m).as_json() for m in ("auc", "log_loss")}
            for name in learners
            if name not in {"ours", "constant"}
        }
    remarks: Json = {}
    if row.extra:
        extra = EXTRAS[row.extra](Measured(proof, proof.data, trials, draws, source, given.empulse))
        remarks = dict(extra.remarks)
        for name, one in extra.found.items():
            learners.setdefault(name, {}).update(one)
    return {
        "key": row.key,
        "rows": sum(len(t.y) for t in trials[:1]) if proof.data.is_snapshot else _tested(trials),
        "tests": len(trials),
        "rate": float(np.mean([t.y.mean() for t in trials])) if trials else None,
        "grade": proof.report.grade,
        "best": proof.found.best if proof.found else "model",
        "recipe": proof.report.recipe,
        "learners": {
            name: {m: i.as_json() for m, i in one.items()} for name, one in learners.items()
        },
        "against": against,
        "lines": [judged(line, learners["ours"]) for line in row.lines],
        "seconds": took,
        "failed": failed,
        "remarks": remarks,
        "seed": SEED,
        "budget": given.budget,
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        **code(),
    }


def _tested(trials: list[Trial]) -> int:
    return sum(len(trial.y) for trial in trials)


def code() -> Json:
    """The commit that was measured, and whether files of the packages differed from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    rooms = [str(HERE.parent / room) for room in ("features", "models", "training", "simulation")]
    return {
        "commit": git("rev-parse", "--short", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--", *rooms)),
        "moment": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def keep(result: Json) -> None:
    """Write a row's result, with a line for each look at its test, this one included."""
    path = RESULTS / f"{result['key']}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["looks"] if path.exists() else []
    look = {name: result[name] for name in ("moment", "commit", "changed")}
    look["lines"] = [line.get("value") for line in result["lines"]]
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result | {"looks": [*before, look]}, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_page() -> None:
    """The page of all results that there are."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}
    text = page(ROWS, found)
    (HERE / "results" / "models.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run the rows, keep their results, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[row.key for row in ROWS])
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of each FLAML fit")
    parser.add_argument("--without", nargs="*", default=[], help="learners to leave out")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "models")
    parser.add_argument("--empulse", type=Path, help="the Python of an environment with empulse")
    parser.add_argument("--page", action="store_true", help="write the page and run nothing")
    given = parser.parse_args()
    if unknown := set(given.only) - {row.key for row in ROWS}:
        parser.error(f"unknown rows {sorted(unknown)}; there are {[row.key for row in ROWS]}")
    for row in ROWS if not given.page else ():
        if row.key in given.only:
            print(row.key, flush=True)
            keep(measured(row, given))
            write_page()
    write_page()


if __name__ == "__main__":
    main()
