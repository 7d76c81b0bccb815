"""A whole `retention train` of made-up snapshots: the project, and what each step of it costs."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from cases.size_case import KINDS, NUMBERS

from features.built import Built
from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.registry import Registry
from training.recipe import Choice
from training.sample import Chooser, Dataset, Sample
from training.search import choose
from training.train import train

HELD = 400_000  # `rows_in_memory` where nothing is said
TARGET = "churn"
MIB = 1024
Tell = Callable[[dict[str, Any]], None]  # told all that is found, after each step
PROJECT = """
name = "size"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.parquet"
attributes = {attributes}
[targets.churn]
kind = "churn"
label = "left"
positive = "yes"
horizon_days = 30
grace_days = 0
[training]
rows_in_memory = {held}
"""


def peak() -> float:
    """The most resident memory since the start or the last `forget_peak`, in GiB."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / MIB**2


def forget_peak() -> None:
    """Count the most resident memory of this process from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def write_project(parts: Iterable[Built], folder: Path, rows: int) -> None:
    """A project of dated snapshots, a row per customer and date, of which so many rows train."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "snapshots.part"
    writer: pq.ParquetWriter | None = None
    for built in parts:
        told = built.state[["left", "mrr"]]
        table = pa.Table.from_pandas(
            pd.concat([built.keys, built.features, told], axis=1), preserve_index=False
        )
        writer = writer or pq.ParquetWriter(scratch, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    names = [*(f"n_{i}" for i in range(NUMBERS)), *(f"k_{i}" for i in range(KINDS))]
    held = min(HELD, rows // 4)  # a few rows are read from disk too
    (folder / "retention.toml").write_text(PROJECT.format(attributes=names, held=held))
    scratch.replace(folder / "snapshots.parquet")


class Steps:
    """Seconds and peak memory of each step, which begins when its name is said."""

    def __init__(self, tell: Tell) -> None:
        self.found: list[dict[str, Any]] = []
        self._tell = tell
        self._name, self._start = "", 0.0

    def __call__(self, text: str) -> None:
        """One step ends, another begins."""
        self.end()
        name = text.removeprefix(f"{TARGET}: ").partition(", ")[0]  # without the date of an origin
        self._name, self._start = name, time.perf_counter()
        forget_peak()

    def end(self) -> None:
        """Keep and tell the step that is running, if any."""
        if self._name:
            seconds = time.perf_counter() - self._start
            self.found.append({"step": self._name, "seconds": seconds, "peak": peak()})
            self._tell({"steps": self.found})
        self._name = ""


class Search:
    """The search that training does without a tuner, as a step of its own."""

    def __init__(self, steps: Steps) -> None:
        self.found: list[dict[str, Any]] = []  # what a tuner would tell
        self._steps = steps

    def __call__(self, _: Dataset) -> Chooser:
        """How settings are chosen."""

        def searched(sample: Sample, categorical: Sequence[int]) -> Choice:
            self._steps("origin 1: search of the setting")
            found = choose(sample, categorical)
            self._steps("origin 1: the setting held against time, and its fits")
            return found

        return searched


def build_whole(folder: Path, tell: Tell) -> None:
    """`retention build`: tables staged, and the frame written."""
    steps = Steps(tell)
    steps("tables")
    staged = stage(load_project(folder))
    steps("frame")
    frame(staged, TARGET)
    steps.end()


def train_whole(folder: Path, tell: Tell) -> None:
    """`retention train` after it, from the tables to the registered version."""
    start, steps = time.perf_counter(), Steps(tell)
    steps("tables again")
    project = load_project(folder)
    staged = stage(project)
    registry = Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlartifacts")
    search: Any = Search(steps)
    report = train(project, staged, TARGET, registry=registry, progress=steps, tuner=search)
    steps.end()
    model = report.model or {}
    card: Mapping[str, Any] = {}
    if report.version is not None:
        card = registry.load(project.model_name(TARGET), report.version).card
    done = {
        "seconds": time.perf_counter() - start,
        "peak": max(step["peak"] for step in steps.found),
        "grade": report.grade,
        "recipe": report.recipe,
        "learned_from": card.get("learned_from"),
        "auc": model["auc"]["value"],
        "log_loss": model["log_loss"]["value"],
        "slope": model["calibration_slope"]["value"],
    }
    tell({"steps": steps.found, **done})


VERBS = {"build": build_whole, "train": train_whole}  # in their order
