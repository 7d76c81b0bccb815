"""One feature code path, two engines: DuckDB and Spark give the same frames, value for value."""

import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from random_company import Row, Rows, company, frames_of

from features import engine
from features.build import build
from features.built import Built
from features.catalogue import CATALOGUE
from features.clock import offers_at, pairs_at
from features.engine import tables_of
from features.errors import EngineError, ProjectError
from features.project import AsOf, Project, Target, load_project
from features.reduce import Reduced
from features.staging import Staged, stage
from training.labels import causes, labels

ZONE = "Europe/Berlin"  # a month of it begins at 22:00 or 23:00 UTC
MOMENTS = [datetime(2023, month, 1) - timedelta(hours=2) for month in (5, 7, 10)]
MOMENTS += [datetime(2023, month, 1) - timedelta(hours=1) for month in (11, 12)]
NAMES = {
    "c0": "Ünal 東京 🦊",
    "c1": "00123",
    "c2": "'; drop table",
    "c3": "A\tb\\",
    "c4": "a\u0301",
}
TARGETS = {
    "churn": Target(kind="churn", horizon_days=60, grace_days=14),
    "silence": Target(kind="silence", horizon_days=30),
    "inactivity": Target(kind="inactivity", horizon_days=30),
    "upsell": Target(kind="upsell", horizon_days=60),
    "order_of": Target(kind="cross_sell", horizon_days=60, product="x", product_in="orders"),
    "use_of": Target(kind="cross_sell", horizon_days=60, product="b", product_in="usage"),
    "plan_of": Target(kind="cross_sell", horizon_days=60, product="p1", product_in="subscriptions"),
    "conversion": Target(kind="conversion", horizon_days=60),
    "of_trials": Target(kind="conversion", horizon_days=60, audience="trial"),
    "of_buyers": Target(kind="conversion", horizon_days=60, audience="one_time_buyer"),
    "paused": Target(kind="churn", horizon_days=60, pause_days=10),
    "unpaid": Target(kind="churn", horizon_days=60, end_reasons=["payment_failed"]),
    "contraction": Target(kind="contraction", horizon_days=60),
}
DUE = {
    "subscriptions": AsOf(anchor="subscriptions", after_days=20, where="quantity / 2 >= 1.5"),
    "orders": AsOf(anchor="orders", after_days=7, where="amount > 50 and not is_return"),
    "customers": AsOf(anchor="customers", after_days=30, every="week"),
    "touches": AsOf(anchor="touches", after_days=3, every="day"),
    "term_end": AsOf(anchor="term_end", every="week", where="quantity / 2 >= 1.5"),
}
OFFER = Target(
    kind="cross_sell",
    product_from="product",
    product_in="orders",
    horizon_days=60,
    as_of=AsOf(anchor="orders", after_days=7),
)


def drawn() -> Rows:
    """Forty random customers, odd names, ties, decimals to the last place; the last is silent."""
    rows = company(11, MOMENTS, n_customers=40)
    for table in rows.values():
        for row in table:
            if "customer_id" in row:
                row["customer_id"] = NAMES.get(row["customer_id"], row["customer_id"])
    noon = datetime(2023, 4, 12, 12)
    tie = {"customer_id": "00123", "occurred_at": noon, "known_at": noon + timedelta(days=40)}
    rows["usage"] += [tie | {"event": e, "quantity": q, "user_id": u} for e, q, u in TIED_USE]
    rows["orders"] += [
        tie | {"order_id": "tie", "amount": Decimal(a), "product": p, "is_return": None}
        for a, p in (("0.000001", "x"), ("123456789.123457", "y"), ("123456789.123457", "z"))
    ]
    rows["subscriptions"] += dearer("00123", noon)
    return rows


def dearer(customer: str, at: datetime) -> list[Row]:
    """A subscription whose price rises for everybody, at the same plan and quantity."""
    running = {"customer_id": customer, "subscription_id": "dearer", "status": "active"}
    terms = {"plan_id": "p0", "quantity": Decimal(1), "interval": "month"}
    return [
        running | terms | {"unit_amount": Decimal(price), "occurred_at": at, "known_at": at}
        for price, at in ((100, at - timedelta(days=60)), (120, at))
    ]


FIRST = partial(np.take, indices=0, axis=1)  # of a matrix; workers know NumPy, not this file
TIED_USE = [("a", Decimal("0.000001"), "u"), ("b", Decimal(7), None), (None, None, "ß")]


