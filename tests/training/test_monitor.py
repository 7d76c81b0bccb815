"""Monitoring: past predictions against what happened, estimates until then, drift, and advice."""

import json
from copy import copy, deepcopy
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from small_shop import SHOP, shop_tables

from features.build import build
from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.drift import Drifts, column_drift, column_profile, profile
from models.portable import sigmoid
from training.labels import eligible
from training.monitor import monitor
from training.monitor_advice import Evidence, advise
from training.monitor_labels import LabelClock, StoredRun, bands, expected, judged
from training.monitor_slices import drift_warnings, slice_drift
from training.monitor_table import COLUMNS, sentences, table_rows
from training.readiness import plan
from training.sample import Dataset
from training.trial import Trial

EARLY, KNOWN, WAITING = (datetime(2025, month, 1) for month in (8, 9, 12))
END = datetime(2026, 1, 1)
VERSION = 3


class Shop:
    """Runs over a shop of 60 days of horizon, as scoring would have stored them."""

    def __init__(self, staged, rng):
        self.staged, self.rng, self._built = staged, rng, {}
        self.target = staged.project.target("churn")
        built = frame(staged, "churn")
        self.names = tuple(n for n in built.features if n.endswith(("placed_28d", "placed_90d")))
        rows = built.keys["as_of"].between("2025-06-15", "2025-08-15").to_numpy()
        rows = rows & eligible(self.target, built.keys, built.state)
        self.features = [
            {"name": name, "kind": "number", "codes": None, "encoding": None} for name in self.names
        ]
        X = built.features[rows][[*self.names]].to_numpy(dtype=float)
        who = built.keys["customer_id"][rows]
        even = dict.fromkeys(self.names, 1 / len(self.names))
        scores = column_profile(rng.beta(3, 5, 1000)) | {"customers": 250}
        self.card = {
            "features": self.features,
            "profile": profile(X, self.features, who, even) | {"scores": scores},
            "metrics": {"model": {"auc": {"value": 0.8, "low": 0.75}}},
            "known_until": "2025-07-01T00:00:00",
        }

    def run(self, number, as_of, version=VERSION, change=lambda X: X):
        who, rows = self.scored(as_of)
        p = self.rng.beta(3, 5, len(who))
        return StoredRun(number, as_of, version, who, p, self.names, lambda: change(rows))

    def scored(self, as_of):
        """Customers and rows of a moment, built once."""
        if as_of not in self._built:
            customers = pd.read_parquet(self.staged.tables["customers"])["customer_id"].unique()
            keys = pd.DataFrame({"customer_id": sorted(customers), "as_of": pd.Timestamp(as_of)})
            built = build(self.staged, keys.astype({"as_of": "datetime64[us]"}))
            due = eligible(self.target, built.keys, built.state)
            who = built.keys["customer_id"][due].to_numpy(dtype=object)
            self._built[as_of] = who, built.features[due][list(self.names)].to_numpy(dtype=float)
        return self._built[as_of]

    def silent(self, run, days):
        """Who ordered nothing in so many days, straight from the orders."""
        orders = pd.read_parquet(self.staged.tables["orders"])
        start, end = pd.Timestamp(run.as_of), pd.Timestamp(run.as_of) + pd.Timedelta(days=days)
        inside = (orders["occurred_at"] >= start) & (orders["occurred_at"] < end)
        return ~pd.Series(run.customers).isin(orders["customer_id"][inside]).to_numpy()

    def monitor(self, runs, **options):
        given = {"cards": {VERSION: self.card}.get, "champion": VERSION} | options
        found = monitor(self.staged, "churn", runs, **given)
        json.dumps(found, allow_nan=False)
        return found


@pytest.fixture(scope="module")
def only_shop(tmp_path_factory):
    """A year of 250 customers, each of whom orders at a pace of its own."""
    rng, folder = np.random.default_rng(7), tmp_path_factory.mktemp("shop")
    (folder / "retention.toml").write_text(SHOP, encoding="utf-8")
    for name, text in shop_tables(rng).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return Shop(stage(load_project(folder)), rng)


@pytest.fixture
def place(only_shop):
    """The shop with a card of its own to change."""
    changed = copy(only_shop)
    changed.card = deepcopy(only_shop.card)
    return changed


