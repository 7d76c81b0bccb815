"""Promotion, refusal, force and roll-back on a real registry, each recorded with its reason."""

import getpass
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.declare import Feature
from features.errors import (
    GateFailedError,
    ModelNotFoundError,
    PromotionError,
    UnknownTargetError,
)
from features.project import Project
from models.fitted import Fitted
from models.registry import Registry
from models.registry_decisions import Decision, champion_before, history
from training.promotion import (
    COLUMNS,
    decide,
    failed_checks,
    gate_tag,
    promote,
    rollback,
    sentence,
    table_rows,
    version_rows,
)
from training.report import Report

PASSED = {"gate": "passed"}
FAILED = {"gate": "failed: rule, calibration"}
TARGET = {"kind": "churn", "label": "left", "positive": "yes"}
SOURCES = {
    False: {"customers": [{"file": "c.csv"}], "orders": [{"file": "o.csv"}]},
    True: {"snapshots": [{"file": "s.csv", "attributes": ["a"]}]},
}


@pytest.fixture(scope="module")
def fitted():
    """A model of one column, as small as one can be."""
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    y = (random.random(200) < 1 / (1 + np.exp(-x))).astype(float)
    feature = Feature("x", "usage", "days", "A number.", "x")
    params = {"n_estimators": 2, "n_jobs": 1, "linear_weight": 0.0}
    return Fitted.fit(pd.DataFrame({"x": x}), y, (feature,), params)


@pytest.fixture
def project(tmp_path):
    """A function that makes a project of that name, of events or of a snapshot."""

    def make(name, *, snapshot=False):
        raw = {
            "name": name,
            "revenue_model": "subscription",
            "sources": SOURCES[snapshot],
            "targets": {"churn": TARGET if snapshot else {"kind": "churn"}},
            "path": tmp_path / "retention.toml",
        }
        return Project.model_validate(raw)

    return make


@pytest.fixture
def versions(registry, fitted):
    """A function that registers a version for each set of tags."""

    def make(name, *tags):
        metrics = {"log_loss": 0.5}
        return [
            registry.log(
                f"{name}.churn", fitted, {"grade": "B"}, params={}, metrics=metrics, tags=t
            )
            for t in tags
        ]

    return make


def actions(registry, name):
    return [(one.action, one.version, one.before) for one in registry.decisions(name)]


def test_promotion_roll_back_and_both_again(registry, project, versions):
    """The alias moves at once for every reader, and the record tells the whole story."""
    versions("walk", PASSED, PASSED, PASSED)
    walk, name = project("walk"), "walk.churn"
    other = Registry(registry.tracking_uri)
    assert promote(registry, walk, "churn").version == 3  # the challenger
    assert other.champion(name).version == 3
    assert promote(registry, walk, "churn", 1, reason="the simpler one").before == 3
    promote(registry, walk, "churn", 2)
    assert rollback(registry, walk, "churn", reason="complaints").version == 1
    assert other.champion(name).version == 1
    assert rollback(registry, walk, "churn").version == 3
    with pytest.raises(ModelNotFoundError, match=r"no champion of walk\.churn .* before version 3"):
        rollback(registry, walk, "churn")
    assert other.champion_version(name) == 3
    assert actions(other, name) == [
        ("promoted", 3, None),
        ("promoted", 1, 3),
        ("promoted", 2, 1),
        ("rolled back", 1, 2),
        ("rolled back", 3, 1),
    ]
    recorded = other.decisions(name)
    assert {one.by for one in recorded} == {getpass.getuser()}
    assert [one.reason for one in recorded][:2] == ["the gate was passed", "the simpler one"]
    assert recorded[3].reason == "complaints"
    assert [one.at for one in recorded] == sorted(one.at for one in recorded)


def test_a_version_that_failed_the_gate_is_refused_and_can_be_forced(registry, project, versions):
    versions("weak", PASSED, FAILED)
    weak, name = project("weak"), "weak.churn"
    promote(registry, weak, "churn", 1)
    with pytest.raises(GateFailedError) as caught:
        promote(registry, weak, "churn", 2, reason="it looks good")
    said = str(caught.value)
    assert "\n" not in said
    assert "version 2 of weak.churn did not pass the gate (rule, calibration)" in said
    assert registry.champion_version(name) == 1
    with pytest.raises(PromotionError, match="--force needs a --reason"):
        promote(registry, weak, "churn", 2, force=True, reason="  ")
    done = promote(registry, weak, "churn", 2, force=True, reason="the board wants it")
    assert registry.champion_version(name) == 2
    assert sentence(name, done) == (
        "version 2 of weak.churn is the champion now in place of version 1, though it failed:"
        " rule, calibration"
    )
    assert actions(registry, name)[1:] == [("refused", 2, 1), ("forced", 2, 1)]
    assert registry.decisions(name)[-1].failed == ("rule", "calibration")


def test_the_table_names_the_newest_decision_on_each_version(registry, project, versions):
    versions("table", PASSED, PASSED, {})
    table = project("table")
    promote(registry, table, "churn", 1)
    promote(registry, table, "churn", 2, reason="x" * 100)
    rollback(registry, table, "churn", reason="complaints")
    rows = version_rows(registry, table, "churn")
    assert [(one["version"], one["decision"]) for one in rows] == [
        (3, None),
        (2, "rolled back from"),
        (1, "rolled back to"),
    ]
    assert {one["reason"] for one in rows[1:]} == {"complaints"}
    assert datetime.fromisoformat(rows[2]["decided_at"]).tzinfo is not None
    shown = [dict(zip(COLUMNS, row, strict=True)) for row in table_rows(registry, table, "churn")]
    assert [one["alias"] for one in shown] == ["challenger", "-", "champion"]
    assert [one["gate"] for one in shown] == ["not recorded", "passed", "passed"]
    assert (shown[0]["log loss"], shown[0]["grade"], shown[0]["by"]) == ("0.5000", "B", "-")