def written(rows: Rows, folder: Path) -> Staged:
    """Canonical tables on disk as staging leaves them, late rows and ties included."""
    tables = tables_of(frames_of(rows))
    files = {name: folder / f"{name}.parquet" for name in tables}
    for name, file in files.items():
        tables[name].to_parquet(str(file))
    settings: dict[str, Any] = {
        "name": "drawn",
        "revenue_model": "subscription",
        "timezone": ZONE,
        "sources": {name: [{"file": file.name}] for name, file in files.items()},
        "targets": TARGETS,
        "path": folder / "retention.toml",
    }
    end = datetime(2024, 6, 1)
    return Staged(Project(**settings), files, {}, (), "drawn", known_until=end)


def on(name: str, staged: Staged) -> Staged:
    """The same tables, read by another engine."""
    return replace(staged, project=staged.project.model_copy(update={"engine": name}))


def everyone(staged: Staged, moments: list[datetime]) -> pd.DataFrame:
    names = pd.read_parquet(staged.tables["customers"])["customer_id"].unique()
    return pd.DataFrame([(n, m) for m in moments for n in names], columns=["customer_id", "as_of"])


class Case:
    """A company built once on each engine."""

    def __init__(
        self, staged: Staged, spark: str, moments: list[datetime], names: Sequence[str] = ()
    ) -> None:
        self.engines = {"duckdb": staged, "spark": on(spark, staged)}
        pairs = everyone(staged, moments)
        self.built = {name: build(one, pairs, names=names) for name, one in self.engines.items()}

    def same(self, read: Callable[[Staged, Built], pd.DataFrame]) -> pd.DataFrame:
        """What `read` gives, after it was found equal on both engines, bit by bit."""
        here, there = (read(self.engines[name], self.built[name]) for name in self.engines)
        pd.testing.assert_frame_equal(here, there, check_exact=True)
        return here


def answers(staged: Staged, built: Built, kind: str) -> pd.DataFrame:
    """Labels of every row, and the causes of those that left."""
    target = TARGETS[kind].in_zone(staged.project.timezone)
    found = labels(staged, target, built.keys, built.state, staged.data_end)
    cause = causes(staged, target, built.keys, staged.data_end)
    return pd.DataFrame({"label": found, "cause": cause})


