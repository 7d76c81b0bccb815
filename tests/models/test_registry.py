"""The registry, with a real MLflow file: versions, aliases, what a run holds and must not."""

import json
import math
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.store.db import utils as mlflow_databases

from features.errors import ModelNotFoundError, RegistryError, UnfitDataError, UnknownFeatureError
from features.project import Project
from models.calibrate import Calibration
from models.charts import calibration_chart, lift_chart, top_features_chart
from models.fitted import Fitted
from models.registry import Registry
from models.tracking import shown

NAME = "acme.churn"
SOURCES = {"customers": [{"file": "c.csv"}], "orders": [{"file": "o.csv"}]}
SECRET = "Only Customer Ltd"


@pytest.fixture(scope="module")
def first(registry, small_fitted, small_frame, small_labels):
    """Version 1, with charts."""
    p = small_fitted.probability(small_frame)
    charts = {
        "calibration": calibration_chart(small_labels, p),
        "lift": lift_chart(small_labels, p),
        "top_features": top_features_chart(small_fitted.importance(), small_fitted.catalogue),
    }
    return registry.log(
        NAME,
        small_fitted,
        {"grade": "B", "target": {"kind": "churn"}, "currency": "USD"},
        params={"num_leaves": 7, "linear_weight": 0.3},
        metrics={"auc": 0.75, "lift1": None, "undefined": math.nan},
        charts=charts,
        tags={"data_fingerprint": "f1", "as_of": "2026-01-01/2026-06-01"},
    )


@pytest.fixture
def other(registry):
    """A registry at the same address, as another process has."""
    return Registry(registry.tracking_uri)


