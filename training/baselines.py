"""What a model is held against: the newest known rate, and a rule of one variable."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from features.built import some_rows
from training.sample import Floats, Rows, Sample
from training.splits import newest

STEP = 30  # rows in a step of a rule, at least
RULE_ROWS = 400_000  # more teach a rule of one column nothing
PRIOR = 5.0  # rows at the overall rate added to every step


@dataclass(frozen=True)
class Constant:
    """The same probability for everyone: the newest rate known at the origin."""

    rate: float

    def probability(self, sample: Sample) -> Floats:
        """Shape (n,)."""
        return np.full(len(sample), self.rate)


def constant(train: Sample) -> Constant:
    """The rate of the newest slice (of a dense grid: its last 30 days) that may train."""
    y = train.y
    if train.as_of.notna().any():
        y = y[train.as_of.isin(newest(list(train.as_of))).to_numpy()]
    return Constant(float((y.sum() + 0.5) / (len(y) + 1)))  # never exactly 0 or 1


def in_population(probability: Floats, sampled: float, population: float) -> Floats:
    """Probabilities of a sample drawn by the outcome, at the rate of the population, shape (n,).

    References
    ----------
    King, G., & Zeng, L. (2001). Logistic regression in rare events data. Political Analysis, 9(2),
    137-163. doi:10.1093/oxfordjournals.pan.a004868
    """
    odds = population * (1 - sampled) / (sampled * (1 - population))
    return np.asarray(probability * odds / (1 - probability + probability * odds))


@dataclass(frozen=True)
class Rule:
    """A step-wise probability along one column, in one direction.

    Attributes
    ----------
    column : str
    edges : dict of category to position, or ndarray of shape (k,)
        Categories, or the values at which a step begins.
    steps : ndarray of shape (k,)
        The probability of each.
    absent : float
        The probability where the value is missing or unknown.
    """

    column: str
    edges: dict[Any, int] | Floats
    steps: Floats
    absent: float

    def probability(self, sample: Sample) -> Floats:
        """Shape (n,)."""
        return self.of(sample.simple[self.column])

    def of(self, column: pd.Series) -> Floats:
        """The probability of each value, shape (n,)."""
        if isinstance(self.edges, dict):
            at = column.astype(object).map(self.edges).to_numpy(dtype=float)
        else:
            values = column.to_numpy(dtype=float)
            step = np.searchsorted(self.edges, values, side="right") - 1
            at = np.where(np.isnan(values), np.nan, np.maximum(step, 0))
        known = ~np.isnan(at)
        out = np.full(len(column), self.absent)
        out[known] = self.steps[at[known].astype(int)]
        return out


def simple_rule(train: Sample) -> Rule:
    """The single column whose rule has the least log loss on the training rows.

    Of more than `RULE_ROWS` rows so many are drawn.
    """
    simple, y = train.simple, train.y
    if len(y) > RULE_ROWS:
        drawn = np.sort(np.random.default_rng(0).choice(len(y), RULE_ROWS, replace=False))
        simple, y = some_rows(simple, drawn), y[drawn]
    columns = {name: simple[str(name)] for name in simple}
    rules = [(rule, column) for column in columns.values() for rule in _rules(column, y)]
    return min(rules, key=lambda one: _loss(one[0].of(one[1]), y))[0]


def _rules(column: pd.Series, y: Floats) -> list[Rule]:
    """The rules along a column: rising and falling, or one rate for each category."""
    rate = float(y.mean())
    missing = column.isna().to_numpy()
    absent = _smooth(y[missing], rate)
    if not pd.api.types.is_numeric_dtype(column):
        return [_by_category(column, y, rate, absent)]
    values, outcome = column.to_numpy(dtype=float)[~missing], y[~missing]
    if not len(values):
        return [Rule(str(column.name), {}, np.zeros(0), absent)]
    return [
        _by_step(str(column.name), values, outcome, rate, absent, rising=up) for up in (True, False)
    ]


def _by_category(column: pd.Series, y: Floats, rate: float, absent: float) -> Rule:
    groups = pd.Series(y).groupby(column.to_numpy())
    steps = (groups.sum() + PRIOR * rate) / (groups.count() + PRIOR)
    codes = {name: code for code, name in enumerate(steps.index)}
    return Rule(str(column.name), codes, np.asarray(steps, dtype=np.float64), absent)


def _by_step(
    name: str, values: Floats, y: Floats, rate: float, absent: float, *, rising: bool
) -> Rule:
    """Isotonic steps of some width, each drawn a little towards the overall rate."""
    order = np.argsort(values, kind="stable")
    fitted = IsotonicRegression(increasing=rising).fit_transform(values, y)[order]
    begins = _wide(np.flatnonzero(np.append(True, np.diff(fitted) != 0)), len(fitted))
    size = np.diff(np.append(begins, len(fitted)))
    events = np.add.reduceat(y[order], begins)
    steps = (events + PRIOR * rate) / (size + PRIOR)
    return Rule(name, values[order][begins], np.asarray(steps, dtype=np.float64), absent)


def _wide(begins: Rows, n: int) -> Rows:
    """The beginnings of steps, joined until each holds `STEP` rows, the last one too."""
    kept = [0]
    for begin in begins[1:]:
        if begin - kept[-1] >= STEP and n - begin >= STEP:
            kept.append(int(begin))
    return np.asarray(kept, dtype=np.int64)


def _smooth(y: Floats, rate: float) -> float:
    return float((y.sum() + PRIOR * rate) / (len(y) + PRIOR))


def _loss(probability: Floats, y: Floats) -> float:
    return float(-np.mean(np.log(np.where(y == 1, probability, 1 - probability))))
