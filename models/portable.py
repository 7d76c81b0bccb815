"""The registered model in one file: reads `card.json` and the boosters, and needs nothing of us.

MLflow stores this file as the model's code, and the service predicts through it too, so that every
caller gets the same probability. It may import lightgbm, numpy, json and mlflow (with
pandas, which MLflow needs) only.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from numpy.typing import NDArray
from pandas import DataFrame, Series

Floats = NDArray[np.float64]

FORMAT = 1
LIMIT = 30.0  # log-odds are kept within: a probability is never exactly 0 or 1
CHUNK = 65_536  # rows whose columns are read at once
TILE = 1_024  # rows written at once, so that a matrix of many columns is filled from the cache


class ModelInputError(ValueError):
    """The rows given to a model are not what its card describes."""


def sigmoid(log_odds: Floats) -> Floats:
    """Probability of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, dtype=np.float64))))


def calibrate(log_odds: Floats, x: Sequence[float], y: Sequence[float]) -> Floats:
    """Calibrated log-odds: straight lines through the points (x, y), going on beyond both ends."""
    z, xs, ys = np.asarray(log_odds, dtype=np.float64), np.asarray(x), np.asarray(y)
    inner = np.interp(z, xs, ys)
    first = (ys[1] - ys[0]) / (xs[1] - xs[0])
    last = (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    below = ys[0] + first * (z - xs[0])
    above = ys[-1] + last * (z - xs[-1])
    out = np.where(z < xs[0], below, np.where(z > xs[-1], above, inner))
    return np.asarray(np.clip(out, -LIMIT, LIMIT))


def encode(features: Sequence[Mapping[str, Any]], frame: DataFrame) -> Floats:
    """Float matrix (n, f) of a DataFrame: the features of a card, in its order.

    Raises
    ------
    ModelInputError
        A column is missing, of the wrong type, or holds an infinite value.
    """
    missing = [f["name"] for f in features if f["name"] not in frame.columns]
    if missing:
        raise ModelInputError(f"missing columns {missing}; came {sorted(map(str, frame.columns))}")
    matrix = np.empty((len(frame), len(features)), dtype=np.float64)
    for start in range(0, len(frame), CHUNK):
        part = frame.iloc[start : start + CHUNK]
        columns = [_column(feature, part[feature["name"]], start) for feature in features]
        for row in range(0, len(part), TILE):
            out = matrix[start + row : start + min(row + TILE, len(part))]
            for position, column in enumerate(columns):
                out[:, position] = column[row : row + TILE]
    return matrix


def _column(feature: Mapping[str, Any], column: Series, start: int) -> Floats:
    """A column of the matrix; `start` is the place of its first row, for errors."""
    if feature["kind"] == "category":
        return _levels(feature, column)
    values = _numbers(feature, column)
    if np.isinf(values).any():
        row = start + int(np.flatnonzero(np.isinf(values))[0])
        raise ModelInputError(f"column {feature['name']!r} holds an infinite value in row {row}")
    return values


def _numbers(feature: Mapping[str, Any], column: Series) -> Floats:
    """A column of numbers; missing values are NaN."""
    values = column.to_numpy()
    if values.dtype.kind in "fiub":
        return values.astype(np.float64, copy=False)
    missing = column.isna().to_numpy()
    _check_types(feature["name"], values[~missing], (int, float, Decimal, np.number, np.bool_))
    out = np.full(len(values), np.nan)
    out[~missing] = values[~missing].astype(np.float64)
    return out


def _levels(feature: Mapping[str, Any], column: Series) -> Floats:
    """A column of categories: its codes, or the rates that stand for them; missing is NaN.

    A value that the model has not learned is NaN among codes, and `prior` among rates.
    """
    which, levels = column.factorize()
    values = np.asarray(levels, dtype=object)
    _check_types(feature["name"], values, (str,))
    codes, unseen = feature["codes"], feature.get("prior", np.nan)
    table = [codes.get(value, unseen) for value in values]
    cells = np.asarray([*table, np.nan], dtype=np.float64)
    return np.asarray(cells[which])  # -1, the last, is missing


def _check_types(name: str, values: Any, allowed: tuple[type, ...]) -> None:
    for value in values:
        if not isinstance(value, allowed):
            expected = "text" if allowed == (str,) else "numbers"
            raise ModelInputError(
                f"column {name!r} must hold {expected}; came {value!r} ({type(value).__name__})"
            )


class LinearPart:
    """A logistic regression on transformed features, read from plain numbers.

    A number's term is `slope * t(clip(x, low, high)) + bias` with `t` the signed log1p where `log`,
    else the identity, and `missing` where x is NaN; a category's term is looked up by its code, and
    is `missing` where no row that taught the linear part had that code.
    Terms are centred on the training rows, so each says how far a row is from the average one.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.intercept = float(spec["intercept"])
        numbers = spec["numbers"]
        self._index = np.asarray(numbers["index"], dtype=np.intp)
        self._log = np.asarray(numbers["log"], dtype=bool)
        self._low, self._high, self._slope, self._bias, self._missing = (
            np.asarray(numbers[key], dtype=np.float64)
            for key in ("low", "high", "slope", "bias", "missing")
        )

    def terms(self, matrix: Floats) -> Floats:
        """Log-odds that each feature adds, shape (n, f); with `intercept` they sum to the whole."""
        out = np.zeros_like(matrix)
        x = np.clip(matrix[:, self._index], self._low, self._high)
        x = np.where(self._log, np.sign(x) * np.log1p(np.abs(x)), x)
        out[:, self._index] = np.where(np.isnan(x), self._missing, self._slope * x + self._bias)
        for category in self.spec["categories"]:
            codes = matrix[:, category["index"]]
            table = np.asarray([*category["weights"], category["missing"]])
            known = codes < len(table) - 1  # missing ones are not, nor those it never learned
            rows = np.where(known, codes, len(table) - 1).astype(np.intp)
            out[:, category["index"]] = table[rows]
        return out

    def reach(self, width: int) -> Floats:
        """How far each of `width` features can move the log-odds: greatest less least term."""
        out = np.zeros(width)
        ends = np.stack([self._low, self._high])
        ends = np.where(self._log, np.sign(ends) * np.log1p(np.abs(ends)), ends)
        out[self._index] = np.abs(self._slope * (ends[1] - ends[0]))
        for category in self.spec["categories"]:
            out[category["index"]] = np.ptp([*category["weights"], category["missing"]])
        return out


def involuntary_share(cause: Mapping[str, Any], matrix: Floats) -> Floats:
    """Chance that an end is by a failed payment, by the `cause` of a card; shape (n,)."""
    if cause["linear"] is None:
        return np.full(len(matrix), float(cause["share"]))
    linear, points = LinearPart(cause["linear"]), cause["calibration"]
    log_odds = linear.terms(matrix).sum(axis=1) + linear.intercept
    return sigmoid(calibrate(log_odds, points["x"], points["y"]))


class Ensemble:
    """Boosters averaged in log-odds, blended with a linear part (`weight` 0: trees, 1: linear)."""

    def __init__(
        self, boosters: Sequence[lgb.Booster], linear: LinearPart | None, weight: float
    ) -> None:
        self.boosters = list(boosters)
        self.linear = linear
        self.weight = weight

    def log_odds(self, matrix: Floats) -> Floats:
        """Uncalibrated log-odds of each row, shape (n,)."""
        out = np.zeros(len(matrix))
        if not len(matrix):
            return out
        for booster in self.boosters:
            raw = booster.predict(matrix, raw_score=True, num_threads=_threads(matrix))
            out += np.asarray(raw) * (1 - self.weight) / len(self.boosters)
        if self.linear is not None:
            linear = self.linear.terms(matrix).sum(axis=1) + self.linear.intercept
            out += self.weight * linear
        return out

    def contributions(self, matrix: Floats) -> Floats:
        """Log-odds by feature (TreeSHAP, linear terms) and, last, the base; shape (n, f + 1)."""
        out = np.zeros((len(matrix), matrix.shape[1] + 1))
        if not len(matrix):
            return out
        for booster in self.boosters:
            parts = booster.predict(matrix, pred_contrib=True, num_threads=_threads(matrix))
            out += np.asarray(parts) * (1 - self.weight) / len(self.boosters)
        if self.linear is not None:
            out[:, :-1] += self.weight * self.linear.terms(matrix)
            out[:, -1] += self.weight * self.linear.intercept
        return out


def _threads(matrix: Floats) -> int:
    """One thread for a request, two for a batch."""
    return 1 if len(matrix) < 1000 else 2


class PortableModel:
    """A model as registered: what its card says, computed.

    Parameters
    ----------
    card : mapping
        `features` (with `kind` and `codes`), `calibration` (`x`, `y`), `linear`, `linear_weight`,
        and `cause` of models that tell causes apart.
    ensemble : Ensemble
        What gives the uncalibrated log-odds.
    """

    def __init__(self, card: Mapping[str, Any], ensemble: Ensemble) -> None:
        if card.get("format") != FORMAT:
            raise ValueError(f"card format {card.get('format')!r}; this code reads {FORMAT}")
        self.card = card
        self.ensemble = ensemble

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read `card.json` and the boosters it names from a folder."""
        folder = Path(folder)
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        texts = [(folder / name).read_text(encoding="utf-8") for name in card["boosters"]]
        boosters = [lgb.Booster(model_str=text) for text in texts]
        linear = LinearPart(card["linear"]) if card["linear"] else None
        return cls(card, Ensemble(boosters, linear, card["linear_weight"]))

    def matrix(self, frame: DataFrame) -> Floats:
        """Float matrix (n, f) of a DataFrame that holds at least the model's columns."""
        return encode(self.card["features"], frame)

    def log_odds(self, matrix: Floats) -> Floats:
        """Uncalibrated log-odds, shape (n,)."""
        return self.ensemble.log_odds(matrix)

    def calibrated(self, log_odds: Floats) -> Floats:
        """Calibrated probability of uncalibrated log-odds, any shape."""
        points = self.card["calibration"]
        return sigmoid(calibrate(log_odds, points["x"], points["y"]))

    def probability(self, matrix: Floats) -> Floats:
        """Calibrated probability of the event, shape (n,)."""
        return self.calibrated(self.log_odds(matrix))

    def causes(self, matrix: Floats, probability: Floats | None = None) -> dict[str, Floats] | None:
        """The probability by cause, which add up to it exactly; None where none is told."""
        if self.card.get("cause") is None:
            return None
        total = self.probability(matrix) if probability is None else probability
        share = involuntary_share(self.card["cause"], matrix)
        more = total * np.maximum(share, 1 - share)  # at least half: the rest is exact
        parts = np.where(share >= 0.5, [total - more, more], [more, total - more])
        return {"voluntary": parts[0], "involuntary": parts[1]}

    def contributions(self, matrix: Floats) -> Floats:
        """Uncalibrated log-odds by feature and, last, the base; shape (n, f + 1)."""
        return self.ensemble.contributions(matrix)


class PropensityPyfunc(PythonModel):
    """What `mlflow.pyfunc.load_model` gives: a DataFrame in, a calibrated probability a row out."""

    def load_context(self, context: Any) -> None:
        """Read the model's folder among the artifacts."""
        self._model = PortableModel.load(context.artifacts["model"])

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Floats:
        """Calibrated probability of each row."""
        return self._model.probability(self._model.matrix(model_input))


set_model(PropensityPyfunc())  # names the model of this file; loads nothing
