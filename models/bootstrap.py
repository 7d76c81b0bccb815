"""Intervals of metrics from a bootstrap over customers, paired between models by one seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import metrics
from models.portable import Floats
from models.ranking import Ranking, divide

LIFTS = {"lift1": 0.01, "lift5": 0.05, "lift10": 0.10}
CELLS = 4_000_000  # weights held at once


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval and standard error; null with a reason if undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `reason` only where the value is null."""
        return {k: v for k, v in asdict(self).items() if k != "reason" or v is not None}


@dataclass(frozen=True)
class Origin:
    """The test rows of one origin.

    Attributes
    ----------
    y : ndarray of shape (n,)
        0 or 1.
    predictions : mapping of str to ndarray of shape (n,)
        Probabilities by model.
    customers : ndarray of shape (n,)
        Ids; rows of one customer are drawn together, in all origins alike.
    constant : float, optional
        The rate known beforehand, for the Brier skill.
    """

    y: Floats
    predictions: Mapping[str, Floats]
    customers: NDArray[Any]
    constant: float | None = None


@dataclass(frozen=True)
class Draws:
    """Metrics on the rows themselves and under each draw of customers.

    `value[model][metric]` has shape (origins,), `drawn[model][metric]` (origins, draws); NaN where
    undefined.
    """

    value: dict[str, dict[str, Floats]]
    drawn: dict[str, dict[str, Floats]]

    def average(self) -> dict[str, dict[str, Interval]]:
        """Every metric as the mean over origins, undefined when it is undefined at one."""
        return {
            model: {
                name: _interval_of(name, float(value.mean()), self.drawn[model][name].mean(axis=0))
                for name, value in found.items()
            }
            for model, found in self.value.items()
        }

    def origin(self, number: int) -> dict[str, dict[str, Interval]]:
        """Every metric at one origin."""
        return {
            model: {
                name: _interval_of(name, float(value[number]), self.drawn[model][name][number])
                for name, value in found.items()
            }
            for model, found in self.value.items()
        }

    def difference(self, first: str, second: str, metric: str = "log_loss") -> Interval:
        """Metric of `first` less that of `second`, mean over origins, under the same draws."""
        value = self.value[first][metric] - self.value[second][metric]
        drawn = self.drawn[first][metric] - self.drawn[second][metric]
        return interval(float(value.mean()), drawn.mean(axis=0))


