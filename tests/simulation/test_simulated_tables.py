"""The tables of a simulated company: schema, keys, references, clocks, and what a seed fixes."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.project import load_project
from features.tables import PAYMENT_STATUSES, SUBSCRIPTION_STATUSES, TABLES, TICKET_CHANGES
from simulation.company import BLOCK, simulate
from simulation.workers import WORTH

TYPES = {
    "string": pa.string(),
    "timestamp": pa.timestamp("us"),
    "decimal": pa.decimal128(18, 6),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
WRITTEN = (
    "customers", "plans", "subscriptions", "invoices", "payments", "usage", "tickets", "surveys",
    "touches", "treatments", "costs",
)  # fmt: skip
FACTS = [name for name in WRITTEN if TABLES[name].has_customer]
ATTRIBUTES = {"customers": {"industry": pa.string(), "employees": pa.int64()}}
DATA_END = pd.Timestamp("2026-11-01")
CUSTOMERS = BLOCK + 40  # a whole block and a part of the next


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, customers=CUSTOMERS, months=9, seed=11)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    simulate(folder, customers=60, months=9, seed=11)
    return folder


def files(folder: Path, name: str) -> list[Path]:
    patterns = {"usage": "usage-*.parquet", "truth": "truth/*.parquet"}
    return sorted(folder.glob(patterns.get(name, f"{name}.parquet")))


def content(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def read(folder: Path, name: str) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in files(folder, name)])


def frame(folder: Path, name: str) -> pd.DataFrame:
    return read(folder, name).to_pandas()


@pytest.mark.parametrize("name", WRITTEN)
class TestEveryTable:
    def test_has_canonical_columns_of_exact_types(self, out: Path, name: str) -> None:
        extra = ATTRIBUTES.get(name, {})
        for path in files(out, name):
            schema = pq.read_schema(path)
            canonical = {c.name: TYPES[c.type] for c in TABLES[name].columns} | extra
            assert {f.name: f.type for f in schema}.items() <= canonical.items()
            order = [c for c in (*TABLES[name].names, *extra) if c in schema.names]
            assert schema.names == order

    def test_fills_what_is_required(self, out: Path, name: str) -> None:
        table = read(out, name)
        assert table.num_rows > 0
        required = [c.name for c in TABLES[name].columns if c.required]
        assert {c: table[c].null_count for c in required} == dict.fromkeys(required, 0)

    def test_has_unique_keys(self, out: Path, name: str) -> None:
        rows = frame(out, name)
        key = list(TABLES[name].key) or list(rows.columns)  # without a key: no exact repeats
        assert not rows.duplicated(key).any()

    def test_knows_nothing_after_data_end(self, out: Path, name: str) -> None:
        rows = frame(out, name)
        if "known_at" not in rows:
            return
        assert (rows["known_at"] < DATA_END).all()
        announced = rows["occurred_at"] > rows["known_at"]
        if name == "subscriptions":
            assert (rows.loc[announced, "status"] == "canceled").all()
            assert (rows.loc[announced, "occurred_at"] >= DATA_END).any()
        else:
            assert not announced.any()


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_is_of_a_customer_who_is_there(out: Path, name: str) -> None:
    first = frame(out, "customers").groupby("customer_id")["occurred_at"].min()
    rows = frame(out, name)
    assert set(rows["customer_id"]) <= set(first.index)
    assert (rows["occurred_at"] >= rows["customer_id"].map(first)).all()


def test_references_hold(out: Path) -> None:
    subscriptions, invoices = frame(out, "subscriptions"), frame(out, "invoices")
    assert set(subscriptions["plan_id"]) <= set(frame(out, "plans")["plan_id"])
    assert set(invoices["subscription_id"]) <= set(subscriptions["subscription_id"])
    assert set(frame(out, "payments")["invoice_id"]) <= set(invoices["invoice_id"])
    assert subscriptions.groupby("subscription_id")["customer_id"].nunique().max() == 1


def test_codes_are_canonical(out: Path) -> None:
    assert set(frame(out, "subscriptions")["status"]) <= set(SUBSCRIPTION_STATUSES)
    assert set(frame(out, "payments")["status"]) == set(PAYMENT_STATUSES)
    assert set(frame(out, "tickets")["change"]) == set(TICKET_CHANGES)


def test_every_customer_is_written_once(out: Path) -> None:
    names = frame(out, "customers")["customer_id"].unique()
    assert sorted(names) == [f"c{n:07d}" for n in range(1, CUSTOMERS + 1)]


def test_a_small_share_of_use_is_known_late(out: Path) -> None:
    use = frame(out, "usage")
    assert 0.01 < (use["known_at"] > use["occurred_at"]).mean() < 0.03


def test_the_project_file_loads_and_names_the_files(out: Path) -> None:
    project = load_project(out)
    assert {target.kind for target in project.targets.values()} == {
        "churn", "upsell", "conversion",
    }  # fmt: skip
    assert project.data_end == DATA_END
    found = {t: list(out.glob(s.file)) for t, many in project.sources.items() for s in many}
    assert set(found) == set(WRITTEN)
    assert all(found.values())


class TestSeed:
    def test_the_same_seed_gives_the_same_bytes(self, tmp_path: Path) -> None:
        for folder in ("a", "b"):
            simulate(tmp_path / folder, customers=30, months=4, seed=3)
        assert content(tmp_path / "a") == content(tmp_path / "b")

    def test_another_seed_gives_others(self, tmp_path: Path) -> None:
        for seed in (3, 4):
            simulate(tmp_path / str(seed), customers=30, months=4, seed=seed)
        usage = [(tmp_path / str(s) / "usage-00001.parquet").read_bytes() for s in (3, 4)]
        assert usage[0] != usage[1]

    @pytest.mark.parametrize("name", [*FACTS, "truth"])
    def test_a_customer_is_the_same_in_any_company(self, out: Path, few: Path, name: str) -> None:
        large, small = frame(out, name), frame(few, name)
        ours = large[large["customer_id"].isin(small["customer_id"].unique())]
        pd.testing.assert_frame_equal(ours.reset_index(drop=True), small)
        assert len(small)


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    for workers in (1, 2):
        out = tmp_path / str(workers)
        simulate(out, customers=WORTH * BLOCK, months=1, seed=2, workers=workers, usage_rate=0.1)
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_the_rate_of_use_changes_use_alone(tmp_path: Path, few: Path) -> None:
    simulate(tmp_path, customers=60, months=9, seed=11, usage_rate=0.25)
    assert 0.2 < len(frame(tmp_path, "usage")) / len(frame(few, "usage")) < 0.3
    for name in ("subscriptions", "tickets", "truth"):
        pd.testing.assert_frame_equal(frame(tmp_path, name), frame(few, name))


def test_a_smaller_company_replaces_a_larger_one(tmp_path: Path) -> None:
    simulate(tmp_path, customers=BLOCK + 1, months=2, seed=1)
    assert len(files(tmp_path, "usage")) == 2
    simulate(tmp_path, customers=20, months=2, seed=1)
    assert len(files(tmp_path, "usage")) == 1
    assert frame(tmp_path, "customers")["customer_id"].nunique() == 20


def test_progress_gets_one_line_per_block(tmp_path: Path) -> None:
    lines: list[str] = []
    simulate(tmp_path, customers=BLOCK + 5, months=1, seed=1, progress=lines.append)
    assert lines == [
        "block 1 of 2: 1,000 customers written",
        "block 2 of 2: 1,005 customers written",
    ]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"customers": 0}, "customers must be from 1 to 9999999; got 0"),
        ({"months": 0}, "months must be from 1 to 240; got 0"),
        ({"seed": -1}, "seed must be from 0 to"),
        ({"usage_rate": -0.5}, "usage_rate must be from 0 to 100; got -0.5"),
        ({"model": "gym"}, "model must be one of subscription, membership, .*; got 'gym'"),
        ({"preset": "small"}, "preset must be one of reference; got 'small'"),
    ],
)
def test_a_number_out_of_range_is_refused(tmp_path: Path, settings, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        simulate(tmp_path, **settings)
    assert list(tmp_path.iterdir()) == []