@pytest.fixture
def http_server():
    """The address of a server that is there and knows nothing of MLflow."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_new_version_is_the_challenger_and_no_champion_yet(registry, first):
    (row,) = registry.versions(NAME)
    assert row["version"] == first == 1
    assert row["aliases"] == ["challenger"]
    assert row["grade"] == "B"
    assert row["metrics"] == {"auc": 0.75}
    assert row["tags"]["data_fingerprint"] == "f1"
    assert row["created_at"].tzinfo is None
    assert registry.champion_version(NAME) is None
    assert registry.champion(NAME) is None


def test_promotion_is_seen_by_others_and_moves_the_alias(registry, first, small_fitted, other):
    name = "acme.upsell"
    made = [
        registry.log(name, small_fitted, {}, params={}, metrics={}),
        registry.log(name, small_fitted, {}, params={}, metrics={}),
    ]
    assert made == [1, 2]
    registry.promote(name, 1)
    assert other.champion_version(name) == 1
    registry.promote(name, 2)
    assert other.champion_version(name) == 2
    aliases = {row["version"]: row["aliases"] for row in other.versions(name)}
    assert aliases == {2: ["champion"], 1: []}
    assert registry.champion_version(NAME) is None


def test_a_loaded_version_predicts_as_the_fitted_one(registry, first, small_fitted, small_frame):
    loaded = registry.load(NAME, first)
    assert (loaded.name, loaded.version) == (NAME, 1)
    assert loaded.features == list(small_fitted.catalogue)
    matrix = loaded.matrix(small_frame)
    assert np.array_equal(loaded.probability(matrix), small_fitted.probability(small_frame))
    assert np.array_equal(loaded.log_odds(matrix), small_fitted.log_odds(small_frame))
    assert loaded.explain(matrix[:1])[0]


def test_the_card_holds_what_a_reader_needs(registry, first, small_fitted):
    card = registry.load(NAME, first).card
    assert (card["name"], card["grade"], card["currency"]) == (NAME, "B", "USD")
    assert Calibration.from_card(card["calibration"]) == small_fitted.calibration
    assert card["linear_weight"] == 0.3
    assert [f["name"] for f in card["features"]] == small_fitted.encoder.names
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_the_run_holds_parameters_features_and_charts(registry, first):
    client = MlflowClient(registry.tracking_uri)
    run = client.get_run(registry.versions(NAME)[0]["run_id"])
    assert run.data.params == {"num_leaves": "7", "linear_weight": "0.3"}
    assert run.data.tags["as_of"] == "2026-01-01/2026-06-01"
    charts = {item.path for item in client.list_artifacts(run.info.run_id, "charts")}
    names = ("calibration", "lift", "top_features")
    assert charts == {f"charts/{n}.{kind}" for n in names for kind in ("html", "json", "png")}
    assert "features.json" in {item.path for item in client.list_artifacts(run.info.run_id)}


def test_a_chart_needs_no_network(registry_home, first):
    page = next(registry_home.rglob("lift.html")).read_text(encoding="utf-8")
    assert not re.search(r"<script[^>]+src=", page)
    assert "Share of the events found" in page


def test_no_customer_row_is_written_anywhere(
    registry, registry_home, small_frame, small_labels, small_catalogue
):
    """A category and a number that one customer has are found in no file, the store included."""
    frame = small_frame.copy()
    frame.loc[3, "plan"] = SECRET
    frame.loc[3, "price"] = 987654.321
    fitted = Fitted.fit(frame, small_labels, small_catalogue, {"n_jobs": 1, "linear_weight": 0.5})
    registry.log("acme.secret", fitted, {}, params={}, metrics={})
    files = [path for path in registry_home.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        held = path.read_bytes()
        assert SECRET.encode() not in held, path
        assert b"987654.3" not in held, path


def test_requirements_are_pinned_and_few(registry_home, first):
    lines = next(registry_home.rglob("requirements.txt")).read_text(encoding="utf-8").split()
    assert sorted(line.partition("==")[0] for line in lines) == [
        "lightgbm",
        "mlflow",
        "numpy",
        "pandas",
    ]
    assert all("==" in line for line in lines)


def test_nothing_is_said_on_the_way(registry, small_fitted, capfd):
    registry.log("acme.quiet", small_fitted, {}, params={}, metrics={})
    registry.promote("acme.quiet", 1)
    registry.champion("acme.quiet")
    assert capfd.readouterr() == ("", "")


def test_frames_that_do_not_fit_the_model_are_refused(registry, first, small_frame):
    loaded = registry.load(NAME, first)
    with pytest.raises(UnknownFeatureError, match="price"):
        loaded.matrix(small_frame.drop(columns="price"))
    with pytest.raises(UnfitDataError, match="infinite"):
        loaded.matrix(small_frame.assign(price=np.inf))


@pytest.mark.parametrize("name", [NAME, "acme.unheard_of"])
def test_a_version_that_does_not_exist_is_named(registry, first, name):
    with pytest.raises(ModelNotFoundError, match=f"no version 99 of model '{name}'"):
        registry.load(name, 99)


def test_a_name_that_does_not_exist_has_no_versions(registry):
    assert registry.versions("acme.unheard_of") == []
    assert registry.champion_version("acme.unheard_of") is None


def test_a_project_keeps_its_own_file_unless_the_environment_names_a_server(tmp_path, monkeypatch):
    project = Project.model_validate(
        {
            "name": "acme",
            "revenue_model": "subscription",
            "sources": SOURCES,
            "targets": {},
            "path": tmp_path / "retention.toml",
        }
    )
    own = Registry.for_project(project)
    assert own.tracking_uri == f"sqlite:///{project.outputs.resolve() / 'mlflow.db'}"
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    assert Registry.for_project(project).tracking_uri == elsewhere


class TestAnAddressThatFails:
    """One line at the first question, soon, with the address and without its password."""

    def line(self, address: str, capfd: pytest.CaptureFixture[str]) -> str:
        with pytest.raises(RegistryError) as caught:
            Registry(address).champion_version(NAME)
        assert caught.value.__suppress_context__  # the cause would print the password
        assert capfd.readouterr() == ("", "")
        said = str(caught.value)
        assert "\n" not in said
        return said

    @pytest.mark.parametrize("password", ["secret", "secret/secret", "se:cret"])
    def test_a_server_that_does_not_answer(self, capfd, monkeypatch, password):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # else a few seconds
        said = self.line(f"http://somebody:{password}@127.0.0.1:9", capfd)
        assert said.startswith("the model registry http://127.0.0.1:9 cannot be used: ")
        assert "cret" not in said

    def test_a_server_of_another_kind(self, capfd, http_server):
        said = self.line(http_server, capfd)
        assert said.startswith(f"the model registry {http_server} cannot be used: ")
        assert "404" in said

    def test_a_database_that_does_not_answer(self, capfd):
        said = self.line("postgresql://somebody:secret@127.0.0.1:9/mlflow?password=secret", capfd)
        assert said.startswith("the model registry postgresql://127.0.0.1:9/mlflow cannot be used")
        assert "secret" not in said

    def test_a_folder_in_place_of_a_file(self, capfd, tmp_path):
        said = self.line(f"sqlite:///{tmp_path}", capfd)
        assert said.endswith(f"sqlite:///{tmp_path} cannot be used: unable to open database file")

    def test_a_folder_that_cannot_be_made(self, capfd, tmp_path):
        (tmp_path / "file").touch()
        said = self.line(f"sqlite:///{tmp_path}/file/mlflow.db", capfd)
        assert f"sqlite:///{tmp_path}/file/mlflow.db cannot be used: " in said

    def test_a_kind_that_mlflow_does_not_know(self, capfd):
        said = self.line("nonsense://somebody:secret@there", capfd)
        assert "nonsense://there cannot be used" in said
        assert "secret" not in said

    def test_mlflow_is_as_patient_as_before_afterwards(self, tmp_path):
        before = (dict(os.environ), mlflow_databases.MAX_RETRY_COUNT)
        with pytest.raises(RegistryError):
            Registry(f"sqlite:///{tmp_path}").versions(NAME)
        assert (dict(os.environ), mlflow_databases.MAX_RETRY_COUNT) == before


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("sqlite:////srv/a@b/mlflow.db", "sqlite:////srv/a@b/mlflow.db"),
        ("https://ml.example/path?token=secret", "https://ml.example/path"),
        ("https://who:sec@ret@ml.example", "https://ml.example"),
        ("https://who:sec?ret@ml.example", "https://..."),
        ("https://who:s@ec#ret@ml.example", "https://..."),
        ("databricks", "databricks"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address, expected):
    assert shown(address) == expected


def test_an_example_row_is_made_of_typical_values(registry, first, small_fitted):
    source = MlflowClient(registry.tracking_uri).get_model_version(NAME, first).source
    held = Path(source.removeprefix("file://")) / "input_example.json"
    example = json.loads(held.read_text(encoding="utf-8"))
    (row,) = pd.DataFrame(example["data"], columns=example["columns"]).to_dict("records")
    typical = {f["name"]: f["typical"] for f in small_fitted.encoder.card()}
    assert row["price"] == pytest.approx(typical["price"])
    assert row["plan"] in small_fitted.encoder.codes["plan"]
