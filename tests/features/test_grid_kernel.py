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


class TestFineGrid:
    def test_no_interval_is_longer_than_a_word_of_days(self) -> None:
        """Between as-ofs far apart too, and back to the oldest event, over a change of clocks."""
        moments = [pd.Timestamp("2022-06-30 22:00"), pd.Timestamp("2023-05-31 22:00")]
        grid = Grid.of(moments, [7, 28], "Europe/Berlin")
        since = int(pd.Timestamp("2021-01-05 09:00").as_unit("us").value)
        fine = grid.fine(since)
        assert fine.edges[0] <= since
        assert np.diff(fine.edges).max() <= 60 * DAY + DAY // 24
        assert fine.days_whole
        assert set(grid.edges) <= set(fine.edges)
        for k in range(2):
            for days in (0, 7, 28):
                assert fine.edges[fine.edge(k, days)] == grid.edges[grid.edge(k, days)]

    def test_a_bit_is_a_day_of_its_interval(self) -> None:
        grid = Grid.of(AS_OF, [7])
        since = grid.edges[0] - 400 * DAY
        fine = grid.fine(int(since))
        table = fine.lookup(int(since))[1]
        place = np.log2(table["day_bit"].to_numpy(np.float64)).astype(np.int64)
        days = table["unit"].to_numpy().astype("datetime64[D]").astype(np.int64)
        np.testing.assert_array_equal(fine.first_day[table["interval"]] + place, days)


def test_a_day_known_twice_counts_once() -> None:
    """Day 0 is known in time and told again late; day 1 is told late only."""
    grid = Grid.of(AS_OF, [7])
    where = grid.edge(0, 0)
    nobody, interval = np.zeros(2, np.int32), np.full(2, where, np.int32)
    rows = Rows(nobody, interval, np.array([0, 1], np.int32), np.array([[0b01], [0b11]]))
    reduced = Reduced.of([rows], 1, 1)
    found = window_values(reduced, ["days"], [(0, 0)], grid, np.zeros(2, np.int64), np.arange(2))
    assert found[0, 0].tolist() == [1, 2]
