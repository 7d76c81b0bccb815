from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest

from features.errors import RetentionError
from training import search, tune, tune_search
from training.recipe import CONSTANT, LOGISTIC, Choice
from training.summary import sentences
from training.train import train
from training.tune import Tuner, seconds_of, time_folds

HALF_YEAR = 6
MONTH = timedelta(days=31)


@pytest.fixture
def small_search(monkeypatch):
    """Short trees, so that a setting is tried in no time."""
    monkeypatch.setattr(search, "LENGTHS", (5, 10))
    monkeypatch.setattr(tune_search, "LENGTHS", (5, 10))


@pytest.fixture
def tuner(tmp_path, small_search):
    """A function that makes tuners of one file, stopped as by Ctrl-C after so many settings."""

    def make(stop_after: int, fingerprint: str = "one") -> Tuner:
        said = []

        def say(text: str) -> None:
            said.append(text)
            if len(said) == stop_after:
                raise KeyboardInterrupt

        return Tuner(tmp_path / "tune" / "churn.db", fingerprint, 600, say)

    return make


def names(path) -> list[str]:
    return optuna.get_all_study_names(f"sqlite:///{path}")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600)])
def test_times(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0s", "-5m", "1.5h", "10 minutes"])
def test_a_bad_time_is_one_line(text):
    with pytest.raises(RetentionError) as error:
        seconds_of(text)
    assert str(error.value) == f"--tune takes a time such as 90s, 10m or 1h; got {text!r}"


def test_folds_in_time_never_learn_from_an_answer_that_was_not_known(make_sample):
    sample = make_sample(600, dates=HALF_YEAR)
    folds = time_folds(sample, 2 * MONTH)
    assert len(folds) == tune.TIME_FOLDS
    for train_rows, test_rows in folds:
        known = sample.as_of.iloc[train_rows].max() + 2 * MONTH
        assert known <= sample.as_of.iloc[test_rows].min()


def test_without_time_there_are_no_folds_in_it(make_sample):
    assert time_folds(make_sample(100), MONTH) == []
    assert time_folds(make_sample(100, dates=2), 3 * MONTH) == []


def test_what_was_found_is_kept_and_a_search_goes_on_from_there(make_sample, tuner):
    sample = make_sample(400, strength=2.0, dates=HALF_YEAR)
    first, second = tuner(4), tuner(2)
    for one in (first, second):
        choice = one.choose(sample, (), wait=MONTH, seconds=600)
        assert isinstance(choice, Choice)
    assert [one.found[0]["settings"] for one in (first, second)] == [4, 6]
    assert first.found[0]["stopped"] is second.found[0]["stopped"] is True
    assert first.found[0]["folds"] == "time"
    assert len(names(first.path)) == 1


def test_a_study_of_other_data_is_never_taken_up(make_sample, tuner):
    sample = make_sample(300, strength=2.0, dates=HALF_YEAR)
    tuner(3).choose(sample, (), wait=MONTH, seconds=600)
    other = tuner(2, "two")
    other.choose(sample, (), wait=MONTH, seconds=600)
    assert other.found[0]["settings"] == 2
    assert len(names(other.path)) == 2


def test_what_is_taken_is_what_is_better_on_the_same_folds(make_sample, tuner, rng, monkeypatch):
    """A step at both ends, which the given default, a line, cannot say."""
    sample = make_sample(900, dates=HALF_YEAR)
    sample.y[:] = rng.random(900) < np.where(np.abs(sample.X[:, 1]) > 1, 0.8, 0.1)
    monkeypatch.setattr(tune, "choose", lambda *_: Choice(LOGISTIC))
    one = tuner(3)
    choice = one.choose(sample, (), wait=MONTH, seconds=600)
    assert one.found[0]["taken"] == "tuned"
    assert one.found[0]["log_loss"] < one.found[0]["default_log_loss"]
    assert choice.setting.name.startswith("tuned, ")
    assert choice.setting.params["n_seeds"] == search.SEEDS


def test_a_best_of_many_that_is_luck_is_not_taken(make_sample, tuner):
    """The default is the truth; the settings differ by noise, and one of them is least by luck."""
    sample = make_sample(600, strength=1.0, dates=HALF_YEAR)
    one = tuner(8)
    choice = one.choose(sample, (), wait=MONTH, seconds=600)
    (told,) = one.found
    least = min(trial["log_loss"] for trial in told["trials"] if not trial["pruned"])
    assert least < told["log_loss"], "what is compared was not chosen where it is judged"
    assert told["taken"] == "default"
    assert not choice.setting.name.startswith("tuned")


def test_a_setting_is_judged_where_it_was_not_chosen(make_sample, monkeypatch):
    """Of two settings, one is the best without the last two folds: there it is not judged."""
    sample = make_sample(300, strength=1.0, dates=HALF_YEAR)
    one_search = tune_search.Search(sample, time_folds(sample, MONTH), (), 0.0)
    kept = [
        SimpleNamespace(
            user_attrs={
                tune_search.CHOSEN: {"name": name, "params": {}, "loss": 0.3},
                tune_search.WITHOUT: [{"name": name, "params": {}, "loss": loss} for loss in each],
            }
        )
        for name, each in (("lucky", [0.9, 0.1, 0.1]), ("steady", [0.2, 0.2, 0.2]))
    ]
    monkeypatch.setattr(one_search, "_keeps_promises", lambda _: True)
    tuned, without = one_search.chosen(kept[0], kept, {"n_seeds": 3})
    assert [one.name for one in without] == ["steady", "lucky", "lucky"]
    assert tuned.params["n_seeds"] == without[0].params["n_seeds"] == 3
    assert tuned.params["monotone"] == without[0].params["monotone"] == sample.monotone


def test_promises_are_kept_by_what_is_tuned(make_sample, tuner, rng, monkeypatch):
    """A step, which no line says as well as trees do."""
    sample = replace(make_sample(900, columns=1, dates=HALF_YEAR), monotone=(1,))
    sample.y[:] = rng.random(900) < np.where(sample.X[:, 0] > 1, 0.9, 0.1)
    monkeypatch.setattr(tune, "choose", lambda *_: Choice(CONSTANT))
    choice = tuner(3).choose(sample, (), wait=MONTH, seconds=600)
    assert choice.setting.params["monotone"] == (1,)


def test_noise_stays_with_the_constant(make_sample, tuner):
    sample = make_sample(500, strength=0.0, dates=HALF_YEAR)
    one = tuner(4)
    assert one.choose(sample, (), wait=MONTH, seconds=600).setting == CONSTANT


def test_time_over_ends_the_search(make_sample, tuner):
    one = tuner(99)
    one.choose(make_sample(300, strength=2.0, dates=HALF_YEAR), (), wait=MONTH, seconds=1)
    assert one.found[0]["stopped"] is False
    assert one.found[0]["settings"] < 99


def test_a_training_says_what_was_tried_and_logs_it(shop, registry, tuner):
    staged = shop(200)
    one = tuner(3, staged.fingerprint)
    report = train(staged.project, staged, "churn", registry=registry, tuner=one)
    (told,) = report.as_json()["tuning"]
    assert told["settings"] == 3
    run_id = registry.versions("shop.churn")[0]["run_id"]
    params = registry._client.get_run(run_id).data.params
    logged = registry._client.get_metric_history(run_id, "tuning_1_log_loss")
    assert [one.value for one in logged] == [trial["log_loss"] for trial in told["trials"]]
    assert [one.step for one in logged] == [1, 2, 3]
    assert any("3 settings tried" in line for line in sentences("churn", report.as_json()))
    card = registry._client.download_artifacts(run_id, "model_card.md")
    assert "3 settings tried" in Path(card).read_text("utf-8")
    assert params["tuning_settings"] == "3"
    assert params["tuning_folds"] == told["folds"] == "time"
    assert float(params["tuning_log_loss"]) == pytest.approx(told["log_loss"], rel=1e-4)
    assert params["tuning_taken"] == told["taken"]
