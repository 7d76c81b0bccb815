"""A run is written unseen, published whole, and stays readable for a while; on both databases."""

import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select, text
from store_rows import MONDAY, WEEK, customer, entry, fill, model, write

from features.errors import StoreError
from serving.queries import Reader
from serving.records import Filters
from serving.schema import Base, RunCustomer, ScoreEntry, ScoreRow, ScoringRun
from serving.store import Store
from serving.writer import RunWriter, scoring_run

CHURN = Filters("churn")


def write_then_fail(store: Store) -> None:
    with scoring_run(store, "acme", as_of=MONDAY) as run:
        fill(run, {"c1": 0.9})
        run.add_rows("churn", ["c2", "c3"], np.zeros((1, 1)))


def rows_of(store: Store, run_id: int) -> int:
    parts = (RunCustomer, ScoreEntry, ScoreRow)
    with store.reading() as connection:
        return sum(
            connection.scalar(
                select(func.count()).select_from(part).where(part.__table__.c.run_id == run_id)
            )
            for part in parts
        )


def statuses(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.scalars(select(ScoringRun.status).order_by(ScoringRun.id)))


class TestMigrations:
    def test_the_migrated_tables_are_the_declared_ones(self, store):
        with store.reading() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, Base.metadata) == []
            assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())

    def test_migrating_twice_changes_nothing(self, store):
        run_id = write(store, {"c1": 0.5})
        store.migrate()
        assert Reader(store, "acme").current_run().id == run_id

    def test_a_newer_store_is_refused(self, store):
        with store.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        said = r"has version '9999'; this program knows \['0001', '0002'\]"
        with pytest.raises(StoreError, match=said):
            store.migrate()

    def test_two_processes_may_migrate_at_once(self, store_url):
        code = f"from serving.store import Store; Store({store_url!r}).migrate()"
        running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
        assert [process.wait() for process in running] == [0, 0, 0]


class TestUrls:
    @pytest.mark.parametrize(
        "url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense", ""]
    )
    def test_only_a_file_or_postgres_can_be_a_store(self, url):
        with pytest.raises(StoreError, match=r"expected sqlite:///FILE|Could not parse"):
            Store(url)

    def test_a_password_is_not_shown(self):
        assert "hush" not in str(Store("postgresql://me:hush@db.example/x"))

    def test_nothing_is_opened_before_the_first_use(self, tmp_path):
        Store(f"sqlite:///{tmp_path / 'none' / 'store.db'}").close()
        assert not (tmp_path / "none").exists()

    def test_a_server_that_is_not_there_is_one_line(self, tmp_path):
        with pytest.raises(StoreError, match=r"^the store postgresql") as raised:
            Store(f"postgresql://me@/x?host={tmp_path}").migrate()
        assert "\n" not in str(raised.value)

    def test_a_store_without_tables_is_one_line(self, store_url):
        with closing(Store(store_url)) as empty, pytest.raises(StoreError, match="scoring_runs"):
            Reader(empty, "acme").current_run()


class TestPublishing:
    def test_nothing_is_seen_before_it_is_published(self, store):
        first, reader = write(store, {"c1": 0.5}), Reader(store, "acme")
        with scoring_run(store, "acme", as_of=MONDAY + WEEK) as run:
            fill(run, {"c1": 0.9, "c2": 0.1})
            assert reader.current_run().id == first
            assert reader.score_of("c1", "churn").probability == 0.5
            assert reader.score_of("c2", "churn") is None
            assert reader.run(run.run_id) is None
            assert reader.count(CHURN) == 1
            run.publish({})
            assert reader.current_run().id == run.run_id
            assert reader.score_of("c1", "churn").probability == 0.9
        assert reader.count(CHURN) == 2
        assert reader.run(first).is_current is False

    def test_there_is_one_current_run_per_project(self, store):
        mine = write(store, {"c1": 0.5})
        with scoring_run(store, "other", as_of=MONDAY) as run:
            run.publish({})
        assert Reader(store, "acme").current_run().id == mine
        assert Reader(store, "other").current_run().id == run.run_id
        assert Reader(store, "third").current_run() is None

    def test_a_failure_takes_back_what_was_written(self, store):
        first = write(store, {"c1": 0.5})
        with pytest.raises(ValueError, match="argument 2 is shorter"):
            write_then_fail(store)
        assert Reader(store, "acme").current_run().id == first
        assert rows_of(store, run_id=first + 1) == 0
        assert statuses(store) == ["published", "failed"]

    def test_what_a_dead_process_left_is_cleaned(self, store):
        half = RunWriter(store, "acme", MONDAY, None, None)  # never published, never discarded
        fill(half, {"c1": 0.9})
        assert rows_of(store, half.run_id) == 3
        write(store, {"c1": 0.5})
        assert rows_of(store, half.run_id) == 0
        assert statuses(store) == ["failed", "published"]

    def test_a_second_writer_is_refused_while_the_first_lives(self, store):
        with scoring_run(store, "acme", as_of=MONDAY) as run:
            fill(run, {"c1": 0.5})
            with (
                pytest.raises(StoreError, match="another process is writing"),
                scoring_run(store, "acme", as_of=MONDAY),
            ):
                pass
            run.publish({})
        assert Reader(store, "acme").count(CHURN) == 1

    def test_old_runs_are_pruned_after_a_new_one(self, store):
        runs = [write(store, {"c1": week / 10}, MONDAY + week * WEEK, keep=3) for week in range(5)]
        reader = Reader(store, "acme")
        assert [run.id for run in reader.runs()] == runs[:1:-1]
        assert reader.run(runs[0]) is None
        assert [rows_of(store, run) for run in runs] == [0, 0, 3, 3, 3]

    def test_the_id_of_a_pruned_run_is_never_used_again(self, store):
        gone = write(store, {"c1": 0.5})
        last = write(store, {"c1": 0.5}, keep=1)
        assert Reader(store, "acme").run(gone) is None
        assert write(store, {"c1": 0.5}, keep=1) > last > gone

    def test_rows_come_back_as_they_were(self, store):
        matrix = np.array([[0.1, np.nan, -0.0], [1e300, 5e-324, 3.0]])
        with scoring_run(store, "acme", as_of=MONDAY) as run:
            run.add_models([model()])
            run.add_customers([customer("a"), customer("b")])
            run.add_rows("churn", ["a", "b"], matrix)
            assert run.rows("churn", ["b", "a"]).tobytes() == matrix[::-1].tobytes()
            run.add_scores("churn", [entry("a", 0.5, 1), entry("b", 0.4, 2)])
            run.publish({})
        assert Reader(store, "acme").row("b", "churn").tobytes() == matrix[1].tobytes()
        assert Reader(store, "acme").row("zz", "churn") is None

    def test_before_is_the_newest_run_with_an_earlier_moment(self, store):
        write(store, {"c1": 0.2})
        write(store, {"c1": 0.3}, MONDAY + WEEK)
        write(store, {"c1": 0.4}, MONDAY + WEEK)
        with scoring_run(store, "acme", as_of=MONDAY + WEEK) as run:
            assert run.before("churn") == (MONDAY, {"c1": (0.2, "low")})
        with scoring_run(store, "acme", as_of=MONDAY + 2 * WEEK) as run:
            assert run.before("churn") == (MONDAY + WEEK, {"c1": (0.4, "medium")})
        with scoring_run(store, "acme", as_of=MONDAY) as run:
            assert run.before("churn") == (None, {})
