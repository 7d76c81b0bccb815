"""Training of more rows than are held in memory: the same model, read from disk block by block."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_shop import SHOP, shop_tables

from features import frames
from features.built import Built
from features.declare import Feature
from features.errors import ProjectError
from features.frames import frame, read_frame, write_frame
from features.project import load_project
from features.staging import Staged, stage
from features.stored import Stored
from models import linear, streamed
from models.linear import fit_linear
from models.metrics import calibration_line
from models.propensity import PropensityModel
from models.streamed import Streamed
from training import recipe
from training.readiness import plan
from training.recipe import Setting, inner_folds
from training.sample import Dataset
from training.train import train
from training.trial import run_origin

TREES = {"num_leaves": 5, "n_estimators": 30, "linear_weight": 0.25}
SMALL = "[training]\nrows_in_memory = 600\n"
SEGMENTS = [f"s{number}" for number in range(40)]  # more than get codes: told by their rates


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Several blocks and row groups, though rows are few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "GROUP", 100)
        patch.setattr(streamed, "BLOCK", 128)
        patch.setattr(streamed.Blocks, "batch_size", 128)
        patch.setattr(streamed, "FEW", 64)
        yield


@pytest.fixture(scope="module")
def shops(tmp_path_factory) -> list[Staged]:
    """The same shop in memory, and on disk."""
    rng = np.random.default_rng(7)
    tables = shop_tables(rng, 200)
    head, *people = tables["customers"].split("\n")
    kinds = rng.choice(SEGMENTS, len(people))
    rows = [f"{row},{kind}" for row, kind in zip(people, kinds, strict=True)]
    tables["customers"] = "\n".join([f"{head},segment", *rows])
    found = []
    for settings in ("", SMALL):
        folder = tmp_path_factory.mktemp("size")
        (folder / "retention.toml").write_text(SHOP + settings)
        for name, text in tables.items():
            (folder / f"{name}.csv").write_text(text)
        found.append(stage(load_project(folder)))
        frame(found[-1], "churn")  # the next one is read back
    return found


@pytest.fixture(scope="module")
def datasets(shops) -> list[Dataset]:
    return [Dataset(s, s.project.target("churn"), frame(s, "churn")) for s in shops]


def test_a_frame_on_disk_is_the_frame_in_memory(datasets):
    held, on_disk = datasets
    assert isinstance(on_disk.frame, Stored)
    assert isinstance(held.frame, pd.DataFrame)
    pd.testing.assert_frame_equal(on_disk.keys, held.keys)
    pd.testing.assert_frame_equal(on_disk.cuts, held.cuts)
    everything = on_disk.frame.read(np.arange(len(held.keys)))
    pd.testing.assert_frame_equal(everything, held.frame, check_exact=True)
    some = np.array([900, 3, 411, 412, 3])
    pd.testing.assert_frame_equal(on_disk.frame.iloc[some], held.frame.iloc[some])
    view = on_disk.frame.take(some)
    pd.testing.assert_series_equal(view["segment"], held.frame["segment"].iloc[some])
    assert on_disk.frame.iloc[some[:0]].empty


def test_a_trial_from_disk_is_that_in_memory(datasets, monkeypatch):
    """The same codes, rates of categories, trees, linear part, calibration and predictions."""
    read = []
    monkeypatch.setattr(
        Streamed,
        "block",
        lambda self, *at, _block=Streamed.block: read.append(at) or _block(self, *at),
    )
    trials, encoders = [], []
    for data in datasets:
        origin = plan(data, data.data_end, 20).origins[-1]
        rows, y = data.labelled(origin.train, origin.at)
        encoders.append(data.encoder(rows, y))
        trials.append(run_origin(data, origin, data.data_end, setting=Setting("trees", TREES)))
        assert bool(read) == (data is datasets[1])
    held, on_disk = trials
    assert encoders[0].card() == encoders[1].card()
    assert encoders[0].rated.keys() == {"segment"}
    np.testing.assert_array_equal(held.test_rows, on_disk.test_rows)
    assert held.rule == on_disk.rule
    for name, probability in held.probability.items():
        np.testing.assert_allclose(on_disk.probability[name], probability, rtol=1e-12, err_msg=name)


def test_a_streamed_matrix_grows_the_same_trees(rng):
    X = rng.normal(size=(1000, 6))
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 5] = rng.integers(0, 4, 1000)
    y = (rng.random(1000) < 1 / (1 + np.exp(2 - np.nan_to_num(X[:, 0])))).astype(float)
    matrix = Streamed(lambda rows: X[rows], np.arange(1000), 6)
    assert isinstance(matrix[np.arange(500)], Streamed)
    assert isinstance(matrix[:64], np.ndarray)
    held, read = (
        PropensityModel(categorical=(5,), n_seeds=2, **TREES).fit(source, y)
        for source in (X, matrix)
    )
    for one, other in zip(held.ensemble_.boosters, read.ensemble_.boosters, strict=True):
        assert one.model_to_string() == other.model_to_string()
    assert held.ensemble_.linear.spec == read.ensemble_.linear.spec
    np.testing.assert_array_equal(held.decision_function(X), read.decision_function(matrix))


def test_training_says_what_it_read_and_left_out(shops, registry, monkeypatch):
    """From table to registry: guard, search, back-test, refit and reasons, all from disk."""
    monkeypatch.setattr(streamed, "FEW", 10_000)  # folds in memory, whole samples from disk
    monkeypatch.setattr(streamed, "BLOCK", 1_000)
    staged = shops[1]
    train(staged.project, staged, "churn", registry=registry)
    card = registry.champion("shop.churn").card
    told = card["learned_from"]
    assert told["on_disk"]
    assert told["rows"] == card["rows"] > 600
    assert told["older_rows"] == 0


def test_parts_of_a_frame_may_lack_text(tmp_path: Path) -> None:
    """A category that nobody has at first is text later, and None where it is missing."""
    feature = Feature("kind", "profile", "kind", "Kind.", "kind", kind="category")
    parts = []
    for values in ([None, None], ["a", None]):
        keys = pd.DataFrame({"customer_id": ["c1", "c2"], "as_of": pd.Timestamp("2026-01-01")})
        features = pd.DataFrame({"kind": pd.Series(values, dtype=object)})
        state = pd.DataFrame({"plan_id": pd.Series(values[::-1], dtype=object)})
        parts.append(Built(keys, features, state, (feature,)))
    write_frame(parts, tmp_path / "frame.parquet")
    for held in (1, 10):
        found = read_frame(tmp_path / "frame.parquet", held)
        assert found.table["kind"].tolist() == [None, None, "a", None]
        assert found.state["plan_id"].tolist() == [None, None, None, "a"]
        assert found.catalogue == (feature,)


@pytest.mark.parametrize("weight", [0.0, 1.0], ids=["trees", "linear"])
@pytest.mark.parametrize("shift", [-3.0, 3.0], ids=["few events", "many events"])
def test_probabilities_stay_calibrated_when_the_majority_is_drawn_from(rng, weight, shift):
    """A fifth of the majority: the odds would be five times those of the data."""
    X = rng.normal(size=(24_000, 3))
    y = (rng.random(24_000) < 1 / (1 + np.exp(-shift - X[:, 0]))).astype(float)
    train, test = slice(0, 16_000), slice(16_000, None)
    model = PropensityModel(majority_share=0.2, linear_weight=weight, n_estimators=60)
    p = model.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
    error = np.sqrt(np.mean(y) * (1 - np.mean(y)) / 8_000)
    assert p.mean() == pytest.approx(y[test].mean(), abs=4 * error)
    slope, intercept = calibration_line(y[test], p)
    assert slope == pytest.approx(1, abs=0.25)
    assert intercept == pytest.approx(0, abs=0.7)
    assert model.ensemble_.contributions(X[:50]).sum(axis=1) == pytest.approx(
        model.decision_function(X[:50])
    )


def test_a_majority_share_of_nothing_is_refused(write_project, rng):
    with pytest.raises(ProjectError, match=r"training.majority_share: .*greater than 0; got 0"):
        load_project(
            write_project(SHOP + "[training]\nmajority_share = 0\n", **shop_tables(rng, 2))
        )
    with pytest.raises(ValueError, match="majority_share must lie in"):
        PropensityModel(majority_share=1.5).fit(np.eye(4), [0, 1, 0, 1])


def test_of_many_rows_one_part_is_held_out(make_sample, monkeypatch):
    sample = make_sample(3_000)
    assert len(inner_folds(sample)) == recipe.FOLDS
    monkeypatch.setattr(recipe, "MANY_ROWS", 1_000)
    monkeypatch.setattr(recipe, "HELD_OUT", 200)
    ((train, test),) = inner_folds(sample)
    assert len(test) == 200
    assert not np.isin(sample.customer[test], sample.customer[train]).any()
    assert len(train) + len(test) == 3_000


def test_the_linear_part_draws_from_many_rows(rng, monkeypatch):
    """Weights of a part of the rows are near those of all, and the level is right."""
    X = rng.normal(size=(20_000, 2))
    y = (rng.random(20_000) < 1 / (1 + np.exp(3 - X[:, 0]))).astype(np.int64)
    whole = fit_linear(X, y)
    monkeypatch.setattr(linear, "ROWS", 10_000)
    drawn = fit_linear(X, y)
    assert drawn.spec != whole.spec
    assert drawn.intercept == pytest.approx(whole.intercept, abs=0.1)
    slopes = [part.spec["numbers"]["slope"] for part in (drawn, whole)]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.1)
