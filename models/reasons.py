"""Reasons: which groups of features moved a probability, by how much, in words.

A group is compared with what is usual among the customer's peers (`models.peers`): that who pays
monthly renews this month is true of all of them, and so no reason. The end of a term comes to each
in turn: it says when a customer will decide, not why, and follows what does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.declare import Feature
from models.encode import feature_of
from models.peers import Peers
from models.portable import Floats, PortableModel
from models.wording import Value, Wording, moved

BLOCK = 20_000  # rows explained at once
SMALLEST = 0.01  # of the probability: a group that moves it by less is no reason
OCCASIONS = ("renewal", "term")  # groups that say when a decision falls due, and not why
CHANCES = ("upsell", "cross_sell", "conversion")  # kinds of target that are good news
_MOVES = {"fell": "down", "rose": "up", "stayed": "steady"}


@dataclass(frozen=True)
class _Column:
    """One feature as the reasons need it."""

    feature: Feature
    wording: Wording
    compares: tuple[int, int] | None  # positions
    categories: dict[float, str] | None  # by code
    typical: float | None

    def value(self, x: float) -> Value:
        """A cell of the matrix as a person knows it; None when missing."""
        if np.isnan(x):
            return None
        return float(x) if self.categories is None else self.categories.get(float(x))


class Explainer:
    """Reasons of a model's rows.

    Parameters
    ----------
    model : PortableModel
        Its card gives the groups (`reason` of each feature), the words, the currency and whether
        the event is a risk or a chance.

    Attributes
    ----------
    groups : tuple of str
        The reasons there are.
    peers : Peers
    is_chance : bool
        Whether the event is wanted.
    """

    def __init__(self, model: PortableModel) -> None:
        self._model = model
        card = model.card
        names = {f["name"]: i for i, f in enumerate(card["features"])}
        self._columns = [_column(f, names, card.get("currency") or "") for f in card["features"]]
        groups = dict.fromkeys(column.feature.reason for column in self._columns)
        self.groups = tuple(groups)
        self.peers = Peers(card)
        self._members = [
            np.asarray([i for i, c in enumerate(self._columns) if c.feature.reason == group])
            for group in groups
        ]
        self._occasion = np.isin(self.groups, OCCASIONS)
        kind = (card.get("target") or {}).get("kind")
        self.is_chance = kind in CHANCES
        self._event = "chance" if self.is_chance else "risk"

    def explain(self, matrix: Floats, top: int = 3) -> list[list[dict[str, Any]]]:
        """Reasons of each row: up to `top` that raise the probability, then one that lowers it.

        Parameters
        ----------
        matrix : ndarray of shape (n, f)
            Encoded rows.
        top : int
            Reasons that raise it, greatest first; those of `OCCASIONS` behind the others.

        Returns
        -------
        list of list of dict
            `code`, `direction`, `controllable`, `text`, `contribution` (drop in calibrated
            probability when what the group adds, beyond what it adds for peers, is taken out of the
            log-odds; negative when it lowers) and `evidence`, as in `spec/api.md`: `feature`,
            `value`, where the feature compares with the customer's own past `before`, and where
            peers are known `peer_median`, `percentile` and `peer_group`.
        """
        out: list[list[dict[str, Any]]] = []
        for start in range(0, len(matrix), BLOCK):
            out += self._block(matrix[start : start + BLOCK], top)
        return out

    def effects(self, matrix: Floats) -> Floats:
        """What each of `groups` adds to the probability, 0 where next to nothing: (n, groups)."""
        return self._effects(matrix, self._parts(matrix, self.peers.place(matrix)))

    def ranked(self, effects: Floats) -> NDArray[np.intp]:
        """Positions in `groups`, shape (n, groups): what raises, occasions, the rest by effect."""
        behind = np.where(effects > 0, self._occasion, 2)
        return np.lexsort((-effects, behind), axis=1)

    def _parts(self, matrix: Floats, place: NDArray[np.intp]) -> Floats:
        """Log-odds by feature beyond those of the peers, shape (n, f)."""
        return np.asarray(self._model.contributions(matrix)[:, :-1] - self.peers.base(place))

    def _effects(self, matrix: Floats, parts: Floats) -> Floats:
        groups = np.column_stack([parts[:, members].sum(axis=1) for members in self._members])
        z = self._model.log_odds(matrix)
        probability = self._model.calibrated(z)
        effects = probability[:, None] - self._model.calibrated(z[:, None] - groups)
        effects[np.abs(effects) < SMALLEST * probability[:, None]] = 0
        return np.asarray(effects)

    def _block(self, matrix: Floats, top: int) -> list[list[dict[str, Any]]]:
        place = self.peers.place(matrix)
        parts = self._parts(matrix, place)
        effects = self._effects(matrix, parts)
        raising, lowering = self._leaders(parts)
        order = self.ranked(effects)
        return [
            [
                self._reason(row, raising[i, g] if e > 0 else lowering[i, g], float(e), place[i])
                for g, e in _chosen(order[i], effects[i], top)
            ]
            for i, row in enumerate(matrix)
        ]

    def _leaders(self, parts: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Position of the feature that most raises, and most lowers, in each group: (n, groups)."""
        raising = [members[np.argmax(parts[:, members], axis=1)] for members in self._members]
        lowering = [members[np.argmin(parts[:, members], axis=1)] for members in self._members]
        return np.column_stack(raising), np.column_stack(lowering)

    def _reason(self, row: Floats, position: int, effect: float, place: int) -> dict[str, Any]:
        column = self._columns[position]
        value = column.value(row[position])
        before, now = (
            (self._columns[i].value(row[i]) for i in column.compares)
            if column.compares
            else (None, None)
        )
        way = "raises" if effect > 0 else "lowers"
        return {
            "code": _code(column, value, moved(before, now), self._usual(column, position, place)),
            "direction": f"{way}_{self._event}",
            "controllable": column.feature.actionable,
            "text": column.wording.sentence(value, before, now)
            + self._beside_peers(column, value, row[position], position, place),
            "contribution": round(effect, 6),
            "evidence": {"feature": column.feature.name, "value": value}
            | ({} if before is None else {"before": before})
            | self.peers.evidence(place, position, row[position]),
        }

    def _usual(self, column: _Column, position: int, place: int) -> float | None:
        """What the peers have, else the typical value of all."""
        median = self.peers.typical(place, position)
        return column.typical if median is None else median

    def _beside_peers(
        self, column: _Column, value: Value, x: float, position: int, place: int
    ) -> str:
        """What is usual among peers, where the customer is far from it."""
        median = self.peers.typical(place, position)
        if median is None or not self.peers.stands_out(place, position, x):
            return ""
        usual = column.wording.plain(median)
        return "" if usual == column.wording.plain(value) else f"; usual among peers: {usual}"


