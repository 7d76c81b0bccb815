"""Fitting, scoring and explaining, each beside LightGBM's own call on the same numbers.

    python benchmarks/models_speed.py [--fit 20000 200000] [--rows 1000000] [--rounds 3]

Both sides of a line run in turn, and the shortest of their rounds counts. Scoring starts from a
DataFrame with text columns and ends at calibrated probabilities; LightGBM starts from the matrix.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.declare import Feature
from models.calibrate import fit_calibration
from models.encode import Encoder
from models.fitted import Fitted
from models.portable import Floats, PortableModel
from models.propensity import PropensityModel
from models.reasons import Explainer

HERE = Path(__file__).parent
NUMBERS, CATEGORIES = 95, 5
LIST = 20_000  # customers whose reasons are told
TREES = {"num_leaves": 31, "n_estimators": 100, "learning_rate": 0.1}


def catalogue() -> list[Feature]:
    """A hundred features in twenty groups, five of them categories."""
    numbers = [
        Feature(f"uses_{i}", "usage", "events", f"Uses of part {i}.", f"part_{i % 15}")
        for i in range(NUMBERS)
    ]
    return numbers + [
        Feature(f"kind_{i}", "profile", "kind", f"Kind {i}.", f"kind_{i}", kind="category")
        for i in range(CATEGORIES)
    ]


def customers(n: int, seed: int = 0) -> tuple[pd.DataFrame, Floats]:
    """Made-up customers and who left; a tenth of the cells of some columns is missing."""
    random = np.random.default_rng(seed)
    columns = {f"uses_{i}": random.normal(size=n) for i in range(NUMBERS)}
    for i in range(0, NUMBERS, 10):
        columns[f"uses_{i}"][random.random(n) < 0.1] = np.nan
    kinds = np.array([f"kind {i}" for i in range(8)], dtype=object)
    for i in range(CATEGORIES):
        columns[f"kind_{i}"] = random.choice(kinds, n)
    odds = columns["uses_1"] - 0.5 * columns["uses_2"] + (columns["kind_0"] == "kind 3") - 2
    y = (random.random(n) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    return pd.DataFrame(columns), y


def shortest(rounds: int, *sides: Callable[[], object]) -> list[float]:
    """The least seconds of each side, run in turn."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for found, side in zip(seconds, sides, strict=True):
            start = time.perf_counter()
            side()
            found.append(time.perf_counter() - start)
    return [min(found) for found in seconds]


def fitting(n: int, rounds: int) -> tuple[list[float], Fitted]:
    """Seconds of our fit and of `lightgbm.train` on the same matrix, and the fitted model."""
    frame, y = customers(n)
    encoder = Encoder().fit(frame, catalogue())
    X = encoder.transform(frame)
    model = PropensityModel(**TREES, categorical=encoder.categorical)
    params = {
        "objective": "binary",
        "num_leaves": model.num_leaves,
        "learning_rate": model.learning_rate,
        "min_data_in_leaf": model.min_child_samples,
        "bagging_fraction": model.subsample,
        "bagging_freq": 1,
        "feature_fraction": model.colsample_bytree,
        "lambda_l2": model.reg_lambda,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 2,
        "verbose": -1,
    }

    def plain() -> lgb.Booster:
        data = lgb.Dataset(X, label=y, categorical_feature=[*encoder.categorical])
        return lgb.train(params, data, num_boost_round=model.n_estimators)

    seconds = shortest(rounds, lambda: model.fit(X, y), plain)
    z = model.decision_function(X)
    return seconds, Fitted(encoder, model, fit_calibration(z, y, method="platt"))


def scoring(model: PortableModel, frame: pd.DataFrame, rounds: int) -> list[float]:
    """Seconds of our probability of a DataFrame, and of LightGBM's of the matrix."""
    (booster,) = model.ensemble.boosters
    X = model.matrix(frame)
    return shortest(
        rounds,
        lambda: model.probability(model.matrix(frame)),
        lambda: booster.predict(X, num_threads=2),
    )


def explaining(model: PortableModel, X: Floats, rounds: int) -> tuple[float, float]:
    """Seconds of the reasons of one customer, and of a list of them."""
    explainer = Explainer(model)
    (one,) = shortest(50, lambda: explainer.explain(X[:1]))
    (many,) = shortest(min(rounds, 2), lambda: explainer.explain(X[:LIST]))
    return one, many


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """The results as Markdown."""
    about = (
        f"{NUMBERS} numbers and {CATEGORIES} text columns, {TREES['n_estimators']} trees of"
        f" {TREES['num_leaves']} leaves. {os.cpu_count()} cores, LightGBM {version('lightgbm')},"
        f" Python {platform.python_version()}. Load of the machine at the end:"
        f" {os.getloadavg()[0]:.1f}."
        f" `{' '.join(['python benchmarks/models_speed.py', *sys.argv[1:]])}`,"
        f" {datetime.now(UTC):%Y-%m-%d}."
    )
    head = ["| what | ours | LightGBM | measured | needed |", "|---|---:|---:|---:|---:|"]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["# Models: speed", "", about, "", *head, *lines, ""])


def main() -> None:
    """Measure all lines, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--fit", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rows = []
    for n in given.fit:
        (ours, plain), fitted = fitting(n, given.rounds)
        ratio = f"{ours / plain:.2f} times"
        rows.append((f"fit, {n:,} rows", f"{ours:.2f} s", f"{plain:.2f} s", ratio, "at most 1.3"))
    model = fitted.portable
    frame, _ = customers(given.rows, seed=1)
    ours, plain = scoring(model, frame, given.rounds)
    name = f"score {given.rows:,} customers from a DataFrame"
    ratio = f"{ours / plain:.2f} times"
    rows.append((name, f"{ours:.1f} s", f"{plain:.1f} s", ratio, "at most 2"))
    one, many = explaining(model, model.matrix(frame[:LIST]), given.rounds)
    rows.append((f"reasons of the top {LIST:,}", f"{many:.1f} s", "", "", "told apart"))
    rows.append(("reasons of one customer", "", "", f"{one * 1000:.2f} ms", "below 10"))
    text = table(rows)
    sys.stdout.write(text)
    (HERE / "results" / "models_speed.md").write_text(text)


if __name__ == "__main__":
    main()
