"""Problem documents, request ids, hosts, readiness, models and the guards around listening."""

import sqlite3
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from small_service import open_client

from features.errors import ProjectError
from serving.app import create_app
from serving.settings import Settings

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}


@pytest.fixture
def broken(own_service):
    """A service whose store lost its tables after the start."""
    with open_client(own_service) as opened:
        path = own_service.project.parent / ".retention" / "acme" / "store.db"
        with sqlite3.connect(path) as store:
            store.execute("DROP TABLE scores")
            store.execute("DROP TABLE scoring_runs")
        yield opened


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nothing/here", 404),
            ("GET", "/v1/customers/nobody/scores", 404),
            ("DELETE", "/v1/scores", 405),
            ("GET", "/v1/predictions", 405),
            ("GET", "/v1/scores?x=1", 400),
            ("GET", "/v1/models/churn/versions/x", 422),
            ("GET", "/v1/models/churn/versions/99", 404),
            ("GET", "/v1/models/x/versions/1", 404),
        ],
    )
    def test_every_error_is_a_problem_document(self, client, method, path, status):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert set(body) == MEMBERS
        assert (body["status"], body["instance"]) == (status, path.split("?")[0])
        assert body["request_id"] == answer.headers["x-request-id"]
        assert body["type"].endswith(body["code"].replace("_", "-"))

    def test_405_says_what_is_allowed(self, client):
        assert client.delete("/v1/scores").headers["allow"] == "GET"

    def test_a_store_that_cannot_be_read_is_503_without_a_trace(self, broken):
        answer = broken.get("/v1/customers/c_001/scores/churn")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "Traceback" not in answer.text

    def test_a_fault_of_ours_is_500_and_tells_nothing(self, service, monkeypatch):
        def fail(*_):
            raise ZeroDivisionError("secret detail")

        monkeypatch.setattr("serving.routes.customers.read_score", fail)
        with open_client(service) as client:
            answer = client.get("/v1/customers/c_001/scores/churn", headers={"X-Request-Id": "r1"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "r1"
        assert "secret detail" not in answer.text

    def test_a_browser_gets_a_page_outside_the_api(self, client):
        html = {"Accept": "text/html"}
        page = client.get("/nothing", headers=html)
        assert (page.status_code, page.headers["content-type"][:9]) == (404, "text/html")
        assert "There is nothing here" in page.text
        assert client.get("/v1/nothing", headers=html).headers["content-type"].endswith("json")


class TestEnvelope:
    def test_a_request_id_is_echoed_or_made(self, client):
        assert (
            client.get("/livez", headers={"X-Request-Id": "a.b-1"}).headers["x-request-id"]
            == "a.b-1"
        )
        made = client.get("/livez").headers["x-request-id"]
        assert len(made) == 32
        for bad in ("x" * 129, "a b", "<script>"):
            answer = client.get("/livez", headers={"X-Request-Id": bad})
            assert answer.headers["x-request-id"] != bad

    def test_a_trace_is_echoed(self, client):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        assert client.get("/livez", headers={"traceparent": trace}).headers["traceparent"] == trace
        assert "traceparent" not in client.get("/livez", headers={"traceparent": "x"}).headers

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:8000"]
    )
    def test_only_loopback_names_are_answered(self, client, host):
        answer = client.get("/livez", headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")

    @pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
    def test_all_loopback_names_are(self, client, host):
        assert client.get("/livez", headers={"Host": host}).status_code == 200

    def test_a_caller_from_elsewhere_is_refused_whatever_name_it_gives(self, service):
        app = create_app(service)
        far = TestClient(app, base_url="http://127.0.0.1", client=("10.0.0.7", 50000))
        assert far.get("/livez").status_code == 421


class TestReadiness:
    def test_ready_names_its_checks(self, client):
        body = client.get("/readyz").json()
        assert body["status"] == "ready"
        assert [check["name"] for check in body["checks"]] == ["store", "model", "run", "fresh"]

    def test_alive_and_version(self, client):
        assert client.get("/livez").json() == {"status": "alive"}
        assert client.get("/version").json()["project"] == "acme"

    def test_nothing_scored_is_not_ready_but_alive(self, empty):
        answer = empty.get("/readyz")
        failed = {check["name"] for check in answer.json()["checks"] if not check["ok"]}
        assert (answer.status_code, failed) == (503, {"model", "run"})
        assert empty.get("/livez").status_code == 200
        answer = empty.get("/v1/scores?target=churn")
        assert (answer.status_code, answer.json()["code"]) == (503, "no_scoring_run")
        assert empty.get("/v1/customers/c_001/scores").status_code == 404

    def test_old_scores_are_not_ready(self, own_service):
        path = own_service.project.parent / ".retention" / "acme" / "store.db"
        old = (datetime(2026, 1, 1) - timedelta(days=9)).isoformat(" ")
        with sqlite3.connect(path) as store:
            store.execute("UPDATE scoring_runs SET published_at = ?", [f"{old}.000000"])
        with open_client(own_service) as client:
            checks = {c["name"]: c["ok"] for c in client.get("/readyz").json()["checks"]}
            assert checks == {"store": True, "model": True, "run": True, "fresh": False}
            assert "These scores are old" in client.get("/").text

    def test_a_broken_store_is_not_ready(self, broken):
        checks = {c["name"]: c["ok"] for c in broken.get("/readyz").json()["checks"]}
        assert checks["store"] is False


class TestModels:
    def test_targets_with_their_champions(self, client):
        models = client.get("/v1/models").json()["models"]
        assert [model["target"] for model in models] == ["churn", "upsell", "conversion"]
        assert models[0]["champion"]["version"] == "1"
        assert models[0]["versions"][0]["is_champion"] is True
        assert (models[2]["champion"], models[2]["versions"]) == (None, [])

    def test_a_card_lists_every_feature_with_its_meaning(self, client):
        body = client.get("/v1/models/churn/versions/1").json()
        assert body["is_champion"] is True
        assert all(feature["meaning"] for feature in body["card"]["features"])


class TestStart:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
    def test_only_loopback_may_be_listened_on(self, host):
        with pytest.raises(ValueError, match="loopback"):
            Settings(host=host)

    def test_a_project_that_is_not_there_stops_the_start(self, tmp_path):
        with (
            pytest.raises(ProjectError, match="no such project file"),
            open_client(Settings(project=tmp_path / "none.toml")),
        ):
            pass
