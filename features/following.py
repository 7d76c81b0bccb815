"""What follows from a figure: derived features computed anew in a frame of which columns moved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import features.families  # noqa: F401  registers every family
from features.declare import DERIVED, EVER, MEASURES, MOMENTARY, Derived
from features.windows import Windows, asked_by

_MARK = 12_345.0  # what gives it back computes nothing


@dataclass(frozen=True)
class Windowed:
    """A column that shows one window of a measure, ending at the moment."""

    measure: str
    days: int
    reduce: str
    table: str


class Following:
    """Which columns of a frame follow from others, and their values when those move.

    A column follows if its own code reads nothing but windows and facts that are columns too, as
    uses per seat do where uses and seats are there. Any other is a figure of its own.

    Parameters
    ----------
    names : sequence of str
        The columns, in order.

    Attributes
    ----------
    windows : dict of int to Windowed
        The columns, by position, that are windows.
    reads : dict of int to list of int
        The columns that follow, by position, and those that they are computed from.
    positions : frozenset of int
        The columns that follow.
    """

    def __init__(self, names: Sequence[str]) -> None:
        place = {name: i for i, name in enumerate(names)}
        self.windows = {place[n]: item for n, item in _windows().items() if n in place}
        self._values = {(w.measure, (0, w.days)): at for at, w in self.windows.items()}
        self._state: dict[str, int] = {}
        derived = {name: DERIVED[name] for name in names if name in DERIVED}
        computed = {n: item for n, item in derived.items() if not self._shows(place[n], item)}
        self._followers = {
            place[name]: (item, read)
            for name, item in computed.items()
            if (read := self._read(item)) is not None
        }
        self.reads = {at: read for at, (_, read) in self._followers.items()}
        self.positions = frozenset(self._followers)

    def settle(self, matrix: np.ndarray, moved: np.ndarray) -> None:
        """Compute, in place, what follows from the cells that moved.

        Parameters
        ----------
        matrix : ndarray of float, shape (n, f)
        moved : ndarray of bool, shape (n, f)
        """
        values = {key: matrix[:, at] for key, at in self._values.items()}
        state = {name: matrix[:, at] for name, at in self._state.items()}
        for at, (item, read) in self._followers.items():
            rows = moved[:, read].any(axis=1)
            if rows.any():
                matrix[rows, at] = item.compute(Windows(values, state))[rows]

    def _shows(self, at: int, item: Derived) -> bool:
        """Whether it is a window or a fact of the state as it is; it is found by that then."""
        windows, facts = asked_by(item)
        if len(windows) + len(facts) != 1:
            return False
        mark = np.full(1, _MARK)
        found = item.compute(Windows(dict.fromkeys(windows, mark), dict.fromkeys(facts, mark)))
        if not np.array_equal(found, mark):
            return False
        self._values |= dict.fromkeys(windows, at)
        self._state |= dict.fromkeys(facts, at)
        return True

    def _read(self, item: Derived) -> list[int] | None:
        """The columns that it reads; None where it reads what is none."""
        windows, facts = asked_by(item)
        if not (windows <= set(self._values) and facts <= set(self._state)):
            return None
        return [self._values[key] for key in windows] + [self._state[name] for name in facts]


def _windows() -> dict[str, Windowed]:
    """By column, those of the project's own files too."""
    found = {}
    for item in MEASURES.values():
        is_momentary = item.reduce in MOMENTARY
        for days in (EVER,) if is_momentary else item.windows:
            name = item.name if is_momentary else item.column(days)
            found[name] = Windowed(item.name, days, item.reduce, item.table)
    return found
