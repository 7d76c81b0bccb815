"""Card and charts: plain JSON with where a model comes from; charts of aggregates only."""

import json
import re
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from features.project import Project
from models.card import describe
from models.card_limits import limits
from models.card_page import card_pages
from models.card_words import cause_words, level_words
from models.charts import (
    agreement_chart,
    calibration_chart,
    lift_chart,
    reasons_chart,
    reliability_chart,
    top_features_chart,
    write_chart,
)


@pytest.fixture
def described(tmp_path):
    """The descriptive part of a card."""
    project = Project.model_validate(
        {
            "name": "acme",
            "revenue_model": "subscription",
            "currency": "EUR",
            "sources": {"customers": [{"file": "c.csv"}], "orders": [{"file": "o.csv"}]},
            "targets": {"churn": {"kind": "churn", "horizon_days": 60}},
            "path": tmp_path / "retention.toml",
        }
    )
    return describe(
        project,
        "churn",
        train_as_of=[datetime(2026, 2, 1), datetime(2026, 1, 1), datetime(2026, 2, 1)],
        test_as_of=[],
        metrics={"auc": {"value": 0.7, "low": 0.6, "high": 0.8, "se": 0.05}},
        grade="B",
        fingerprint="abc",
        trained_at=datetime(2026, 11, 1, 3, 10),
    )


def test_a_card_says_what_for_from_when_and_how_good(described):
    card = described
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["target"]["name"] == "churn"
    assert (card["target"]["kind"], card["target"]["horizon_days"]) == ("churn", 60)
    assert card["train"] == {
        "first_as_of": "2026-01-01T00:00:00",
        "last_as_of": "2026-02-01T00:00:00",
        "dates": 2,
    }
    assert card["test"] == {"first_as_of": None, "last_as_of": None, "dates": 0}
    assert card["trained_at"] == "2026-11-01T03:10:00Z"
    assert (card["currency"], card["grade"], card["data_fingerprint"]) == ("EUR", "B", "abc")
    assert set(card["versions"]) >= {"python", "lightgbm", "numpy"}


@pytest.fixture
def outcome(rng):
    p = rng.beta(1, 3, 3000)
    return (rng.random(3000) < p).astype(float), p


def _rows(chart, column):
    """The rows of the data set that has a column."""
    sets = chart.to_dict()["datasets"].values()
    return next(rows for rows in sets if rows and column in rows[0] and len(rows) > 2)


def test_calibration_chart_shows_ten_bins_not_customers(outcome):
    rows = _rows(calibration_chart(*outcome), "customers")
    assert [row["customers"] for row in rows] == [300] * 10
    assert all(abs(row["predicted"] - row["observed"]) < 0.1 for row in rows)


def test_lift_chart_rises_to_all_events_and_ties_do_not_help(outcome):
    y, p = outcome
    rows = _rows(lift_chart(y, p), "found")
    assert len(rows) == 51
    assert (rows[0]["found"], rows[-1]["found"]) == (0, 1)
    assert rows[5]["found"] > 1.5 * rows[5]["contacted"]
    flat = _rows(lift_chart(y, np.full(len(y), 0.2)), "found")
    assert all(row["found"] == pytest.approx(row["contacted"]) for row in flat)


def test_each_group_has_its_own_reliability(outcome):
    y, p = outcome
    groups = np.where(np.arange(len(y)) < 1000, "small", "large")
    panels = reliability_chart(y, p, groups).to_dict()
    assert [panel["title"] for panel in panels["concat"]] == [
        "large: 2,000 rows",
        "small: 1,000 rows",
    ]
    rows = [row for found in panels["datasets"].values() for row in found if "low" in row]
    assert sorted(row["rows"] for row in rows) == [200] * 5 + [400] * 5
    assert all(row["low"] < row["observed"] < row["high"] for row in rows)


def test_agreement_is_of_groups_and_not_of_customers(outcome):
    _, p = outcome
    rows = _rows(agreement_chart(p, p / 2), "low")
    assert [row["rows"] for row in rows] == [150] * 20
    assert all(row["true"] == pytest.approx(row["predicted"] / 2) for row in rows)


def test_first_reasons_are_counted_where_they_raise_the_risk():
    def reason(code, contribution):
        return {"code": code, "contribution": contribution, "controllable": code == "low_use"}

    told = [[reason("low_use", 0.2), reason("price", 0.1)], [reason("price", 0.1)]]
    told += [[reason("low_use", 0.1)], [reason("price", -0.1)], []]
    rows = reasons_chart(told).to_dict()["datasets"].values()
    counts = {row["reason"]: (row["count"], row["act"]) for found in rows for row in found}
    assert counts == {"low use": (2, "can be acted on"), "price": (1, "context")}
    assert reasons_chart([]).to_dict()


