"""One honest trial: learn at an origin, predict what came after, beside every baseline."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from models.encode import Encoder
from models.portable import LIMIT, sigmoid
from models.prior import Prior
from training.baselines import constant, in_population, simple_rule
from training.forward import held_to_time
from training.labels import known_after
from training.recipe import DEFAULT, LOGISTIC, Choice, Setting, learn
from training.sample import Dataset, Floats, Labelled, Rows, Sample
from training.search import choose
from training.splits import Origin, customer_folds

FOLDS = 5  # of snapshots


@dataclass(frozen=True)
class Trial:
    """Predictions at one origin, and what they were learned from.

    Attributes
    ----------
    at : datetime or None
        The origin; None for snapshots.
    train_rows, test_rows : ndarray of int
        Rows of the dataset.
    train_y, y : ndarray
        Their labels.
    probability : dict of str to ndarray of shape (n,)
        By `constant`, `rule`, `model`, `logistic`, `lightgbm` and perhaps `champion`.
    log_odds : dict of str to ndarray of shape (n,)
        Before calibration, of the models that can be registered.
    constant : float
        The newest rate known at the origin, a mean over folds on a snapshot.
    setting : Setting
        With which `model` was learned.
    rule : str
        The column of the simple rule.
    prior : Prior or None
        The correction of the model's level, where one was sought; `probability` holds it.
    """

    at: datetime | None
    train_rows: Rows
    train_y: Floats
    test_rows: Rows
    y: Floats
    probability: dict[str, Floats]
    log_odds: dict[str, Floats]
    constant: float
    setting: Setting
    rule: str
    prior: Prior | None = None


Others = Mapping[str, Setting]
ALTERNATIVES: Others = {"logistic": LOGISTIC, "lightgbm": DEFAULT}


@dataclass(frozen=True)
class _Predicted:
    """What `Trial` holds of the test rows of one fold."""

    probability: dict[str, Floats]
    log_odds: dict[str, Floats]
    constant: float
    setting: Setting
    rule: str
    prior: Prior | None = None


def run_origin(
    data: Dataset,
    origin: Origin,
    data_end: datetime,
    *,
    setting: Setting | None = None,
    champion: Setting | None = None,
) -> Trial:
    """Learn from what was known at an origin, predict its test dates.

    Parameters
    ----------
    data : Dataset
    origin : Origin
    data_end : datetime
        The test labels use all that is known before.
    setting : Setting, optional
        Chosen on the training rows when left out.
    champion : Setting, optional
        The recipe of the present champion, to be learned beside.
    """
    train = data.newest(*data.labelled(origin.train, origin.at))
    return _held_out(
        data, origin.at, train, data.labelled(origin.test, data_end), setting, champion
    )


def run_snapshot(data: Dataset, champion: Setting | None = None) -> Trial:
    """The fixed split of a snapshot, or its cross-validation where it has none."""
    if data.holdout is None:
        return run_folds(data, champion=champion)
    return _held_out(data, None, *data.parts(), None, champion)


def _held_out(
    data: Dataset,
    at: datetime | None,
    train: Labelled,
    test: Labelled,
    setting: Setting | None,
    champion: Setting | None,
) -> Trial:
    """Everything learned on one part and predicted on the other."""
    encoder = data.encoder(*train)
    seen, unseen = data.sample(*train, encoder), data.sample(*test, encoder)
    wait = None if at is None else known_after(data.target)
    if setting is not None:
        choice = Choice(setting)
    else:
        choice = (data.chooser or choose)(seen, encoder.categorical)
        choice = held_to_time(choice, seen, encoder.categorical, wait)
    found = _predict(seen, unseen, encoder, choice, champion, wait)
    population = data.target.split.population_rate
    if population is not None:
        found = _in_population(found, float(seen.y.mean()), population)
    return _trial(at, (seen.rows, seen.y), (unseen.rows, unseen.y), found)


def _in_population(found: _Predicted, sampled: float, population: float) -> _Predicted:
    """Every probability at the rate of the company."""
    moved = {name: in_population(p, sampled, population) for name, p in found.probability.items()}
    constant = float(in_population(np.asarray(found.constant), sampled, population))
    return replace(found, probability=moved, constant=constant)


def run_folds(data: Dataset, *, champion: Setting | None = None, seed: int = 0) -> Trial:
    """Cross-validation of a snapshot: every row predicted by models without its customer.

    Settings and calibration are chosen inside the training rows of each fold.
    """
    rows, y = data.labelled(None, None)
    found: list[_Predicted] = []
    order: list[Rows] = []
    for train, test in customer_folds(y, data.customer[rows], FOLDS, seed):
        encoder = data.encoder(rows[train], y[train])
        seen = data.sample(rows[train], y[train], encoder)
        unseen = data.sample(rows[test], y[test], encoder)
        choice = (data.chooser or choose)(seen, encoder.categorical)
        found.append(_predict(seen, unseen, encoder, choice, champion))
        order.append(unseen.rows)
    tested = np.concatenate(order)
    back = np.argsort(tested, kind="stable")
    return _trial(None, (rows, y), (tested[back], y), _joined(found, back))


def _trial(at: datetime | None, train: Labelled, test: Labelled, found: _Predicted) -> Trial:
    return Trial(
        at,
        *train,
        *test,
        found.probability,
        found.log_odds,
        found.constant,
        found.setting,
        found.rule,
        found.prior,
    )


def _predict(
    train: Sample,
    test: Sample,
    encoder: Encoder,
    choice: Choice,
    champion: Setting | None,
    wait: timedelta | None = None,
) -> _Predicted:
    """Every model and baseline, learned on `train`, on `test`."""
    rate, rule = constant(train), simple_rule(train)
    learned, others = learn(train, choice, encoder, [*ALTERNATIVES.values()], wait)
    log_odds = {"model": learned.model.decision_function(test.X)}
    probability = {
        "constant": rate.probability(test),
        "rule": rule.probability(test),
        "model": learned.calibration.probability(log_odds["model"]),
    }
    for name, other in zip(ALTERNATIVES, others, strict=True):
        log_odds[name] = other.decision_function(test.X)
        probability[name] = sigmoid(np.clip(log_odds[name], -LIMIT, LIMIT))
    if champion == choice.setting:
        probability["champion"] = probability["model"]
    elif champion is not None:
        old, _ = learn(train, Choice(champion), encoder, wait=wait)
        raw = old.model.decision_function(test.X)
        probability["champion"] = old.calibration.probability(raw)
    prior = learned.calibration.prior
    return _Predicted(probability, log_odds, rate.rate, choice.setting, rule.column, prior)


def _joined(found: list[_Predicted], back: Rows) -> _Predicted:
    """Folds put together in the order of the rows; of choices, the commonest."""
    probability = {
        name: np.concatenate([fold.probability[name] for fold in found])[back]
        for name in found[0].probability
    }
    log_odds = {
        name: np.concatenate([fold.log_odds[name] for fold in found])[back]
        for name in found[0].log_odds
    }
    settings = {fold.setting.name: fold.setting for fold in found}
    setting = settings[Counter(fold.setting.name for fold in found).most_common(1)[0][0]]
    rule = Counter(fold.rule for fold in found).most_common(1)[0][0]
    rate = float(np.mean([fold.constant for fold in found]))
    return _Predicted(probability, log_odds, rate, setting, rule)
