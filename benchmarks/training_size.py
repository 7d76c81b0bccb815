"""Training of many rows, as `retention train` does it: peak memory, seconds and quality.

    python benchmarks/training_size.py [--rows 1000000 10000000] [--remedies 1000000]
        [--whole 1000000]

Made-up customers are written as the build writes its frames, part by part (not timed). A process
of its own then learns one origin of the back-test with a fixed setting, as `training.trial` does
(encoding, the model, its calibration, the baselines, predictions for the next date), and tells the
peak of its resident memory. The remedies are the same with other settings of `[training]`, and
LightGBM's own distributed learning in two processes on this machine. The whole is `retention build`
of snapshots and then `retention train`, each in a process of its own, step by step.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from cases.size_case import SLICES, parts
from cases.size_page import cells, newest, page
from cases.size_runs import answer, answers, child, free_ports, tell
from cases.size_whole import VERBS, peak, write_project

from features.frames import read_frame, write_frame
from features.project import load_project
from features.staging import stage
from models.metrics import auc, calibration_slope, log_loss
from models.portable import Ensemble, sigmoid
from training.recipe import Setting
from training.sample import Dataset
from training.splits import origins
from training.trial import run_origin

HERE = Path(__file__).parent
HELD = 2_000_000  # rows of the run in memory, at most
PROJECT = """
name = "size"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.csv"
attributes = ["n_0"]
[targets.churn]
kind = "churn"
label = "left"
positive = "yes"
horizon_days = 30
grace_days = 0
[training]
"""
TREES: dict[str, Any] = {
    "num_leaves": 16,
    "learning_rate": 0.1,
    "min_child_samples": 50,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 1.0,
}


def dataset(folder: Path, settings: dict[str, Any]) -> Dataset:
    """The rows of a written frame under some settings of `[training]`."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        lines = [f"{key} = {value}" for key, value in settings.items()]
        (home / "retention.toml").write_text(PROJECT + "\n".join(lines) + "\n")
        (home / "snapshots.csv").write_text("customer_id,n_0,left\nc1,0,yes\nc2,1,no\n")
        staged = stage(load_project(home))
        held = staged.project.training.rows_in_memory
        built = read_frame(folder / "frame.parquet", held)
        return Dataset(staged, staged.project.target("churn"), built)


