"""Fixed tests of a snapshot: by sample, by the order of the file, drawn with a seed."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from features.errors import ProjectError, UnfitDataError
from features.frames import frame
from features.project import Split, load_project
from features.staging import Staged, stage
from training.readiness import plan
from training.sample import Dataset
from training.splits import customer_folds, holdout
from training.train import train
from training.trial import run_snapshot

TOML = """
name = "held"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.csv"
columns = { customer_id = "id", sample = "drawn" }
expressions = { row_number = "_row" }
static = ["tenure"]
[targets.churn]
kind = "churn"
label = "left"
positive = "yes"
"""


@pytest.fixture
def staged(write_project, rng):
    """A function that stages 600 rows, the ids against the order of the file."""

    def make(split: str) -> Staged:
        tenure = rng.normal(size=600).round(2)
        left = np.where(rng.random(600) < 1 / (1 + np.exp(1 + 2 * tenure)), "yes", "no")
        drawn = np.where(np.arange(600) < 300, "even", np.where(np.arange(600) < 500, "real", ""))
        rows = pd.DataFrame(
            {"id": [f"c{999 - i}" for i in range(600)], "tenure": tenure, "left": left}
        )
        text = rows.assign(drawn=drawn).to_csv(index=False)
        return stage(load_project(write_project(f"{TOML}split = {split}\n", snapshots=text)))

    return make


def dataset(staged: Staged) -> Dataset:
    return Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))


def file_rows(data: Dataset, rows: np.ndarray) -> list[int]:
    """Places in the file, which the ids count down."""
    return sorted(999 - int(one[1:]) for one in data.keys["customer_id"].iloc[rows])


def test_a_seed_draws_what_scikit_learn_draws_from_the_rows_of_the_file(staged):
    data = dataset(staged("{ test_share = 0.3, seed = 42 }"))
    _, drawn = train_test_split(np.arange(600), test_size=0.3, random_state=42)
    (train_rows, _), (test_rows, _) = data.parts()
    assert file_rows(data, test_rows) == sorted(drawn)
    assert len(train_rows) == 420
    assert not set(train_rows) & set(test_rows)


def test_without_a_seed_the_last_rows_of_the_file_test(staged):
    data = dataset(staged("{ test_share = 0.2 }"))
    (train_rows, _), (test_rows, _) = data.parts()
    assert file_rows(data, test_rows) == list(range(480, 600))
    assert file_rows(data, train_rows) == list(range(480))


def test_rows_of_neither_sample_do_nothing(staged):
    data = dataset(staged('{ train_sample = "even", test_sample = "real" }'))
    (train_rows, _), (test_rows, _) = data.parts()
    assert file_rows(data, train_rows) == list(range(300))
    assert file_rows(data, test_rows) == list(range(300, 500))
    planned = plan(data, None, 50)
    assert (planned.train["rows"], planned.test["rows"]) == (300, 200)


@pytest.mark.parametrize(
    ("split", "learned"),
    [
        pytest.param('{ train_sample = "even", test_sample = "real" }', range(300), id="sample"),
        pytest.param("{ test_share = 0.3 }", range(600), id="share"),
    ],
)
def test_who_taught_the_model_is_published_out_of_fold(staged, registry, split, learned):
    """A share of one sample is refitted on all of it; another sample stays out of the refit."""
    given = staged(split)
    report = train(given.project, given, "churn", registry=registry)
    assert report.version is not None
    file = given.project.outputs / "oof" / f"churn-{report.version}.parquet"
    found = pd.read_parquet(file)
    assert sorted(999 - int(one[1:]) for one in found["customer_id"]) == list(learned)
    model = registry.load("held.churn", report.version)
    data = dataset(given)
    at = data.keys.set_index("customer_id").index.get_indexer(found["customer_id"])
    own = model.probability(model.matrix(data.frame.iloc[at]))
    assert not np.allclose(own, found["probability"])
    assert np.corrcoef(own, found["probability"])[0, 1] > 0.9


def test_a_sample_drawn_by_the_outcome_is_judged_at_the_rate_of_the_company(staged):
    given = staged('{ train_sample = "even", test_sample = "real" }')
    target, built = given.project.target("churn"), frame(given, "churn")
    split = target.split.model_copy(update={"population_rate": 0.02})
    company = target.model_copy(update={"split": split})
    plain, moved = (run_snapshot(Dataset(given, one, built)) for one in (target, company))
    assert moved.constant == pytest.approx(0.02, rel=0.05)
    sampled = plain.train_y.mean()
    less = np.log(0.02 / 0.98) - np.log(sampled / (1 - sampled))
    for name, p in plain.probability.items():
        q = moved.probability[name]
        np.testing.assert_allclose(np.log(q / (1 - q)), np.log(p / (1 - p)) + less, atol=1e-6)


def test_rows_alike_in_every_feature_are_one_customer(staged):
    alone, grouped = dataset(staged("{}")), dataset(staged("{ group_duplicates = true }"))
    assert len(np.unique(alone.customer)) == 600
    assert len(np.unique(grouped.customer)) == grouped.frame["tenure"].nunique() < 600
    rows, y = grouped.labelled(None, None)
    for seen, unseen in customer_folds(y, grouped.customer[rows]):
        assert not set(grouped.frame["tenure"].iloc[seen]) & set(
            grouped.frame["tenure"].iloc[unseen]
        )


@pytest.mark.parametrize(
    ("split", "columns", "says"),
    [
        pytest.param(
            {"test_share": 0.2},
            {"sample": ["a", "b"]},
            "split.test_share needs the order of the rows: map row_number of snapshots"
            ' (expressions = { row_number = "_row" } is that of the file)',
            id="no-order",
        ),
        pytest.param(
            {"train_sample": "a", "test_sample": "b"},
            {"row_number": [0, 1]},
            "split names the sample 'a': map the column sample of snapshots",
            id="no-sample",
        ),
        pytest.param(
            {"test": [datetime(2026, 1, 1)]},
            {"sample": ["a", "b"]},
            "split names moments, and the snapshots have fewer than two; map as_of, or leave it"
            " out",
            id="no-moments",
        ),
        pytest.param(
            {"train_sample": "a", "test_sample": "c"},
            {"sample": ["a", "b"]},
            "split names the sample 'c'; the snapshots hold a, b",
            id="unknown-sample",
        ),
    ],
)
def test_a_split_the_snapshot_cannot_make_is_said_in_one_line(split, columns, says):
    with pytest.raises(UnfitDataError) as caught:
        holdout(Split(**split), pd.DataFrame(columns))
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("split", "says"),
    [
        pytest.param("seed = 1", "seed is for test_share, which is missing", id="seed"),
        pytest.param(
            "recalibrate_every = 9, test_share = 0.2, seed = 1",
            "recalibrate_every needs test_share without a seed",
            id="drawn-blocks",
        ),
        pytest.param(
            "population_rate = 0.02",
            "population_rate is for a train_sample, which is missing",
            id="no-sample",
        ),
        pytest.param('train_sample = "a"', "needs both train_sample and test_sample", id="one"),
        pytest.param(
            "test = [2026-01-01], test_share = 0.3",
            "give either moments or rows to train and test on",
            id="two-ways",
        ),
        pytest.param(
            'train_sample = "a", test_sample = "a"',
            "train_sample and test_sample are both 'a'",
            id="same",
        ),
        pytest.param(
            'train_sample = "a", test_sample = "b", test_share = 0.3',
            "give either train_sample and test_sample or test_share",
            id="both",
        ),
    ],
)
def test_a_split_that_contradicts_itself_is_one_line(write_project, split, says):
    with pytest.raises(ProjectError) as caught:
        load_project(write_project(f"{TOML}split = {{ {split} }}\n"))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_is_for_snapshots(write_project):
    toml = (
        'name = "shop"\nrevenue_model = "consumption"\n[sources.customers]\nfile = "c.csv"\n'
        '[sources.orders]\nfile = "o.csv"\n[targets.churn]\nkind = "silence"\n'
        "split = { test_share = 0.3 }\n"
    )
    with pytest.raises(ProjectError, match=r"split.test_share is for snapshots only"):
        load_project(write_project(toml))