def test_charts_of_one_class_can_be_drawn():
    y, p = np.zeros(30), np.linspace(0.1, 0.2, 30)
    assert calibration_chart(y, p).to_dict()
    assert all(row["found"] == 0 for row in _rows(lift_chart(y, p), "found"))


def test_top_features_are_the_greatest_with_their_meaning(small_catalogue):
    shares = {"plan": 0.5, "price": 0.3, "other": 0.2}
    chart = top_features_chart(shares, small_catalogue, top=2).to_dict()
    (rows,) = chart["datasets"].values()
    assert [row["feature"] for row in rows] == ["plan", "price"]
    assert rows[0]["meaning"] == "The plan."


def test_a_chart_is_written_for_people_and_programs(tmp_path, outcome):
    paths = write_chart(lift_chart(*outcome), tmp_path, "lift")
    assert [path.name for path in paths] == ["lift.html", "lift.json", "lift.png"]
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    assert json.loads(paths[1].read_text(encoding="utf-8"))["title"] == "Events found"


def estimate(value, low=None, high=None):
    """A metric as a report holds it."""
    return {"value": value, "low": low, "high": high, "se": None}


METRICS = {
    "log_loss": estimate(0.4121, 0.3990, 0.4262),
    "auc": estimate(0.7312, 0.7001, 0.7623),
    "lift10": {"value": None, "low": None, "high": None, "se": None, "reason": "no events"},
    "calibration_slope": estimate(1.0312, 0.9012, 1.1612),
}
CONSTANT = {"log_loss": estimate(0.5555), "auc": estimate(0.5), "lift10": estimate(1.0)}
HOSTILE = "<script>alert(1)</script> | `x`"


def segment(value, events, **more):
    """One row of the report's segments."""
    counts = {"column": "segment", "value": value, "values": 1, "customers": 900}
    shares = {"rows": 1000, "rate": 0.1, "predicted": 0.12, "origins": 3}
    return counts | shares | {"events": events, "metrics": METRICS} | more


def origin(at, rate):
    return {
        "at": at,
        "test": {"rows": 500, "rate": rate, "as_of": [at]},
        "model": METRICS,
        "baselines": {"constant": CONSTANT},
    }


@pytest.fixture
def card(described, small_fitted):
    """A card as registered."""
    extra = {
        "recipe": {"name": "blend", "params": {"num_leaves": 7}},
        "known_until": "2026-10-01T00:00:00",
        "rows": 8324,
        "rate": 0.073,
        "tables": {"customers": 1635, "orders": 12345},
        "importance": small_fitted.importance(),
        "bins": [{"rows": 81, "predicted": 0.031, "observed": 0.042}],
        "reasons": {
            "stability": {
                "same_top": 0.91, "jaccard": 0.8, "seeds": 3, "rows": 5000, "customers": 63,
            }
        },
    }  # fmt: skip
    return described | extra | small_fitted.card()


@pytest.fixture
def report():
    """A report of a training that was promoted."""
    proof = "log loss -0.0397 (-0.0522 to -0.0298) against the newest known rate"
    return {
        "promoted": True,
        "reason": "grade B: because",
        "train": {"rows": 7000, "customers": 900, "events": 208, "rate": 0.07, "as_of": []},
        "test": {"rows": 1780, "customers": 635, "events": 62, "rate": 0.05, "as_of": []},
        "model": METRICS,
        "baselines": {"constant": CONSTANT},
        "origins": [origin("2026-05-01", 0.04), origin("2026-06-01", 0.06)],
        "segments": [segment("enterprise", 120), segment(HOSTILE, 7)],
        "gate": [
            {"name": "constant", "state": "passed", "proof": proof},
            {"name": "data", "state": "warning", "proof": "ready, and thin: 62 customers"},
        ],
        "guard": [{"name": "future", "state": "passed", "proof": "built again", "columns": []}],
        "looks": {"count": 12, "first": "2026-10-01"},
        "drift": [
            {"flagged": False},
            {"flagged": True, "reason": "the test after 2026-06-01 differs"},
        ],
        "tuning": [],
    }


