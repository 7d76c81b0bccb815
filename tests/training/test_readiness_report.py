"""The readiness report: what it counts, what it says is missing, and its page."""

import json
from html.parser import HTMLParser

import pandas as pd
import pytest

from features.project import load_project
from features.staging import stage
from serving.readiness_page import readiness_page, write_page
from training.readiness_report import COLUMNS, flat_rows, readiness, share, target_rows

VOID = {"meta", "link", "br", "hr", "img", "input"}
SHOP = """
name = "shop"
revenue_model = "consumption"
data_end = 2026-01-01
[sources.customers]
file = "customers.csv"
attributes = ["exit_reason", "size"]
[sources.orders]
file = "orders.csv"
[limits]
quarantine_share = 0.5
min_events = 20
[targets.silence]
kind = "silence"
horizon_days = 60
active_days = 120
min_age_days = 0
as_of = { every = "month", start = 2025-03-01 }
[targets.broken]
kind = "silence"
features = ["no_such_feature"]
[targets.long]
kind = "silence"
horizon_days = 300
"""


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """Three hundred customers: those of even number stop ordering in summer and say why."""
    folder = tmp_path_factory.mktemp("ready")
    people, orders = (
        ["customer_id,occurred_at,exit_reason,size"],
        ["customer_id,occurred_at,amount"],
    )
    for n in range(300):
        people.append(f"c{n},2025-01-01,{'dear' if n % 4 == 0 else ''},{n % 7}")
        last = 6 if n % 2 == 0 else 12
        orders += [f"c{n},2025-{month:02}-{1 + n % 27:02},10" for month in range(1, last + 1)]
    orders += ["nobody,2025-05-05,10", "c1,2025-05-05,-3", "c2,someday,10"]
    (folder / "retention.toml").write_text(SHOP, encoding="utf-8")
    (folder / "customers.csv").write_text("\n".join(people), encoding="utf-8")
    (folder / "orders.csv").write_text("\n".join(orders), encoding="utf-8")
    return stage(load_project(folder))


@pytest.fixture(scope="module")
def report(staged):
    return readiness(staged)


def named(items, name):
    return next(one for one in items if one["name"] == name)


class TestTables:
    def test_rows_add_up_with_period_key_and_coverage(self, report):
        orders = named(report["tables"], "orders")
        assert orders["rows_in"] == 2703
        assert orders["rows_in"] == orders["used"] + orders["filtered"] + orders["quarantined"]
        assert orders["quarantined"] == 3
        assert (orders["first"][:10], orders["last"][:10]) == ("2025-01-01", "2025-12-27")
        assert orders["newest"][:10] == "2025-12-27"
        assert orders["coverage"] == 1
        assert named(report["tables"], "customers")["key"] == ["customer_id", "occurred_at"]

    def test_quarantined_rows_have_reasons(self, report):
        faults = {one["code"]: one for one in named(report["tables"], "orders")["faults"]}
        assert {"unknown_customer", "negative", "not_timestamp"} <= set(faults)
        assert faults["unknown_customer"]["aside"]
        assert faults["unknown_customer"]["examples"] == ["nobody"]

    def test_a_table_that_is_not_mapped_says_what_that_costs(self, report):
        usage = named(report["tables"], "usage")
        assert (usage["state"], usage["details"]) == ("missing", "not mapped: no usage features")

    def test_columns_say_how_much_is_filled(self, report):
        filled = {(c["table"], c["column"]): c["filled"] for c in report["columns"]}
        assert filled["customers", "exit_reason"] == 0.25
        assert filled["orders", "amount"] == 1


class TestFamilies:
    def test_what_is_there_and_what_the_rest_lacks(self, report):
        usage = named(report["families"], "usage")
        assert (usage["state"], usage["available"]) == ("missing", 0)
        assert {"needs": "usage", "features": usage["features"]} in usage["needs"]
        purchases = named(report["families"], "purchases")
        assert purchases["state"] == "partly"
        assert {"orders.order_id", "orders.is_return"} & {n["needs"] for n in purchases["needs"]}
        assert purchases["available"] + len(purchases["lacking"]) == purchases["features"]

    def test_a_snapshot_has_no_windows(self, snapshot, people):
        found = readiness(snapshot(people(300)))
        usage = named(found["families"], "usage")
        assert usage["available"] == 0
        assert usage["needs"][0]["needs"] == "a history (a snapshot has no windows)"
        assert named(found["families"], "profile")["available"] == 3
        churn = named(found["targets"], "churn")
        assert (churn["state"], churn["eligible"], churn["mature"]) == ("thin", 300, 0)


