"""Card and charts: plain JSON with where a model comes from; charts of aggregates only."""

import json
from datetime import datetime

import numpy as np
import pytest

from features.project import Project
from models.card import describe
from models.charts import calibration_chart, lift_chart, top_features_chart, write_chart


def test_a_card_says_what_for_from_when_and_how_good(tmp_path):
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
    card = describe(
        project,
        "churn",
        train_as_of=[datetime(2026, 2, 1), datetime(2026, 1, 1), datetime(2026, 2, 1)],
        test_as_of=[],
        metrics={"auc": {"value": 0.7, "low": 0.6, "high": 0.8, "se": 0.05}},
        grade="B",
        fingerprint="abc",
        trained_at=datetime(2026, 11, 1, 3, 10),
    )
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