class TestLabelClock:
    """What was predicted, and what is known of it by the end of the data."""

    def test_a_known_run_is_told_as_the_orders_tell_it(self, place):
        run = place.run(1, KNOWN)
        story = LabelClock(place.staged, "churn", [run]).story(run)
        silent = place.silent(run, 60)
        assert story["known"]
        assert story["known_on"] == "2025-10-31"
        assert story["happened"] == {"rate": silent.mean(), "events": silent.sum()}
        assert story["predicted"]["events"] == pytest.approx(run.probability.sum())
        assert story["left_out"] == 0
        assert sum(band["happened"] for band in story["bands"]) == silent.sum()

    def test_a_waiting_run_says_when_and_where_it_leads(self, place):
        """31 of 60 days have passed; who is silent so far shrinks as after the date before."""
        before, run = place.run(1, KNOWN), place.run(2, WAITING)
        story = LabelClock(place.staged, "churn", [before, run]).story(run)
        assert not story["known"]
        assert story["known_on"] == "2026-01-30"
        assert "happened" not in story
        shrinks = place.silent(before, 60).sum() / place.silent(before, 31).sum()
        so_far = story["so_far"]
        assert so_far["events"] == place.silent(run, 31).sum()
        assert so_far["rate"] == pytest.approx(place.silent(run, 31).mean() * shrinks)
        assert so_far["low"] < so_far["rate"] < so_far["high"]

    def test_without_a_known_run_the_newest_known_date_of_the_training_serves(self, place):
        run = place.run(1, WAITING)
        story = LabelClock(place.staged, "churn", [run]).story(run)
        assert story["so_far"]["compared_with"] == "2025-11-01T00:00:00"
        assert story["so_far"]["rate"] is not None

    def test_a_run_of_today_is_too_early(self, place):
        run = place.run(1, END)
        so_far = LabelClock(place.staged, "churn", [run]).story(run)["so_far"]
        assert (so_far["rate"], so_far["reason"]) == (None, "too early to tell")

    def test_customers_who_are_gone_from_the_data_are_left_out(self, place):
        """Nobody orders who was deleted, and that is no churn."""
        run = place.run(1, KNOWN)
        gone = [*run.customers[:-5], *(f"gone{number}" for number in range(5))]
        run = StoredRun(1, KNOWN, 3, np.array(gone, dtype=object), *(run.probability, (), None))
        story = LabelClock(place.staged, "churn", [run]).story(run)
        assert story["left_out"] == 5
        assert story["happened"]["events"] == place.silent(run, 60)[:-5].sum()


class TestEstimates:
    """What to expect before labels are in."""

    def test_expected_metrics_are_the_mean_of_what_comes(self, rng):
        p = rng.beta(1, 4, 300)
        told = expected(p)
        seen = {"rate": [], "log_loss": [], "brier": [], "auc": []}
        for _ in range(400):
            y = (rng.random(300) < p).astype(float)
            seen["rate"].append(y.mean())
            seen["log_loss"].append(-np.log(np.where(y == 1, p, 1 - p)).mean())
            seen["brier"].append(((y - p) ** 2).mean())
            above = p[y == 1][:, None] > p[y == 0]
            seen["auc"].append(above.mean())
        for name, values in seen.items():
            assert told[name]["value"] == pytest.approx(np.mean(values), rel=0.02), name
        for name in ("rate", "log_loss", "brier"):
            inside = (np.array(seen[name]) > told[name]["low"]) & (
                np.array(seen[name]) < told[name]["high"]
            )
            assert 0.92 <= inside.mean() <= 0.98

    def test_of_100_called_70_to_80(self):
        y = np.r_[np.ones(74), np.zeros(26)]
        (band,) = bands(y, np.full(100, 0.75))
        called = band["from"], band["to"], band["customers"], band["happened"]
        assert called == (0.7, 0.8, 100, 74)
        assert (band["low"], band["high"]) == pytest.approx((0.6463, 0.8160), abs=1e-4)  # Wilson

    def test_a_probability_on_the_edge_belongs_to_the_band_above(self):
        found = bands(np.zeros(4), np.array([0.3, 0.7, 1.0, 0.0]))
        assert [band["from"] for band in found] == [0.0, 0.3, 0.7, 0.9]


def drifts(size, importance=1.0):
    """Drift of one feature by about `size`, of many customers."""
    base = column_profile(np.repeat([0.0, 1.0], 500)) | {"name": "x", "importance": importance}
    share = 0.5 - np.sqrt(size) / 2
    now = np.repeat([0.0, 1.0], [int(10_000 * share), 10_000 - int(10_000 * share)])
    return Drifts((column_drift(base, now, (10**5, 10**4)),), 10**4)


def told(rng, n=3000, odds=1.0, spread=1.0, strength=1.0, version=VERSION):
    """A story of a run whose probabilities are off as asked."""
    z = rng.normal(size=n) * 1.2 - 2
    y = (rng.random(n) < sigmoid(z)).astype(float)
    seen = strength * z + np.sqrt(1 - strength**2) * (rng.normal(size=n) * 1.2 - 2)
    called = brentq(lambda a: (sigmoid(spread * seen + a) - sigmoid(z)).mean(), -9, 9)
    p = sigmoid(spread * seen + called + np.log(odds))
    return judged(y, p, np.arange(n)) | {"as_of": "2025-09-01", "version": version}


