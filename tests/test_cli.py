"""The command line as a user meets it: a process, its exit code, its two streams."""

import html
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from features.project import load_project
from retention import app

VERBS = sorted(command.callback.__name__ for command in app.registered_commands)
TOML = """
name = "shop"
revenue_model = "consumption"
[sources.customers]
file = "customers.csv"
[sources.orders]
file = "orders.csv"
[targets.lapse]
kind = "silence"
"""


def retention(
    *args: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, with variables set on top of ours."""
    command = [sys.executable, "-m", "retention", *map(str, args)]
    full = os.environ | (env or {})
    return subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Ran:
    """A company whose churn was trained and scored, and what the commands printed."""

    folder: Path
    trained: str
    scored: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The verbs one after the other, for one target of a small simulated company."""
    folder = tmp_path_factory.mktemp("cli") / "company"
    retention("simulate", folder, "--customers", 1500)
    project = folder / "retention.toml"
    before, rest = project.read_text(encoding="utf-8").split("[targets.upsell]")
    project.write_text(before + "[bands]" + rest.split("[bands]")[1], encoding="utf-8")
    trained = retention("train", folder, "--json")
    assert trained.returncode == 0, trained.stderr
    scored = retention("score", folder, "--csv", folder / "list.csv")
    assert scored.returncode == 0, scored.stderr
    return Ran(folder, trained.stdout, scored.stdout)


class TestHelp:
    """What a newcomer types first."""

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_has_an_example(self, verb: str) -> None:
        done = retention(verb, "--help")
        assert done.returncode == 0
        assert f"Example: retention {verb}" in done.stdout

    def test_no_arguments_give_help(self) -> None:
        done = retention()
        assert done.returncode == 0
        assert all(verb in done.stdout for verb in VERBS)

    def test_no_library_loads_before_it_is_needed(self) -> None:
        slow = "{'mlflow', 'pandas', 'duckdb', 'ibis', 'lightgbm', 'sklearn', 'fastapi', 'altair'}"
        code = f"import sys, retention; print(sorted({slow} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


class TestMistakes:
    """A user's error: code 1, one plain sentence on stderr, nothing on stdout."""

    def fails(self, *args: object, says: str, env: dict[str, str] | None = None) -> None:
        done = retention(*args, env=env)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("retention: ")
        assert done.stderr.count("\n") == 1, done.stderr
        assert says in done.stderr

    def test_an_unknown_verb(self) -> None:
        self.fails("chekc", says="Did you mean 'check'?")

    def test_a_missing_argument(self) -> None:
        self.fails("train", says="Missing argument")

    def test_a_missing_project_file(self, tmp_path: Path) -> None:
        self.fails("check", tmp_path / "none.toml", says="no such project file")

    def test_a_project_file_that_is_not_toml(self, write_project: Callable[..., Path]) -> None:
        self.fails("build", write_project("name = "), says="not valid TOML")

    def test_a_key_that_is_not_known(self, write_project: Callable[..., Path]) -> None:
        self.fails("check", write_project(TOML + "horizon = 3\n"), says="targets.lapse.horizon")

    def test_a_missing_file(self, write_project: Callable[..., Path]) -> None:
        self.fails("build", write_project(TOML), says="customers.csv")

    def test_check_also_lists_every_finding(self, write_project: Callable[..., Path]) -> None:
        done = retention("check", write_project(TOML))
        assert done.returncode == 1
        assert [line for line in ("customers.csv", "orders.csv") if line not in done.stdout] == []
        assert done.stderr.count("\n") == 1

    def test_an_unknown_target(self, ran: Ran) -> None:
        self.fails("train", ran.folder, "--target", "chrun", says="unknown target 'chrun'")
        self.fails("backtest", ran.folder, "--target", "chrun", says="unknown target 'chrun'")

    def test_a_decision_that_changes_nothing(self, ran: Ran) -> None:
        churn = (ran.folder, "--target", "churn")
        self.fails("rollback", *churn, says="no champion of company.churn is known before")
        self.fails("promote", *churn, "--version", 1, says="is the champion already")
        self.fails("promote", *churn, "--force", says="--force needs a --reason")

    def test_a_date_that_does_not_parse(self, ran: Ran) -> None:
        self.fails("score", ran.folder, "--as-of", "31.12.2026", says="--as-of")

    def test_a_folder_that_cannot_be_written(self, ran: Ran) -> None:
        missing = ran.folder / "missing" / "list.csv"
        before = _runs(ran.folder)
        self.fails("score", ran.folder, "--csv", missing, says=str(missing))
        assert _runs(ran.folder) == before  # found before scoring

    def test_a_model_registry_that_does_not_answer(self, ran: Ran) -> None:
        env = {
            "MLFLOW_TRACKING_URI": "http://nobody:secret@127.0.0.1:9",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        }
        self.fails("score", ran.folder, says="registry http://127.0.0.1:9 cannot", env=env)
        self.fails("serve", ran.folder, says="registry http://127.0.0.1:9 cannot", env=env)

    def test_a_folder_without_tables(self, tmp_path: Path) -> None:
        self.fails("init", tmp_path, says=str(tmp_path))

    def test_other_machines_are_refused(self, ran: Ran) -> None:
        self.fails("serve", ran.folder, "--host", "0.0.0.0", says="loopback")

    def test_a_variable_that_does_not_fit(self, ran: Ran) -> None:
        self.fails("serve", ran.folder, says="page_size", env={"RETENTION_PAGE_SIZE": "many"})

    def test_a_store_that_cannot_be_reached(self, ran: Ran) -> None:
        env = {"RETENTION_STORE_URL": "postgresql://nobody:secret@127.0.0.1:9/none"}
        self.fails("score", ran.folder, says="127.0.0.1", env=env)

    def test_a_port_in_use(self, ran: Ran) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            done = retention("serve", ran.folder, "--port", port)
        assert done.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
        assert "Traceback" not in done.stderr


class TestMainJob:
    """The verbs one after the other, on a small simulated company."""

    def test_check_accounts_for_every_row(self, ran: Ran) -> None:
        done = retention("check", ran.folder)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        counts = {line[0]: [int(n.replace(",", "")) for n in line[1:]] for line in lines[1:6]}
        assert all(row[0] == sum(row[1:]) > 0 for row in counts.values())

    def test_check_says_what_the_data_are_ready_for(self, ran: Ran) -> None:
        done = retention("check", ran.folder, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["targets"][0]["name"] == "churn"
        assert list(report["rows"][0]) == ["Name", "step", "state", "column", "table", "details"]
        page = next(ran.folder.rglob("readiness.html")).read_text(encoding="utf-8")
        assert report["targets"][0]["details"] in page
        printed = retention("check", ran.folder).stdout
        assert report["targets"][0]["details"] in printed
        assert [line for line in printed.splitlines() if line.startswith("usage ")] != []

    def test_build_prints_the_frames(self, ran: Ran) -> None:
        done = retention("build", ran.folder)
        assert done.returncode == 0, done.stderr
        churn = next(line for line in done.stdout.splitlines() if line.startswith("churn")).split()
        assert int(churn[2]) >= 60  # features

    def test_train_prints_json_and_nothing_else(self, ran: Ran) -> None:
        report = json.loads(ran.trained)["targets"]
        assert list(report) == ["churn"]
        churn = report["churn"]
        assert {"train", "test", "model", "baselines", "promoted", "reason"} <= set(churn)
        assert {"rows", "rate", "as_of"} <= set(churn["test"])
        assert {"value", "low", "high"} <= set(churn["model"]["auc"])
        assert {"constant", "rule"} <= set(churn["baselines"])
        assert churn["promoted"] is True

    def test_models_lists_versions_and_decisions(self, ran: Ran) -> None:
        done = retention("models", ran.folder, "--json")
        assert done.returncode == 0, done.stderr
        (version,) = json.loads(done.stdout)["churn"]
        assert (version["version"], version["aliases"]) == (1, ["champion"])
        assert (version["gate"], version["decision"]) == ("passed", "promoted")
        assert version["decided_by"] == "training"
        assert version["reason"] == json.loads(ran.trained)["targets"]["churn"]["reason"]

    def test_score_counts_and_writes_the_list(self, ran: Ran) -> None:
        lines = (ran.folder / "list.csv").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("customer_id,")
        counted = next(line for line in ran.scored.splitlines() if line.startswith("churn"))
        assert int(counted.split()[1].replace(",", "")) == len(lines) - 1 > 100

    def test_monitor_tells_known_and_waiting_runs_apart(self, ran: Ran, tmp_path: Path) -> None:
        """An earlier moment scored again is known, and proves nothing: it was learned from."""
        folder = tmp_path / "company"
        shutil.copytree(ran.folder, folder)
        end = load_project(folder).data_end
        assert end is not None
        earlier = f"{end - timedelta(days=150):%Y-%m-%d}"
        scored = retention("score", folder, "--as-of", earlier)
        assert scored.returncode == 0, scored.stderr
        done = retention("monitor", folder, "--json")
        assert done.returncode == 0, done.stderr
        churn = json.loads(done.stdout)["targets"]["churn"]
        assert [(one["as_of"][:10], one["known"], one["seen"]) for one in churn["runs"]] == [
            (earlier, True, True),
            (f"{end:%Y-%m-%d}", False, False),
        ]
        assert churn["runs"][0]["happened"]["events"] > 0
        assert churn["drift"]["noise"] > 0
        assert churn["scores"]["psi"] >= 0
        outputs = load_project(folder).outputs / "monitor"
        assert json.loads((outputs / "churn.json").read_text(encoding="utf-8")) == churn
        assert churn["reason"][1:] in html.unescape(
            (outputs / "churn.html").read_text(encoding="utf-8")
        )
        self.prints_the_advice(folder, churn)

    def prints_the_advice(self, folder: Path, churn: dict[str, Any]) -> None:
        done = retention("monitor", folder, "--target", "churn")
        assert done.returncode == 0, done.stderr
        assert f"churn: {churn['verdict']}; {churn['reason']}" in done.stdout
        assert "(learned from)" in done.stdout

    def test_the_service_answers_until_it_is_stopped(self, ran: Ran) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "retention", "serve", str(ran.folder)]
        with subprocess.Popen(
            [*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                assert _answer(f"http://127.0.0.1:{port}/livez") == 200
            finally:
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=30)
        assert f"http://127.0.0.1:{port}" in out.decode()
        assert process.returncode == 0
        assert b"Traceback" not in err


def test_init_drafts_a_project_that_can_be_checked(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,country\nc1,DE\nc2,FR\n")
    (tmp_path / "orders.csv").write_text(
        "order_id,customer_id,order_date,amount\no1,c1,2026-01-05,10\no2,c2,2026-02-05,20.5\n"
    )
    drafted = retention("init", tmp_path)
    assert drafted.returncode == 0, drafted.stderr
    assert (tmp_path / "retention.toml").is_file()
    assert retention("check", tmp_path).returncode == 0
    again = retention("init", tmp_path)
    assert again.returncode == 1
    assert again.stderr == f"retention: {tmp_path / 'retention.toml'}: File exists\n"


def test_demo_does_the_main_job(tmp_path: Path) -> None:
    """Too few customers to learn from: said for each target, and not an error."""
    done = retention("demo", "--customers", 200, "--no-serve", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "200 customers over 24 months are in demo" in done.stdout
    for target in ("churn", "upsell", "conversion"):
        assert f"{target}: grade U" in done.stdout
    assert "no_model" in done.stdout
    assert (tmp_path / "demo" / "retention.toml").is_file()


def test_features_prints_the_catalogue() -> None:
    done = retention("features")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["name", "family", "unit", "window", "meaning", "actionable"]
    assert len(lines) > 60


def test_simulate_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = retention("simulate", tmp_path / name, "--customers", 50, "--months", 6)
        assert done.returncode == 0, done.stderr
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.parquet"))
    assert names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def _runs(folder: Path) -> list[object]:
    """Every scoring run in the store, whole or not."""
    outputs = load_project(folder).outputs
    with closing(sqlite3.connect(outputs / "store.db")) as store:
        return store.execute("SELECT * FROM scoring_runs ORDER BY 1").fetchall()


def _answer(url: str) -> int:
    """The status of the first answer within half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise TimeoutError(f"no answer from {url} (pid {os.getpid()})")
