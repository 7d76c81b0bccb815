"""How one model is learned at a moment: a fit by a setting, calibrated on rows before it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.errors import UnfitDataError
from models.calibrate import Calibration, fit_calibration
from models.encode import Encoder
from models.propensity import PropensityModel
from training.baselines import constant
from training.prior import corrected
from training.sample import Floats, Rows, Sample
from training.splits import customer_folds

FEW_ROWS = 10_000
FOLDS, FEWER_FOLDS = 5, 3  # the fewer above `FEW_ROWS`
MANY_ROWS, HELD_OUT = 400_000, 100_000  # above the first, one fold of so many rows is enough
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
    Of more than `MANY_ROWS` rows only the first of many small folds is given: one fit in place of
    three.

    Returns
    -------
    list of (train, test)
        Empty when there are too few events for two folds.
    """
    counts = [len(np.unique(sample.customer[sample.y == value])) for value in (0, 1)]
    many = len(sample) > MANY_ROWS
    wanted = FOLDS if len(sample) <= FEW_ROWS else FEWER_FOLDS
    n = min(-(-len(sample) // HELD_OUT) if many else wanted, *counts)
    every = customer_folds(sample.y, sample.customer, n) if n >= 2 else iter(())
    folds = list(islice(every, 1 if many else None))
    return folds if all(0 < sample.y[train].mean() < 1 for train, _ in folds) else []


@dataclass(frozen=True)
class Choice:
    """The setting to use and, where the search fitted just that, its out-of-fold log-odds."""

    setting: Setting
    rows: Rows | None = None
    log_odds: Floats | None = None


def thinned(sample: Sample, limit: int, seed: int = 0) -> Rows:
    """Rows of randomly chosen whole customers, about `limit` of them; all rows when fewer."""
    if len(sample) <= limit:
        return np.arange(len(sample))
    order = np.random.default_rng(seed).permutation(int(sample.customer.max()) + 1)
    rank = order[sample.customer]
    return np.flatnonzero(rank < len(order) * limit / len(sample))


def fit(
    sample: Sample, setting: Setting, categorical: Sequence[int], threads: int = 1
) -> PropensityModel:
    """A model on all rows of a sample.

    Raises
    ------
    UnfitDataError
        All rows have one outcome.
    """
    if sample.y.all() or not sample.y.any():
        what = "the event" if sample.y.any() else "no event"
        raise UnfitDataError(f"nothing to learn from: all {len(sample):,} rows have {what}")
    params = {**setting.params, "majority_share": sample.majority_share}
    if params.get("monotone"):  # what these features promise: a recipe outlives their order
        params["monotone"] = sample.monotone or None
    model = PropensityModel(categorical=tuple(categorical), n_jobs=threads, **params)
    return model.fit(sample.X, sample.y)


Job = tuple[Rows | None, Setting]  # the rows to fit on (None: all) and how


def fit_all(
    sample: Sample, jobs: Sequence[Job], categorical: Sequence[int]
) -> list[PropensityModel]:
    """Several models side by side, in the order of the jobs; rows are copied only while fitted."""

    def one(job: Job) -> PropensityModel:
        rows, setting = job
        return fit(sample if rows is None else sample.take(rows), setting, categorical, threads)

    # One thread each: two fits side by side are faster than one fit on two threads.
    threads = WORKERS if len(jobs) == 1 and len(sample) > MANY_ROWS else 1

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
    if choice.setting == CONSTANT:
        return _constant(sample, encoder, others)
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


def _constant(
    sample: Sample, encoder: Encoder, others: Sequence[Setting]
) -> tuple[Learned, list[PropensityModel]]:
    """The newest rate as a model, and others beside."""
    jobs: list[Job] = [(None, setting) for setting in (CONSTANT, *others)]
    whole, *rest = fit_all(sample, jobs, encoder.categorical)
    rate = constant(sample).rate
    level = np.log(rate / (1 - rate)) - float(whole.decision_function(sample.X[:1])[0])
    return Learned(whole, Calibration.line("shift", shift=level)), rest