class TestAdvice:
    """Each rule, and that nothing is advised for nothing."""

    @pytest.mark.parametrize(
        ("verdict", "says", "evidence"),
        [
            ("keep", "0.00 only", {"drift": drifts(0.0)}),
            ("watch", "x (0.1", {"drift": drifts(0.14)}),
            ("retrain", "weighted PSI of 0.4", {"drift": drifts(0.4)}),
            ("watch", "x (0.4", {"drift": drifts(0.4, importance=0.06)}),
            ("keep", "0.01 only", {"drift": drifts(0.4, importance=0.03)}),
            ("watch", "scores moved", {"scores": drifts(0.2).features[0]}),
            ("retrain", "gone", {"broken": "gone", "drift": drifts(0.0)}),
            ("watch", "version 4", {"superseded": "version 4", "broken": "gone"}),
            ("watch", "a note", {"notes": ("a note",)}),
        ],
    )
    def test_without_labels(self, verdict, says, evidence):
        advice = advise(Evidence(**evidence))
        assert advice.verdict == verdict
        assert says in advice.reason

    @pytest.mark.parametrize(
        ("verdict", "says", "off"),
        [
            ("keep", "happened", {}),
            ("recalibrate", "events and", {"odds": 1.5}),
            ("recalibrate", "too far from the rate", {"spread": 2.0}),
            ("recalibrate", "too near to the rate", {"spread": 0.5}),
            ("retrain", "surely below the 0.750", {"strength": 0.3}),
        ],
    )
    def test_with_labels(self, rng, verdict, says, off):
        advice = advise(Evidence(known=told(rng, **off), auc_low=0.75, drift=drifts(0.0)))
        assert (advice.verdict, says in advice.reason) == (verdict, True), advice.reason

    def test_an_older_version_that_was_off_is_only_watched(self, rng):
        assert advise(Evidence(older=told(rng, odds=1.5, version=2))).verdict == "watch"

    def test_good_probabilities_are_left_alone(self, rng):
        """Two tests of 1 in 100 each: of 60 calibrated runs, 6 alarms come once in a thousand."""
        found = [advise(Evidence(known=told(rng, n=400), auc_low=0.6)) for _ in range(60)]
        assert sum(one.verdict != "keep" for one in found) <= 5

    def test_the_rate_so_far_is_an_estimate_and_only_watched(self):
        story = {"as_of": "2025-12-01", "version": 3, "expected": {"rate": {"value": 0.1}}}
        off = story | {"so_far": {"rate": 0.2, "low": 0.15, "high": 0.25}}
        near = story | {"so_far": {"rate": 0.2, "low": 0.05, "high": 0.25}}
        assert "points to 20.0% (an estimate)" in advise(Evidence(waiting=off)).reason
        assert advise(Evidence(waiting=near | {"known_on": "2026-01-30"})).verdict == "keep"


