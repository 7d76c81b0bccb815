"""Models at a real MLflow server: registered, decided on, rolled back, scored with and served."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.request import urlopen

import numpy as np
import pytest
from small_service import wait_until

import retention_jobs as jobs
from features.build import build
from features.clock import pairs_at
from features.errors import GateFailedError
from features.staging import Staged
from models.fitted import Fitted
from models.registry import Registry
from serving.champions import Champions
from serving.queries import Reader
from serving.records import Filters
from serving.store import Store


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[str]:
    """The address of an `mlflow server` with a database and artifacts of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, log = f"http://127.0.0.1:{port}", (tmp_path / "server.log").open("w")
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        assert running.poll() is None, (tmp_path / "server.log").read_text(encoding="utf-8")
        try:
            return bool(urlopen(f"{address}/health", timeout=5).read() == b"OK")
        except OSError:
            return False

    try:
        wait_until(answers, 120)
        monkeypatch.setenv("RETENTION_TRACKING_URI", address)
        yield address
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(60)
        log.close()


def register(registry: Registry, staged: Staged) -> list[Fitted]:
    """Two versions of churn: the first passed its gate, the second did not."""
    pairs = pairs_at(staged, staged.project.target("churn"), [staged.data_end])
    built = build(staged, pairs)
    answers = (built.features["days_since_last_use"].fillna(99) > 20).astype(float)
    fits = [
        Fitted.fit(built.features, answers, built.catalogue, {"n_estimators": n}) for n in (4, 8)
    ]
    for fitted, gate in zip(fits, ("passed", "failed: rule"), strict=True):
        tags, card = {"gate": gate}, {"grade": "A", "trained_at": "2026-10-01T03:10:00Z"}
        registry.log("hosted.churn", fitted, card, params={}, metrics={"log_loss": 0.4}, tags=tags)
    registry.attach("hosted.churn", 1, {"model_card.md": "for people"})
    return fits


def test_models_live_on_a_server_as_in_a_file(server, modelled, tmp_path, capsys):
    project = modelled.project.model_copy(update={"name": "hosted"})
    staged = replace(modelled.staged, project=project)
    registry = jobs.registry_of(project)
    assert registry.tracking_uri == server
    first_fitted, _ = register(registry, staged)
    assert capsys.readouterr() == ("", "")
    held = [path.name for path in (tmp_path / "artifacts").rglob("*card*")]
    assert sorted(held) == ["card.json", "card.json", "model_card.md"]  # it went by the server

    jobs.promote(project, "churn", 1, None, force=False)
    with pytest.raises(GateFailedError, match="did not pass the gate"):
        jobs.promote(project, "churn", None, None, force=False)
    jobs.promote(project, "churn", None, "the rule is out of date", force=True)
    jobs.rollback(project, "churn", "complaints")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "version 1 of hosted.churn is the champion now"
    assert said[1].startswith("version 2 of hosted.churn is the champion now in place of version 1")
    assert said[2] == "version 1 of hosted.churn is the champion now in place of version 2"

    jobs.models(project, "churn", as_json=True)
    second, first = json.loads(capsys.readouterr().out)["churn"]
    assert (first["aliases"], first["decision"]) == (["champion"], "rolled back to")
    assert (second["aliases"], second["decision"]) == ([], "rolled back from")
    assert first["reason"] == second["reason"] == "complaints"
    decisions = [(one.action, one.version) for one in registry.decisions("hosted.churn")]
    assert decisions == [("promoted", 1), ("refused", 2), ("forced", 2), ("rolled back", 1)]

    jobs.score(staged)
    with closing(Store.for_project(project)) as store:
        reader = Reader(store, "hosted")
        stated = reader.models()["churn"]
        assert (stated.name, stated.version, stated.grade) == ("hosted.churn", 1, "A")
        entries = list(reader.iter_scores(Filters("churn")))
        rows = reader.rows([one.customer.customer_id for one in entries], "churn")
    assert {one.remaining_months for one in entries} == {None}  # no lifetimes were registered
    matrix = np.stack([rows[one.customer.customer_id] for one in entries])
    expected = first_fitted.portable.probability(matrix)
    assert np.array_equal([one.probability for one in entries], expected)
    assert len(entries) > 50

    champions = Champions(jobs.registry_of(project), {"churn": "hosted.churn"})
    champions.refresh()
    assert champions.need("churn").version == 1
    assert np.array_equal(champions.need("churn").probability(matrix), expected)
