"""What a customer had itself in the time before, where longer windows hold that too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.declare import EVER
from features.following import Following
from models.portable import Floats

ADDED = ("sum", "days")  # windows of these add up: the longer less the shorter is the time before
STEADY = ("seats", "mrr")  # facts that stand since the last change of what is paid
AGE, CHANGE = "age_days", "days_since_mrr_change"


@dataclass(frozen=True)
class _Pair:
    """A window and the next longer one of its measure, by position and days."""

    short: int
    long: int
    days: int
    reach: int


class OwnPast:
    """The value of a column in the time before it, from the row itself.

    Uses of 28 days are held against those of the 62 days before, as many as in 28 of them, where
    90 days are a column too. What is computed from such windows, as uses per seat, is computed
    from those of before, where nothing else that it reads has changed since.

    Parameters
    ----------
    names : sequence of str
        The columns, in order. Without `age_days` nothing is known: of a new customer a longer
        window holds less time.

    Attributes
    ----------
    added : frozenset of int
        The columns that are sums over a window, by position.
    """

    def __init__(self, names: Sequence[str]) -> None:
        place = {name: i for i, name in enumerate(names)}
        self._following = Following(names)
        self._age, self._change = place.get(AGE), place.get(CHANGE)
        self._steady = {place[name] for name in STEADY if name in place}
        self._pairs = [] if self._age is None else _pairs(self._following)
        shorts = {pair.short: pair.reach for pair in self._pairs}
        self.added = frozenset(shorts)
        self._followers = {
            at: (needs_steady, reach)
            for at, read in self._following.reads.items()
            if (reach := max((shorts.get(one, 0) for one in read), default=0))
            and all(shorts.get(one) == reach or one in self._steady for one in read)
            and (not (needs_steady := bool(self._steady & set(read))) or self._change is not None)
        }

    def before(self, matrix: Floats) -> Floats:
        """Values of the time before, shape (n, f); NaN where they are not known."""
        out = np.full(matrix.shape, np.nan)
        if self._age is None or not self._pairs:
            return out
        age = matrix[:, self._age]
        for pair in self._pairs:
            rest = (matrix[:, pair.long] - matrix[:, pair.short]) / (pair.reach - pair.days)
            out[:, pair.short] = np.where(age >= pair.reach, rest * pair.days, np.nan)
        was = np.where(np.isnan(out), matrix, out)
        self._following.settle(was, ~np.isnan(out))
        for at, (needs_steady, reach) in self._followers.items():
            known = age >= reach
            if needs_steady and self._change is not None:
                known &= matrix[:, self._change] >= reach
            out[:, at] = np.where(known, was[:, at], np.nan)
        return out


def _pairs(following: Following) -> list[_Pair]:
    """Each window that adds up, with the next longer one that is at least twice as long."""
    found = []
    for short, one in following.windows.items():
        longer = [
            (other.days, at)
            for at, other in following.windows.items()
            if other.measure == one.measure and EVER != other.days >= 2 * one.days
        ]
        if one.reduce in ADDED and one.days != EVER and longer:
            reach, at = min(longer)
            found.append(_Pair(short, at, one.days, reach))
    return found
