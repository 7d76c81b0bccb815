"""How one model is learned at a moment: settings and calibration from rows before it, then a fit.

The settings tried are a plain table. Trees grow once per fold and are read at several lengths, and
the linear part is blended in afterwards, so a search costs a few fits per fold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.project import Target
from models.calibrate import Calibration, fit_calibration
from models.encode import Encoder
from models.propensity import PropensityModel
from training.sample import Floats, Rows, Sample
from training.splits import customer_folds, time_folds

TREES: dict[str, dict[str, Any]] = {
    "stumps": {"num_leaves": 3, "learning_rate": 0.08, "min_child_samples": 50},
    "small": {"num_leaves": 7, "learning_rate": 0.05, "min_child_samples": 30},
    "cautious": {
        "num_leaves": 5,
        "learning_rate": 0.04,
        "min_child_samples": 100,
        "reg_lambda": 20.0,
        "colsample_bytree": 0.4,
    },
}
LENGTHS = (40, 80, 120, 180)  # trees
LINEAR_C = 0.05
LINEAR_WEIGHTS = (0.0, 0.3, 0.6)  # share of the linear part in a blend
SEARCH_ROWS = 30_000  # settings are chosen on whole customers up to so many rows
FIT_ROWS = 400_000  # the newest rows beyond which a fit learns little more
INNER = 3  # folds
FOLD_EVENTS = 20  # a time fold with fewer events in train or test says nothing


@dataclass(frozen=True)
class Setting:
    """One way to fit: a name for people and the parameters of `PropensityModel`."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)


LOGISTIC = Setting("logistic regression", {"linear_weight": 1.0, "linear_c": 1.0})
DEFAULT = Setting(
    "LightGBM with defaults",
    {
        "num_leaves": 31,
        "n_estimators": 100,
        "learning_rate": 0.1,
        "min_child_samples": 20,
        "subsample": 1.0,
        "colsample_bytree": 1.0,
        "reg_lambda": 0.0,
    },
)
FALLBACK = Setting("small trees", {"n_estimators": 60, "num_leaves": 3, "linear_weight": 0.5})

Folds = list[tuple[Rows, Rows]]


def inner_folds(target: Target, sample: Sample) -> Folds:
    """Folds inside training rows: in time order where history allows, else by customer.

    Returns
    -------
    list of (train, test)
        Empty when there are too few events for two folds.
    """
    if sample.as_of.nunique() >= INNER:
        folds = [fold for fold in time_folds(target, sample.as_of, INNER) if _speaks(sample, fold)]
        if folds:
            return folds
    counts = [len(np.unique(sample.customer[sample.y == value])) for value in (0, 1)]
    n = min(INNER, *counts)
    return list(customer_folds(sample.y, sample.customer, n)) if n >= 2 else []


def _speaks(sample: Sample, fold: tuple[Rows, Rows]) -> bool:
    """Whether both sides of a fold hold enough of both outcomes."""
    sides = [np.bincount(sample.y[rows].astype(int), minlength=2).min() for rows in fold]
    return bool(min(sides) >= FOLD_EVENTS)


@dataclass(frozen=True)
class Choice:
    """The setting to use and, where the search saw all rows, its out-of-fold log-odds."""

    setting: Setting
    rows: Rows | None = None
    log_odds: Floats | None = None


def choose(target: Target, sample: Sample, categorical: Sequence[int]) -> Choice:
    """The setting with the least log loss out of fold, after a line through the log-odds."""
    small = sample.take(thinned(sample, SEARCH_ROWS))
    folds = inner_folds(target, small)
    if not folds:
        return Choice(FALLBACK)
    found: dict[str, tuple[Setting, list[Floats]]] = {}
    for train, test in folds:
        for setting, log_odds in _trials(small.take(train), small.X[test], categorical):
            found.setdefault(setting.name, (setting, []))[1].append(log_odds)
    rows = np.concatenate([test for _, test in folds])
    tried = {name: (setting, np.concatenate(parts)) for name, (setting, parts) in found.items()}
    losses = {name: _loss(log_odds, small.y[rows]) for name, (_, log_odds) in tried.items()}
    setting, log_odds = tried[min(losses, key=lambda name: losses[name])]
    return Choice(setting, rows, log_odds) if len(small) == len(sample) else Choice(setting)


