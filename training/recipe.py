"""How one model is learned at a moment: settings and calibration from rows before it, then a fit.

The settings tried are a plain table. Trees grow once per fold and are read at several lengths, and
the linear part is blended in afterwards, so a search costs a few fits per fold.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.errors import UnfitDataError
from models.calibrate import Calibration, fit_calibration
from models.encode import Encoder
from models.propensity import PropensityModel
from training.prior import corrected
from training.sample import Floats, Rows, Sample
from training.splits import customer_folds

_CAUTIOUS: dict[str, Any] = {
    "learning_rate": 0.04,
    "min_child_samples": 50,
    "reg_lambda": 10.0,
    "colsample_bytree": 0.5,
    "subsample": 0.7,
}
TREES: dict[str, dict[str, Any]] = {
    "2 leaves": _CAUTIOUS | {"num_leaves": 2},
    "4 leaves": _CAUTIOUS | {"num_leaves": 4},
    "8 leaves": _CAUTIOUS | {"num_leaves": 8},
}
LENGTHS = (25, 50, 100, 200, 400)  # trees
LINEAR_CS = (0.01, 0.1, 0.5)  # inverse strengths of the linear part's penalty
LINEAR_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # share of the linear part in a blend
SEEDS = 3  # boosters averaged where rows are few, so that a draw of rows matters less
FEW_ROWS = 10_000
SEARCH_ROWS = 30_000  # settings are chosen on whole customers up to so many rows
FOLDS, FEWER_FOLDS = 5, 3  # the fewer above `FEW_ROWS`
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
CONSTANT = Setting("constant", {"linear_weight": 1.0, "linear_c": 0.0})
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
    n = min(FOLDS if len(sample) <= FEW_ROWS else FEWER_FOLDS, *counts)
    folds = list(customer_folds(sample.y, sample.customer, n)) if n >= 2 else []
    return folds if all(0 < sample.y[train].mean() < 1 for train, _ in folds) else []


@dataclass(frozen=True)
class Choice:
    """The setting to use and, where the search fitted just that, its out-of-fold log-odds."""

    setting: Setting
    rows: Rows | None = None
    log_odds: Floats | None = None


def choose(sample: Sample, categorical: Sequence[int]) -> Choice:
    """The setting with the least log loss out of fold, after a line through the log-odds.

    The best linear part and the best trees are found each by itself, then the share of each. What
    features promise is held to where it does not hurt by more than noise; and the constant is the
    model where nothing beats it by more than noise (both one standard error over customers).
    """
    small = sample.take(thinned(sample, SEARCH_ROWS))
    folds = inner_folds(small)
    if not folds:
        return Choice(FALLBACK)
    rows = np.concatenate([test for _, test in folds])
    held = small.take(rows)
    found = _out_of_fold(small, folds, categorical)
    linear, trees = (
        least([one for one in found if one[0].params["linear_weight"] == part], held)
        for part in (1.0, 0.0)
    )
    setting, log_odds = least(blends(trees, linear), held)
    if not clearly_better(log_odds, np.zeros(len(held)), held):
        return Choice(CONSTANT)
    promised = _constrained(small, folds, categorical, setting, linear[1])
    if promised and not clearly_better(log_odds, promised[1], held):
        setting, log_odds = promised
    if len(sample) <= FEW_ROWS:  # averaged boosters are calmer than those of the search
        return Choice(replace(setting, params=setting.params | {"n_seeds": SEEDS}))
    return Choice(setting, rows, log_odds) if len(small) == len(sample) else Choice(setting)


Found = tuple[Setting, Floats]  # a setting and its log-odds out of fold


def _out_of_fold(small: Sample, folds: Folds, categorical: Sequence[int]) -> list[Found]:
    """Every linear part, and every kind of trees at every length."""
    linear = [Setting(f"linear, c {c:g}", {"linear_weight": 1.0, "linear_c": c}) for c in LINEAR_CS]
    longest = [Setting(name, base | {"n_estimators": LENGTHS[-1]}) for name, base in TREES.items()]
    jobs: list[Job] = [(train, one) for train, _ in folds for one in (*linear, *longest)]
    models = iter(fit_all(small, jobs, categorical))
    parts: dict[str, tuple[Setting, list[Floats]]] = {}
    for _, test in folds:
        for setting in linear:
            logit = next(models).decision_function(small.X[test])
            parts.setdefault(setting.name, (setting, []))[1].append(logit)
        for tree in longest:
            for setting, log_odds in lengths(tree, next(models), small.X[test]):
                parts.setdefault(setting.name, (setting, []))[1].append(log_odds)
    return [(setting, np.concatenate(z)) for setting, z in parts.values()]


def _constrained(
    small: Sample, folds: Folds, categorical: Sequence[int], setting: Setting, linear: Floats
) -> Found | None:
    """The setting with trees held to what the features promise; None where that changes nothing."""
    weight = setting.params["linear_weight"]
    told = [small.X[:, position] for position, way in enumerate(small.monotone) if way]
    if weight == 1 or all(np.isnan(column).all() or np.ptp(column) == 0 for column in told):
        return None
    held = Setting(setting.name, setting.params | {"monotone": small.monotone})
    trees = Setting(held.name, held.params | {"linear_weight": 0.0})
    models = fit_all(small, [(train, trees) for train, _ in folds], categorical)
    tests = [small.X[test] for _, test in folds]
    parts = [model.decision_function(X) for model, X in zip(models, tests, strict=True)]
    return held, (1 - weight) * np.concatenate(parts) + weight * linear


def lengths(tree: Setting, model: PropensityModel, X: Floats) -> Iterator[Found]:
    """The trees at every length."""
    booster = model.ensemble_.boosters[0]
    for length in LENGTHS:
        z = np.asarray(booster.predict(X, raw_score=True, num_iteration=length, num_threads=1))
        params = tree.params | {"n_estimators": length, "linear_weight": 0.0}
        yield Setting(f"{tree.name}, {length} trees", params), z


def blends(trees: Found, linear: Found) -> list[Found]:
    """Trees and the linear part, mixed in log-odds by each of `LINEAR_WEIGHTS`."""
    found = []
    for weight in LINEAR_WEIGHTS:
        mix = {"linear_weight": weight, "linear_c": linear[0].params["linear_c"]}
        name = f"{trees[0].name}, {weight:.0%} {linear[0].name}"
        log_odds = (1 - weight) * trees[1] + weight * linear[1]
        found.append((Setting(name, trees[0].params | mix), log_odds))
    return found


def least(found: Sequence[Found], held: Sample) -> Found:
    """What has the least mean log loss on the rows held out."""
    return min(found, key=lambda one: float(losses(one[1], held.y).mean()))


def losses(log_odds: Floats, y: Floats) -> Floats:
    """Log loss of each row after a fitted line."""
    z = fit_calibration(log_odds, y, method="platt").log_odds(log_odds)
    return np.asarray(np.logaddexp(0, np.where(y == 1, -z, z)))


def clearly_better(one: Floats, other: Floats, held: Sample) -> bool:
    """Whether log-odds lose less than others by more than a standard error over customers."""
    customer = np.unique(held.customer, return_inverse=True)[1]
    gain = np.bincount(customer, weights=losses(other, held.y) - losses(one, held.y))
    return bool(gain.sum() > gain.std() * np.sqrt(len(gain)))


def thinned(sample: Sample, limit: int, seed: int = 0) -> Rows:
    """Rows of randomly chosen whole customers, about `limit` of them; all rows when fewer."""
    if len(sample) <= limit:
        return np.arange(len(sample))
    order = np.random.default_rng(seed).permutation(int(sample.customer.max()) + 1)
    rank = order[sample.customer]
    return np.flatnonzero(rank < len(order) * limit / len(sample))


def fit(sample: Sample, setting: Setting, categorical: Sequence[int]) -> PropensityModel:
    """A model on all rows of a sample.

    Raises
    ------
    UnfitDataError
        All rows have one outcome.
    """
    if sample.y.all() or not sample.y.any():
        what = "the event" if sample.y.any() else "no event"
        raise UnfitDataError(f"nothing to learn from: all {len(sample):,} rows have {what}")
    params = dict(setting.params)
    if params.get("monotone"):  # what these features promise: a recipe outlives their order
        params["monotone"] = sample.monotone or None
    # One thread each: two fits side by side are faster than one fit on two threads.
    model = PropensityModel(categorical=tuple(categorical), n_jobs=1, **params)
    return model.fit(sample.X, sample.y)


Job = tuple[Rows | None, Setting]  # the rows to fit on (None: all) and how


def fit_all(
    sample: Sample, jobs: Sequence[Job], categorical: Sequence[int]
) -> list[PropensityModel]:
    """Several models side by side, in the order of the jobs; rows are copied only while fitted."""

    def one(job: Job) -> PropensityModel:
        rows, setting = job
        return fit(sample if rows is None else sample.take(rows), setting, categorical)

    # Narrow matrices: more threads of the linear algebra only wait for each other.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, jobs))


@dataclass(frozen=True)
class Learned:
    """A model with the calibration that belongs to it."""

    model: PropensityModel
    calibration: Calibration


def learn(
    sample: Sample,
    choice: Choice,
    encoder: Encoder,
    others: Sequence[Setting] = (),
    wait: timedelta | None = None,
) -> tuple[Learned, list[PropensityModel]]:
    """Fit on all rows, calibrated on out-of-fold predictions among them; and others beside.

    With `wait`, after which the answers of a date are known, the calibration is moved to the newest
    level where that helped before.

    Returns
    -------
    learned : Learned
    models : list of PropensityModel
        Of the other settings, uncalibrated.
    """
    folds = [] if choice.rows is not None else inner_folds(sample)
    jobs: list[Job] = [(train, choice.setting) for train, _ in folds]
    jobs += [(None, setting) for setting in (choice.setting, *others)]
    models = fit_all(sample, jobs, encoder.categorical)
    rows, log_odds = choice.rows, choice.log_odds
    if rows is None or log_odds is None:
        parts = [
            model.decision_function(sample.X[test])
            for model, (_, test) in zip(models[: len(folds)], folds, strict=True)
        ]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *(test for _, test in folds)])
        log_odds = np.concatenate([np.zeros(0), *parts])
    y, as_of = sample.y[rows], sample.as_of.iloc[rows]
    calibration = fit_calibration(log_odds, y, groups=sample.customer[rows])
    calibration = corrected(calibration, log_odds, y, as_of, wait)
    whole, *rest = models[len(folds) :]
    return Learned(whole, calibration), rest
