"""How one model is learned at a moment: settings and calibration from rows before it, then a fit.

The settings tried are a plain table. Trees grow once per fold and are read at several lengths, and
the linear part is blended in afterwards, so a search costs a few fits per fold.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.calibrate import Calibration, fit_calibration
from models.encode import Encoder
from models.propensity import PropensityModel
from training.sample import Floats, Rows, Sample
from training.splits import customer_folds

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
INNER = 4  # folds
WORKERS = 2  # fits side by side


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


def inner_folds(sample: Sample) -> Folds:
    """Folds among training rows, all of which lie before the origin, with customers kept apart.

    Folds in time order would have to leave out the slices whose answers overlap the later ones:
    of a year of monthly slices a third remains to learn from, and the calibration is that of a
    weaker model. On no known data set did they give a better log loss, on most a worse one.

    Returns
    -------
    list of (train, test)
        Empty when there are too few events for two folds.
    """
    counts = [len(np.unique(sample.customer[sample.y == value])) for value in (0, 1)]
    n = min(INNER, *counts)
    return list(customer_folds(sample.y, sample.customer, n)) if n >= 2 else []


@dataclass(frozen=True)
class Choice:
    """The setting to use and, where the search saw all rows, its out-of-fold log-odds."""

    setting: Setting
    rows: Rows | None = None
    log_odds: Floats | None = None


def choose(sample: Sample, categorical: Sequence[int]) -> Choice:
    """The setting with the least log loss out of fold, after a line through the log-odds."""
    small = sample.take(thinned(sample, SEARCH_ROWS))
    folds = inner_folds(small)
    if not folds:
        return Choice(FALLBACK)
    linear = Setting(f"linear, c {LINEAR_C:g}", {"linear_weight": 1.0, "linear_c": LINEAR_C})
    longest = [Setting(name, base | {"n_estimators": LENGTHS[-1]}) for name, base in TREES.items()]
    jobs = [(part, one) for part, _ in _cut(small, folds) for one in (linear, *longest)]
    models = iter(fit_all(jobs, categorical))
    found: dict[str, tuple[Setting, list[Floats]]] = {}
    for _, test in folds:
        logit = next(models).decision_function(small.X[test])
        found.setdefault(linear.name, (linear, []))[1].append(logit)
        for tree in longest:
            for setting, log_odds in _blends(tree, next(models), logit, small.X[test]):
                found.setdefault(setting.name, (setting, []))[1].append(log_odds)
    rows = np.concatenate([test for _, test in folds])
    tried = {name: (setting, np.concatenate(parts)) for name, (setting, parts) in found.items()}
    losses = {name: _loss(log_odds, small.y[rows]) for name, (_, log_odds) in tried.items()}
    setting, log_odds = tried[min(losses, key=lambda name: losses[name])]
    return Choice(setting, rows, log_odds) if len(small) == len(sample) else Choice(setting)


def _cut(sample: Sample, folds: Folds) -> list[tuple[Sample, Rows]]:
    """The training sample of each fold beside its test rows."""
    return [(sample.take(train), test) for train, test in folds]


def _blends(
    tree: Setting, model: PropensityModel, logit: Floats, X: Floats
) -> Iterator[tuple[Setting, Floats]]:
    """The trees at every length, blended with the linear part at every weight."""
    for length in LENGTHS:
        booster = model.ensemble_.boosters[0]
        trees = np.asarray(booster.predict(X, raw_score=True, num_iteration=length, num_threads=1))
        for weight in LINEAR_WEIGHTS:
            name = f"{tree.name}, {length} trees, {weight:.0%} linear"
            blend = {"n_estimators": length, "linear_weight": weight, "linear_c": LINEAR_C}
            yield Setting(name, tree.params | blend), (1 - weight) * trees + weight * logit


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
    # One thread each: two fits side by side are faster than one fit on two threads.
    model = PropensityModel(categorical=tuple(categorical), n_jobs=1, **setting.params)
    return model.fit(sample.X[rows], sample.y[rows])


def fit_all(
    jobs: Sequence[tuple[Sample, Setting]], categorical: Sequence[int]
) -> list[PropensityModel]:
    """Several models side by side, in the order of the jobs."""
    # Narrow matrices: more threads of the linear algebra only wait for each other.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda job: fit(job[0], job[1], categorical), jobs))


@dataclass(frozen=True)
class Learned:
    """A model with the calibration that belongs to it."""

    model: PropensityModel
    calibration: Calibration


def learn(
    sample: Sample, choice: Choice, encoder: Encoder, others: Sequence[Setting] = ()
) -> tuple[Learned, list[PropensityModel]]:
    """Fit on all rows, calibrated on out-of-fold predictions among them; and others beside.

    Returns
    -------
    learned : Learned
    models : list of PropensityModel
        Of the other settings, uncalibrated.
    """
    folds = [] if choice.rows is not None else _cut(sample, inner_folds(sample))
    jobs = [(part, choice.setting) for part, _ in folds]
    jobs += [(sample, setting) for setting in (choice.setting, *others)]
    models = fit_all(jobs, encoder.categorical)
    rows, log_odds = choice.rows, choice.log_odds
    if rows is None or log_odds is None:
        parts = [
            model.decision_function(sample.X[test])
            for model, (_, test) in zip(models[: len(folds)], folds, strict=True)
        ]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *(test for _, test in folds)])
        log_odds = np.concatenate([np.zeros(0), *parts])
    calibration = fit_calibration(log_odds, sample.y[rows], groups=sample.customer[rows])
    whole, *rest = models[len(folds) :]
    return Learned(whole, calibration), rest
