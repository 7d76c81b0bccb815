import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from features.errors import LeakError, UnknownTargetError
from training.train import train

SHAPE = {"train", "test", "model", "baselines", "promoted", "grade", "reason", "origins"}

PROOF = ("train", "test", "model", "baselines", "origins", "segments", "looks", "grade", "reason")


def run(staged, registry, target="churn", **options):
    return train(staged.project, staged, target, registry=registry, **options)


def attached(registry, name):
    """The back-test that MLflow holds of the newest version, with its chart beside it."""
    run = registry.versions(name)[0]["run_id"]
    client = MlflowClient(registry.tracking_uri)
    charts = {item.path for item in client.list_artifacts(run, "charts")}
    assert {"charts/origins.html", "charts/origins.json", "charts/origins.png"} <= charts
    path = download_artifacts(
        run_id=run, artifact_path="backtest.json", tracking_uri=registry.tracking_uri
    )
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_a_signal_is_promoted_and_published_out_of_fold(snapshot, people, registry):
    """From the table to a champion, its report, its card and its out-of-fold probabilities."""
    frame = people(600)
    staged = snapshot(frame)
    said = []
    report = run(staged, registry, progress=said.append)
    assert report.promoted
    assert report.grade in ("A", "B")
    assert registry.champion_version("small.churn") == report.version
    assert "churn: cross-validating" in said
    shape = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert set(shape) >= SHAPE
    assert shape["train"]["rows"] == 600
    assert shape["test"]["as_of"] == []
    assert shape["test"]["events"] == (frame["left"] == "yes").sum()
    assert (
        shape["model"]["auc"]["low"]
        < shape["model"]["auc"]["value"]
        < shape["model"]["auc"]["high"]
    )
    assert set(shape["baselines"]) == {"constant", "rule", "logistic", "lightgbm"}
    assert shape["baselines"]["rule"]["column"] == "tenure"
    assert shape["model"]["log_loss"]["value"] < shape["baselines"]["constant"]["log_loss"]["value"]
    card = registry.champion("small.churn").card
    assert card["grade"] == report.grade
    assert card["recipe"]["name"] == report.recipe
    proof = attached(registry, "small.churn")
    assert {name: proof[name] for name in PROOF} == {name: shape[name] for name in PROOF}
    published = pd.read_parquet(staged.project.outputs / "oof" / f"churn-{report.version}.parquet")
    assert published["customer_id"].tolist() == frame["customer_id"].tolist()
    assert published["probability"].between(0, 1).all()


def test_noise_is_not_promoted(snapshot, people, registry):
    frame = people(500, strength=0.0)
    report = run(snapshot(frame), registry)
    assert not report.promoted
    assert report.reason.startswith("not promoted")


def test_no_better_than_a_rule_is_kept_as_challenger_only(snapshot, registry, rng):
    """One flag says it all, and a rate for each of its values as much as a model."""
    flag = rng.integers(0, 2, 400)
    left = np.where(rng.random(400) < np.where(flag == 1, 0.6, 0.15), "yes", "no")
    ids = [f"c{number}" for number in range(400)]
    frame = pd.DataFrame({"customer_id": ids, "flag": flag, "left": left})
    report = run(snapshot(frame, name="plain"), registry)
    assert not report.promoted
    assert "against the simple rule" in report.reason
    assert registry.champion_version("plain.churn") is None
    assert [one["aliases"] for one in registry.versions("plain.churn")] == [["challenger"]]


def test_five_events_are_grade_u(snapshot, people, registry):
    frame = people(200).assign(left=["yes"] * 5 + ["no"] * 195)
    report = run(snapshot(frame), registry)
    assert (report.grade, report.promoted, report.version) == ("U", False, None)
    assert "hold 5 customers with the event and 50 are needed: 45 are missing" in report.reason
    assert report.as_json()["model"] is None
    assert report.as_json()["train"]["events"] == 5


def test_a_planted_leak_stops_the_training(snapshot, people, registry, rng):
    frame = people(300)
    frame["refund"] = np.where(frame["left"] == "yes", 100, 0) + rng.normal(size=300).round(2)
    with pytest.raises(LeakError, match="feature 'refund'"):
        run(snapshot(frame), registry)


def test_a_score_above_the_plausible_stops_the_training(snapshot, people, registry):
    with pytest.raises(LeakError, match=r"plausible_auc = 0\.6"):
        run(snapshot(people(400), "[limits]\nplausible_auc = 0.6"), registry)


def test_an_unknown_target(snapshot, people, registry):
    with pytest.raises(UnknownTargetError, match="upsell"):
        run(snapshot(people(60)), registry, "upsell")


def test_a_shop_is_proven_on_later_time_and_its_champion_defended(shop, registry):
    """Rolling origins, then the same data again: the champion's recipe is no better than itself."""
    staged = shop()
    first = run(staged, registry)
    assert first.promoted
    tests = [origin["test"]["as_of"] for origin in first.origins]
    assert tests == [["2025-09-01"], ["2025-10-01"], ["2025-11-01"]]
    for origin in first.origins:
        last = datetime.fromisoformat(origin["train"]["as_of"][-1])
        assert (datetime.fromisoformat(origin["at"]) - last).days >= 60
    assert first.baselines["rule"]["column"] == "days since the last order"
    mean = np.mean([origin["model"]["auc"]["value"] for origin in first.origins])
    assert first.model["auc"]["value"] == pytest.approx(mean)
    card = registry.champion("shop.churn").card
    prior = card["calibration"]["prior"]  # the level was sought on all mature slices
    assert prior["slices"] == card["train"]["dates"] > card["test"]["dates"]
    assert prior["shift"] == (prior["level"] if prior["used"] else 0)
    assert card["train"]["first_as_of"] < card["test"]["first_as_of"]
    assert card["train"]["last_as_of"] == card["test"]["last_as_of"]
    second = run(staged, registry)
    gap = second.baselines["champion"]["log_loss"]["value"] - second.model["log_loss"]["value"]
    assert gap >= 0
    assert "against the champion" in second.reason
    assert registry.champion_version("shop.churn") == second.version == first.version + 1


def test_without_a_known_answer_the_grade_is_u_and_says_what_is_missing(shop, registry):
    staged = shop(60, horizon_days="200")
    report = run(staged, registry)
    assert report.grade == "U"
    assert "history is 94 days too short" in report.reason
