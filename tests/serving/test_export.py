"""The list as CSV: read back by a plain reader, safe to open in a spreadsheet, complete."""

import csv
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import pytest
from store_rows import MONDAY, customer, entry, publish, unscored

from features.errors import StoreError
from serving.export import COLUMNS, cell, check_writable, write_csv
from serving.store import Store


@pytest.fixture
def store(tmp_path):
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as opened:
        opened.migrate()
        yield opened


def read(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def reasons(*texts: str, way: str = "raises_risk") -> list[dict]:
    return [{"code": "c", "direction": way, "text": text} for text in texts]


class TestFile:
    @pytest.fixture
    def path(self, store, tmp_path):
        customers = [
            customer("c1", name='Äcme, "Ltd"\nBerlin', mrr_micro=2_400_000_000, renewal_at=MONDAY),
            customer("c2", name="=cmd|' /C calc'!A0", external_ids={"hubspot": "-77"}),
            customer("c3", mrr_micro=None, external_ids={}),
            customer("gone"),
        ]
        churn = [
            entry("c1", 0.35, 1, reasons=reasons("Use fell", "+1 ticket"), renewal_in_horizon=True),
            entry(
                *("c2", 0.25, 2),
                expected_micro=-1_005_000,
                reasons=[*reasons("New"), *reasons("Pays yearly", way="lowers_risk")],
                contact=True,
                contact_profit_micro=29_600_000,
            ),
            entry("c3", 0.125, 3, expected_micro=None),
            unscored("gone", "already_churned"),
        ]
        upsell = [entry("c2", 0.5, 1, expected_kind="gain", expected_micro=12_345_000)]
        publish(store, customers, {"churn": churn, "upsell": upsell})
        assert write_csv(store, "acme", tmp_path / "list.csv") == 4
        return tmp_path / "list.csv"

    def test_rows_are_the_lists_in_their_order(self, path):
        rows = read(path)
        assert [(row["target"], row["customer_id"], row["rank"]) for row in rows] == [
            ("churn", "c1", "1"),
            ("churn", "c2", "2"),
            ("churn", "c3", "3"),
            ("upsell", "c2", "1"),
        ]

    def test_ids_come_first(self, path):
        header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
        ids = ["customer_id", "external_id_hubspot", "external_id_salesforce"]
        assert header == [*ids, *COLUMNS]
        assert {"model_version", "scored_at"} <= set(header)

    def test_numbers_stay_numbers(self, path):
        first, second, third, gain = read(path)
        assert (first["probability"], first["mrr"]) == ("0.35", "2400.00")
        assert first["expected_revenue_at_risk"] == "21.00"
        assert second["expected_revenue_at_risk"] == "-1.00"  # half-even, and not defused
        assert (third["expected_revenue_at_risk"], third["mrr"]) == ("", "")
        assert (gain["expected_gain"], gain["expected_revenue_at_risk"]) == ("12.34", "")

    def test_whom_to_contact_and_what_it_earns(self, path):
        found = [(row["contact"], row["contact_profit"]) for row in read(path)]
        assert found == [("", ""), ("true", "29.60"), ("", ""), ("", "")]

    def test_formulas_are_defused(self, path):
        rows = read(path)
        assert rows[1]["name"] == "'=cmd|' /C calc'!A0"
        assert rows[1]["external_id_hubspot"] == "'-77"
        assert rows[0]["reason_2"] == "'+1 ticket"

    def test_what_speaks_against_stands_apart(self, path):
        first, second, third, _ = read(path)
        assert [first[f"reason_{n}"] for n in (1, 2, 3)] == ["Use fell", "'+1 ticket", ""]
        assert first["reason_against"] == ""
        assert (second["reason_1"], second["reason_2"]) == ("New", "")
        assert second["reason_against"] == "Pays yearly"
        assert third["reason_1"] == third["reason_against"] == ""

    def test_it_follows_rfc_4180(self, path):
        raw = path.read_bytes()
        assert raw.startswith(b"customer_id,")  # no byte order mark
        assert raw.endswith(b"\r\n")
        assert '"Äcme, ""Ltd""\nBerlin"'.encode() in raw
        assert read(path)[0]["name"] == 'Äcme, "Ltd"\nBerlin'

    def test_each_row_says_by_what_and_when(self, path):
        row = read(path)[0]
        assert (row["model_name"], row["model_version"], row["model_grade"]) == (
            "acme.churn",
            "1",
            "A",
        )
        assert row["features_as_of"] == "2026-11-02T00:00:00Z"
        assert row["renewal_date"] == "2026-11-02"
        assert row["renewal_in_horizon"] == "true"
        assert row["scored_at"].endswith("Z")


class TestCells:
    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\x00x"])
    def test_text_that_could_run_gets_an_apostrophe(self, text):
        assert cell(text) == "'" + text

    @pytest.mark.parametrize("text", ["a=1", "1-1", "", " x", "Ärger", "0018d"])
    def test_other_text_stays(self, text):
        assert cell(text) == text

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, ""),
            (True, "true"),
            (-3, "-3"),
            (-0.25, "-0.25"),
            (0.1 + 0.2, "0.30000000000000004"),
            (Decimal("-2.345"), "-2.34"),
            (datetime(2026, 11, 22, 4, 0, 12, 5), "2026-11-22T04:00:12Z"),
        ],
    )
    def test_other_values(self, value, expected):
        assert cell(value) == expected


