"""What would change a score: values within reach of the company, and the probability they give.

A lever is what moves together: features that the company can act on and that share a reason or a
table of facts, such as all that is counted from use. It is set to what this customer had before,
or to what is usual among those of its peers whom the event is less likely to hit; of an upsell,
more likely: never more than their middle four fifths have, and never the wrong way. Facts that
nobody can change stay as they are. What follows, such as uses per seat, is computed from the rest
and said to go with it: only what the customer or its peers have had is told as theirs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.declare import DERIVED, EVER, MOMENTARY, Feature
from features.following import Following, Windowed
from features.windows import asked_by
from models.levers import levers
from models.peers import Peers
from models.portable import Floats, PortableModel
from models.wording import Wording

LEAST_CHANGE = 0.05  # of the probability: less is not worth asking for
MOST = 3
USUAL = "as is usual among peers who do better"
Moves = dict[int, float]  # position -> the value it would have


@dataclass(frozen=True)
class _Ask:
    """One lever moved one way."""

    basis: str  # own_past, peers
    lever: tuple[int, ...]
    moves: Moves
    stated: dict[int, str]  # of the moves that were not derived: whose value it is, in words


class Counterfactuals:
    """What would change the scores of a model.

    Parameters
    ----------
    model : PortableModel
    features : sequence of Feature
        In the order of the matrix.
    peers : Peers
    is_chance : bool
        Whether the event is wanted, so that more of it is better.
    currency : str
    """

    def __init__(
        self,
        model: PortableModel,
        features: Sequence[Feature],
        peers: Peers,
        *,
        is_chance: bool,
        currency: str = "",
    ) -> None:
        self._model, self._features, self._peers = model, features, peers
        self._is_chance = is_chance
        self._wording = [Wording(feature, currency) for feature in features]
        self._levers = levers(features)
        self._names = {feature.name: i for i, feature in enumerate(features)}
        self._following = Following([*self._names])
        windows = self._following.windows.items()
        self._so_far = {
            at for at, one in windows if one.days == EVER and one.reduce not in MOMENTARY
        }

    def of(self, row: Floats) -> list[dict[str, Any]]:
        """Up to `MOST` changes that would help, the greatest first; none where none is in reach.

        Parameters
        ----------
        row : ndarray of shape (f,)
            An encoded row.

        Returns
        -------
        list of dict
            `text`, `basis` (`own_past` or `peers`), `probability` (with the change), `change` (that
            less the present one) and `features`: list of `feature`, `from`, `to`.
        """
        places = self._peers.place(row[None, :])
        place, whole = int(places[0]), self._model.contributions(row[None, :])[:, :-1]
        sign = 1 if self._is_chance else -1
        parts = sign * (whole - self._peers.base(places))[0]  # below zero: does harm
        tried = self._settled(
            row, [ask for lever in self._levers for ask in self._asks(row, lever, place, parts)]
        )
        if not tried:
            return []
        rows = np.repeat(row[None, :], len(tried) + 1, axis=0)
        for i, ask in enumerate(tried, 1):
            rows[i, list(ask.moves)] = list(ask.moves.values())
        now, *then = self._model.probability(rows).tolist()
        best: dict[tuple[int, ...], tuple[float, _Ask]] = {}
        for ask, after in zip(tried, then, strict=True):
            gain = after - now if self._is_chance else now - after
            if gain >= LEAST_CHANGE * now and gain > best.get(ask.lever, (0.0, ask))[0]:
                best[ask.lever] = (gain, ask)
        order = sorted(best.values(), key=lambda found: -found[0])[:MOST]
        return [
            self._told(row, ask, now, gain, self._lead(row, ask, place, parts))
            for gain, ask in order
        ]

    def _asks(
        self, row: Floats, lever: tuple[int, ...], place: int, parts: Floats
    ) -> Iterator[_Ask]:
        past = self._past(row, lever)
        words = {
            now: self._as_before(before, now)
            for now, before in past.items()
            if self._is_better(place, now, row[before] - row[now])
        }
        if words:
            yield _Ask("own_past", lever, self._carried(row, lever, past), words)
        if usual := self._usual(row, lever, place, parts):
            yield _Ask("peers", lever, usual, dict.fromkeys(usual, USUAL))

    def _settled(self, row: Floats, asks: Sequence[_Ask]) -> list[_Ask]:
        """The same with what follows, such as uses per seat; none without a figure to state."""
        rows = np.repeat(row[None, :], len(asks), axis=0)
        moved = np.zeros(rows.shape, dtype=bool)
        for i, ask in enumerate(asks):
            rows[i, list(ask.moves)] = list(ask.moves.values())
            moved[i, list(ask.moves)] = True
        self._following.settle(rows, moved)
        found = []
        for ask, then in zip(asks, rows, strict=True):
            differs = np.flatnonzero(~np.isclose(then, row, rtol=1e-9, atol=0, equal_nan=True))
            moves = {int(at): float(then[at]) for at in differs}
            stated = {
                at: words
                for at, words in ask.stated.items()
                if at in moves and np.array_equal(moves[at], ask.moves[at], equal_nan=True)
            }
            if stated:
                found.append(replace(ask, moves=moves, stated=stated))
        return found

    def _past(self, row: Floats, lever: tuple[int, ...]) -> dict[int, int]:
        """What has another value now than before, and the position that states the one before."""
        found: dict[int, int] = {}
        for position in lever:
            pair = self._features[position].compares
            if pair is None or not set(pair) <= set(self._names):
                continue
            before, now = (self._names[name] for name in pair)
            if not np.isnan(row[[before, now]]).any() and row[before] != row[now]:
                found[now] = before
        return found

    def _as_before(self, before: int, now: int) -> str:
        """When it was so: in as many days right before those of the window, where that is known."""
        window, shown = self._following.windows.get(now), DERIVED.get(self._features[before].name)
        if window and shown:
            right_before = {(window.measure, (window.days, 2 * window.days))}
            if asked_by(shown) == (right_before, set()):
                return f"as in the {window.days} days before"
        return "as before"

    def _is_better(self, place: int, position: int, gain: float) -> bool:
        """Whether a figure moves the way of the peers who do better, as far as that is known."""
        found = self._peers.better(place, position, is_chance=self._is_chance)
        return found is None or found[1] * gain >= 0

    def _carried(self, row: Floats, lever: tuple[int, ...], past: dict[int, int]) -> Moves:
        """Values of before, with what goes with them."""
        own = {now: float(row[before]) for now, before in past.items()}
        moves = self._in_proportion(row, lever, own) | own
        for now, value in list(moves.items()):
            moves = self._in_step(row, lever, now, value) | moves
        return moves

    def _in_proportion(self, row: Floats, lever: tuple[int, ...], moves: Moves) -> Moves:
        """Sums over the same window of the same facts, such as quantities where uses move."""
        windows = self._following.windows
        found: Moves = {}
        for now, value in moves.items():
            mine = windows.get(now)
            for position in lever:
                other = windows.get(position)
                if mine is None or other is None or row[now] <= 0 or position in moves:
                    continue
                alike = (other.table, other.days, other.reduce) == (mine.table, mine.days, "sum")
                if alike and mine.reduce == "sum" and not np.isnan(row[position]):
                    found[position] = float(row[position] * value / row[now])
        return found

    def _in_step(self, row: Floats, lever: tuple[int, ...], now: int, value: float) -> Moves:
        """Other windows of a measure when one has another value, and the last time of its kind.

        A longer window holds as much more; a shorter one at least its part of what is more, and at
        most what is there.
        """
        windows = self._following.windows
        moves: Moves = {}
        if now not in windows:
            return moves
        mine, gain = windows[now], value - float(row[now])
        for position in lever:
            other, x = windows.get(position), float(row[position])
            if other is None or position == now or np.isnan(x):
                continue
            if other.measure == mine.measure:
                moves[position] = _window(x, gain, value, other, mine)
            elif other.table == mine.table and other.reduce == "last" and mine.reduce == "days":
                moves[position] = min(x, mine.days / value) if gain > 0 else x
        return moves

    def _usual(self, row: Floats, lever: tuple[int, ...], place: int, parts: Floats) -> Moves:
        """What is usual among the peers who do better, of what is worse than that here."""
        moves: Moves = {}
        for position in sorted(set(lever) - self._following.positions):
            found = self._peers.better(place, position, is_chance=self._is_chance)
            if found is None:
                continue
            (aim, way), x = found, row[position]
            if position in self._so_far and aim < x:  # what ever happened is not undone
                continue
            if np.isnan(aim):  # most of them have none, such as no open ticket
                is_worse = not np.isnan(x) and self._features[position].unit == "days"
            elif np.isnan(x):
                is_worse = way != 0
            elif way == 0:  # hardly anybody has more, or less, and it does harm here
                is_worse = x != aim and parts[position] < 0
            else:
                is_worse = way * (aim - x) > 0
            if is_worse:
                moves[position] = aim
        return moves

    def _lead(self, row: Floats, ask: _Ask, place: int, parts: Floats) -> int:
        """What speaks for all: of what is stated, does harm and is farthest among the peers."""

        def far(position: int) -> tuple[bool, float, float]:
            ends = (row[position], ask.moves[position])
            one, other = (self._peers.percentile(place, position, x) for x in ends)
            gap = 0 if one is None or other is None else abs(one - other)
            is_plain = self._features[position].unit != "ratio" and not np.isnan(ends).any()
            return is_plain and parts[position] < 0, gap, -parts[position]

        return max(ask.stated, key=far)

    def _told(self, row: Floats, ask: _Ask, now: float, gain: float, lead: int) -> dict[str, Any]:
        after = now + gain if self._is_chance else now - gain
        was, aim = (self._plain(lead, x) for x in (row[lead], ask.moves[lead]))
        rest = len(ask.moves) - 1
        going = "1 figure that goes" if rest == 1 else f"{rest} figures that go"
        with_rest = f", and {going} with it" if rest else ""
        return {
            "text": f"{self._wording[lead].subject}: {aim} instead of {was}, {ask.stated[lead]}"
            f"{with_rest}: the probability would be {after:.0%} instead of {now:.0%}",
            "basis": ask.basis,
            "probability": round(after, 6),
            "change": round(after - now, 6),
            "features": [
                {"feature": self._features[i].name, "from": _value(row[i]), "to": _value(x)}
                for i, x in ask.moves.items()
            ],
        }

    def _plain(self, position: int, x: float) -> str:
        return "none" if np.isnan(x) else self._wording[position].plain(float(x))


def _value(x: float) -> float | None:
    return None if np.isnan(x) else float(x)


def _window(x: float, gain: float, value: float, other: Windowed, mine: Windowed) -> float:
    """A window of the same measure, once another of them has `value`, which is `gain` more."""
    if other.days != EVER and other.days < mine.days:
        part = float(np.round(value * other.days / mine.days))
        return max(x, part) if gain > 0 else min(x, value)
    return x + gain if mine.reduce in ("sum", "days") else max(x, value)
