"""A scoring run on Spark: another engine in the project file, the same scores in the store."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from features import engine
from features.build import build
from features.clock import pairs_at
from features.project import Project, load_project
from features.staging import stage
from models.fitted import Fitted
from retention import app
from serving.queries import Reader
from serving.records import Filters
from serving.store import Store


@pytest.fixture(scope="module")
def project(company: Path, tmp_path_factory: pytest.TempPathFactory, open_registry) -> Project:
    """The simulated company with churn alone, a small champion, and too little to train another."""
    folder = tmp_path_factory.mktemp("cluster")
    text = (company / "retention.toml").read_text(encoding="utf-8").partition("[targets.upsell]")[0]
    text = text.replace("start = 2026-05-01", "start = 2026-09-01")
    (folder / "retention.toml").write_text(text, encoding="utf-8")
    project = load_project(folder, data=company)
    staged = stage(project)
    built = build(staged, pairs_at(staged, project.target("churn"), [staged.data_end]))
    answers = (np.arange(len(built.keys)) % 3 == 0).astype(float)
    fitted = Fitted.fit(built.features, answers, built.catalogue, {"n_estimators": 15})
    registry, name = open_registry(project), project.model_name("churn")
    card = {"grade": "A", "trained_at": "2026-10-01T03:10:00Z"}
    registry.promote(name, registry.log(name, fitted, card, params={}, metrics={}))
    return project


def published(project: Project, company: Path) -> dict[str, dict[str, Any]]:
    """The current list after `retention run`, by customer."""
    done = CliRunner().invoke(app, ["run", str(project.path), "--data", str(company)])
    assert done.exit_code == 0, done.output
    with closing(Store.for_project(project)) as store:
        reader = Reader(store, project.name)
        scores = reader.iter_scores(Filters("churn", status=None))
        return {one.customer.customer_id: of_one_run(asdict(one)) for one in scores}


def of_one_run(score: dict[str, Any]) -> dict[str, Any]:
    """A score without what tells runs apart."""
    return {k: v for k, v in score.items() if k != "run_id" and not k.startswith("previous")}


@pytest.mark.timeout(600)
def test_one_line_moves_a_company_to_spark(project, company, spark, monkeypatch):
    """`retention run` on both engines fills the store alike; frames for training are kept."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here = published(project, company)
    text = project.path.read_text(encoding="utf-8")
    project.path.write_text(f'engine = "{spark}"\n{text}', encoding="utf-8")
    asked = []
    on_spark = engine.map_partitions
    monkeypatch.setattr(
        "serving.target_run.map_partitions",
        lambda *given: asked.append(given[0]) or on_spark(*given),
    )
    there = published(project, company)
    assert asked == [spark]
    assert sum(one["status"] == "scored" for one in here.values()) > 100
    assert here.keys() == there.keys()
    for who, one in here.items():
        assert there[who].pop("probability") == pytest.approx(one.pop("probability"), abs=1e-12)
    assert there == here