class Whole(HTMLParser):
    """Every tag that is opened is closed, and nothing is fetched."""

    EMPTY = frozenset({"meta", "img"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        held = dict(attrs)
        assert held.get("src", "data:").startswith("data:image/svg+xml;base64,") or tag != "img"
        assert tag not in ("script", "link", "iframe")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


PARTS = (
    "Purpose", "Data", "Period", "Features", "How good it is", "Calibration", "Segments",
    "Gate and leak guard", "Reasons", "Limits", "How it was made",
)  # fmt: skip
HELD = (
    "Model card: acme.churn, version 3",
    "within 60 days after the as-of date",
    "abc",  # the fingerprint
    "12,345",  # rows of a table
    "2026-10-01",  # labels known until
    "Active days of the last 28 days against the 28 before",  # a meaning
    "0.4121 (0.3990 to 0.4262)",
    "0.5555",  # the constant's
    "lift quality (2 AUC - 1) 0.4624 (0.4002 to 0.5246): good",
    "- (no events)",
    "1.0312 (0.9012 to 1.1612)",
    "4.2 %",  # observed in a bin
    "enterprise",
    "(-0.0522 to -0.0298) against the newest known rate",
    "built again",
    "91.0 % of 63 customers",
    "num_leaves = 7",
)


def test_the_card_for_people_holds_every_part_on_both_pages(card, report, outcome):
    pages = card_pages(card, report, 3, {"calibration": calibration_chart(*outcome)})
    page = Whole()
    page.feed(pages["model_card.html"])
    assert page.open == []
    assert page.seen.count("img") == 1
    shown = " ".join("".join(page.text).split())
    plain = pages["model_card.md"].replace("\\", "")
    for part in PARTS:
        assert f"## {part}\n" in plain
        assert part in shown
    for held in HELD:
        assert held in plain, held
        assert held in shown, held
    assert "![Observed rate" in plain
    assert "(charts/calibration.png)" in plain


def test_what_a_table_holds_does_not_break_the_page(card, report):
    pages = card_pages(card, report, 3, {})
    assert "<script" not in pages["model_card.html"]
    row = next(line for line in pages["model_card.md"].splitlines() if "alert" in line)
    assert "<script" not in row.replace("\\<", "")
    assert len(re.findall(r"(?<!\\)\|", row)) == 10  # nine cells


def test_the_limits_name_what_is_thin_missing_and_moving(card, report):
    told = " ".join(limits(card, report))
    assert "Not for terms, prices, credit, employment" in told
    assert "only for the 60 days after" in told
    assert f"segment {HOSTILE} (7)" in told
    assert "enterprise" not in told
    assert "between 4.0 % and 6.0 %" in told
    assert "came after 2026-10-01" in told
    assert "would tell: plans, subscriptions" in told
    assert "snapshots" not in told
    assert "looked at 12 times" in told
    assert "Data: ready, and thin: 62 customers." in told
    assert "Drift: the test after 2026-06-01 differs." in told
    assert "Grade" not in told
    calm = report | {"origins": report["origins"][:1], "looks": {"count": 1}, "segments": []}
    calm["drift"] = calm["drift"][:1]
    quiet = " ".join(limits(card | {"grade": "C"}, calm))
    assert "Drift:" not in quiet
    assert "looked at" not in quiet
    assert "Thin" not in quiet
    assert "Grade C" in quiet


def test_the_level_and_the_causes_are_told():
    prior = {"slices": 15, "judged": 10, "gain": 0.001, "used": True, "shift": -0.125}
    told = level_words({"calibration": {"prior": prior}})
    assert "on 10 of them" in told
    assert told.endswith("so log-odds are moved by -0.12.")
    left = level_words({"calibration": {"prior": prior | {"used": False}}})
    assert left.endswith("it is left where it was calibrated.")
    assert level_words({"calibration": {"prior": prior | {"gain": None}}}) is None
    origins = [{"leavers": 20, "log_loss": 0.3, "share_log_loss": 0.5}] * 2
    cause = {"share": 0.2, "backtest": {"learned": True, "origins": origins}}
    assert cause_words({"cause": cause}) == (
        "The probability is parted by a second model, of the leavers alone: 20% of past leavers"
        " left unpaid (involuntary). On 40 later leavers a log loss of 0.300 against 0.500 of one"
        " share."
    )
    assert cause_words({"cause": cause | {"backtest": None}}).endswith("were not tested.")
    assert cause_words({}) is None


def test_a_snapshot_says_that_time_did_not_test_it(card, report):
    target = card["target"] | {"label": "left", "positive": "yes"}
    flat = card | {"target": target, "known_until": None, "tables": {"snapshots": 600}}
    told = " ".join(limits(flat, report))
    assert "not on later time" in told
    assert "never saw" not in told
    pages = card_pages(flat, report | {"segments": []}, 1, {})
    assert "that `left` is `yes`" in pages["model_card.md"].replace("\\", "")
    assert "no metric per segment" in pages["model_card.md"]
