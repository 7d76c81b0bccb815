"""A second run stages only what is new, and gives what a run from scratch gives."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.build import build
from features.clock import pairs_at
from features.errors import SourceError
from features.project import load_project
from features.staging import Staged, open_staged, stage

Write = Callable[..., Path]
TOML = """
name = "shop"
revenue_model = "consumption"
limits.quarantine_share = 0.9
[targets.lapse]
kind = "silence"
horizon_days = 30
[sources.customers]
file = "customers.csv"
[sources.usage]
file = "usage-*.csv"
[sources.orders]
file = "orders-*.csv"
columns = { occurred_at = "day" }
expressions = { amount = "pieces * price", order_id = "'n' || price" }
[sources.payments]
file = "payments-*.csv"
"""
CUSTOMERS = "customer_id,occurred_at\nc1,2024-01-01\nc2,2024-01-02\nc3,2024-01-03\n"
DAY_1 = {
    "usage-1": (
        "customer_id,occurred_at,event,quantity\nc1,2024-02-01 10:00:00,login,1\n"
        "c2,2024-02-01 11:00:00,login,2\nc2,2024-02-01 11:00:00,login,2\nc9,2024-02-01,login,1\n"
        "c1,never,login,1\nc1,2024-02-01\n"
    ),
    "orders-1": "customer_id,day,pieces,price\nc1,2024-02-01,2,9.50\nc3,2024-02-01,1,12\n",
    "payments-1": (
        "payment_id,customer_id,occurred_at,status,amount\np1,c1,2024-02-01,succeeded,19\n"
        "p2,c9,2024-02-01,succeeded,12\n"
    ),
}
DAY_2 = {
    "usage-2": (
        "customer_id,occurred_at,event,quantity\nc1,2024-02-02 09:00:00,login,3\n"
        "c2,2024-01-20 11:00:00,login,5\n"
    ),
    "orders-2": "customer_id,day,pieces,price\nc2,2024-02-02,3,1.25\n",
    "payments-2": (
        "payment_id,customer_id,occurred_at,status,amount\np3,c1,2024-02-02,failed,19\n"
    ),
}


def frame_of(result: Staged, table: str) -> pd.DataFrame:
    frame = pd.read_parquet(result.tables[table])
    return frame.sort_values(list(frame.columns), ignore_index=True)


def features_of(result: Staged) -> pd.DataFrame:
    dates = [result.data_end, result.data_end - timedelta(days=2)]
    built = build(result, pairs_at(result, result.project.target("lapse"), dates))
    return built.features


def assert_as_from_scratch(path: Path, again: Staged, *, features: bool = False) -> None:
    """The second run's tables, account and features are those of a run that knew nothing."""
    other = path.parent / "other"
    shutil.rmtree(other, ignore_errors=True)
    other.mkdir()
    shutil.copy(path, other)
    fresh = stage(load_project(other / path.name, data=path.parent))
    assert fresh.tables.keys() == again.tables.keys()
    for table in fresh.tables:
        pd.testing.assert_frame_equal(frame_of(fresh, table), frame_of(again, table))
        assert quarantined(fresh, table) == quarantined(again, table)
    for what in ("counts", "findings", "fingerprint", "known_until", "periods", "rows", "unused"):
        assert getattr(again, what) == getattr(fresh, what), what
    counts = again.counts.values()
    assert all(c.rows_in == c.used + c.filtered + c.quarantined for c in counts)
    if features:
        pd.testing.assert_frame_equal(features_of(fresh), features_of(again))


def quarantined(result: Staged, table: str) -> list[tuple[object, ...]]:
    file = result.project.outputs / "quarantine" / f"{table}.parquet"
    if not file.is_file():
        return []
    frame = pd.read_parquet(file)
    frame = frame[sorted(frame.columns)].astype(object).where(frame.notna(), None)
    return sorted(frame.itertuples(index=False, name=None), key=str)


def parts(result: Staged, table: str) -> int:
    path = result.tables[table]
    return len(list(path.glob("*.parquet"))) if path.is_dir() else 1


