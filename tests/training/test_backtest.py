"""The back-test of a small shop and of a snapshot: only what was known, every look, all parts."""

import json

import numpy as np
import pandas as pd
import pytest

import retention_jobs
from features.errors import UnfitDataError
from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.metrics import log_loss
from training.backtest_kept import newest_backtest
from training.backtest_looks import Look, record
from training.backtest_run import run_backtest
from training.backtest_segments import OTHER, columns_of, merged, miscalibrated
from training.backtest_table import COLUMNS, chart_rows, sentences, table_rows
from training.readiness import plan
from training.recipe import Setting
from training.sample import Dataset
from training.trial import run_origin

TINY = Setting("tiny", {"n_estimators": 5, "num_leaves": 3})


def dataset(staged):
    return Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))


def with_late_orders(staged):
    """The same shop, where orders of early August came to light in the middle of October."""
    folder = staged.project.folder
    orders = pd.read_csv(folder / "orders.csv")
    late = pd.DataFrame({"customer_id": orders["customer_id"].unique(), "amount": 10})
    late = late.assign(occurred_at="2025-08-03 00:00:00", known_at="2025-10-15 00:00:00")
    both = pd.concat([orders.assign(known_at=orders["occurred_at"]), late])
    both.to_csv(folder / "orders.csv", index=False)
    return stage(load_project(folder))


def test_no_label_from_after_the_origin_is_learned(shop):
    """Orders that came to light later change nothing before, and everything after."""
    staged = shop(120)
    plain = dataset(staged)
    origins = plan(plain, plain.data_end, 10).origins
    assert [f"{one.at:%Y-%m-%d}" for one in origins] == ["2025-09-01", "2025-10-01", "2025-11-01"]

    def trials(data):
        return [run_origin(data, one, data.data_end, setting=TINY) for one in origins]

    before = trials(plain)  # facts are read when first asked for
    after = trials(dataset(with_late_orders(staged)))
    for old, new in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(old.train_rows, new.train_rows)
        np.testing.assert_array_equal(old.train_y, new.train_y)
        assert old.constant == new.constant
        for name, probability in old.probability.items():
            np.testing.assert_array_equal(probability, new.probability[name], err_msg=name)
    assert after[2].train_y.sum() < before[2].train_y.sum()  # by then they are known


def test_a_shop_is_proven_and_nothing_is_registered(shop, registry, monkeypatch, capsys):
    """Every origin beside every baseline, the average, the files, and the look."""
    staged = shop(180)
    monkeypatch.setenv("RETENTION_TRACKING_URI", registry.tracking_uri)
    name = staged.project.model_name("churn")
    there = len(registry.versions(name))
    retention_jobs.backtest(staged, ["churn"], 2, as_json=True)
    report = json.loads(capsys.readouterr().out)["targets"]["churn"]
    assert len(registry.versions(name)) == there
    assert [one["at"] for one in report["origins"]] == ["2025-10-01", "2025-11-01"]
    mean = np.mean([one["model"]["log_loss"]["value"] for one in report["origins"]])
    assert report["model"]["log_loss"]["value"] == pytest.approx(mean)
    assert report["model"]["top10_jaccard"]["value"] > 0
    assert "a churn with dated subscriptions" in report["model"]["lead_time_recall_30d"]["reason"]
    assert report["looks"]["count"] == 1

    folder = staged.project.outputs / "backtests"
    assert json.loads((folder / "churn.json").read_text()) == report
    assert (folder / "churn-origins.png").stat().st_size > 1000
    kept, tested = newest_backtest(staged.project, "churn")
    assert kept == report
    by_origin = tested.groupby("origin")
    assert by_origin.size().tolist() == [one["test"]["rows"] for one in report["origins"]]
    losses = [log_loss(rows["event"], rows["p_model"]) for _, rows in by_origin]
    assert losses == pytest.approx([one["model"]["log_loss"]["value"] for one in report["origins"]])
    assert {f"p_{one}" for one in report["baselines"]} <= {*tested}

    rows = list(table_rows("churn", report))
    models = 1 + len(report["baselines"])
    assert len(rows) == 3 * models
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert [row[1] for row in rows[::models]] == ["2025-10-01", "2025-11-01", "average"]
    assert {row[2] for row in rows} >= {"model", "constant", "rule", "logistic", "lightgbm"}
    said = list(sentences("churn", report))
    assert said[0] == f"churn: {report['reason']}"
    assert "grade" in said[0]
    assert said[-1] == "churn: look 1 at this test"
    drawn = chart_rows(report)
    assert len(drawn) == 4 * 2 * models
    assert (drawn["low"] <= drawn["value"]).all()


