"""Other learners with their own defaults, on the rows and columns that ours learned from."""

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier
from flaml import AutoML
from interpret.glassbox import ExplainableBoostingClassifier
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier

from training.baselines import in_population
from training.recipe import LOGISTIC, fit
from training.sample import Dataset, Rows, Sample
from training.splits import customer_folds
from training.trial import FOLDS, Trial

Floats = NDArray[np.float64]
JOBS = os.cpu_count() or 1
MISSING = "missing"


@dataclass(frozen=True)
class Task:
    """A fit and what it is to predict, as samples and as tables with categories.

    Columns that never vary in training are left out of the tables.
    """

    seen: Sample
    unseen: Sample
    categorical: Sequence[int]
    budget: float
    population: float | None  # the rate of the company, where the sample was drawn by the outcome
    train: pd.DataFrame = field(init=False)
    test: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        varies = [i for i, column in enumerate(self.seen.X.T) if pd.Series(column).nunique() > 1]
        for name, X in (("train", self.seen.X), ("test", self.unseen.X)):
            table = pd.DataFrame({f"f{i}": X[:, i] for i in varies})
            for i in set(self.categorical) & set(varies):
                codes = np.unique(self.seen.X[:, i][~np.isnan(self.seen.X[:, i])])
                table[f"f{i}"] = pd.Categorical(table[f"f{i}"], codes).rename_categories(
                    [f"v{code:g}" for code in codes]
                )
            object.__setattr__(self, name, table)

    @property
    def texts(self) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
        """Both tables with categories as text, missing ones as a value; and which they are."""
        names = [f"f{i}" for i in self.categorical if f"f{i}" in self.train]
        train, test = (
            one.assign(**{n: one[n].astype(object).fillna(MISSING).astype(str) for n in names})
            for one in (self.train, self.test)
        )
        return train, test, names


def logistic(task: Task) -> Floats:
    """Regularised logistic regression: scaled, missing values and categories as indicators."""
    model = fit(task.seen, LOGISTIC, task.categorical)
    return np.asarray(model.predict_proba(task.unseen.X)[:, 1])


def lightgbm(task: Task) -> Floats:
    """LightGBM."""
    model = LGBMClassifier(random_state=0, n_jobs=JOBS, verbose=-1)
    return _native(model, task)


def histogram(task: Task) -> Floats:
    """scikit-learn's histogram gradient boosting."""
    return _native(
        HistGradientBoostingClassifier(random_state=0, categorical_features="from_dtype"), task
    )


def xgboost(task: Task) -> Floats:
    """XGBoost."""
    return _native(XGBClassifier(random_state=0, n_jobs=JOBS, enable_categorical=True), task)


def catboost(task: Task) -> Floats:
    """CatBoost."""
    train, test, names = task.texts
    model = CatBoostClassifier(
        random_seed=0,
        thread_count=JOBS,
        cat_features=names,
        verbose=False,
        allow_writing_files=False,
    )
    return np.asarray(model.fit(train, task.seen.y).predict_proba(test)[:, 1])


def ebm(task: Task) -> Floats:
    """Explainable boosting machine."""
    train, test, names = task.texts
    kinds = ["nominal" if name in names else "continuous" for name in train]
    # More jobs are processes that each import everything anew, at every fit.
    model = ExplainableBoostingClassifier(random_state=0, n_jobs=1, feature_types=kinds)
    return np.asarray(model.fit(train, task.seen.y).predict_proba(test)[:, 1])


def flaml(task: Task) -> Floats:
    """FLAML within a budget of seconds for each fit."""
    model = AutoML()
    model.fit(
        X_train=task.train,
        y_train=task.seen.y.astype(np.int64),
        task="classification",
        metric="log_loss",
        time_budget=task.budget,
        seed=0,
        n_jobs=JOBS,
        verbose=0,
    )
    return np.asarray(model.predict_proba(task.test)[:, 1])


def _native(model: object, task: Task) -> Floats:
    """A classifier that reads categories from the type of their columns."""
    fitted = model.fit(task.train, task.seen.y.astype(np.int64))  # type: ignore[attr-defined]
    return np.asarray(fitted.predict_proba(task.test)[:, 1], dtype=np.float64)


RIVALS: dict[str, Callable[[Task], Floats]] = {
    one.__name__: one for one in (logistic, lightgbm, histogram, xgboost, catboost, ebm, flaml)
}
SLOW = {"catboost": "catboost", "ebm": "interpret-core", "flaml": "flaml"}  # and their packages


def tasks(data: Dataset, trial: Trial, budget: float, seed: int) -> list[tuple[Task, Rows]]:
    """The fits of a trial, folds by the seed of its own, and the places of what each predicts."""
    if data.is_snapshot and data.holdout is None:
        rows, y = data.labelled(None, None)
        folds = [*customer_folds(y, data.customer[rows], FOLDS, seed)]
        parts = [((rows[a], y[a]), (rows[b], y[b]), b) for a, b in folds]
    else:
        train, test = (trial.train_rows, trial.train_y), (trial.test_rows, trial.y)
        parts = [(train, test, np.arange(len(trial.y)))]
    population = data.target.split.population_rate
    found = []
    for learned, tested, places in parts:
        encoder = data.encoder(*learned)
        seen, unseen = data.sample(*learned, encoder), data.sample(*tested, encoder)
        found.append((Task(seen, unseen, encoder.categorical, budget, population), places))
    return found


def predicted(
    name: str, given: Sequence[tuple[Task, Rows]], n: int, folder: Path
) -> tuple[Floats | None, float, str]:
    """The probability of a rival for the rows of a trial, its seconds, and why it has none.

    What the slow ones predicted stays in `folder` under all that they were given, so that a row can
    be run again without them; their seconds are then those of the first time.
    """
    out, seconds = np.empty(n), 0.0
    for task, places in given:
        start = time.perf_counter()
        try:
            p, before = _kept(name, task, folder) if name in SLOW else (_quietly(name, task), 0.0)
        except Exception as error:  # noqa: BLE001  what another library cannot do is a result
            return None, seconds, f"{type(error).__name__}: {error}"[:200]
        seconds += before or time.perf_counter() - start
        if task.population is not None:
            p = in_population(p, float(task.seen.y.mean()), task.population)
        out[places] = p
    return out, seconds, ""


def _quietly(name: str, task: Task) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RIVALS[name](task)


def _kept(name: str, task: Task, folder: Path) -> tuple[Floats, float]:
    """What a rival predicts, from the folder where it is there, and its seconds."""
    path = folder / f"{name}-{_fingerprint(name, task)}.npz"
    if not path.exists():
        start = time.perf_counter()
        p = _quietly(name, task)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, p=p, seconds=time.perf_counter() - start)
    found = np.load(path)
    return found["p"], float(found["seconds"])


def _fingerprint(name: str, task: Task) -> str:
    """Of a rival's version and of everything that it is given."""
    budget = task.budget if name == "flaml" else 0.0
    seen = hashlib.sha256(repr((version(SLOW[name]), budget, task.categorical)).encode())
    for values in (task.seen.array, task.seen.y, task.unseen.array):
        seen.update(repr(values.shape).encode())
        seen.update(np.ascontiguousarray(values).tobytes())
    return seen.hexdigest()[:32]
