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
from models.past import OwnPast
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


@dataclass(frozen=True)
class _Told:
    """A customer of whom reasons tell: its encoded row, that of the time before, and its peers."""

    row: Floats
    past: Floats
    place: int
    is_alike: bool  # nothing raises its probability that does not raise its peers'


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
        self._past = OwnPast([*names])
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
            Reasons that raise it, greatest first; those of `OCCASIONS` behind the others. Where a
            row has nothing beyond its peers that does, what most raises it among all, shared with
            them.

        Returns
        -------
        list of list of dict
            `code`, `direction`, `controllable`, `text`, `contribution` (drop in calibrated
            probability when what the group adds, beyond what it adds for peers, is taken out of the
            log-odds; negative when it lowers) and `evidence`, as in `spec/api.md`: `feature`,
            `value`, where the customer's own past is known `before`, and where peers are known
            `peer_median`, `percentile` and `peer_group`.
        """
        out: list[list[dict[str, Any]]] = []
        for start in range(0, len(matrix), BLOCK):
            out += self._block(matrix[start : start + BLOCK], top)
        return out

    def effects(self, matrix: Floats) -> Floats:
        """What each of `groups` adds to the probability, 0 where next to nothing: (n, groups)."""
        whole = self._contributions(matrix)
        return self._effects(matrix, whole - self.peers.base(self.peers.place(matrix)))

    def ranked(self, effects: Floats) -> NDArray[np.intp]:
        """Positions in `groups`, shape (n, groups): what raises, occasions, the rest by effect."""
        behind = np.where(effects > 0, self._occasion, 2)
        return np.lexsort((-effects, behind), axis=1)

    def _contributions(self, matrix: Floats) -> Floats:
        """Log-odds by feature, shape (n, f)."""
        return np.asarray(self._model.contributions(matrix)[:, :-1])

    def _effects(self, matrix: Floats, parts: Floats) -> Floats:
        groups = np.column_stack([parts[:, members].sum(axis=1) for members in self._members])
        z = self._model.log_odds(matrix)
        probability = self._model.calibrated(z)
        effects = probability[:, None] - self._model.calibrated(z[:, None] - groups)
        effects[np.abs(effects) < SMALLEST * probability[:, None]] = 0
        return np.asarray(effects)

    def _block(self, matrix: Floats, top: int) -> list[list[dict[str, Any]]]:
        place, whole = self.peers.place(matrix), self._contributions(matrix)
        parts = whole - self.peers.base(place)
        effects = self._effects(matrix, parts)
        shared = np.zeros_like(effects)
        alike = np.asarray(~(effects > 0).any(axis=1))
        if alike.any():
            shared[alike] = np.maximum(self._effects(matrix[alike], whole[alike]), 0)
            parts = np.where(alike[:, None], whole, parts)
        raising, lowering = self._leaders(parts)
        order, common = self.ranked(effects), self.ranked(shared)[:, 0]
        past = self._past.before(matrix)
        out = []
        for i, row in enumerate(matrix):
            told = _Told(row, past[i], int(place[i]), bool(shared[i].any()))
            found = [(int(common[i]), shared[i, common[i]])] if told.is_alike else []
            found += _chosen(order[i], effects[i], top)
            leaders = [raising[i, g] if e > 0 else lowering[i, g] for g, e in found]
            out.append(
                [
                    self._reason(told, position, float(e))
                    for position, (_, e) in zip(leaders, found, strict=True)
                ]
            )
        return out

    def _leaders(self, parts: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Position of the feature that most raises, and most lowers, in each group: (n, groups)."""
        raising = [members[np.argmax(parts[:, members], axis=1)] for members in self._members]
        lowering = [members[np.argmin(parts[:, members], axis=1)] for members in self._members]
        return np.column_stack(raising), np.column_stack(lowering)

    def _reason(self, told: _Told, position: int, effect: float) -> dict[str, Any]:
        column, x, place = self._columns[position], told.row[position], told.place
        value = column.value(x)
        pair = column.compares or ()
        before, now = [column.value(told.row[i]) for i in pair] or (None, None)
        way = "raises" if effect > 0 else "lowers"
        past = before if pair else column.value(told.past[position])
        return {
            "code": _code(column, value, moved(before, now), self._usual(column, position, place)),
            "direction": f"{way}_{self._event}",
            "controllable": column.feature.actionable,
            "text": column.wording.sentence(value, before, now)
            + ("" if pair else self._before(position, value, past))
            + self._among_peers(told, position, value, raises=effect > 0),
            "contribution": round(effect, 6),
            "evidence": {"feature": column.feature.name, "value": value}
            | ({} if past is None else {"before": past})
            | self.peers.evidence(place, position, x),
        }

    def _usual(self, column: _Column, position: int, place: int) -> float | None:
        """What the peers have, else the typical value of all."""
        median = self.peers.typical(place, position)
        return column.typical if median is None else median

    def _before(self, position: int, value: Value, past: Value) -> str:
        """What the customer had in the time before, where it was something else."""
        wording = self._columns[position].wording
        if past is None or wording.beside(past) == wording.beside(value):
            return ""
        length = " in as many days" if position in self._past.added else ""
        return f"; before that {wording.beside(past)}{length}"

    def _among_peers(self, told: _Told, position: int, value: Value, *, raises: bool) -> str:
        """What is usual among peers, where the customer is far from it or just like them."""
        if told.is_alike and raises:
            return "; it is the same for its peers"
        column, median = self._columns[position], self.peers.typical(told.place, position)
        far = self.peers.stands_out(told.place, position, told.row[position])
        if median is None or column.compares or not far:
            return ""
        usual = column.wording.beside(median)
        return "" if usual == column.wording.beside(value) else f"; usual among peers: {usual}"


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
