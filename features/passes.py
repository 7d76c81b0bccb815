"""Which measures of an event table share a scan, and their values from its rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.declare import DAY_KINDS, EVER, MOMENTARY, OF_VALUES, Measure, Reduce
from features.grid import DAY, Grid
from features.kernel import NEVER, Window, window_values
from features.kernel_days import day_values, latest_values, set_values
from features.parallel import in_threads
from features.reduce import MILLIONTH, Blocks
from features.scan import oldest, reduce_distinct, reduce_events, reduce_latest, typed

Values = dict[tuple[str, Window], np.ndarray]
RHYTHMS = tuple(kind for kind in DAY_KINDS if kind != "days")


@dataclass(frozen=True)
class Passes:
    """The passes over one table: a common one, one per last value, one per distinct values.

    The common pass takes sums, moments, and days as bits, which no edge may cut: where one does,
    days are read as distinct values.
    """

    table: ir.Table
    wanted: Mapping[Measure, set[Window]]
    grid: Grid
    customers: pa.Array
    customer: np.ndarray
    as_of: np.ndarray

    def values(self) -> Values:
        """Every wanted window, in natural units; days since for `last` and `first`."""
        found: Values = {}
        common, sets = [], dict[Any, list[Measure]]()
        for item in self.wanted:
            if item.reduce == "latest":
                found |= self._latest(item)
            elif item.reduce in OF_VALUES or (
                item.reduce in DAY_KINDS and not self.grid.days_whole
            ):
                sets.setdefault(self._contribution(item), []).append(item)
            else:
                common.append(item)
        for group in sets.values():
            found |= self._distinct(group)
        return found | (self._common(common) if common else {})

    def _contribution(self, item: Measure) -> Any:
        """What identifies the values that a measure looks at."""
        return item.contributes(typed(self.table)).op()

    def _latest(self, item: Measure) -> Values:
        rows = reduce_latest(self.table, item.contributes, self.grid, self.customers)
        found = latest_values(rows, self.grid, self.customer, self.as_of) / self._scale(item)
        return {(item.name, window): found for window in self.wanted[item]}

    def _distinct(self, group: Sequence[Measure]) -> Values:
        windows, contributes = self._windows(group), group[0].contributes
        since = _since(windows, self.grid)
        kinds = [m.reduce for m in group]
        counted = "top_share" in kinds
        rows = reduce_distinct(
            self.table, contributes, self.grid, self.customers, since, counted=counted
        )
        found = set_values(rows, kinds, windows, self.grid, self.customer, self.as_of)
        return self._chosen(found, windows, group)

    def _common(self, group: Sequence[Measure]) -> Values:
        """A column per sum or moment, and one per contribution of days, whatever is asked of it."""
        columns: dict[Any, list[Measure]] = {}
        for item in group:
            of_days = item.reduce in DAY_KINDS
            columns.setdefault(self._contribution(item) if of_days else item, []).append(item)
        since, grid = self._common_since(group), self.grid
        if any(item.reduce in DAY_KINDS for item in group):
            grid = grid.fine(oldest(self.table) if since is None else since)
        firsts = [same[0] for same in columns.values()]
        rows = reduce_events(self.table, firsts, grid, self.customers, since)
        found = self._additive(rows, [*columns.values()], grid)
        for column, same in enumerate(columns.values()):
            found |= self._rhythm(rows, column, same, grid)
        return found

    def _common_since(self, group: Sequence[Measure]) -> int | None:
        """From when on all rows are read; of those before, only last and first moments are."""
        windows = self._windows(m for m in group if m.reduce not in MOMENTARY)
        return _since(windows, self.grid) if windows else int(self.grid.edges[0])

    def _additive(self, rows: Blocks, columns: Sequence[Sequence[Measure]], grid: Grid) -> Values:
        """Sums, moments and numbers of days."""
        items = [[m for m in same if m.reduce not in RHYTHMS] for same in columns]
        windows = self._windows(m for same in items for m in same)
        kinds: list[Reduce] = [
            "days" if same[0].reduce in DAY_KINDS else same[0].reduce for same in columns
        ]
        found = window_values(rows, kinds, windows, grid, self.customer, self.as_of)
        moments = grid.as_of[self.as_of]
        scales = [
            self._scale(s[0]) if k == "sum" else 1 for s, k in zip(columns, kinds, strict=True)
        ]
        in_threads(
            lambda place: _natural(found[:, place], kinds[place], scales[place], moments),
            range(len(kinds)),
        )
        natural = found.view(np.float64)
        return {
            (item.name, window): natural[number, column]
            for column, same in enumerate(items)
            for item in same
            for number, window in enumerate(windows)
            if window in self.wanted[item]
        }

    def _rhythm(self, rows: Blocks, column: int, same: Sequence[Measure], grid: Grid) -> Values:
        """Streaks and gaps of the days in one column."""
        group = [m for m in same if m.reduce in RHYTHMS]
        if not group:
            return {}
        windows, kinds = self._windows(group), [m.reduce for m in group]
        found = day_values(rows, column, kinds, windows, grid, self.customer, self.as_of)
        return self._chosen(found, windows, group)

    def _windows(self, group: Iterable[Measure]) -> list[Window]:
        return sorted(set().union(*(self.wanted[m] for m in group)))

    def _chosen(
        self, found: np.ndarray, windows: Sequence[Window], group: Sequence[Measure]
    ) -> Values:
        """Of values of shape (n_windows, n_measures, n_pairs), those that are wanted."""
        return {
            (item.name, window): found[number, place]
            for place, item in enumerate(group)
            for number, window in enumerate(windows)
            if window in self.wanted[item]
        }

    def _scale(self, item: Measure) -> int:
        """Decimals come in millionths."""
        return MILLIONTH if item.contributes(typed(self.table)).type().is_decimal() else 1


def _since(windows: Sequence[Window], grid: Grid) -> int | None:
    """Where the longest window of the first as-of begins; None where one has no beginning."""
    ends = [end for _, end in windows]
    return None if EVER in ends else int(grid.edges[grid.edge(0, max(ends))])


def _natural(found: np.ndarray, kind: Reduce, scale: int, moments: np.ndarray) -> None:
    """Turn whole numbers of shape (n_windows, n_pairs) into their unit, in the same memory."""
    natural = found.view(np.float64)
    for number in range(len(found)):
        if kind in ("last", "first"):
            days = (moments - found[number]) / DAY
            natural[number] = np.where(found[number] == NEVER, np.nan, days)
        else:
            np.divide(found[number], scale, out=natural[number])
