"""Snapshots of several dates are split by time; the newest date is what is scored."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.errors import UnfitDataError
from features.frames import frame
from features.project import load_project
from features.staging import Staged, stage
from serving.queries import Filters, Reader
from serving.scoring import score
from serving.store import Store
from training.readiness import plan
from training.sample import Dataset
from training.splits import Origin
from training.train import train

TOML = """
name = "panel"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.csv"
columns = { customer_id = "id", as_of = "month" }
attributes = ["tenure"]
[targets.churn]
kind = "churn"
horizon_days = 31
grace_days = 0
label = "left"
positive = "yes"
"""
MONTHS = [datetime(2026, month, 1) for month in range(1, 7)]


@pytest.fixture
def panel(write_project, rng):
    """A function that stages 150 customers in each of six months; nobody knows June's answers."""

    def make(
        extra: str = "",
        months: list[datetime] = MONTHS,
        first: str = "",
        quiet: Sequence[datetime] = (),
    ) -> Staged:
        rows = pd.DataFrame(
            [(f"c{n}", month) for month in months for n in range(150)], columns=["id", "month"]
        )
        rows["tenure"] = rng.normal(size=len(rows)).round(3)
        odds = 1 / (1 + np.exp(0.5 + 2 * rows["tenure"]))
        rows["left"] = np.where(rng.random(len(rows)) < odds, "yes", "no")
        rows.loc[rows["month"].isin(quiet), "left"] = "no"
        rows.loc[rows["month"] == MONTHS[-1], "left"] = None
        text = rows.to_csv(index=False)
        people = "".join(f"c{n},2025-03-01\n" for n in range(150))
        path = write_project(
            first + TOML + extra, snapshots=text, customers=f"customer_id,occurred_at\n{people}"
        )
        return stage(load_project(path))

    return make


def dataset(staged: Staged) -> Dataset:
    return Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))


def test_what_trains_was_answered_before_the_test(panel):
    """February's answer is known on the fourth of March, April's on the second of May."""
    data = dataset(panel())
    assert data.data_end == datetime(2026, 6, 1)
    found = plan(data, data.data_end, 20)
    assert found.missing is None
    assert found.origins == (
        Origin(MONTHS[2], (MONTHS[0],), (MONTHS[2],)),
        Origin(MONTHS[3], (MONTHS[0], MONTHS[1], MONTHS[2]), (MONTHS[3],)),
        Origin(MONTHS[4], (MONTHS[0], MONTHS[1], MONTHS[2]), (MONTHS[4],)),
    )


def test_a_month_in_which_nobody_left_tests_nothing_and_that_is_said(panel, registry):
    """Its ranking is undefined, and so would be every mean over the origins."""
    staged = panel(quiet=MONTHS[3:4])
    report = train(staged.project, staged, "churn", registry=registry)
    assert [one["at"] for one in report.origins] == ["2026-03-01", "2026-05-01"]
    assert report.model["auc"]["value"] > 0.8
    said = "the origin 2026-04-01 is left out: of its 150 test rows none has the event"
    assert said in report.warnings
    (checked,) = [one for one in report.gate if one["name"] == "data"]
    assert checked["state"] == "warning"
    assert said in checked["proof"]


CUSTOMERS = '[sources.customers]\nfile = "customers.csv"\n'


@pytest.mark.parametrize(
    ("first", "extra", "data_end", "n_answered"),
    [
        pytest.param("", CUSTOMERS, datetime(2026, 6, 1), 5, id="who-came-when-ends-nothing"),
        pytest.param("data_end = 2026-04-15", "", datetime(2026, 4, 15), 3, id="as-the-file-says"),
    ],
)
def test_until_when_answers_are_known(panel, first, extra, data_end, n_answered):
    data = dataset(panel(extra, first=first))
    assert data.data_end == data_end
    assert data.mature(data_end) == MONTHS[:n_answered]


def test_a_named_moment_is_the_test(panel):
    data = dataset(panel("split = { train = [2026-01-01], test = [2026-04-01] }\n"))
    assert plan(data, data.data_end, 20).origins == (Origin(MONTHS[3], (MONTHS[0],), (MONTHS[3],)),)


def test_one_date_is_cross_validated(panel):
    data = dataset(panel(months=MONTHS[:1]))
    assert data.is_snapshot
    assert data.data_end is None
    with pytest.raises(UnfitDataError, match="split names moments"):
        dataset(panel("split.test = [2026-01-01]\n", months=MONTHS[:1]))


def test_the_newest_rows_are_scored(panel, registry, tmp_path):
    staged = panel()
    report = train(staged.project, staged, "churn", registry=registry)
    assert report.promoted
    assert report.test["as_of"] == ["2026-03-01", "2026-04-01", "2026-05-01"]
    store = Store.for_project(staged.project, f"sqlite:///{tmp_path / 'store.db'}")
    with closing(store):
        store.migrate()
        done = score(staged.project, staged, store=store, registry=registry)
        assert (done.customers, done.targets[0].scored) == (150, 150)
        (entry,) = Reader(store, "panel").iter_scores(Filters("churn", customer_ids=("c7",)))
    data = dataset(staged)
    june = (data.keys["as_of"] == MONTHS[-1]) & (data.keys["customer_id"] == "c7")
    model = registry.load("panel.churn", report.version)
    assert entry.probability == pytest.approx(model.probability(model.matrix(data.frame[june]))[0])
    assert not entry.out_of_fold
