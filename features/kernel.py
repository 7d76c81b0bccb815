"""The dense half of the window engine: cumulative sums over intervals, differences at the edges."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from features.declare import EVER, Reduce
from features.grid import Grid
from features.reduce import Blocks, Rows

NEVER = np.iinfo(np.int64).min  # a `last` or `first` that has not happened
_OPERATION: dict[Reduce, np.ufunc] = {"sum": np.add, "last": np.maximum, "first": np.minimum}
_NOTHING: dict[Reduce, int] = {"sum": 0, "last": NEVER, "first": np.iinfo(np.int64).max}
Window = tuple[int, int]  # days before as_of: [as_of - end, as_of - start); end EVER is all before


class Cube:
    """Running sums, greatest and least moments by interval, for one block of customers.

    Planes are of shape (n_intervals, n_customers, n_measures): plane `e` of the sums holds all that
    happened before edge `e`, as known at the as-of the cube stands at.
    """

    def __init__(self, kinds: Sequence[Reduce], n_intervals: int, n_customers: int) -> None:
        self.n_intervals = n_intervals
        self.columns = {kind: np.flatnonzero([k == kind for k in kinds]) for kind in set(kinds)}
        none = np.empty(0, np.int64)
        values = np.empty((0, len(kinds)), np.int64)
        self.planes = {k: self._stack(k, n_customers, none, none, values) for k in self.columns}

    def fill(self, customer: np.ndarray, interval: np.ndarray, values: np.ndarray) -> None:
        """Start from the rows that were known in time."""
        for kind, planes in self.planes.items():
            self.planes[kind] = self._stack(kind, planes.shape[1], customer, interval, values)

    def add(self, customer: np.ndarray, interval: np.ndarray, values: np.ndarray) -> None:
        """Let late rows, first shown at one as-of, be seen from now on."""
        if not len(customer):
            return
        touched, index = np.unique(customer, return_inverse=True)
        for kind, planes in self.planes.items():
            fresh = self._stack(kind, len(touched), index, interval, values)
            planes[:, touched] = _OPERATION[kind](planes[:, touched], fresh)

    def read(self, kind: Reduce, customer: np.ndarray, start: int | None, end: int) -> np.ndarray:
        """Values of all measures of a kind between two edges; `(n_customers, n_measures)`."""
        planes = self.planes[kind]
        if start is None or kind != "sum":
            return np.asarray(planes[end, customer])
        return np.asarray(planes[end, customer] - planes[start, customer])

    def _stack(
        self,
        kind: Reduce,
        n_customers: int,
        customer: np.ndarray,
        interval: np.ndarray,
        values: np.ndarray,
    ) -> np.ndarray:
        """Accumulated planes of rows that are unique per customer and interval."""
        part = values[:, self.columns[kind]]
        planes = np.full((self.n_intervals, n_customers, part.shape[1]), _NOTHING[kind], np.int64)
        planes[interval, customer] = part if kind == "sum" else np.where(part, part, _NOTHING[kind])
        return _OPERATION[kind].accumulate(planes, axis=0, out=planes)


class Days:
    """Days as bits: which of them are known already, for one block of customers."""

    def __init__(self, kinds: Sequence[Reduce], n_intervals: int, n_customers: int) -> None:
        self.columns = np.flatnonzero([kind == "days" for kind in kinds])
        self.known = np.zeros((n_intervals, n_customers, len(self.columns)), np.int64)

    def counted(self, rows: Rows) -> np.ndarray:
        """The values of rows, each bit set replaced by how many of its days were not known yet."""
        if not len(self.columns):
            return rows.values
        values, place = rows.values.copy(), (rows.interval, rows.customer)
        known, bits = self.known[place], values[:, self.columns]
        values[:, self.columns] = np.bitwise_count(bits & ~known)
        self.known[place] = known | bits
        return values


def window_values(
    reduced: Blocks,
    kinds: Sequence[Reduce],
    windows: Sequence[Window],
    grid: Grid,
    customer: np.ndarray,
    as_of: np.ndarray,
) -> np.ndarray:
    """Every measure over every window for every pair of customer and as-of.

    Parameters
    ----------
    kinds : sequence of {"sum", "last", "first", "days"}, one per column of `reduced.values`
        Days come as bits (`Grid.lookup`) and are counted.
    windows : sequence of (start, end) in days before the as-of
    customer, as_of : int64 arrays of shape (n_pairs,)
        Codes of the customers, sorted; positions in `grid.as_of`.

    Returns
    -------
    int64 array of shape (n_windows, n_measures, n_pairs)
        `last` and `first` do not depend on the window's beginning; NEVER where there is none.
    """
    out = np.empty((len(windows), len(kinds), len(customer)), np.int64)
    work = partial(_fill, size=reduced.size, kinds=kinds, windows=windows, grid=grid)
    reduced.each(work, out, customer, as_of)
    return out


def _fill(
    out: np.ndarray,
    rows: Rows,
    customer: np.ndarray,
    as_of: np.ndarray,
    *,
    size: int,
    kinds: Sequence[Reduce],
    windows: Sequence[Window],
    grid: Grid,
) -> None:
    """Walk the as-ofs of a block in order, letting late rows in as they become known."""
    cube = Cube(["sum" if k == "days" else k for k in kinds], len(grid.edges), size)
    days = Days(kinds, len(grid.edges), size)
    on_time = rows.shown == grid.shown[rows.interval]
    prompt, late = rows[on_time], rows[~on_time]
    cube.fill(prompt.customer, prompt.interval, days.counted(prompt))
    found = np.empty((len(windows), len(customer), rows.values.shape[1]), np.int64)
    for moment, pairs in groups(as_of, len(grid.as_of)):
        new = late[late.shown == moment]
        cube.add(new.customer, new.interval, days.counted(new))
        if not len(pairs):
            continue
        for number, (start, end) in enumerate(windows):
            upper = grid.edge(moment, start)
            lower = None if end == EVER else grid.edge(moment, end)
            for kind, columns in cube.columns.items():
                place = pairs if len(cube.columns) == 1 else (pairs[:, None], columns)
                found[number][place] = cube.read(kind, customer[pairs], lower, upper)
    found[found == _NOTHING["first"]] = NEVER
    out[:] = found.transpose(0, 2, 1)  # a block fits the cache: rows are written, columns read


def groups(as_of: np.ndarray, n_as_of: int) -> list[tuple[int, np.ndarray]]:
    """For every as-of in order, the positions of its pairs."""
    order = np.argsort(as_of, kind="stable")
    bounds = np.searchsorted(as_of[order], np.arange(n_as_of + 1))
    return [(k, order[bounds[k] : bounds[k + 1]]) for k in range(n_as_of)]
