"""A data set without history: one row per customer, attributes as they are, labels in the state."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from features import frames
from features.build import build
from features.built import Built
from features.frames import frame
from features.project import load_project
from features.staging import stage
from features.stored import Stored

Write = Callable[..., Path]
TOML = """
name = "telco"
revenue_model = "subscription"
currency = "EUR"
exclude = ["phone"]
sensitive = ["gender"]
[sources.snapshots]
file = "snapshots.csv"
columns = { customer_id = "id", mrr = "charge" }
static = ["tenure", "contract", "phone", "gender"]
[targets.churn]
kind = "churn"
label = "left"
positive = "Yes"
"""
ROWS = """id,charge,tenure,contract,phone,gender,left
b,50.5,3,month,1,f,Yes
a,20,,year,2,m,No
c,,12,,3,f,No
"""


def built(write: Write) -> Built:
    return build(stage(load_project(write(TOML, snapshots=ROWS))), pd.DataFrame())


def test_features_are_the_attributes_that_are_not_barred(write_project: Write) -> None:
    found = built(write_project)
    assert [f.name for f in found.catalogue] == list(found.features.columns)
    assert list(found.features.columns) == ["tenure", "contract"]
    assert [f.kind for f in found.catalogue] == ["number", "category"]
    np.testing.assert_array_equal(found.features["tenure"], [np.nan, 3, 12])
    assert found.features["contract"].tolist()[:2] == ["year", "month"]
    assert found.features["contract"].isna().tolist() == [False, False, True]


def test_keys_are_sorted_and_without_a_moment(write_project: Write) -> None:
    found = built(write_project)
    assert found.keys["customer_id"].tolist() == ["a", "b", "c"]
    assert found.keys["as_of"].isna().all()


def test_the_state_has_the_label_and_the_money(write_project: Write) -> None:
    state = built(write_project).state
    assert state["left"].tolist() == ["No", "Yes", "No"]
    np.testing.assert_array_equal(state["mrr"], [20, 50.5, np.nan])
    np.testing.assert_array_equal(state["value_per_month"], state["mrr"])
    assert state["currency"].tolist() == ["EUR"] * 3
    assert state["covered"].all()
    assert not state[["trialing", "end_announced", "objected"]].to_numpy().any()


def test_attributes_of_customers_are_no_trouble(write_project: Write) -> None:
    more = '[sources.customers]\nfile = "customers.csv"\nstatic = ["colour"]\n'
    customers = "customer_id,colour\na,red\nb,blue\nc,red\n"
    path = write_project(TOML + more, snapshots=ROWS, customers=customers)
    found = build(stage(load_project(path)), pd.DataFrame())
    assert "tenure" in found.features


def test_a_target_s_features_narrow_the_frame(write_project: Write) -> None:
    path = write_project(TOML + 'features = ["tenure"]\n', snapshots=ROWS)
    found = frame(stage(load_project(path)), "churn")
    assert [f.name for f in found.catalogue] == ["tenure"]
    assert list(found.features.columns) == ["tenure"]


def test_a_frame_of_many_rows_is_built_once(write_project: Write, monkeypatch) -> None:
    """Read back by the next verb; another label of the same rows is another frame."""
    builds = []
    monkeypatch.setattr(frames, "build", lambda *a, **k: builds.append(a) or build(*a, **k))
    small = "[training]\nrows_in_memory = 2\n"
    staged = stage(load_project(write_project(TOML + small, snapshots=ROWS)))
    first, again = frame(staged, "churn"), frame(staged, "churn")
    assert len(builds) == 1
    assert isinstance(again.features, Stored)
    pd.testing.assert_frame_equal(again.table, first.table)
    pd.testing.assert_frame_equal(again.state, first.state)
    other = '[targets.dear]\nkind = "churn"\nlabel = "charge"\npositive = "20"\n'
    staged = stage(load_project(write_project(TOML + other + small, snapshots=ROWS)))
    assert "charge" in frame(staged, "churn").state
