"""Stores to test on: a SQLite file, and a real PostgreSQL server started for the session."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import psycopg
import pytest
from small_service import client, empty, own_service, service  # noqa: F401 - fixtures for all

from features.build import build
from features.clock import pairs_at
from features.project import Project, load_project
from features.staging import Staged, stage
from models.fitted import Fitted
from models.registry import Registry
from serving.store import Store

_databases = count(1)
_NEEDS_SERVER = pytest.mark.postgres


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=_NEEDS_SERVER)])
def new_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes URLs of empty stores; tests run once with each kind of database."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    folder = request.getfixturevalue("postgres")

    def create() -> str:
        name = f"store{next(_databases)}"
        admin_url = f"postgresql://retention@/postgres?host={folder}"
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return f"postgresql://retention@/{name}?host={folder}"

    return create


@pytest.fixture
def store_url(new_url: Callable[[], str]) -> str:
    """The URL of an empty store, once of each kind."""
    return new_url()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store with its tables."""
    opened = Store(store_url)
    opened.migrate()
    yield opened
    opened.close()


def file_registry(project: Project) -> Registry:
    """A registry among the project's outputs, whatever the environment says."""
    folder = project.outputs
    folder.mkdir(parents=True, exist_ok=True)
    return Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlartifacts")


@pytest.fixture(scope="session")
def open_registry() -> Callable[[Project], Registry]:
    """Opens the registry of a project, see `file_registry`."""
    return file_registry


@dataclass(frozen=True)
class Modelled:
    """A staged company with a registry; churn and upsell have champions, conversion has none."""

    project: Project
    staged: Staged
    registry: Registry


@pytest.fixture(scope="session")
def modelled(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Modelled:
    """The simulated company with small real models of made-up answers."""
    folder = tmp_path_factory.mktemp("modelled")
    shutil.copy(company / "retention.toml", folder)
    project = load_project(folder, data=company)
    staged = stage(project)
    dates = [staged.data_end - timedelta(days=120)]
    built = build(staged, pairs_at(staged, project.target("churn"), dates))
    registry = file_registry(project)
    quiet = built.features["days_since_last_use"].fillna(99).rank(pct=True).to_numpy()
    answers = (quiet + np.random.default_rng(7).random(len(quiet)) > 1.3).astype(float)
    for target in ("churn", "upsell"):
        fitted = Fitted.fit(built.features, answers, built.catalogue, {"n_estimators": 20})
        card = {"grade": "A", "trained_at": "2026-10-01T03:10:00Z"}
        name = project.model_name(target)
        registry.promote(name, registry.log(name, fitted, card, params={}, metrics={}))
    return Modelled(project, staged, registry)
