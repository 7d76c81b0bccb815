"""Windows over every event table: which are wanted, the values, and how a feature asks for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.declare import DERIVED, EVER, MEASURES, MOMENTARY, Derived, Measure, Reduce
from features.engine import Tables
from features.grid import DAY, Grid
from features.kernel import NEVER, Window, window_values
from features.kernel_days import SUMMARIES, latest_values, set_values
from features.parallel import in_threads
from features.reduce import (
    MILLIONTH,
    reduce_days,
    reduce_distinct,
    reduce_events,
    reduce_latest,
    typed,
)

Values = dict[tuple[str, Window], np.ndarray]
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
        mine = [MEASURES[name] for name in wanted if MEASURES[name].table == table]
        for group in _passes(typed(tables[table]), mine, grid):
            windows = sorted(set().union(*(wanted[m.name] for m in group)))
            found = _evaluate(tables[table], group, windows, grid, customers, customer, as_of)
            for column, item in enumerate(group):
                for number, window in enumerate(windows):
                    if window in wanted[item.name]:
                        values[item.name, window] = found[number, column]
    return values


def _passes(table: ir.Table, measures: Sequence[Measure], grid: Grid) -> list[list[Measure]]:
    """Which measures share a scan: all sums and moments; all summaries of the same values."""
    shared = [m for m in measures if m.reduce in ("sum", "last", "first")]
    alone = [[m] for m in measures if m.reduce == "latest" or _is_additive(m, grid)]
    groups: dict[Any, list[Measure]] = {}
    for item in measures:
        if item.reduce in SUMMARIES and not _is_additive(item, grid):
            groups.setdefault(item.contributes(table).op(), []).append(item)
    return [group for group in (shared, *alone, *groups.values()) if group]


def _is_additive(item: Measure, grid: Grid) -> bool:
    """Days that no edge cuts are counted in the scan, like a sum."""
    return item.reduce == "days" and grid.days_whole


def _evaluate(
    table: ir.Table,
    group: Sequence[Measure],
    windows: Sequence[Window],
    grid: Grid,
    customers: pa.Array,
    customer: np.ndarray,
    as_of: np.ndarray,
) -> np.ndarray:
    """Values of shape (n_windows, n_measures, n_pairs) of measures that share a scan."""
    first = group[0]
    if first.reduce == "latest":
        rows = reduce_latest(table, first.contributes, grid, customers)
        found = latest_values(rows, grid, customer, as_of) / _scale(table, first)
        return np.broadcast_to(found, (len(windows), 1, len(found)))
    if first.reduce in SUMMARIES and not _is_additive(first, grid):
        since = _since(windows, grid)
        rows = reduce_distinct(table, first.contributes, grid, customers, since)
        return set_values(rows, [m.reduce for m in group], windows, grid, customer, as_of)
    if first.reduce == "days":
        kinds: list[Reduce] = ["sum"]
        rows = reduce_days(table, first, grid, customers)
    else:
        kinds = [m.reduce for m in group]
        rows = reduce_events(table, group, grid, customers)
    found = window_values(rows, kinds, windows, grid, customer, as_of)
    moments = grid.as_of[as_of]
    scales = [_scale(table, m) if m.reduce == "sum" else 1 for m in group]
    in_threads(
        lambda place: _natural(found[:, place], group[place], scales[place], moments),
        range(len(group)),
    )
    return found.view(np.float64)


def _since(windows: Sequence[Window], grid: Grid) -> int | None:
    """Where the longest window of the first as-of begins; None where one has no beginning."""
    ends = [end for _, end in windows]
    return None if EVER in ends else int(grid.edges[grid.edge(0, max(ends))])


def _scale(table: ir.Table, item: Measure) -> int:
    """Decimals come in millionths."""
    return MILLIONTH if item.contributes(typed(table)).type().is_decimal() else 1


def _natural(found: np.ndarray, item: Measure, scale: int, moments: np.ndarray) -> None:
    """Turn whole numbers of shape (n_windows, n_pairs) into their unit, in the same memory."""
    natural = found.view(np.float64)
    for number in range(len(found)):
        if item.reduce in ("last", "first"):
            days = (moments - found[number]) / DAY
            natural[number] = np.where(found[number] == NEVER, np.nan, days)
        else:
            np.divide(found[number], scale, out=natural[number])


def safe_ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """`over / under`, null where `under` is not positive."""
    over, under = np.asarray(over, np.float64), np.asarray(under, np.float64)
    out = np.full(np.broadcast(over, under).shape, np.nan)
    np.divide(over, under, out=out, where=under > 0)
    return out