class TestFailures:
    def test_without_a_run_there_is_nothing_to_write(self, store, tmp_path):
        with pytest.raises(StoreError, match="no published run of 'acme'"):
            write_csv(store, "acme", tmp_path / "list.csv")
        assert not (tmp_path / "list.csv").exists()

    def test_a_folder_that_is_not_there_is_one_line(self, store, tmp_path):
        publish(store, [customer("a")], {"churn": [entry("a", 0.5, 1)]})
        with pytest.raises(StoreError, match=r"none/list\.csv cannot be written: No such file"):
            write_csv(store, "acme", tmp_path / "none" / "list.csv")

    def test_the_old_file_stays_when_writing_fails(self, store, tmp_path, monkeypatch):
        publish(store, [customer("a")], {"churn": [entry("a", 0.5, 1)]})
        path = tmp_path / "list.csv"
        path.write_text("old", encoding="utf-8")
        monkeypatch.setattr("serving.export._cells", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_csv(store, "acme", path)
        assert path.read_text(encoding="utf-8") == "old"
        assert [p.name for p in tmp_path.glob("*list.csv*")] == ["list.csv"]

    @pytest.mark.parametrize(
        ("place", "says"),
        [
            pytest.param("none/list.csv", "No such file or directory", id="missing folder"),
            pytest.param("file/list.csv", "Not a directory", id="a file in place of the folder"),
            pytest.param("folder", "Is a directory", id="a folder in place of the file"),
            pytest.param("/proc/list.csv", "", id="a folder that takes no files"),
        ],
    )
    def test_a_place_that_takes_no_file_is_found_beforehand(self, store, tmp_path, place, says):
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        path = tmp_path / place
        publish(store, [customer("a")], {"churn": [entry("a", 0.5, 1)]})
        for attempt in (lambda: check_writable(path), lambda: write_csv(store, "acme", path)):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert str(caught.value).startswith(f"{path} cannot be written: {says}")
        assert list((tmp_path / "folder").iterdir()) == []
        assert list(tmp_path.glob(".*")) == []

    def test_looking_beforehand_leaves_the_folder_as_it_is(self, tmp_path):
        (tmp_path / "list.csv").write_text("old", encoding="utf-8")
        check_writable(tmp_path / "list.csv")
        check_writable(tmp_path / "new.csv")
        assert [p.name for p in tmp_path.iterdir()] == ["list.csv"]
        assert (tmp_path / "list.csv").read_text(encoding="utf-8") == "old"