def _column(card: dict[str, Any], names: dict[str, int], currency: str) -> _Column:
    feature = feature_of(card)
    pair = feature.compares
    known = pair is not None and set(pair) <= set(names)
    codes = card["codes"]
    return _Column(
        feature,
        Wording(feature, currency),
        (names[pair[0]], names[pair[1]]) if pair and known else None,
        None if codes is None else {code: value for value, code in codes.items()},
        card["typical"],
    )


def _chosen(order: NDArray[np.intp], effects: Floats, top: int) -> Iterator[tuple[int, float]]:
    """Groups that raise, in their order, then the one that lowers most."""
    for group in order[:top]:
        if effects[group] > 0:
            yield int(group), effects[group]
    if effects[order[-1]] < 0:
        yield int(order[-1]), effects[order[-1]]


def _code(column: _Column, value: Value, way: str | None, usual: float | None) -> str:
    """The group and how this customer stands in it, such as `usage_trend_down`."""
    reason = column.feature.reason
    if value is None:
        return f"{reason}_unknown"
    if way is not None:
        return f"{reason}_{_MOVES[way]}"
    if isinstance(value, str) or usual is None:
        return reason
    if value == usual:
        return f"{reason}_typical"
    return f"{reason}_{'high' if value > usual else 'low'}"
