"""Champion and challenger are compared on what neither has seen, else the recipe is refitted."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from features.frames import frame
from models.fitted import Fitted
from models.loaded import LoadedModel
from training.backtest import Champion, backtest, champion_of
from training.gate import judge
from training.guard_check import Check
from training.readiness import plan
from training.recipe import Choice, Setting
from training.sample import Dataset

CLEAN = [Check("rows", "passed", "all in place")]
GREEDY = {"n_estimators": 150, "num_leaves": 127, "min_child_samples": 1, "reg_lambda": 0.0}
GREEDY |= {"learning_rate": 0.3, "linear_weight": 0.0}
PLAIN = {"n_estimators": 20, "num_leaves": 4, "linear_weight": 0.0}


@pytest.fixture(scope="module")
def held():
    """What is built once for all tests here."""
    return {}


@pytest.fixture
def data(shop, held):
    """A shop whose challenger is learned with one plain setting."""
    if not held:
        staged = shop(120)
        target = staged.project.target("churn")
        held["data"] = Dataset(staged, target, frame(staged, "churn"))
        held["data"].chooser = lambda *_: Choice(Setting("plain", PLAIN))
    return held["data"]


@pytest.fixture
def origins(data):
    return plan(data, data.data_end, 10).origins


def champion(data, known_until, rows, y, params=GREEDY):
    """A champion that learned these rows by heart and says until when it knew."""
    learned = Fitted.fit(data.frame.iloc[rows], y, data.catalogue, params)
    card = {
        "recipe": {"name": "by heart", "params": params},
        "known_until": None if known_until is None else known_until.isoformat(),
    }
    model = LoadedModel("shop.churn", 7, learned.portable)
    model.card |= card
    return champion_of(model)


def all_rows(data):
    return data.labelled(None, data.data_end)


def loss_at(found, number):
    """Log loss of the champion at one origin."""
    return found.champion_at(number)["log_loss"].value


def gap(found):
    """Log loss of the model less the champion's."""
    return found.evidence().against["champion"].value


def test_a_champion_that_saw_the_test_is_refitted_and_does_not_win_by_it(data, origins):
    """By itself it would be all but perfect on rows it learned; by its recipe it is not."""
    seen = champion(data, data.data_end, *all_rows(data))
    assert not any(seen.judged_at(one.at) for one in origins)
    honest = backtest(data, origins, data.data_end, seen, lambda _: None)
    refitted = honest.champion_metrics()["log_loss"].value
    lying = Champion(seen.model, seen.setting, origins[0].at)
    cheated = backtest(data, origins, data.data_end, lying, lambda _: None)
    own = cheated.champion_metrics()["log_loss"].value
    assert own < 0.5 * refitted  # what the rule keeps out
    assert gap(cheated) > 0 > gap(honest)
    verdicts = [judge(one.evidence(), CLEAN) for one in (cheated, honest)]
    states = [{check.name: check.state for check in one.checks}["champion"] for one in verdicts]
    assert states == ["failed", "passed"]


def test_a_champion_is_judged_by_itself_only_where_it_had_seen_nothing(data, origins):
    """It knew what was known at the second origin: the first is left out, for the model too."""
    second = origins[1]
    rows, y = data.labelled(second.train, second.at)
    old = champion(data, second.at, rows, y, PLAIN)
    found = backtest(data, origins, data.data_end, old, lambda _: None)
    assert ["champion" in one.probability for one in found.trials] == [False, True, True]
    assert found.champion_at(0) is None
    last = found.trials[2]
    own = old.model.probability(old.model.matrix(data.frame.iloc[last.test_rows]))
    np.testing.assert_array_equal(last.probability["champion"], own)
    assert (data.keys["as_of"].iloc[last.test_rows] >= second.at).all()
    judged = [loss_at(found, number) for number in (1, 2)]
    assert found.champion_metrics()["log_loss"].value == pytest.approx(np.mean(judged))


@pytest.mark.parametrize(
    ("until", "at", "judged"),
    [
        pytest.param(datetime(2025, 9, 1), datetime(2025, 9, 1), True, id="known-by-the-origin"),
        pytest.param(
            datetime(2025, 9, 1) + timedelta(microseconds=1),
            datetime(2025, 9, 1),
            False,
            id="later",
        ),
        pytest.param(None, datetime(2025, 9, 1), False, id="it-does-not-say"),
        pytest.param(datetime(2025, 9, 1), None, False, id="no-time"),
    ],
)
def test_where_a_champion_may_be_judged_by_itself(until, at, judged):
    assert Champion(known_until=until).judged_at(at) is judged


def test_a_champion_that_lacks_a_feature_is_refitted(data, origins):
    """A champion of another build cannot predict these rows: its recipe defends it."""
    first = origins[0]
    rows, y = data.labelled(first.train, first.at)
    old = champion(data, first.at, rows, y, PLAIN)
    old.model.features.append(replace(old.model.features[0], name="gone"))
    found = backtest(data, origins, data.data_end, old, lambda _: None)
    assert all("champion" in one.probability for one in found.trials)
    assert found.note is None