def test_a_version_without_a_recorded_gate_must_be_forced(registry, project, versions):
    versions("old", {})
    with pytest.raises(GateFailedError, match="no gate is recorded"):
        promote(registry, project("old"), "churn")


def test_what_cannot_be_promoted_is_said(registry, project, versions):
    versions("odd", PASSED)
    odd = project("odd")
    with pytest.raises(ModelNotFoundError, match=r"odd\.churn has no champion"):
        rollback(registry, odd, "churn")
    with pytest.raises(ModelNotFoundError, match=r"no version 7 of model .*; there are: 1"):
        promote(registry, odd, "churn", 7)
    with pytest.raises(UnknownTargetError, match="upsell"):
        promote(registry, odd, "upsell")
    with pytest.raises(PromotionError, match="a reason is one line"):
        promote(registry, odd, "churn", reason="one\ntwo")
    with pytest.raises(ModelNotFoundError, match="there are: none"):
        promote(registry, project("nobody"), "churn")
    assert registry.decisions("odd.churn") == []
    promote(registry, odd, "churn")
    with pytest.raises(PromotionError, match=r"version 1 .* is the champion already"):
        promote(registry, odd, "churn", 1)
    with pytest.raises(ModelNotFoundError, match=r"no challenger; .* of which 1 is the champion"):
        promote(registry, odd, "churn")


def test_a_snapshot_needs_its_out_of_fold_scores(registry, project, versions):
    """A champion whose customers could not be scored is refused, forced or not."""
    versions("flat", PASSED, PASSED)
    flat = project("flat", snapshot=True)
    folder = flat.outputs / "oof"
    folder.mkdir(parents=True)
    for force in (False, True):
        with pytest.raises(ModelNotFoundError, match=r"out-of-fold scores .*churn-1\.parquet"):
            promote(registry, flat, "churn", 1, force=force, reason="please")
    (folder / "churn-1.parquet").touch()
    (folder / "churn-2.parquet").touch()
    promote(registry, flat, "churn", 1)
    promote(registry, flat, "churn", 2)
    (folder / "churn-1.parquet").unlink()
    with pytest.raises(ModelNotFoundError, match=r"churn-1\.parquet"):
        rollback(registry, flat, "churn")
    assert registry.champion_version("flat.churn") == 2


def report(**checks):
    """A report whose gate holds these states by name."""
    gate = tuple({"name": n, "state": s, "proof": f"{n} it is"} for n, s in checks.items())
    promoted = "failed" not in checks.values()
    return Report("churn", promoted, "B", "because of the numbers", gate=gate)


def test_a_training_records_why_it_promotes_and_why_not(registry, versions):
    versions("auto", PASSED, FAILED)
    name = "auto.churn"
    good = report(rule="passed", champion="skipped", data="warning")
    bad = report(rule="failed", calibration="failed", leak="passed")
    assert (gate_tag(good), gate_tag(bad)) == ("passed", "failed: rule, calibration")
    assert failed_checks({"gate": gate_tag(bad)}) == ("rule", "calibration")
    decide(registry, name, 1, good)
    decide(registry, name, 2, bad)
    assert registry.champion_version(name) == 1
    assert actions(registry, name) == [("promoted", 1, None), ("refused", 2, 1)]
    assert {(one.by, one.reason) for one in registry.decisions(name)} == {
        ("training", "because of the numbers")
    }
    newest = {row["version"]: row["tags"]["decision"] for row in registry.versions(name)}
    assert newest == {1: "promoted", 2: "refused"}


def made(action, version, before=None):
    return Decision(action, version, before, "ana", "")


@pytest.mark.parametrize(
    ("decisions", "champion", "before"),
    [
        pytest.param([], 1, None, id="nothing-recorded"),
        pytest.param([made("promoted", 1)], 1, None, id="the-first"),
        pytest.param([made("promoted", 1), made("refused", 2)], 1, None, id="refused"),
        pytest.param([made("promoted", 1), made("forced", 2)], 2, 1, id="forced"),
        pytest.param([made("promoted", 1)], 4, 1, id="alias-moved-by-hand"),
        pytest.param(
            [made("promoted", 1), made("promoted", 2)], 1, None, id="recorded-and-then-killed"
        ),
        pytest.param(
            [made("promoted", n) for n in (1, 2, 3)] + [made("rolled back", 2, 3)], 2, 1, id="two"
        ),
        pytest.param([made("promoted", n) for n in (1, 2, 1)], 1, 2, id="there-and-back"),
    ],
)
def test_the_champion_before(decisions, champion, before):
    assert champion_before(decisions, champion) == before


def test_a_decision_survives_its_tag():
    long = made("forced", 3, 2)
    decision = Decision(**vars(long) | {"reason": "ä" * 9000, "failed": ("rule",)})
    key, value = decision.as_tag()
    (read,) = history({key: value, "owner": "somebody"})
    assert read == Decision(**vars(decision) | {"reason": "ä" * 2000})
    assert len(value) < 5000
