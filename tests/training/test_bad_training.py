"""What cannot be learned from: each case ends in one clear line or in a stated fall-back."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelFeaturesError, UnfitDataError
from features.frames import frame
from training.recipe import CONSTANT, LOGISTIC, fit, fit_all, inner_folds
from training.sample import Dataset
from training.search import choose
from training.train import train


def dataset(staged) -> Dataset:
    return Dataset(staged, staged.project.target("churn"), frame(staged, "churn"))


def one_line(error) -> str:
    said = str(error.value)
    assert "\n" not in said
    return said


def test_five_events_teach_nothing_and_the_report_says_how_many_are_missing(
    snapshot, people, registry
):
    staged = snapshot(people(120).assign(left=["yes"] * 5 + ["no"] * 115), name="five")
    report = train(staged.project, staged, "churn", registry=registry)
    assert (report.grade, report.promoted, report.version) == ("U", False, None)
    assert "hold 5 customers with the event and 50 are needed: 45 are missing" in report.reason


@pytest.mark.parametrize(("answer", "said"), [(0.0, "have no event"), (1.0, "have the event")])
def test_one_class_is_an_error_that_says_which(make_sample, answer, said):
    sample = make_sample(80)
    sample.y[:] = answer
    with pytest.raises(UnfitDataError) as error:
        fit_all(sample, [(None, LOGISTIC)], ())
    assert one_line(error) == f"nothing to learn from: all 80 rows {said}"


def test_one_class_in_a_fold_falls_back_without_folds(make_sample):
    """Two customers know the quiet rows; both may be dealt to one fold."""
    sample = make_sample(300)
    sample.customer[:] = np.arange(300) % 30
    sample.y[:] = 1.0
    sample.y[np.isin(sample.customer, (0, 1)) & (np.arange(300) < 30)] = 0.0
    folds = inner_folds(sample)
    assert all(0 < sample.y[train].mean() < 1 for train, _ in folds)
    assert choose(sample, ()).setting.params  # a setting all the same


def test_a_feature_that_is_all_null_changes_nothing(make_sample):
    sample = make_sample(300)
    wider = replace(sample, X=np.column_stack([sample.X, np.full(300, np.nan)]))
    for setting in (LOGISTIC, choose(sample, ()).setting):
        alone = fit(sample, setting, ()).decision_function(sample.X)
        beside = fit(wider, replace_seedless(setting), ()).decision_function(wider.X)
        assert np.isfinite(beside).all()
        assert np.corrcoef(alone, beside)[0, 1] > 0.95


def replace_seedless(setting):
    """All columns in every tree: an empty one must not crowd out another."""
    return replace(setting, params=setting.params | {"colsample_bytree": 1.0})


def test_a_category_never_seen_in_training_counts_as_missing(snapshot, people):
    data = dataset(snapshot(people(200), name="unseen"))
    rows, y = data.labelled(None, None)
    encoder = data.encoder(rows)
    model = fit(data.sample(rows, y, encoder), LOGISTIC, encoder.categorical)
    new = data.frame.iloc[:2].assign(region=["east", None])
    matrix = encoder.transform(new)
    position = encoder.names.index("region")
    assert np.isnan(matrix[:, position]).all()
    assert np.isfinite(model.decision_function(matrix)).all()


def test_a_customer_with_no_history_is_scored(shop):
    """Nothing is known but that they exist: the model gives a probability, not an error."""
    data = dataset(shop(60))
    rows, y = data.labelled(None, None)
    encoder = data.encoder(rows)
    sample = data.sample(rows, y, encoder)
    blank = pd.DataFrame({name: [np.nan] for name in encoder.names})
    for setting in (LOGISTIC, choose(sample, encoder.categorical).setting):
        model = fit(sample, setting, encoder.categorical)
        assert 0 < model.predict_proba(encoder.transform(blank))[0, 1] < 1


def test_infinite_values_are_named_with_their_column_and_row(snapshot, people):
    data = dataset(snapshot(people(100), name="infinite"))
    data.frame.loc[7, "calls"] = np.inf
    with pytest.raises(UnfitDataError) as error:
        data.encoder(np.arange(100))
    assert one_line(error) == "column 'calls' holds an infinite value in row 7"


@pytest.mark.parametrize("cell", ["-Infinity", "n/a"])
def test_one_cell_that_is_no_number_is_told_and_the_column_trains_as_numbers(
    snapshot, people, cell
):
    rows = people(100).astype({"calls": object})
    rows.loc[7, "calls"] = cell
    staged = snapshot(rows, name="one_cell")
    (finding,) = staged.findings
    assert finding.text.startswith("warning: snapshots.calls: 1 row with a value that is no finite")
    assert f"({cell!r}), e.g. c0007" in finding.text
    data = dataset(staged)
    encoder = data.encoder(np.arange(100))
    matrix = encoder.transform(data.frame)
    position = encoder.names.index("calls")
    assert position not in encoder.categorical
    assert np.flatnonzero(np.isnan(matrix[:, position])).tolist() == [7]
    assert fit(data.sample(*data.labelled(None, None), encoder), LOGISTIC, encoder.categorical)


def test_a_model_whose_features_are_not_those_of_the_build_names_both(snapshot, people, registry):
    staged = snapshot(people(300), name="renamed")
    train(staged.project, staged, "churn", registry=registry)
    model = registry.load("renamed.churn", registry.versions("renamed.churn")[0]["version"])
    build = dataset(staged).frame.rename(columns={"calls": "contacts"})
    with pytest.raises(ModelFeaturesError) as error:
        model.matrix(build)
    said = one_line(error)
    assert said.startswith(
        "the model renamed.churn, version 1, needs the features ['calls'], which this project lacks"
        " (it has ['contacts',"
    )
    assert said.endswith("bring their columns back, or train again")


def test_a_champion_whose_features_are_gone_is_compared_by_its_recipe(snapshot, people, registry):
    staged = snapshot(people(300), name="narrowed")
    first = train(staged.project, staged, "churn", registry=registry)
    again = snapshot(people(300).drop(columns="region"), name="narrowed")
    report = train(again.project, again, "churn", registry=registry)
    assert first.promoted
    assert "champion" in report.baselines


def test_noise_is_left_to_the_constant(make_sample):
    sample = make_sample(500, strength=0.0)
    found = choose(sample, ())
    assert found.setting == CONSTANT
    raw = fit(sample, found.setting, ()).decision_function(sample.X)
    assert raw == pytest.approx(np.full(500, np.log(sample.y.mean() / (1 - sample.y.mean()))))
