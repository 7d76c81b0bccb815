"""Windows over every event table: which are wanted, the values, and how a feature asks for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.declare import DERIVED, EVER, MEASURES, Derived, Measure
from features.engine import Tables
from features.grid import DAY, Grid
from features.kernel import NEVER, Window, distinct_counts, window_values
from features.reduce import MILLIONTH, Reduced, reduce_days, reduce_distinct, reduce_events

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
        if item.reduce in ("last", "first"):
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
) -> dict[tuple[str, Window], np.ndarray]:
    """Every wanted window for every pair, in natural units; days since for `last` and `first`.

    The pairs are `customer` (sorted codes into `customers`) and `as_of` (positions in the grid).
    """
    values: dict[tuple[str, Window], np.ndarray] = {}
    moments = grid.as_of[as_of]
    for table in sorted({MEASURES[name].table for name in wanted}):
        mine = [MEASURES[name] for name in wanted if MEASURES[name].table == table]
        for group in _passes(mine):
            rows, kinds = _reduce(tables[table], group, grid, customers)
            windows = sorted(set().union(*(wanted[m.name] for m in group)))
            if kinds == ["distinct"]:
                found = distinct_counts(rows, windows, grid, customer, as_of)[:, None]
            else:
                found = window_values(rows, kinds, windows, grid, customer, as_of)
            for column, item in enumerate(group):
                scale = _scale(tables[table], item)
                for number, window in enumerate(windows):
                    if window in wanted[item.name]:
                        key = item.name, window
                        values[key] = _natural(found[number, column], item, scale, moments)
    return values


def _passes(measures: Sequence[Measure]) -> list[list[Measure]]:
    """Sums, last and first moments share one scan; days and distinct values have their own."""
    shared = [m for m in measures if m.reduce in ("sum", "last", "first")]
    own = [[m] for m in measures if m.reduce in ("days", "distinct")]
    return ([shared] if shared else []) + own


def _reduce(
    table: ir.Table, group: Sequence[Measure], grid: Grid, customers: pa.Array
) -> tuple[Reduced, list[Any]]:
    first = group[0]
    if first.reduce == "distinct" or (first.reduce == "days" and not grid.days_whole):
        return reduce_distinct(table, first, grid, customers), ["distinct"]
    if first.reduce == "days":
        return reduce_days(table, first, grid, customers), ["sum"]
    return reduce_events(table, group, grid, customers), [m.reduce for m in group]


def _scale(table: ir.Table, item: Measure) -> int:
    """Decimals are summed in millionths."""
    is_sum = item.reduce == "sum"
    return MILLIONTH if is_sum and item.contributes(table).type().is_decimal() else 1


def _natural(found: np.ndarray, item: Measure, scale: int, moments: np.ndarray) -> np.ndarray:
    """A column of the kernel's answer in its unit, in the same memory."""
    natural = found.view(np.float64)
    if item.reduce in ("last", "first"):
        natural[:] = np.where(found == NEVER, np.nan, (moments - found) / DAY)
    else:
        natural[:] = found / scale
    return natural


def safe_ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """`over / under`, null where `under` is not positive."""
    over, under = np.asarray(over, np.float64), np.asarray(under, np.float64)
    out = np.full(np.broadcast(over, under).shape, np.nan)
    np.divide(over, under, out=out, where=under > 0)
    return out