@pytest.fixture(scope="module")
def random_case(spark: str, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(written(drawn(), tmp_path_factory.mktemp("drawn")), spark, MOMENTS)


@pytest.fixture(scope="module")
def company_case(spark: str, company: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The simulated company; whose tickets are empty today."""
    folder = tmp_path_factory.mktemp("simulated")
    text = (company / "retention.toml").read_text(encoding="utf-8")
    (folder / "retention.toml").write_text(text, encoding="utf-8")
    staged = stage(load_project(folder, data=company))
    empty = folder / "tickets.parquet"
    pd.read_parquet(staged.tables["tickets"]).head(0).to_parquet(empty)
    staged = replace(staged, tables=staged.tables | {"tickets": empty})
    end = pd.Timestamp(staged.data_end)
    return Case(staged, spark, [end - timedelta(days=d) for d in (90, 30, 0)])


@pytest.fixture(params=["random_case", "company_case"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


class TestSameFrames:
    def test_features(self, case):
        features = case.same(lambda _, built: built.features)
        assert features.notna().any(axis=1).all()

    def test_states(self, case):
        case.same(lambda _, built: built.state)

    def test_keys(self, case):
        case.same(lambda _, built: built.keys)

    @pytest.mark.parametrize("kind", TARGETS)
    def test_labels(self, random_case, kind):
        found = random_case.same(lambda staged, built: answers(staged, built, kind))
        assert found["label"].notna().any()

    @pytest.mark.parametrize("anchor", DUE)
    def test_who_is_due(self, random_case, anchor):
        target = TARGETS["churn"].model_copy(update={"as_of": DUE[anchor]})
        moments = [MOMENTS[0] + timedelta(days=d) for d in range(60)]
        due = random_case.same(lambda staged, _: pairs_at(staged, target, moments))
        assert len(due) > 3

    def test_what_is_offered(self, random_case):
        moments = [MOMENTS[0] + timedelta(days=d) for d in range(90)]
        offers = random_case.same(lambda staged, _: offers_at(staged, OFFER, moments))
        assert len(offers) > 3

    def test_who_is_known(self, case):
        target = TARGETS["churn"].model_copy(update={"as_of": AsOf()})
        case.same(lambda staged, _: pairs_at(staged, target, MOMENTS))


class TestWhatIsCompared:
    """The cases hold what engines are known to disagree on."""

    def test_the_whole_catalogue(self, random_case):
        built = random_case.built["spark"].features
        assert set(built) == set(CATALOGUE)
        assert [name for name in built if built[name].isna().all()] == []

    def test_decimals_in_full(self, random_case):
        built = random_case.built["spark"]
        row = built.keys["customer_id"].eq("00123") & (built.keys["as_of"] == MOMENTS[1])
        amount = built.features.loc[row, "order_amount_90d"].item()
        assert round(amount * 1_000_000) % 10_000 == 6_915

    def test_days_of_the_companys_zone(self, random_case):
        """In UTC other days would be counted: the zone is in what is compared."""
        staged = random_case.engines["duckdb"]
        utc = staged.project.model_copy(update={"timezone": "UTC"})
        keys = random_case.built["duckdb"].keys
        found = build(replace(staged, project=utc), keys, names=["usage"]).features
        assert not found.equals(random_case.built["duckdb"].features[found.columns])

    def test_missing_values_of_every_kind(self, random_case):
        for name, file in random_case.engines["duckdb"].tables.items():
            frame = pd.read_parquet(file)
            assert frame.isna().any().any() or name == "plans", name

    def test_ties_that_are_told_by_the_last_clock(self, random_case):
        usage = pd.read_parquet(random_case.engines["duckdb"].tables["usage"])
        assert usage.duplicated(["customer_id", "occurred_at", "known_at"]).sum() > 1

    def test_facts_on_the_very_moments(self, random_case):
        usage = pd.read_parquet(random_case.engines["duckdb"].tables["usage"])
        for clock in ("occurred_at", "known_at"):
            assert usage[clock].isin(MOMENTS).any(), clock

    def test_a_table_without_rows(self, company_case):
        built = company_case.built["spark"].features
        assert (built["tickets_opened_90d"] == 0).all()
        assert built["days_since_last_ticket"].isna().all()


@pytest.fixture(scope="module")
def silent(spark: str, tmp_path_factory: pytest.TempPathFactory) -> Case:
    rows = drawn()
    empty = {name: [] for name in rows if name != "customers"}
    staged = written(rows | empty, tmp_path_factory.mktemp("silent"))
    return Case(staged, spark, MOMENTS[:1], names=["usage_events_90d", "mrr"])


class TestNothingHappened:
    """Customers, and every other table empty today."""

    def test_features(self, silent):
        features = silent.same(lambda _, built: built.features)
        assert (features["usage_events_90d"] == 0).all()

    def test_states(self, silent):
        state = silent.same(lambda _, built: built.state)
        assert not state["covered"].any()

    @pytest.mark.parametrize("kind", ["churn", "silence"])
    def test_labels(self, silent, kind):
        found = silent.same(lambda staged, built: answers(staged, built, kind))
        assert found["label"].isna().all()


def test_a_snapshot(spark, write_project):
    """A data set without history: attributes, missing ones too, and its label."""
    staged = stage(load_project(write_project(SNAPSHOT, snapshots=SNAPSHOT_ROWS)))
    here, there = (build(one, pd.DataFrame()) for one in (staged, on(spark, staged)))
    for part in ("keys", "features", "state"):
        pd.testing.assert_frame_equal(getattr(here, part), getattr(there, part), check_exact=True)
    assert here.features["tenure"].tolist()[1:] == [3, 12]
    assert here.state["left"].tolist() == ["No", "Yes", "No"]


SNAPSHOT = """
name = "telco"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.csv"
columns = { customer_id = "id", mrr = "charge" }
static = ["tenure", "contract"]
[targets.churn]
kind = "churn"
label = "left"
positive = "Yes"
"""
SNAPSHOT_ROWS = "id,charge,tenure,contract,left\nb,50.5,3,month,Yes\na,20,,year,No\nc,,12,,No\n"


class TestSparkItself:
    def test_rows_stay_on_the_workers(self, random_case, monkeypatch):
        """The kernel goes to the rows, none are gathered here; blocks may be of any size."""
        monkeypatch.setattr(Reduced, "each", None)
        monkeypatch.setattr("features.reduce.BLOCK_BYTES", 4_000)
        staged, keys = random_case.engines["spark"], random_case.built["spark"].keys
        built = build(staged, keys, names=["surveys"])
        whole = random_case.built["duckdb"].features[built.features.columns]
        pd.testing.assert_frame_equal(built.features, whole)

    def test_a_hash_has_64_bits(self, spark):
        """Of 300,000 texts, ten would share a hash of 32 bits."""
        from features.spark import connect

        texts = ibis.memtable(pa.table({"text": [f"user {n}" for n in range(300_000)]}))
        assert connect(spark).to_pyarrow(texts.text.hash().nunique()).as_py() == 300_000

    def test_small_tables_are_forgotten(self, spark):
        from features.spark import connect

        tables = connect(spark)
        few = ibis.memtable(pa.table({"n": [1, 2]}))
        assert tables.to_pyarrow(few.n.sum()).as_py() == 3
        assert few.get_name() not in tables.list_tables()

    def test_a_sum_that_overflows_is_an_error(self, spark):
        from features.spark import connect

        most = ibis.memtable(pa.table({"n": [2**63 - 1, 1]}))
        with pytest.raises(Exception, match="OVERFLOW"):
            connect(spark).to_pyarrow(most.n.sum())

    @pytest.mark.parametrize("rows", [0, 1, 5, 45_000])
    def test_partitions_come_back_in_order(self, spark, rows):
        matrix = np.arange(rows * 2, dtype=float).reshape(rows, 2)
        matrix[:1, 1] = np.nan
        found = engine.map_partitions(spark, FIRST, matrix)
        np.testing.assert_array_equal(found, matrix[:, 0])


class TestNames:
    @pytest.mark.parametrize("name", ["duckdb", "local[2]", "local[*]", "spark://host:7077"])
    def test_an_engine(self, name, write_project):
        assert load_project(write_project(toml(name))).engine == name

    @pytest.mark.parametrize("name", ["spark", "local", "local[0]", "spark://host", "polars", ""])
    def test_not_an_engine(self, name, write_project):
        with pytest.raises(ProjectError, match=r"engine: allowed are 'duckdb'.*; got") as caught:
            load_project(write_project(toml(name)))
        assert repr(name) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_without_pyspark(self, monkeypatch):
        def missing(_: str) -> None:
            raise ModuleNotFoundError("No module named 'pyspark'", name="pyspark")

        monkeypatch.setattr(engine, "import_module", missing)
        with pytest.raises(EngineError, match=r"pip install \.\[spark\]"):
            engine.map_partitions("local[2]", FIRST, np.zeros((1, 1)))

    def test_without_java(self, monkeypatch):
        from features import spark

        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(spark.SparkSession, "getActiveSession", lambda: None)
        with pytest.raises(EngineError, match="Java 17"):
            spark.session("local[2]")

    def test_with_a_java_that_does_not_run(self, monkeypatch):
        """In a process of its own: here Java runs already."""
        monkeypatch.setenv("JAVA_HOME", "/nowhere")
        code = "import features.spark; features.spark.session('local[1]')"
        done = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True
        )
        *_, last = done.stderr.strip().splitlines()
        assert last.startswith("features.errors.EngineError: engine 'local[1]' needs Java 17")


@pytest.fixture
def closed() -> str:
    """An address of this machine at which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return "{}:{}".format(*one.getsockname())


class TestAClusterThatIsAway:
    """One line at once; Spark by itself asks for a minute."""

    def test_a_closed_port(self, spark, closed):
        with pytest.raises(EngineError) as caught:
            engine.map_partitions(f"spark://{closed}", FIRST, np.zeros((1, 1)))
        says = f"engine 'spark://{closed}': no Spark master listens at {closed} ("
        assert str(caught.value).startswith(says)
        assert "\n" not in str(caught.value)
        assert engine.map_partitions(spark, FIRST, np.ones((1, 1))) == [1]  # what ran, runs on

    def test_of_several_masters_one_is_enough(self, closed):
        from features.spark import _reach

        with socket.create_server(("127.0.0.1", 0)) as there:
            _reach(f"spark://{closed},127.0.0.1:{there.getsockname()[1]}")
        with pytest.raises(EngineError, match=rf"{closed} \(.*\), 127\.0\.0\.1:99999 \("):
            _reach(f"spark://{closed},127.0.0.1:99999")

    def test_by_the_command(self, root, write_project, closed):
        text = toml(f"spark://{closed}").replace("[targets]\n", QUIET)
        path = write_project(text, customers=PEOPLE, usage=USES)
        command = [sys.executable, root / "retention.py", "build", path]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        says = f"retention: engine 'spark://{closed}': no Spark master listens at {closed}"
        assert (done.returncode, done.stderr) == (1, f"{says} (Connection refused)\n")

    def test_javas_own_words(self, spark):
        """Of a real error of Java's: what it says, not where it was."""
        from py4j.protocol import Py4JJavaError

        from features.spark import _said, session

        with pytest.raises(Py4JJavaError) as caught:
            session(spark)._jvm.java.util.ArrayDeque().removeFirst()
        assert _said(caught.value) == "java.util.NoSuchElementException"


QUIET = "[sources.usage]\nfile = 'usage.csv'\n[targets.quiet]\nkind = 'inactivity'\n"
PEOPLE = "customer_id,occurred_at\nc1,2024-01-01\n"
USES = "customer_id,occurred_at,event\nc1,2024-01-01,a\nc1,2024-12-01,a\n"


def toml(name: str) -> str:
    return (
        f'name = "acme"\nrevenue_model = "subscription"\nengine = "{name}"\n'
        '[sources.customers]\nfile = "customers.csv"\n[targets]\n'
    )