def two_days(write: Write, toml: str = TOML, **second: str) -> tuple[Path, Staged]:
    """Stage the first day, then write more files and stage again."""
    path = write(toml, customers=CUSTOMERS, **DAY_1)
    stage(load_project(path))
    write(toml, **second)
    return path, stage(load_project(path))


class TestOneMoreDay:
    def test_is_one_more_part(self, write_project: Write) -> None:
        path, again = two_days(write_project, **DAY_2)
        assert {t: parts(again, t) for t in again.tables} == {
            "customers": 1,
            "usage": 2,
            "orders": 2,
            "payments": 2,
        }
        assert_as_from_scratch(path, again, features=True)
        assert open_staged(load_project(path)) == again

    def test_and_another(self, write_project: Write) -> None:
        path, _ = two_days(write_project, **DAY_2)
        write_project(TOML, **{n.replace("2", "3"): t for n, t in DAY_2.items() if n[0] != "p"})
        again = stage(load_project(path))
        assert parts(again, "usage") == 3
        assert parts(again, "payments") == 2
        assert_as_from_scratch(path, again)

    def test_nothing_new(self, write_project: Write) -> None:
        path = write_project(TOML, customers=CUSTOMERS, **DAY_1)
        first = stage(load_project(path))
        assert stage(load_project(path)) == first
        assert_as_from_scratch(path, first)

    def test_unchanged_files_are_not_parsed_again(
        self, write_project: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed: list[str] = []
        from features import sources_files

        parse = sources_files.parse_text
        monkeypatch.setattr(
            sources_files, "parse_text", lambda *a: parsed.append(a[2].name) or parse(*a)
        )
        path, _ = two_days(write_project, **DAY_2)
        assert parsed == [
            "customers.csv", "orders-1.csv", "payments-1.csv", "usage-1.csv",
            "orders-2.csv", "payments-2.csv", "usage-2.csv",
        ]  # fmt: skip
        os.utime(path.parent / "usage-1.csv")
        stage(load_project(path))
        assert len(parsed) == 7, "a file that was only touched has the same content"


LATER = [
    pytest.param({"customers": CUSTOMERS + "c9,2024-02-02\n"}, 2, id="a-customer-comes-later"),
    pytest.param({"customers": CUSTOMERS.replace("c3", "c4")}, 1, id="a-customer-goes"),
    pytest.param({"usage-2": DAY_1["usage-1"]}, 2, id="the-same-export-again-under-another-name"),
    pytest.param({"usage-2": DAY_2["usage-2"] + "c8,2024-02-02,x,1\nc1\n"}, 2, id="more-bad-rows"),
    pytest.param({"usage-1": DAY_1["usage-1"] + "c3,2024-02-01,x,1\n"}, 1, id="a-file-changed"),
    pytest.param({"usage-0": DAY_2["usage-2"]}, 2, id="a-file-that-sorts-before"),
    pytest.param({"usage-2": DAY_2["usage-2"].replace("event", "user_id")}, 1, id="other-columns"),
    pytest.param(
        {"usage-2": "customer_id,occurred_at,event,quantity\nc1,2044-02-02,login,1\n"},
        1,
        id="a-wrong-clock",
    ),
]


def test_three_runs_of_late_rows_build_the_same_features(write_project: Write) -> None:
    path, _ = two_days(write_project, customers=CUSTOMERS + "c9,2024-02-02\n")
    write_project(TOML, **DAY_2)
    assert_as_from_scratch(path, stage(load_project(path)), features=True)


@pytest.mark.parametrize(("second", "usage_parts"), LATER)
def test_what_comes_later(write_project: Write, second: dict[str, str], usage_parts: int) -> None:
    path, again = two_days(write_project, **second)
    assert parts(again, "usage") == usage_parts
    assert_as_from_scratch(path, again)


KEYED = "payment_id,customer_id,occurred_at,known_at,status,amount\n"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        pytest.param("payments-2", "p1,c1,2024-02-01,,refunded,19\n", id="a-key-again"),
        pytest.param("payments-0", "p1,c1,2024-02-01,,refunded,19\n", id="a-key-that-goes-first"),
        pytest.param("payments-2", "p7,c1,2024-01-05,2024-02-03,failed,1\n", id="a-late-row"),
        pytest.param("payments-2", "p8,c1,2024-02-04,,failed,x\n", id="no-amount"),
    ],
)
def test_keys_and_late_corrections(write_project: Write, name: str, row: str) -> None:
    first = DAY_1["payments-1"].replace("occurred_at,", "occurred_at,known_at,")
    first = first.replace("02-01,", "02-01,,")
    path = write_project(TOML, customers=CUSTOMERS, **(DAY_1 | {"payments-1": first}))
    stage(load_project(path))
    write_project(TOML, **{name: KEYED + row})
    assert_as_from_scratch(path, stage(load_project(path)))


