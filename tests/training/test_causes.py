"""The cause of churn on a simulated company, whose true causes are known."""

import numpy as np
import pandas as pd
import pytest

from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.causes import fit_cause, log_loss
from models.portable import involuntary_share
from simulation.company import simulate
from training.causes import cause_card, leavers, prove_cause
from training.recipe import FALLBACK
from training.sample import Dataset
from training.splits import origins
from training.trial import run_origin


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Rows of churn of 2,500 customers over two years, and the truth about them."""
    folder = tmp_path_factory.mktemp("causes")
    simulate(folder, customers=2500, months=24, seed=11)
    project = load_project(next(folder.glob("*.toml")))
    staged = stage(project)
    data = Dataset(staged, project.target("churn"), frame(staged, "churn"))
    truth = pd.read_parquet(folder / "truth")
    return data, data.keys.merge(truth, how="left", on=["customer_id", "as_of"])


@pytest.fixture(scope="module")
def trials(company):
    """Two origins, by small trees."""
    data, _ = company
    dates = sorted(data.keys["as_of"].unique())
    found = origins(data.target, dates, data.data_end, 2)
    return [run_origin(data, one, data.data_end, setting=FALLBACK) for one in found]


def test_the_cause_is_told_better_than_by_one_share(company, trials):
    data, _ = company
    proof = prove_cause(data, trials)
    assert proof["learned"]
    assert proof["gain"] > 0.03
    for trial, one in zip(trials, proof["origins"], strict=True):
        assert one["leavers"] == trial.y.sum()
        assert 0 < one["involuntary"] < one["leavers"]
        assert one["expected"] == pytest.approx(one["involuntary"] / one["leavers"], abs=0.15)


def test_the_chance_of_each_cause_is_near_the_truth(company, trials):
    """Of all rows of the test date, not of leavers only, in thirds by the expected chance."""
    data, truth = company
    newest = trials[-1]
    encoder = data.encoder(newest.train_rows)
    known = leavers(data, newest.train_rows, newest.train_y, encoder, newest.at)
    X = encoder.transform(data.frame.iloc[newest.test_rows])
    share = involuntary_share(fit_cause(known, encoder.categorical), X)
    true = truth.iloc[newest.test_rows]
    total, failed = (true[name].to_numpy(float) for name in ("churn", "churn_involuntary"))
    assert np.average(share, weights=total) == pytest.approx(failed.sum() / total.sum(), abs=0.1)
    order = np.argsort(share)
    thirds = [failed[rows].sum() / total[rows].sum() for rows in np.array_split(order, 3)]
    assert thirds[2] > 2 * thirds[0]
    constant = np.full(len(share), np.average(failed / total, weights=total))
    assert _loss(failed, total, share) < _loss(failed, total, constant) - 0.03


def _loss(failed, total, share):
    """Log loss of the cause expected among leavers."""
    return -np.sum(failed * np.log(share) + (total - failed) * np.log1p(-share)) / total.sum()


def test_facts_after_the_origin_teach_nothing(company, trials):
    """The causes of training leavers are those that were known by then; a test row teaches none."""
    data, _ = company
    newest = trials[-1]
    encoder = data.encoder(newest.train_rows)
    known = leavers(data, newest.train_rows, newest.train_y, encoder, newest.at)
    assert len(known.X) == newest.train_y.sum()
    assert not np.isin(newest.train_rows, newest.test_rows).any()
    cause = data.causes(newest.at)[newest.train_rows[newest.train_y == 1]]
    assert known.involuntary.tolist() == (cause == "involuntary").tolist()
    assert set(data.keys["as_of"].iloc[newest.train_rows[newest.train_y == 1]][known.newest]) == {
        data.keys["as_of"].iloc[newest.train_rows].max()
    }


def test_the_card_holds_the_model_and_its_proof(company, trials):
    data, _ = company
    rows, y = data.labelled(data.mature(data.data_end), data.data_end)
    encoder = data.encoder(rows)
    card = cause_card(data, trials, rows, y, encoder)
    assert card["linear"] is not None
    assert card["backtest"] == prove_cause(data, trials)
    X = encoder.transform(data.frame.iloc[rows])
    left = y == 1
    happened = data.causes()[rows[left]] == "involuntary"
    share = involuntary_share(card, X[left])
    assert log_loss(happened, share) < log_loss(happened, np.full(left.sum(), happened.mean()))