class TestTargets:
    def test_a_target_counts_customers_events_and_dates(self, report):
        found = named(report["targets"], "silence")
        assert found["state"] == "thin"  # by November all are gone who ever stop
        assert found["details"] == (
            "the origin 2025-11-01 is left out: of its 150 test rows none has the event"
        )
        assert (found["eligible"], found["events"]) == (300, 150)
        assert (found["dates"], found["mature"], found["last_mature"]) == (11, 9, "2025-11-01")
        assert found["origins"] == 2

    def test_too_short_a_history_is_unready_by_how_much(self, report):
        found = named(report["targets"], "long")
        assert found["state"] == "unready"
        assert "history is" in found["details"]
        assert "days too short" in found["details"]

    def test_one_that_cannot_be_judged_stops_nothing(self, report):
        found = named(report["targets"], "broken")
        assert found["state"] == "error"
        assert "no_such_feature" in found["details"]
        assert report["verdict"] == "error"

    def test_few_events_are_thin_and_fewer_unready(self, snapshot, people):
        frame = people(400)
        thin = frame.assign(left=["yes"] * 120 + ["no"] * 280)
        found = readiness(snapshot(thin, name="thin"))["targets"][0]
        assert found["state"] == "thin"
        assert "120 customers with the event in training" in found["details"]
        assert "wants 200: 80 more" in found["details"]
        unready = frame.assign(left=["yes"] * 30 + ["no"] * 370)
        found = readiness(snapshot(unready, name="unready"))["targets"][0]
        assert found["state"] == "unready"
        assert "50 are needed: 20 are missing" in found["details"]

    def test_of_many_facts_whole_customers_are_judged(self, staged, monkeypatch):
        monkeypatch.setattr("training.readiness_targets.FACTS", 1000)
        found = named(readiness(staged)["targets"], "silence")
        assert found["one_in"] == 3
        assert found["eligible"] == pytest.approx(300, rel=0.25)
        assert "(judged on one customer in 3)" in found["details"]


class TestColumnsAndList:
    def test_the_leak_guard_speaks_without_a_training(self, report):
        exit_reason = next(c for c in report["columns"] if c["column"] == "exit_reason")
        assert exit_reason["state"] == "error"
        assert (
            "filled for 75 customers from their first row on" in exit_reason["findings"][0]["text"]
        )
        size = next(c for c in report["columns"] if c["column"] == "size")
        assert (size["state"], size["findings"]) == ("ok", [])

    def test_one_flat_list_has_it_all(self, report):
        rows = report["rows"]
        assert all(tuple(row) == COLUMNS for row in rows)
        steps = {row["step"] for row in rows}
        assert steps == {"table", "quarantine", "column", "leak guard", "features", "target"}
        leak = next(row for row in rows if row["step"] == "leak guard")
        assert (leak["Name"], leak["state"]) == ("customers.exit_reason", "error")
        assert (leak["column"], leak["table"]) == ("exit_reason", "customers")
        assert len(list(flat_rows(report))) < len(rows)
        assert len(list(target_rows(report))) == 3

    def test_it_is_plain_json(self, report):
        assert json.loads(json.dumps(report, allow_nan=False)) == report


class Checker(HTMLParser):
    """Collects what is not well-formed, and what comes from outside."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.outside, self.ids, self.text = [], [], [], set(), []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.ids.add(found.get("id"))
        links = (found.get(name) for name in ("src", "href", "action", "data"))
        self.outside += [link for link in links if link and not link.startswith("#")]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text.append(data)


class TestPage:
    @pytest.fixture(scope="class", name="page")
    @classmethod
    def _page(cls, report):
        checker = Checker()
        checker.html = readiness_page(report)
        checker.feed(checker.html)
        return checker

    def test_it_is_well_formed_and_needs_nothing_from_outside(self, page):
        assert (page.wrong, page.open, page.outside) == ([], [], [])
        assert "url(" not in page.html
        assert "@import" not in page.html
        assert "<script" not in page.html
        assert {"targets", "tables", "features", "columns", "all"} <= page.ids
        assert "prefers-color-scheme: dark" in page.html

    def test_it_says_what_the_report_says(self, page, report):
        text = " ".join(page.text)
        assert "Not every target could be judged" in text
        for target in report["targets"]:
            assert target["details"] in text
        for row in report["rows"]:
            assert row["details"] in text
        assert "2,700" in text

    def test_what_customers_wrote_is_text(self, report):
        evil = "<script>alert(1)</script>"
        changed = report | {"remarks": [evil], "project": evil}
        assert evil not in readiness_page(changed)
        assert "&lt;script&gt;" in readiness_page(changed)

    def test_it_replaces_the_old_page(self, report, tmp_path):
        first = write_page(report, tmp_path / "new")
        assert write_page(report, tmp_path / "new") == first
        assert first.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (1, "100 %"),
        (0.999, "over 99 %"),
        (0.42, "42 %"),
        (0.001, "under 1 %"),
        (0, "0 %"),
    ],
)
def test_nearly_all_is_not_all(value, text):
    assert share(value) == text


def test_an_empty_table_is_said(write_project):
    path = write_project(
        'name = "shop"\nrevenue_model = "consumption"\n'
        '[sources.customers]\nfile = "customers.csv"\n'
        '[sources.orders]\nfile = "orders.csv"\n[sources.usage]\nfile = "usage.csv"\n'
        '[targets.lapse]\nkind = "silence"\n',
        customers="customer_id,occurred_at\nc1,2025-01-01\n",
        orders="customer_id,occurred_at,amount\nc1,2025-02-01,1\n",
        usage="customer_id,occurred_at,event\n",
    )
    found = readiness(stage(load_project(path)))
    usage = named(found["tables"], "usage")
    assert (usage["state"], usage["rows"]) == ("empty", 0)
    assert pd.isna(usage["columns"][0]["filled"]) or usage["columns"][0]["filled"] is None
    assert found["targets"][0]["state"] == "unready"