def test_what_cannot_be_proven_is_a_sentence(snapshot, people, registry, monkeypatch, capsys):
    """No row, no look, no file: there was nothing to look at."""
    staged = snapshot(people(200).assign(left=["yes"] * 5 + ["no"] * 195), name="thin")
    monkeypatch.setenv("RETENTION_TRACKING_URI", registry.tracking_uri)
    retention_jobs.backtest(staged, ["churn"], None)
    header, verdict = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["target", "origin", "model"]
    assert verdict.startswith("churn: grade U")
    assert not (staged.project.outputs / "looks.csv").exists()
    assert not (staged.project.outputs / "backtests").exists()
    with pytest.raises(UnfitDataError, match=r"no back-test of 'churn' is kept at .*churn\.json"):
        newest_backtest(staged.project, "churn")


def test_sentences_tell_what_lists_were_worth():
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    unknown = {"value": None, "low": None, "high": None, "reason": "too short"}
    model = {
        "auc": {"value": 0.65, "low": 0.6, "high": 0.7},
        "lead_time_recall_30d": estimate,
        "lead_time_recall_60d": estimate | {"low": None, "high": None},
        "lead_time_recall_90d": unknown,
        "expected_profit": estimate | {"value": 1200.0},
        "realised_profit": estimate | {"value": 1034.5},
        "top10_jaccard": estimate,
    }
    report = {"reason": "grade B: good", "model": model, "looks": {"count": 12}}
    report["warnings"] = ["drift: the rate fell"]
    lost = (
        "churn: of the MRR lost, the top tenth by revenue at risk held 50% (40% to 60%) 30 days"
        " before the end, 50% 60 days before the end"
    )
    assert list(sentences("churn", report)) == [
        "churn: grade B: good",
        "churn: drift: the rate fell",
        "churn: lift quality (2 AUC - 1) 0.3000 (0.2000 to 0.4000): fair",
        lost,
        "churn: contacts of a run earn 1,034.50, 1,200.00 were expected",
        "churn: two lists in a row share 50% (40% to 60%) of their top",
        "churn: look 12 at this test, so small gains may be luck",
    ]


def test_a_part_whose_level_is_off_is_named_and_chance_among_many_is_not():
    part = {"column": "plan", "happened": 40.0, "expected": 70.0}
    small = [part | {"value": f"p{n}", "apart": 2.5} for n in range(9)]
    assert miscalibrated(small[:1]) == ["plan p0: 70 were expected to have the event and 40 had it"]
    assert miscalibrated(small) == []
    (said,) = miscalibrated([*small, part | {"value": "business", "apart": -3.5}])
    assert said.startswith("plan business:")
    assert miscalibrated([part | {"value": "nobody left", "apart": None}]) == []


