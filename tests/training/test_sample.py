from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.errors import UnfitDataError, UnknownFeatureError
from features.frames import frame
from training.labels import known_after, labels
from training.readiness import plan
from training.recipe import LOGISTIC
from training.sample import Dataset, chosen
from training.splits import origins
from training.trial import run_origin


@pytest.fixture
def data(shop):
    staged = shop(120)
    return Dataset(staged, staged.project.target("churn"), frame(staged, "churn")), staged


def test_training_rows_are_answered_by_their_origin(data):
    """Every row that trains was eligible, and its answer known, at the origin."""
    rows, staged = data
    found = plan(rows, staged.data_end, 20).origins
    assert len(found) == 3
    for origin in found:
        at, _ = rows.labelled(origin.train, origin.at)
        as_of = rows.keys["as_of"].iloc[at]
        assert (as_of + known_after(rows.target) <= origin.at).all()
        assert set(as_of) == set(origin.train)


def test_labels_at_an_origin_do_not_know_the_future(data, shop):
    """Whatever happens from the origin on, its training labels stay."""
    rows, staged = data
    origin = origins(rows.target, sorted(rows.keys["as_of"].unique()), staged.data_end)[0]
    before = rows.labelled(origin.train, origin.at)
    path = staged.tables["orders"]
    orders = pd.read_parquet(path)
    orders[orders["known_at"] < origin.at].to_parquet(path)
    after = Dataset(staged, rows.target, frame(staged, "churn")).labelled(origin.train, origin.at)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])


def test_late_orders_are_not_known_at_the_origin(data):
    """An order of the window that was recorded after the origin does not change the label yet."""
    rows, staged = data
    origin = origins(rows.target, sorted(rows.keys["as_of"].unique()), staged.data_end)[0]
    _, y = rows.labelled(origin.train, origin.at)
    path = staged.tables["orders"]
    orders = pd.read_parquet(path)
    orders["known_at"] = pd.Timestamp("2025-12-31")
    orders.to_parquet(path)
    late = Dataset(staged, rows.target, frame(staged, "churn")).labelled(origin.train, origin.at)
    assert late[1].mean() == 1.0
    assert y.mean() < 1.0


def test_a_trial_learns_from_what_was_known_and_is_judged_on_all(data):
    """Every other order is recorded 100 days late."""
    rows, staged = data
    path = staged.tables["orders"]
    orders = pd.read_parquet(path)
    late = orders["known_at"] + pd.to_timedelta(100 * (np.arange(len(orders)) % 2), unit="D")
    orders["known_at"] = late.clip(upper=pd.Timestamp("2025-12-31"))
    orders.to_parquet(path)
    seen = Dataset(staged, rows.target, frame(staged, "churn"))
    origin = plan(seen, staged.data_end, 5).origins[0]
    trial = run_origin(seen, origin, staged.data_end, setting=LOGISTIC)
    np.testing.assert_array_equal(trial.train_y, seen.labelled(origin.train, origin.at)[1])
    np.testing.assert_array_equal(trial.y, seen.labelled(origin.test, staged.data_end)[1])
    assert trial.train_y.mean() > seen.labelled(origin.train, staged.data_end)[1].mean()


def test_immature_dates_have_no_place(data):
    rows, staged = data
    assert max(rows.mature(staged.data_end)) == datetime(2025, 11, 1)
    assert max(rows.keys["as_of"]) == datetime(2026, 1, 1)


@pytest.mark.parametrize(
    ("limit", "dates"),
    [
        pytest.param(10**6, 9, id="all"),
        pytest.param(250, 2, id="two"),
        pytest.param(5, 1, id="one"),
    ],
)
def test_of_many_rows_the_newest_dates_are_kept_whole(data, limit, dates):
    rows, staged = data
    known = rows.mature(staged.data_end)
    at, y = rows.labelled(known, staged.data_end)
    kept, answers = rows.newest(at, y, limit)
    assert sorted(rows.keys["as_of"].iloc[kept].unique()) == known[-dates:]
    expected = rows.labelled(known[-dates:], staged.data_end)
    np.testing.assert_array_equal(kept, expected[0])
    np.testing.assert_array_equal(answers, expected[1])


def test_the_rule_sees_recency(data):
    rows, _ = data
    some = np.arange(50)
    sample = rows.sample(some, np.zeros(50), rows.encoder(some))
    assert list(sample.simple) == ["days since the last order"]
    assert (sample.simple["days since the last order"].dropna() > 0).all()


def test_features_are_chosen_by_name_or_family(data):
    rows, _ = data
    names = {feature.name for feature in chosen(rows.catalogue, ["order_rate"])}
    assert names == {"order_rate"}
    families = {feature.family for feature in chosen(rows.catalogue, ["purchases"])}
    assert families == {"purchases"}
    with pytest.raises(UnknownFeatureError, match="no_such"):
        chosen(rows.catalogue, ["no_such"])


@pytest.mark.parametrize(("kind", "table"), [("inactivity", "usage"), ("upsell", "subscriptions")])
def test_what_cannot_be_labelled_is_said(shop, kind, table):
    staged = shop(30)
    built = frame(staged, "churn")
    target = staged.project.target("churn").model_copy(update={"kind": kind})
    with pytest.raises(UnfitDataError, match=f"needs the table '{table}'"):
        labels(staged, target, built.keys, built.state, staged.data_end)


def test_labels_of_rows_that_are_not_eligible_are_missing(shop):
    staged = shop(60)
    target, built = staged.project.target("churn"), frame(staged, "churn")
    found = labels(staged, target, built.keys, built.state, staged.data_end)
    never = built.state["last_order_at"].isna()
    assert never.any()
    assert found[never].isna().all()
    assert set(found.dropna()) == {0.0, 1.0}
    assert (found.index == built.keys.index).all()