def _trials(
    train: Sample, X: Floats, categorical: Sequence[int]
) -> Iterator[tuple[Setting, Floats]]:
    """Every setting of the table, fitted on some rows, with its log-odds on others."""
    linear = _linear(LINEAR_C)
    logit = fit(train, linear, categorical).decision_function(X)
    yield linear, logit
    for name, base in TREES.items():
        longest = Setting(name, base | {"n_estimators": max(LENGTHS)})
        booster = fit(train, longest, categorical).ensemble_.boosters[0]
        for length in LENGTHS:
            trees = np.asarray(booster.predict(X, raw_score=True, num_iteration=length))
            for weight in LINEAR_WEIGHTS:
                params = base | {"n_estimators": length, "linear_weight": weight}
                blend = f"{name}, {length} trees, {weight:.0%} linear"
                yield (
                    Setting(blend, params | {"linear_c": LINEAR_C}),
                    (1 - weight) * trees + weight * logit,
                )


def _linear(c: float) -> Setting:
    return Setting(f"linear, c {c:g}", {"linear_weight": 1.0, "linear_c": c})


def _loss(log_odds: Floats, y: Floats) -> float:
    """Mean log loss after a fitted line."""
    z = fit_calibration(log_odds, y, method="platt").log_odds(log_odds)
    return float(np.mean(np.logaddexp(0, np.where(y == 1, -z, z))))


def thinned(sample: Sample, limit: int, seed: int = 0) -> Rows:
    """Rows of randomly chosen whole customers, about `limit` of them; all rows when fewer."""
    if len(sample) <= limit:
        return np.arange(len(sample))
    order = np.random.default_rng(seed).permutation(int(sample.customer.max()) + 1)
    rank = order[sample.customer]
    return np.flatnonzero(rank < len(order) * limit / len(sample))


def fit(sample: Sample, setting: Setting, categorical: Sequence[int]) -> PropensityModel:
    """A model on the newest `FIT_ROWS` rows."""
    rows = np.arange(len(sample))
    if len(sample) > FIT_ROWS:
        newest = np.argsort(sample.as_of.to_numpy(), kind="stable")[-FIT_ROWS:]
        rows = np.sort(newest)
    model = PropensityModel(categorical=tuple(categorical), **setting.params)
    with threadpool_limits(1, "blas"):  # matrices are narrow: more threads only wait for each other
        return model.fit(sample.X[rows], sample.y[rows])


@dataclass(frozen=True)
class Learned:
    """A model with the calibration that belongs to it."""

    model: PropensityModel
    calibration: Calibration


def learn(target: Target, sample: Sample, choice: Choice, encoder: Encoder) -> Learned:
    """Fit on all rows, calibrated on out-of-fold predictions among them."""
    model = fit(sample, choice.setting, encoder.categorical)
    rows, log_odds = choice.rows, choice.log_odds
    if rows is None or log_odds is None:
        rows, log_odds = _out_of_fold(target, sample, choice.setting, encoder)
    y, customer = sample.y[rows], sample.customer[rows]
    return Learned(model, fit_calibration(log_odds, y, groups=customer))


def _out_of_fold(
    target: Target, sample: Sample, setting: Setting, encoder: Encoder
) -> tuple[Rows, Floats]:
    """Rows of the inner folds and their log-odds by models that have not seen them."""
    rows, found = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for train, test in inner_folds(target, sample):
        model = fit(sample.take(train), setting, encoder.categorical)
        rows.append(test)
        found.append(model.decision_function(sample.X[test]))
    return np.concatenate(rows), np.concatenate(found)