def test_a_snapshot_is_shown_by_segment(snapshot, people, registry):
    """The rows of the values of a column are all rows; so are the events."""
    table = people(400)
    table["region"] = np.where(table.index < 20, "islands", table["region"])
    report = run_backtest(snapshot(table, name="parts"), "churn", registry=registry)
    parts = [one for one in report["segments"] if one["column"] == "region"]
    assert [one["value"] for one in parts] == ["north", "south", OTHER]
    assert sum(one["rows"] for one in parts) == report["test"]["rows"] == 400
    assert sum(one["events"] for one in parts) == report["test"]["events"]
    assert parts[-1]["customers"] == 20
    assert sum(one["happened"] for one in parts) == report["test"]["rate"] * 400
    for one in parts:
        assert one["expected"] == pytest.approx(one["predicted"] * one["rows"])
        assert np.sign(one["apart"]) == np.sign(one["expected"] - one["happened"])
    for one in parts[:2]:
        assert one["rate"] == pytest.approx(one["predicted"], abs=0.1)
        assert 0.5 < one["metrics"]["auc"]["low"] < one["metrics"]["auc"]["high"] <= 1
    left = table.assign(left=table["left"] == "yes").groupby("region")["left"].mean()
    assert parts[0]["rate"] == pytest.approx(left["north"])
    assert report["origins"][0]["at"] is None
    assert "one run only" in report["model"]["top10_jaccard"]["reason"]


def test_sensitive_columns_cut_segments_and_are_no_features(snapshot, people):
    table = people(200)
    table["gender"] = np.where(table.index % 2, "f", "m")
    table["age"] = np.where(table.index < 100, np.nan, table.index)
    data = dataset(snapshot(table, 'sensitive = ["gender", "age"]'))
    assert {"gender", "age"}.isdisjoint(data.frame)
    shown = {str(one.name): one for one in columns_of(data)}
    assert list(shown) == ["gender", "age", "region"]
    expected = table.set_index("customer_id")["gender"][data.keys["customer_id"]]
    assert shown["gender"].astype(str).tolist() == expected.tolist()
    quarters = shown["age"].value_counts()
    assert quarters.tolist() == [25] * 4
    assert quarters.index.astype(str).str.startswith("(").all()


def test_small_values_are_put_together_and_missing_ones_named():
    column = pd.Series(["a"] * 60 + ["b"] * 55 + ["c"] * 10 + ["d"] * 9 + [None] * 50)
    named, together = merged(column, np.arange(len(column)))
    assert sorted(together) == ["c", "d"]
    assert named.value_counts().to_dict() == {"a": 60, "b": 55, "not known": 50, "other": 19}


def test_customers_not_rows_make_a_value_great_enough():
    column = pd.Series(["a"] * 100 + ["b"] * 100)
    customer = np.r_[np.arange(100), np.repeat(np.arange(10), 10)]
    assert merged(column, customer)[1] == ["b"]


class TestLooks:
    LOOK = Look("churn", ("2026-01-01", "2026-02-01"), "f1", "train", "8 leaves, 50 trees", 0.25)

    def test_each_is_a_line_and_counted(self, tmp_path):
        assert record(tmp_path, self.LOOK)["count"] == 1
        again = record(tmp_path, self.LOOK)
        assert again["count"] == 2
        lines = (tmp_path / "looks.csv").read_text().splitlines()
        assert lines[0] == "moment,target,test,fingerprint,verb,recipe,log_loss"
        moment, rest = lines[2].split(",", 1)
        assert again["first"] == lines[1].split(",")[0] <= moment
        assert rest == 'churn,2026-01-01 2026-02-01,f1,train,"8 leaves, 50 trees",0.250000'

    @pytest.mark.parametrize(
        "changed", [{"target": "upsell"}, {"test": ("2026-02-01",)}, {"fingerprint": "f2"}]
    )
    def test_another_test_is_counted_by_itself(self, tmp_path, changed):
        record(tmp_path, self.LOOK)
        assert record(tmp_path, Look(**vars(self.LOOK) | changed))["count"] == 1

    def test_a_recipe_does_not_make_another_test(self, tmp_path):
        record(tmp_path, self.LOOK)
        other = Look(**vars(self.LOOK) | {"recipe": "linear", "verb": "backtest"})
        assert record(tmp_path, other)["count"] == 2