class TestGuesses:
    """A column of text has the type of all its values, whenever they came."""

    @pytest.mark.parametrize("price", ["12.5", "1e3", ""])
    def test_other_values_later(self, write_project: Write, price: str) -> None:
        first = DAY_1 | {"orders-1": DAY_1["orders-1"].replace("9.50", "9")}
        path = write_project(TOML, customers=CUSTOMERS, **first)
        stage(load_project(path))
        write_project(
            TOML, **{"orders-2": f"customer_id,day,pieces,price\nc2,2024-02-02,3,{price}\n"}
        )
        assert_as_from_scratch(path, stage(load_project(path)))

    def test_a_text_that_cannot_be_multiplied(self, write_project: Write) -> None:
        second = "customer_id,day,pieces,price\nc2,2024-02-02,3,007\n"
        path = write_project(TOML, customers=CUSTOMERS, **DAY_1)
        stage(load_project(path))
        write_project(TOML, **{"orders-2": second})
        said = []
        for folder in (path.parent, path.parent / "other"):
            folder.mkdir(exist_ok=True)
            shutil.copy(path, folder / "project.toml")
            with pytest.raises(SourceError) as caught:
                stage(load_project(folder / "project.toml", data=path.parent))
            said.append(str(caught.value))
        assert said[0] == said[1]
        assert "No function matches" in said[0]


def test_a_mapping_that_changed_stages_all_again(write_project: Write) -> None:
    path, _ = two_days(write_project, **DAY_2)
    toml = TOML.replace("pieces * price", "pieces * price * 2")
    write_project(toml)
    again = stage(load_project(path))
    assert parts(again, "usage") == parts(again, "orders") == 1
    assert frame_of(again, "orders")["amount"].tolist()[0] == 38
    assert_as_from_scratch(path, again)


def test_an_expression_over_other_rows_is_never_continued(write_project: Write) -> None:
    toml = TOML.replace(
        '"pieces * price"', '"pieces * price", quantity = "row_number() OVER (ORDER BY day)"'
    )
    path, again = two_days(write_project, toml, **DAY_2)
    assert parts(again, "orders") == 1
    assert_as_from_scratch(path, again)


def test_a_file_that_is_gone_takes_its_rows_along(write_project: Write) -> None:
    path, _ = two_days(write_project, **DAY_2)
    (path.parent / "usage-1.csv").unlink()
    again = stage(load_project(path))
    assert again.rows["usage"] == 2
    assert_as_from_scratch(path, again)


class TestKilled:
    CHILD = (
        "import sys, time\nfrom features.project import load_project\n"
        "from features.staging import stage\n"
        "def tell(text):\n    print(text, flush=True)\n"
        "    if text == sys.argv[2]:\n        time.sleep(600)\n"
        "stage(load_project(sys.argv[1]), progress=tell)\n"
    )

    @pytest.mark.parametrize("step", ["reading usage", "checking orders", "writing usage"])
    def test_what_was_published_stays(self, write_project: Write, step: str) -> None:
        path = write_project(TOML, customers=CUSTOMERS, **DAY_1)
        first = stage(load_project(path))
        write_project(TOML, **DAY_2)
        command = [sys.executable, "-c", self.CHILD, path, step]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert any(line.strip() == step for line in child.stdout)
            child.send_signal(signal.SIGKILL)
        assert open_staged(load_project(path)) == first
        assert list(first.project.outputs.glob(".staging-*"))
        again = stage(load_project(path))
        assert not list(first.project.outputs.glob(".staging-*"))
        assert parts(again, "usage") == 2
        assert_as_from_scratch(path, again)