def bootstrap(origins: Sequence[Origin], *, draws: int = 500, seed: int = 0) -> Draws:
    """Metrics of all models at all origins under one set of draws.

    A draw takes as many customers as there are, with replacement; the same draw weighs every
    model and every origin.
    """
    every, codes = np.unique(
        np.concatenate([np.asarray(origin.customers).astype(str) for origin in origins]),
        return_inverse=True,
    )
    ends = np.cumsum([len(origin.y) for origin in origins])[:-1]
    parts = np.split(codes, ends)
    block = max(1, CELLS // max(*(len(part) for part in parts), len(every), 1))
    scorers = [
        {model: _Scorer(origin.y, p, origin.constant) for model, p in origin.predictions.items()}
        for origin in origins
    ]
    whole = [
        _score(models, np.ones((1, len(part)))) for models, part in zip(scorers, parts, strict=True)
    ]
    pieces: list[list[dict[str, dict[str, Floats]]]] = [[] for _ in origins]
    for counts in _counts(len(every), draws, block, seed):
        for number, part in enumerate(parts):
            pieces[number].append(_score(scorers[number], counts[:, part]))
    return Draws(*_stack(whole, pieces))


def customer_sums(
    customers: ArrayLike, columns: ArrayLike, *, draws: int = 500, seed: int = 0
) -> Floats:
    """Sums of columns under draws of customers, the same draws for every column.

    Parameters
    ----------
    customers : array-like of shape (n,)
        Ids; rows of one customer are drawn together.
    columns : array-like of shape (n, k)

    Returns
    -------
    ndarray of shape (draws, k)
    """
    every, codes = np.unique(np.asarray(customers).astype(str), return_inverse=True)
    values = np.asarray(columns, dtype=np.float64)
    by_customer = np.zeros((len(every), values.shape[1]))
    np.add.at(by_customer, codes, values)
    if not len(every):
        return np.zeros((draws, values.shape[1]))
    block = max(1, CELLS // len(every))
    return np.concatenate([w @ by_customer for w in _counts(len(every), draws, block, seed)])


def _counts(customers: int, draws: int, block: int, seed: int) -> Iterator[Floats]:
    """How often each customer is drawn, shape (up to `block`, customers)."""
    random = np.random.default_rng(seed)
    for start in range(0, draws, block):
        rows = [
            np.bincount(random.integers(0, customers, customers), minlength=customers)
            for _ in range(min(block, draws - start))
        ]
        yield np.asarray(rows, dtype=np.float64)


def _score(scorers: Mapping[str, "_Scorer"], w: Floats) -> dict[str, dict[str, Floats]]:
    return {model: scorer.score(w) for model, scorer in scorers.items()}


def _stack(
    whole: list[dict[str, dict[str, Floats]]], pieces: list[list[dict[str, dict[str, Floats]]]]
) -> tuple[dict[str, dict[str, Floats]], dict[str, dict[str, Floats]]]:
    """By model and metric: values (origins,) and draws (origins, draws)."""
    value: dict[str, dict[str, Floats]] = {}
    drawn: dict[str, dict[str, Floats]] = {}
    for model, found in whole[0].items():
        value[model] = {n: np.asarray([w[model][n][0] for w in whole]) for n in found}
        drawn[model] = {
            n: np.asarray([np.concatenate([b[model][n] for b in blocks]) for blocks in pieces])
            for n in found
        }
    return value, drawn


class _Scorer:
    """All metrics of one model on one set of rows, for many sets of weights."""

    def __init__(self, y: ArrayLike, p: ArrayLike, constant: float | None) -> None:
        self._y, self._p, ones = metrics.checked(y, p)
        self._ranking = Ranking(self._y, self._p)
        self._bins = metrics.equal_count_bins(self._p)
        self._log_loss = metrics.row_log_loss(self._y, self._p)
        self._error = (self._y - self._p) ** 2
        self._base = None if constant is None else (self._y - constant) ** 2
        self._line = np.asarray(metrics.fit_line(self._y, self._p, ones))

    def score(self, w: Floats) -> dict[str, Floats]:
        """Each metric under each row of weights, shape (draws,)."""
        total = w.sum(axis=1)
        ranked = self._ranking.under(w)
        slope, intercept = self._lines(w).T
        found = {
            "log_loss": divide(w @ self._log_loss, total),
            "brier": divide(w @ self._error, total),
            "auc": ranked.auc(),
            "average_precision": ranked.average_precision(),
            **{name: ranked.lift(share) for name, share in LIFTS.items()},
            "lift10_attainable": ranked.attainable(0.10),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "calibration_error": metrics.bin_error(self._y, self._p, self._bins, w),
        }
        if self._base is not None:
            found["brier_skill"] = 1 - divide(w @ self._error, w @ self._base)
        return found

    def _lines(self, w: Floats) -> Floats:
        """Calibration slope and intercept under each row of weights, shape (draws, 2)."""
        if np.isnan(self._line).any():
            return np.full((len(w), 2), np.nan)
        return self._line + metrics.line_steps(self._y, self._p, w, self._line)


def _interval_of(metric: str, value: float, drawn: Floats) -> Interval:
    """The interval of a metric.

    A mean of distances grows with the noise that drawing adds, so every draw of the calibration
    error lies too high; they are centred on the estimate.
    """
    if metric == "calibration_error" and not np.isnan(drawn).all():
        drawn = np.maximum(drawn - np.nanmean(drawn) + value, 0.0)
    return interval(value, drawn)


def interval(value: float, drawn: Floats) -> Interval:
    """An estimate with the spread of its draws; undefined draws are left out if they are few."""
    if np.isnan(value):
        return Interval(None, reason="undefined on these rows: one class or one probability only")
    known = drawn[~np.isnan(drawn)]
    if len(known) < max(2, 0.9 * len(drawn)):
        return Interval(value, reason="no interval: undefined in more than a tenth of the draws")
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(value, float(low), float(high), float(known.std(ddof=1)))


def bootstrap_metrics(
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    customers: ArrayLike,
    *,
    constant: float | None = None,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    """Metrics by model on one set of rows, with intervals; the arguments are those of `Origin`."""
    return bootstrap(
        [_origin(y, predictions, customers, constant)], draws=draws, seed=seed
    ).average()


def paired_difference(
    y: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    customers: ArrayLike,
    *,
    metric: str = "log_loss",
    draws: int = 500,
    seed: int = 0,
) -> Interval:
    """Metric of `first` less that of `second` on the same rows and draws."""
    origin = _origin(y, {"first": first, "second": second}, customers, None)
    return bootstrap([origin], draws=draws, seed=seed).difference("first", "second", metric)


def _origin(
    y: ArrayLike, predictions: Mapping[str, ArrayLike], customers: ArrayLike, constant: float | None
) -> Origin:
    arrays = {model: np.asarray(p, dtype=np.float64) for model, p in predictions.items()}
    return Origin(np.asarray(y, dtype=np.float64), arrays, np.asarray(customers), constant)