class TestMonitor:
    """Stored runs in, one report out."""

    def test_runs_known_and_waiting_side_by_side(self, place):
        found = place.monitor([place.run(2, WAITING), place.run(1, EARLY), place.run(5, KNOWN)])
        assert (found["run"], found["version"]) == (2, VERSION)
        assert [one["known"] for one in found["runs"]] == [True, True, False]
        assert found["verdict"] == "retrain"  # the probabilities are noise
        assert "the run of 2025-09-01 (version 3) ranked with an AUC of" in found["reason"]
        assert {one["name"] for one in found["drift"]["features"]} <= set(place.names)
        assert found["before"]["customers"] == found["customers"]
        rows = list(table_rows(found))
        assert [row[1] for row in rows] == ["2", 5, 1]
        assert {len(row) for row in rows} == {len(COLUMNS)}
        assert "known on 2026-01-30" in rows[0][7]
        assert "an estimate until then" in list(sentences(found))[1]

    def test_a_planted_shift_is_named(self, place):
        """One feature is lost; in a steady shop the rest stays."""

        def change(X):
            X = X.copy()
            X[:, 0] = np.nan
            return X

        still, moved = place.run(1, WAITING), place.run(2, WAITING, change=change)
        assert place.monitor([still])["drift"]["alarms"] == []
        found = place.monitor([moved])["drift"]
        assert found["alarms"] == [place.names[0]]
        assert found["moved"] == pytest.approx(1 / len(place.names), rel=0.3)
        assert (found["features"][0]["missing_before"], found["features"][0]["missing_now"]) == (
            0,
            1,
        )

    def test_a_run_that_its_model_learned_from_proves_nothing(self, place):
        place.card["known_until"] = "2025-12-15T00:00:00"
        found = place.monitor([place.run(1, KNOWN), place.run(2, WAITING)])
        assert [one["seen"] for one in found["runs"]] == [True, True]
        assert "ranked" not in found["reason"]
        assert "(learned from)" in list(table_rows(found))[1][7]

    def test_a_version_that_is_gone(self, place):
        found = place.monitor([place.run(1, KNOWN)], cards=lambda _: None)
        assert (found["verdict"], found["drift"]) == ("retrain", None)
        assert found["reason"] == "version 3 is no longer in the registry"
        assert found["runs"][0]["happened"]["events"] > 0

    def test_a_champion_that_has_scored_nothing_yet(self, place):
        found = place.monitor([place.run(1, KNOWN)], champion=4)
        assert found["verdict"] == "watch"
        assert "version 4 is the champion now" in found["reason"]

    def test_features_that_are_no_longer_built(self, place):
        place.card["features"] = [*place.features, {"name": "mood_28d", "kind": "number"}]
        found = place.monitor([place.run(1, KNOWN)])
        assert found["verdict"] == "retrain"
        assert found["reason"] == "version 3 needs features that are no longer built: mood_28d"

    def test_a_model_of_before_profiles_were_kept(self, place):
        del place.card["profile"]
        found = place.monitor([place.run(2, WAITING), place.run(1, END)])
        assert (found["drift"], found["verdict"]) == (None, "watch")
        assert "kept no profile" in found["reason"]
        assert found["before"]["customers"] > 0

    def test_nothing_scored_and_nothing_promoted(self, place):
        assert "nothing was scored yet" in place.monitor([])["reason"]
        empty = StoredRun(
            1, KNOWN, None, np.array([], dtype=object), np.zeros(0), (), lambda: np.zeros((0, 0))
        )
        found = place.monitor([empty], champion=None)
        assert (found["verdict"], found["runs"]) == ("retrain", [])
        assert [len(row) for row in table_rows(found)] == [len(COLUMNS)]

    def test_a_snapshot_has_drift_and_no_clock(self, snapshot, people):
        staged = snapshot(people(400))
        built = frame(staged, "churn")
        features = [f.as_card() | {"codes": None} for f in built.catalogue if f.kind == "number"]
        names = tuple(one["name"] for one in features)
        X = built.features[list(names)].to_numpy(dtype=float)
        who, p = built.keys["customer_id"].to_numpy(dtype=object), np.full(400, 0.2)
        even = dict.fromkeys(names, 1 / len(names))
        scores = column_profile(p) | {"customers": 400}
        card = {"features": features, "profile": profile(X, features, who, even)}
        card["profile"]["scores"] = scores
        runs = [
            StoredRun(1, None, 1, who, p, names, lambda: X),
            StoredRun(2, None, 1, who, p, names, lambda: X + 5),
        ]
        found = monitor(staged, "churn", runs, lambda _: card, champion=1)
        assert (found["run"], found["as_of"], found["runs"]) == (2, None, [])
        assert found["verdict"] == "retrain"
        assert monitor(staged, "churn", runs[:1], lambda _: card, champion=1)["verdict"] == "keep"


class TestSlices:
    """Test slices against training slices, which a training warns of."""

    def trials(self, data, n=3):
        planned = plan(data, data.data_end, 50, n)
        for one in planned.origins:
            learned = data.labelled(one.train, one.at)
            tested = data.labelled(one.test, data.data_end)
            yield Trial(one.at, *learned, *tested, {}, {}, 0.0, None, "")

    def test_savings_contracts_under_drift(self, example):
        """Interest rates fell: fewer surrender in 2007, and the contracts have grown older."""
        staged = example("eu_savings_contracts")
        target = staged.project.target("surrender")
        data = Dataset(staged, target, frame(staged, "surrender"))
        (found,) = slice_drift(data, list(self.trials(data)))
        assert found["flagged"]
        assert found["moved"] > 0.2 > 10 * found["noise"]
        assert (found["train_rate"], found["test_rate"]) == pytest.approx((0.152, 0.0858), abs=1e-3)
        (warning,) = drift_warnings([found])
        assert warning.startswith("drift: the test after 2007-01-01 differs: features moved by")
        assert "the rate was 15.20% in training and is 8.58%" in warning

    def test_a_steady_shop_and_one_that_is_not(self, place):
        data = Dataset(place.staged, place.target, frame(place.staged, "churn"))
        trials = list(self.trials(data))
        assert not any("rate was" in one for one in drift_warnings(slice_drift(data, trials)))
        newest = trials[-1]
        data.frame = data.frame.copy()
        data.frame.iloc[newest.test_rows] = data.frame.iloc[newest.test_rows] * 3 + 100
        found = slice_drift(data, trials)[-1]
        assert found["flagged"]
        assert found["moved"] > 0.5

    def test_random_folds_cannot_drift(self):
        nothing = np.zeros(0, dtype=np.int64)
        trial = Trial(None, nothing, np.zeros(0), nothing, np.zeros(0), {}, {}, 0.0, None, "")
        assert slice_drift(None, [trial]) == []
