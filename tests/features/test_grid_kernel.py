"""The window engine's halves alone: edges and intervals, sums at the edges, late rows, overflow."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.declare import Reduce
from features.errors import ProjectError
from features.grid import DAY, Grid
from features.kernel import NEVER, window_values
from features.reduce import Reduced, Rows, integers

AS_OF = [pd.Timestamp("2023-06-01"), pd.Timestamp("2023-07-01")]


class TestGrid:
    def test_edges_are_every_offset_before_every_moment(self) -> None:
        grid = Grid.of(reversed(AS_OF), [7, 30])
        edges = [str(day) for day in grid.edges.astype("datetime64[us]").astype("datetime64[D]")]
        assert edges == ["2023-05-02", "2023-05-25", "2023-06-01", "2023-06-24", "2023-07-01"]
        assert grid.shown.tolist() == [0, 0, 0, 1, 1]
        assert [grid.edge(k, 7) for k in (0, 1)] == [1, 3]
        assert grid.edge(1, 30) == 2

    @pytest.mark.parametrize(
        ("moment", "unit"),
        [("2023-06-01", "D"), ("2023-06-01 05:00", "h"), ("2023-06-01 05:07", "m")],
    )
    def test_the_unit_cuts_no_interval(self, moment: str, unit: str) -> None:
        grid = Grid.of([pd.Timestamp(moment)], [7])
        found, table = grid.lookup(int(grid.edges[0]))
        assert found == unit
        assert grid.days_whole == (unit == "D")
        assert table["interval"].eq(1).all()
        earlier = grid.lookup(int(grid.edges[0]) - DAY)[1]
        assert earlier["interval"].tolist() == [0] * (len(earlier) - len(table)) + [1] * len(table)
        assert len(earlier) > len(table)
        assert table["unit"].iloc[0] == pd.Timestamp(moment) - pd.Timedelta(days=7)

    def test_an_odd_second_is_a_fault(self) -> None:
        grid = Grid.of([pd.Timestamp("2023-06-01 05:07:09")], [7])
        with pytest.raises(ProjectError, match="05:07:09 is not a whole minute"):
            grid.lookup(int(grid.edges[0]))


def brute(rows: Rows, kind: str, window: tuple[int, int], grid: Grid, who: int, k: int) -> int:
    """One cell of the answer, row by row."""
    start, end = window
    upper = grid.as_of[k] - start * DAY
    lower = grid.as_of[k] - end * DAY if end and kind == "sum" else np.iinfo(np.int64).min
    inside = (rows.customer == who) & (rows.shown <= k)
    closes = grid.edges[rows.interval]
    inside &= (closes <= upper) & (closes > lower)
    values = rows.values[inside, 0]
    if kind == "sum":
        return int(values.sum())
    values = values[values != 0]
    return int((values.max() if kind == "last" else values.min()) if len(values) else NEVER)


@pytest.mark.parametrize("kind", ["sum", "last", "first"])
@pytest.mark.parametrize("size", [1, 3, 100], ids=["a customer a block", "three", "one block"])
@pytest.mark.parametrize("batch", [7, 100], ids=["many batches", "one batch"])
def test_windows_equal_row_by_row(kind: Reduce, size: int, batch: int) -> None:
    rng = np.random.default_rng(5)
    grid = Grid.of([*AS_OF, pd.Timestamp("2023-09-01")], [7, 28, 56])
    cells = np.unique(rng.integers(0, [7, len(grid.edges)], size=(40, 2)), axis=0)
    customer, interval = cells.T
    late = np.minimum(grid.shown[interval] + rng.integers(0, 2, len(cells)), 2)
    rows = Rows(customer, interval, late, rng.integers(1, 1000, (len(cells), 1)))
    rows = rows[rng.permutation(len(cells))]
    batches = [rows[slice(k, k + batch)] for k in range(0, len(cells), batch)]
    reduced = Reduced.of(batches, 8, size)
    who, as_of = (part.ravel() for part in np.meshgrid(np.arange(8), np.arange(3), indexing="ij"))
    windows = [(0, 0), (0, 28), (28, 56)] if kind == "sum" else [(0, 0)]
    found = window_values(reduced, [kind], windows, grid, who, as_of)
    for number, window in enumerate(windows):
        meant = [
            brute(rows, kind, window, grid, int(w), int(k)) for w, k in zip(who, as_of, strict=True)
        ]
        assert found[number, 0].tolist() == meant


class TestIntegers:
    def test_decimals_are_millionths(self) -> None:
        column = pa.array([Decimal("1.25"), None, Decimal("-0.000001")], pa.decimal128(38, 6))
        assert integers(column).tolist() == [1_250_000, 0, -1]
        assert integers(column.slice(2)).tolist() == [-1]

    def test_a_sum_beyond_63_bits_is_an_error(self) -> None:
        with pytest.raises(OverflowError, match="63 bits"):
            integers(pa.array([Decimal(10) ** 14], pa.decimal128(38, 6)))

    def test_moments_are_microseconds(self) -> None:
        column = pa.array([datetime(1970, 1, 2), None], pa.timestamp("us"))
        assert integers(column).tolist() == [DAY, 0]
