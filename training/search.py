"""Which setting to learn by: the best linear part, the best trees, and the share of each.

The settings tried are a plain table. Trees grow once per fold and are read at several lengths, and
the linear part is blended in afterwards, so a search costs a few fits per fold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from models.calibrate import fit_calibration
from models.propensity import PropensityModel
from training.recipe import (
    CONSTANT,
    FALLBACK,
    FEW_ROWS,
    Choice,
    Folds,
    Setting,
    fit_all,
    inner_folds,
    thinned,
)
from training.sample import Floats, Sample

CAUTIOUS: dict[str, Any] = {
    "learning_rate": 0.04,
    "min_child_samples": 50,
    "reg_lambda": 10.0,
    "colsample_bytree": 0.5,
    "subsample": 0.7,
}
_BOLDER = CAUTIOUS | {"min_child_samples": 20, "reg_lambda": 1.0}
# By leaves; tried from 4 and 8 on, to the side that is better. Trees that need more leaves need
# smaller ones too.
TREES = {2: CAUTIOUS, 4: CAUTIOUS, 8: _BOLDER, 16: _BOLDER}
# Where the most trees are still the best, the signal is strong: then twice as many, of all columns.
STRONG = {leaves: _BOLDER | {"colsample_bytree": 1.0} for leaves in (4, 8, 16)}
LENGTHS = (25, 50, 100, 200, 400)  # trees
LINEAR_CS = (0.01, 0.1, 0.5)  # inverse strengths of the linear part's penalty
LINEAR_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # share of the linear part in a blend
SEARCH_ROWS = 30_000  # settings are chosen on whole customers up to so many rows
SEEDS = 3  # boosters averaged where rows are few, so that a draw of rows matters less

Found = tuple[Setting, Floats]  # a setting and its log-odds out of fold


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
    linear = least(_linear(small, folds, categorical), held)
    trees = _trees(small, folds, categorical, held)
    setting, log_odds = least(blends(trees, linear), held)
    if not clearly_better(log_odds, np.zeros(len(held)), held):
        return Choice(CONSTANT)
    promised = constrained(small, folds, categorical, setting, linear[1])
    if promised and not clearly_better(log_odds, promised[1], held):
        setting, log_odds = promised
    if len(sample) <= FEW_ROWS:  # averaged boosters are calmer than those of the search
        return Choice(replace(setting, params=setting.params | {"n_seeds": SEEDS}))
    return Choice(setting, rows, log_odds) if len(small) == len(sample) else Choice(setting)


def _linear(small: Sample, folds: Folds, categorical: Sequence[int]) -> list[Found]:
    """Every linear part."""
    found = []
    settings = [
        Setting(f"linear, c {c:g}", {"linear_weight": 1.0, "linear_c": c}) for c in LINEAR_CS
    ]
    models = iter(fit_all(small, [(rows, s) for s in settings for rows, _ in folds], categorical))
    for setting in settings:
        parts = [next(models).decision_function(small.X[test]) for _, test in folds]
        found.append((setting, np.concatenate(parts)))
    return found


def _trees(small: Sample, folds: Folds, categorical: Sequence[int], held: Sample) -> Found:
    """The best trees: of the two middle sizes, then of a smaller or larger one; then the strong."""
    first, *middle, last = TREES

    def grown(leaves: Sequence[int]) -> list[list[Found]]:
        sizes = {n: TREES[n] for n in leaves}
        return _grown(small, folds, categorical, sizes, LENGTHS[-1])

    fewer, more = (least(found, held) for found in grown(middle))
    best = least([fewer, more], held)
    best = least([best, *grown([first if best is fewer else last])[0]], held)
    if best[0].params["n_estimators"] < LENGTHS[-1]:
        return best
    strong = _grown(small, folds, categorical, STRONG, 2 * LENGTHS[-1])
    return least([best, *chain.from_iterable(strong)], held)


def _grown(
    small: Sample,
    folds: Folds,
    categorical: Sequence[int],
    sizes: Mapping[int, dict[str, Any]],
    most: int,
) -> list[list[Found]]:
    """Trees of each number of leaves, at every length up to `most`."""
    longest = [
        Setting(f"{n} leaves", params | {"num_leaves": n, "n_estimators": most})
        for n, params in sizes.items()
    ]
    models = iter(fit_all(small, [(rows, s) for s in longest for rows, _ in folds], categorical))
    grown = []
    for tree in longest:
        parts = [[*lengths(tree, next(models), small.array[test])] for _, test in folds]
        same = zip(*parts, strict=True)  # one length on every fold
        grown.append([(one[0][0], np.concatenate([z for _, z in one])) for one in same])
    return grown


def constrained(
    small: Sample, folds: Folds, categorical: Sequence[int], setting: Setting, linear: Floats
) -> Found | None:
    """The setting with trees held to what the features promise; None where that changes nothing."""
    weight = setting.params["linear_weight"]
    told = [small.array[:, position] for position, way in enumerate(small.monotone) if way]
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
    for length in (*LENGTHS, 2 * LENGTHS[-1]):
        if length > tree.params["n_estimators"]:
            break
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
