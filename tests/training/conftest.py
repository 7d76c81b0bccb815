"""Small projects and samples that the tests of training share."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_shop import SHOP, shop_tables

from features.project import load_project
from features.staging import Staged, stage
from models.registry import Registry
from training.sample import Sample

# The random companies and the oracle of their money, which labels are held against too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "features"))

Columns = dict[str, np.ndarray]


@pytest.fixture
def make_sample(rng: np.random.Generator) -> Callable[..., Sample]:
    """A function that makes rows whose event depends on the first of `columns` by `strength`."""

    def make(n: int = 600, columns: int = 4, strength: float = 1.0, dates: int = 0) -> Sample:
        X = rng.normal(size=(n, columns))
        y = (rng.random(n) < 1 / (1 + np.exp(1 - strength * X[:, 0]))).astype(float)
        moments = pd.date_range("2026-01-01", periods=max(dates, 1), freq="MS").as_unit("us")
        as_of = pd.Series(moments[np.arange(n) % len(moments)] if dates else pd.NaT, index=range(n))
        simple = pd.DataFrame(X, columns=[f"x{i}" for i in range(columns)])
        return Sample(X, y, np.arange(n), np.arange(n), as_of.astype("datetime64[us]"), simple)

    return make


@pytest.fixture
def snapshot(write_project: Callable[..., object]) -> Callable[..., Staged]:
    """A function that stages a snapshot of columns with a label `left`."""

    def make(frame: pd.DataFrame, extra: str = "", name: str = "small") -> Staged:
        attributes = [column for column in frame if column not in ("customer_id", "left")]
        toml = f"""
name = "{name}"
revenue_model = "subscription"
{extra}
[sources.snapshots]
file = "snapshots.csv"
columns = {{ customer_id = "customer_id" }}
attributes = {attributes}
[targets.churn]
kind = "churn"
label = "left"
positive = "yes"
"""
        path = write_project(toml, snapshots=frame.to_csv(index=False))
        return stage(load_project(path))

    return make


@pytest.fixture
def people(rng: np.random.Generator) -> Callable[..., pd.DataFrame]:
    """A function that makes customers of whom `events` left, as two columns told or nothing did."""

    def make(n: int = 500, strength: float = 2.0, shift: float = -1.0) -> pd.DataFrame:
        tenure, calls = rng.normal(size=n), rng.normal(size=n)
        odds = shift - strength * tenure + strength / 2 * calls
        left = rng.random(n) < 1 / (1 + np.exp(-odds))
        return pd.DataFrame(
            {
                "customer_id": [f"c{i:04d}" for i in range(n)],
                "tenure": tenure.round(3),
                "calls": calls.round(3),
                "region": rng.choice(["north", "south"], n),
                "left": np.where(left, "yes", "no"),
            }
        )

    return make


@pytest.fixture
def shop(write_project: Callable[..., object], rng: np.random.Generator) -> Callable[..., Staged]:
    """A function that stages a shop of a year, where each customer orders at a pace of its own."""

    def make(customers: int = 250, **changes: str) -> Staged:
        toml = SHOP
        for old, new in changes.items():
            toml = toml.replace(f"{old} = ", f"{old} = {new}  # ")
        path = write_project(toml, **shop_tables(rng, customers))
        return stage(load_project(path))

    return make


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One MLflow file, which takes seconds to lay out; names of models are those of projects."""
    home = tmp_path_factory.mktemp("training-registry")
    return Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlartifacts")