def learn(folder: Path, trees: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One origin as the back-test runs it; what it cost and how good it is."""
    start = time.perf_counter()
    data = dataset(folder, settings)
    dates = sorted(data.keys["as_of"].unique())
    origin = origins(data.target, dates, data.data_end)[-1]
    read = time.perf_counter() - start
    setting = Setting(f"{trees} trees", TREES | {"n_estimators": trees})
    trial = run_origin(data, origin, data.data_end, setting=setting)
    found = measures(trial.y, trial.probability["model"], sigmoid(trial.log_odds["model"]))
    return {
        "trained": len(trial.train_rows),
        "tested": len(trial.y),
        "read": read,
        "seconds": time.perf_counter() - start,
        "peak": peak(),
        **found,
    }


def measures(y: np.ndarray, p: np.ndarray, raw: np.ndarray) -> dict[str, Any]:
    """Of calibrated probabilities, and the level and slope of those before calibration."""
    return {
        "auc": auc(y, p),
        "log_loss": log_loss(y, p),
        "slope": calibration_slope(y, p),
        "raw_slope": calibration_slope(y, raw),
        "raw_ratio": float(raw.mean() / y.mean()),
        "raw_log_loss": log_loss(y, raw),
    }


def machine(folder: Path, trees: int, number: int, ports: list[int]) -> dict[str, Any]:
    """One of several machines: half of the customers, bins and histograms shared."""
    data = dataset(folder, {})
    dates = sorted(data.keys["as_of"].unique())
    origin = origins(data.target, dates, data.data_end)[-1]
    rows, y = data.labelled(origin.train, origin.at)
    encoder = data.encoder(rows, y)
    start = time.perf_counter()
    mine = data.customer[rows] % len(ports) == number
    sample = data.sample(rows[mine], y[mine], encoder)
    train = lgb.Dataset(
        np.asarray(sample.array), label=sample.y, categorical_feature=[*encoder.categorical]
    )
    model = lgb.train(distributed(ports, number), train, num_boost_round=trees)
    seconds = time.perf_counter() - start
    if number:
        return {"peak": peak()}
    told = {"trained": len(data.labelled(origin.train, origin.at)[0]), "seconds": seconds}
    rows, y = data.labelled(origin.test, data.data_end)
    test = data.sample(rows, y, encoder)
    text = lgb.Booster(model_str=model.model_to_string())  # as a card's file would be read
    raw = sigmoid(Ensemble([text], None, 0.0).log_odds(test.array))
    return told | {"peak": peak(), **measures(y, raw, raw)}


def distributed(ports: list[int], number: int) -> dict[str, Any]:
    """LightGBM's parameters of one machine; alone where there is one port."""
    names = {"min_child_samples": "min_data_in_leaf", "reg_lambda": "lambda_l2"}
    own = {names.get(key, key): value for key, value in TREES.items()}
    own |= {"objective": "binary", "verbose": -1, "deterministic": True, "force_row_wise": True}
    own |= {"seed": 0, "num_threads": 1, "feature_pre_filter": False}
    if len(ports) > 1:
        own |= {"tree_learner": "data", "num_machines": len(ports), "pre_partition": True}
        own |= {"machines": ",".join(f"127.0.0.1:{port}" for port in ports)}
        own |= {"local_listen_port": ports[number]}
    return own


def learned(folder: Path, trees: int, **settings: float) -> dict[str, Any]:
    """One run with some settings."""
    return answer(child("--learn", str(folder), str(trees), json.dumps(settings)))


def clustered(folder: Path, trees: int, count: int) -> dict[str, Any]:
    """LightGBM on so many machines, all of them here; the peak is that of the largest."""
    ports = free_ports(count)
    runs = [
        child("--machine", str(folder), str(trees), json.dumps([number, ports]))
        for number in range(count)
    ]
    found = [answer(run) for run in runs]
    return found[0] | {"peak": max(one["peak"] for one in found)}


def frame_of(rows: int, folder: Path) -> Path:
    """The folder of a frame with so many rows that train; written unless it is there."""
    place = folder / f"{rows}"
    if not (place / "frame.parquet").exists():
        write_frame(parts(rows // SLICES), place / "frame.parquet")
    return place


def sizes(rows: list[int], trees: int, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The first table's runs; the smallest in memory too."""
    for count in rows:
        place = frame_of(count, folder)
        if count == min(rows) and count <= HELD:
            one = learned(place, trees, rows_in_memory=2 * count)
            yield f"{count:,} rows, in memory, {trees} trees", one
        yield f"{count:,} rows, from disk, {trees} trees", learned(place, trees)


def remedies(count: int, trees: int, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The second table's runs."""
    place = frame_of(count, folder)
    yield "all rows", learned(place, trees)
    for slices in (12, 6, 3, 1):
        yield (
            f"the newest {slices} of {SLICES} dates",
            learned(place, trees, rows=slices * count // SLICES),
        )
    for share in (0.5, 0.2, 0.1):
        yield f"{share:.0%} of those who stay", learned(place, trees, majority_share=share)
    for machines in (1, 2):
        yield (
            f"LightGBM on {machines} machine{'s' * (machines > 1)}",
            clustered(place, trees, machines),
        )


def whole(count: int, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The third table's run, told after each step: from tables to a registered model."""
    place = folder / f"whole-{count}"
    if not (place / "snapshots.parquet").exists():
        write_project(parts(count // SLICES), place, count)
    found: dict[str, Any] = {}
    for verb in VERBS:
        for told in answers(child("--verb", verb, str(place))):
            found |= {verb: told}
            yield f"{count:,} rows", found


def keep(found: Iterator[tuple[str, dict[str, Any]]], which: str) -> None:
    """Each result as it comes, beside those of earlier runs, and the page of all."""
    path = HERE / "results" / "training_size.json"
    words = " ".join(["python benchmarks/training_size.py", *sys.argv[1:]])
    run = f"`{words.partition(' --folder')[0]}`"
    for what, one in found:
        kept = json.loads(path.read_text()) if path.exists() else {"size": {}, "remedies": {}}
        about = f"{run}, {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
        kept.setdefault(which, {})[what] = one | {"run": f"{about}, LightGBM {version('lightgbm')}"}
        path.write_text(json.dumps(kept, indent=1) + "\n")
        path.with_suffix(".md").write_text(page(kept))
        is_whole, remedy = which == "whole", which == "remedies"
        told = [what, newest(one)] if is_whole else cells(what, one, remedy=remedy)
        sys.stdout.write(f"{' | '.join(told)}\n")
        sys.stdout.flush()


def main() -> None:
    """Run what was asked for; a child process does one thing and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--remedies", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--whole", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "size")
    parser.add_argument("--learn", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--machine", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--verb", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.learn:
        folder, trees, settings = given.learn
        tell(learn(Path(folder), int(trees), json.loads(settings)))
    elif given.machine:
        folder, trees, place = given.machine
        tell(machine(Path(folder), int(trees), *json.loads(place)))
    elif given.verb:
        verb, folder = given.verb
        with redirect_stdout(sys.stderr):  # as the verbs do
            VERBS[verb](Path(folder), tell)
    else:
        keep(sizes(given.rows, given.trees, given.folder), "size")
        for count in given.remedies:
            keep(remedies(count, given.trees, given.folder), "remedies")
        for count in given.whole:
            keep(whole(count, given.folder), "whole")


if __name__ == "__main__":
    main()
