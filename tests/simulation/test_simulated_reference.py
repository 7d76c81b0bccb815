"""The preset `reference` never changes: the contents of its tables are frozen by a hash."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from simulation.company import simulate

FROZEN = {
    "costs": "163ddcf152dec670",
    "customers": "68ee4f5ce215e292",
    "invoices": "5e7bec701974f13f",
    "payments": "498318731950787c",
    "plans": "8c9e93e355112b73",
    "subscriptions": "3e191773d75b0dd9",
    "surveys": "8d7f239540ea2bf3",
    "tickets": "8075d8b12779f466",
    "touches": "6851bd58d334b9c1",
    "treatments": "5da86859bf379976",
    "truth": "192e8736cd0a46a1",
    "usage": "120b3bec5fcda9c5",
}
DECIMALS = 6  # of a float: what is left of it differs between processors


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    simulate(folder, preset="reference")
    return folder


def read(folder: Path, name: str) -> pa.Table:
    pattern = {"usage": "usage-*.parquet", "truth": "truth/*.parquet"}.get(name, f"{name}.parquet")
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob(pattern))])


def digest(table: pa.Table) -> str:
    """A hash of names and values in their order, whatever files and chunks they are in."""
    found = hashlib.sha256()
    for name in sorted(table.column_names):
        column = table[name]
        if pa.types.is_floating(column.type):
            whole = np.rint(column.to_numpy() * 10**DECIMALS)
            column = pa.chunked_array([pa.array(whole, from_pandas=True).cast(pa.int64())])
        text = pc.fill_null(column.cast(pa.large_string()), "\0").combine_chunks()
        found.update(name.encode())
        lengths = pc.binary_length(text).to_numpy(zero_copy_only=False)
        found.update(lengths.astype("<i8").tobytes())
        found.update("".join(text.to_pylist()).encode())
    return found.hexdigest()[:16]


@pytest.mark.parametrize("name", FROZEN)
def test_a_table_is_what_it_was(reference: Path, name: str) -> None:
    assert digest(read(reference, name)) == FROZEN[name]


def test_every_table_is_frozen(reference: Path) -> None:
    written = {path.name.split(".")[0].split("-")[0] for path in reference.glob("*.parquet")}
    assert written | {"truth"} == set(FROZEN)


def test_settings_beside_a_preset_do_not_count(reference: Path, tmp_path: Path) -> None:
    simulate(tmp_path, preset="reference", customers=5, months=1, seed=1, model="contract")
    for name in ("customers", "truth"):
        assert digest(read(tmp_path, name)) == FROZEN[name]


def test_a_hash_tells_any_change() -> None:
    one = pa.table({"a": ["x", "yz"], "b": [0.1, None]})
    assert digest(one) == digest(one.select(["b", "a"]))
    others = [
        one.slice(0, 1),
        one.rename_columns(["a", "c"]),
        one.set_column(0, "a", pa.array(["xy", "z"])),
        one.set_column(1, "b", pa.array([0.1001, None])),
        one.set_column(1, "b", pa.array([0.1, 0.0])),
    ]
    assert len({digest(table) for table in [one, *others]}) == len(others) + 1
    assert digest(one.set_column(1, "b", pa.array([0.1 + 1e-12, None]))) == digest(one)
