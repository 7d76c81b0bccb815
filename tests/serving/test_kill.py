"""A scoring process killed with SIGKILL half-way: the last run stays, the next one cleans up."""

import signal
import subprocess
import sys
from contextlib import closing

import pytest
from sqlalchemy import func, select

from serving.queries import Reader
from serving.records import Filters
from serving.schema import RunCustomer, ScoreEntry, ScoreRow, ScoringRun
from serving.scoring import score
from serving.store import Store

# Scores like `retention score`, and sleeps when the run says that it has come to a given step.
CHILD = """
import sys, time
from pathlib import Path
from features.project import load_project
from features.staging import open_staged
from models.registry import Registry
from serving.scoring import score
from serving.store import Store

def tell(text):
    print(text, flush=True)
    if text.startswith(STEP):
        time.sleep(600)

STEP, PROJECT, DATA, URL, TRACKING = sys.argv[1:]
project = load_project(PROJECT, data=DATA)
score(project, open_staged(project), store=Store(URL), registry=Registry(TRACKING), progress=tell)
"""
PARTS = (RunCustomer, ScoreRow, ScoreEntry)


def rows_of(store: Store, run_id: int) -> list[int]:
    """Customers, model rows and scores of a run."""
    with store.reading() as connection:
        return [
            connection.scalar(
                select(func.count()).select_from(part).where(part.__table__.c.run_id == run_id)
            )
            for part in PARTS
        ]


def statuses(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.scalars(select(ScoringRun.status).order_by(ScoringRun.id)))


def kill_at(step: str, modelled, company, url: str) -> None:
    """Start a scoring process and kill it at a step."""
    project, registry = modelled.project, modelled.registry
    given = [step, project.path, company, url, registry.tracking_uri]
    command = [sys.executable, "-c", CHILD, *map(str, given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        reached = any(line.startswith(step) for line in child.stdout)
        child.send_signal(signal.SIGKILL)
        assert reached, f"the run never came to {step!r}"
    assert child.returncode == -signal.SIGKILL


@pytest.fixture
def store(store_url):
    with closing(Store(store_url)) as opened:
        opened.migrate()
        yield opened


def test_a_killed_run_leaves_the_last_one_in_place(modelled, company, store, store_url):
    project, staged, registry = modelled.project, modelled.staged, modelled.registry
    done = score(project, staged, store=store, registry=registry)
    reader = Reader(store, project.name)
    before = list(reader.iter_scores(Filters("churn", status=None)))
    complete = rows_of(store, done.run_id)

    kill_at("writing the list of upsell", modelled, company, store_url)

    killed = done.run_id + 1
    assert statuses(store) == ["published", "writing"]
    assert all(rows > 0 for rows in rows_of(store, killed)), "it was half-way"
    assert reader.current_run().id == done.run_id
    assert reader.run(killed) is None
    assert rows_of(store, done.run_id) == complete
    assert list(reader.iter_scores(Filters("churn", status=None))) == before

    again = score(project, staged, store=store, registry=registry)
    assert rows_of(store, killed) == [0, 0, 0]
    assert statuses(store) == ["published", "failed", "published"]
    assert reader.current_run().id == again.run_id
    assert rows_of(store, again.run_id) == complete
