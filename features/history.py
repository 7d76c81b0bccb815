"""Histories on two clocks: which version of an entity is the last one known at each as-of."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.grid import microseconds


@dataclass(frozen=True)
class Versions:
    """Rows of a history: the entity of each, and the as-of that first sees it.

    `entity` codes and `shown` are int64 of shape (n_rows,); a row that no as-of sees has
    `shown == n_as_of`.
    """

    entity: np.ndarray
    shown: np.ndarray
    n_as_of: int

    @classmethod
    def of(cls, rows: pd.DataFrame, entity: np.ndarray, as_of: np.ndarray) -> "Versions":
        """`rows` must be sorted by (entity, occurred_at, known_at, value): the last one wins."""
        occurred, known = microseconds(rows["occurred_at"]), microseconds(rows["known_at"])
        return cls(entity, shown_at(occurred, known, as_of), len(as_of))

    def spans(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which row holds from which as-of until before which: `row`, `start`, `stop`.

        Rows come sorted by (entity, start); a row that a later fact overtook before it was shown
        has no span.
        """
        order = np.lexsort((self.shown, self.entity))
        best = (
            np.maximum.accumulate(order) if len(order) else order
        )  # later in time wins, per entity
        entity, shown = self.entity[order], self.shown[order]
        final = np.ones(len(order), bool)  # of rows shown together, the last one tells
        final[:-1] = (entity[1:] != entity[:-1]) | (shown[1:] != shown[:-1])
        best, entity, shown = best[final], entity[final], shown[final]
        stop = np.full(len(best), self.n_as_of)
        same = entity[1:] == entity[:-1]
        stop[:-1][same] = shown[1:][same]
        seen = shown < stop
        return best[seen], shown[seen], stop[seen]


def shown_at(occurred: np.ndarray, known: np.ndarray, as_of: np.ndarray) -> np.ndarray:
    """Position of the first as-of that sees a fact: strictly after it happened and was known."""
    return np.asarray(np.searchsorted(as_of, np.maximum(occurred, known), side="right"))


def expand(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every (row, as-of) of the spans: `row` repeats, `moment` counts from start to before stop."""
    length = np.maximum(stop - start, 0)
    row = np.repeat(np.arange(len(start)), length)
    first = np.cumsum(length) - length
    return row, np.arange(int(length.sum())) - np.repeat(first, length) + np.repeat(start, length)


class Pairs:
    """The (customer, as-of) pairs of a build, found by their codes."""

    def __init__(self, customer: np.ndarray, as_of: np.ndarray, n_as_of: int) -> None:
        self.customer, self.as_of, self.n_as_of = customer, as_of, n_as_of
        key = customer * n_as_of + as_of
        self._order = np.argsort(key, kind="stable")
        self._keys = key[self._order]

    def __len__(self) -> int:
        return len(self.customer)

    def find(self, customer: np.ndarray, moment: np.ndarray) -> np.ndarray:
        """Position of each pair; -1 where it is not part of the build."""
        if not len(self._keys):
            return np.full(len(customer), -1)
        key = customer * self.n_as_of + moment
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return np.asarray(np.where(self._keys[place] == key, self._order[place], -1))
