"""Windows over every event table: which are wanted, the values, and how a feature asks for them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from features.declare import DERIVED, EVER, MEASURES, MOMENTARY, Derived, Measure
from features.engine import Tables
from features.grid import Grid
from features.kernel import Window
from features.passes import Passes, Values

Wanted = dict[str, set[Window]]  # measure -> windows


class Windows:
    """What a derived feature sees: `f.measure(start, end)` and `f["state column"]` of each pair."""

    def __init__(
        self, values: Mapping[tuple[str, Window], np.ndarray], state: Mapping[str, Any]
    ) -> None:
        self._values = values
        self._state = state

    def __getitem__(self, column: str) -> np.ndarray:
        return np.asarray(self._state[column])

    def __getattr__(self, measure: str) -> Callable[..., np.ndarray]:
        if measure not in MEASURES:
            raise AttributeError(f"no measure {measure!r}; registered are {sorted(MEASURES)}")

        def between(start: int = 0, end: int = EVER) -> np.ndarray:
            return self._values[measure, (start, end)]

        return between


class _Recorder(dict[tuple[str, Window], np.ndarray]):
    """Stands in for the values once, to learn which windows a derived feature asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, Window]] = set()

    def __missing__(self, key: tuple[str, Window]) -> np.ndarray:
        self.asked.add(key)
        return np.zeros(1)


class _Blank(dict[str, np.ndarray]):
    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __missing__(self, key: str) -> np.ndarray:
        self.asked.add(key)
        return np.zeros(1)


def asked_by(feature: Derived) -> tuple[set[tuple[str, Window]], set[str]]:
    """The windows and the state columns that a derived feature reads."""
    values, state = _Recorder(), _Blank()
    feature.compute(Windows(values, state))
    return values.asked, state.asked


def available_measures(tables: Tables) -> dict[str, Measure]:
    """Measures whose table and optional columns the company has."""
    return {m.name: m for m in MEASURES.values() if tables.has(m.table, m.needs)}


def wanted_windows(names: Iterable[str], measures: Mapping[str, Measure]) -> Wanted:
    """The windows needed for those features (columns of measures, or derived)."""
    wanted: Wanted = {}
    names = set(names)
    for item in measures.values():
        if item.reduce in MOMENTARY:
            wanted.setdefault(item.name, set()).add((0, EVER))
        for days in item.windows:
            if item.column(days) in names:
                wanted.setdefault(item.name, set()).add((0, days))
    for name in names & set(DERIVED):
        for measure, window in asked_by(DERIVED[name])[0]:
            wanted.setdefault(measure, set()).add(window)
    return wanted


def compute_windows(
    tables: Tables,
    wanted: Wanted,
    grid: Grid,
    customers: pa.Array,
    customer: np.ndarray,
    as_of: np.ndarray,
) -> Values:
    """Every wanted window for every pair, in natural units; days since for `last` and `first`.

    The pairs are `customer` (sorted codes into `customers`) and `as_of` (positions in the grid).
    """
    values: Values = {}
    for table in sorted({MEASURES[name].table for name in wanted}):
        mine = {MEASURES[n]: w for n, w in wanted.items() if MEASURES[n].table == table}
        values |= Passes(tables[table], mine, grid, customers, customer, as_of).values()
    return values


def safe_ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """`over / under`, null where `under` is not positive."""
    over, under = np.asarray(over, np.float64), np.asarray(under, np.float64)
    out = np.full(np.broadcast(over, under).shape, np.nan)
    np.divide(over, under, out=out, where=under > 0)
    return out
