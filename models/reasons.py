"""Reasons: which groups of features moved a probability, by how much, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.declare import Feature
from models.encode import feature_of
from models.portable import Floats, PortableModel
from models.wording import Value, Wording, moved

BLOCK = 20_000  # rows explained at once
SMALLEST = 0.01  # of the probability: a group that moves it by less is no reason
CHANCES = ("upsell", "cross_sell", "conversion")  # kinds of target that are good news
_MOVES = {"fell": "down", "rose": "up", "stayed": "steady"}


@dataclass(frozen=True)
class _Column:
    """One feature as the reasons need it."""

    feature: Feature
    wording: Wording
    compares: tuple[int, int] | None  # positions
    categories: tuple[str, ...] | None  # by code
    typical: float | None

    def value(self, x: float) -> Value:
        """A cell of the matrix as a person knows it; None when missing."""
        if np.isnan(x):
            return None
        return float(x) if self.categories is None else self.categories[int(x)]


class Explainer:
    """Reasons of a model's rows.

    Parameters
    ----------
    model : PortableModel
        Its card gives the groups (`reason` of each feature), the words, the currency and whether
        the event is a risk or a chance.
    """

    def __init__(self, model: PortableModel) -> None:
        self._model = model
        card = model.card
        names = {f["name"]: i for i, f in enumerate(card["features"])}
        self._columns = [_column(f, names, card.get("currency") or "") for f in card["features"]]
        groups = dict.fromkeys(column.feature.reason for column in self._columns)
        self._members = [
            np.asarray([i for i, c in enumerate(self._columns) if c.feature.reason == group])
            for group in groups
        ]
        kind = (card.get("target") or {}).get("kind")
        self._event = "chance" if kind in CHANCES else "risk"

    def explain(self, matrix: Floats, top: int = 3) -> list[list[dict[str, Any]]]:
        """Reasons of each row: up to `top` that raise the probability, then one that lowers it.

        Parameters
        ----------
        matrix : ndarray of shape (n, f)
            Encoded rows.
        top : int
            Reasons that raise it, greatest first.

        Returns
        -------
        list of list of dict
            `code`, `direction`, `controllable`, `text`, `contribution` (drop in calibrated
            probability when the group is taken out of the log-odds; negative when it lowers) and
            `evidence`, as in `spec/api.md`.
        """
        out: list[list[dict[str, Any]]] = []
        for start in range(0, len(matrix), BLOCK):
            out += self._block(matrix[start : start + BLOCK], top)
        return out

    def _block(self, matrix: Floats, top: int) -> list[list[dict[str, Any]]]:
        parts = self._model.contributions(matrix)[:, :-1]
        groups = np.column_stack([parts[:, members].sum(axis=1) for members in self._members])
        z = self._model.log_odds(matrix)
        probability = self._model.calibrated(z)
        effects = probability[:, None] - self._model.calibrated(z[:, None] - groups)
        effects[np.abs(effects) < SMALLEST * probability[:, None]] = 0
        raising, lowering = self._leaders(parts)
        order = np.argsort(-effects, axis=1, kind="stable")
        return [
            [
                self._reason(row, raising[i, g] if e > 0 else lowering[i, g], float(e))
                for g, e in _chosen(order[i], effects[i], top)
            ]
            for i, row in enumerate(matrix)
        ]

    def _leaders(self, parts: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Position of the feature that most raises, and most lowers, in each group: (n, groups)."""
        raising = [members[np.argmax(parts[:, members], axis=1)] for members in self._members]
        lowering = [members[np.argmin(parts[:, members], axis=1)] for members in self._members]
        return np.column_stack(raising), np.column_stack(lowering)

    def _reason(self, row: Floats, position: int, effect: float) -> dict[str, Any]:
        column = self._columns[position]
        value = column.value(row[position])
        before, now = (
            (self._columns[i].value(row[i]) for i in column.compares)
            if column.compares
            else (None, None)
        )
        way = "raises" if effect > 0 else "lowers"
        return {
            "code": _code(column, value, moved(before, now)),
            "direction": f"{way}_{self._event}",
            "controllable": column.feature.actionable,
            "text": column.wording.sentence(value, before, now),
            "contribution": round(effect, 6),
            "evidence": {"feature": column.feature.name, "value": value},
        }


def _column(card: dict[str, Any], names: dict[str, int], currency: str) -> _Column:
    feature = feature_of(card)
    pair = feature.compares
    known = pair is not None and set(pair) <= set(names)
    codes = card["codes"]
    return _Column(
        feature,
        Wording(feature, currency),
        (names[pair[0]], names[pair[1]]) if pair and known else None,
        None if codes is None else tuple(sorted(codes, key=codes.__getitem__)),
        card["typical"],
    )


def _chosen(order: NDArray[np.intp], effects: Floats, top: int) -> Iterator[tuple[int, float]]:
    """Groups that raise, greatest first, then the one that lowers most."""
    for group in order[:top]:
        if effects[group] > 0:
            yield int(group), effects[group]
    if effects[order[-1]] < 0:
        yield int(order[-1]), effects[order[-1]]


def _code(column: _Column, value: Value, way: str | None) -> str:
    """The group and how this customer stands in it, such as `usage_trend_down`."""
    reason = column.feature.reason
    if value is None:
        return f"{reason}_unknown"
    if way is not None:
        return f"{reason}_{_MOVES[way]}"
    if isinstance(value, str) or column.typical is None:
        return reason
    if value == column.typical:
        return f"{reason}_typical"
    return f"{reason}_{'high' if value > column.typical else 'low'}"
