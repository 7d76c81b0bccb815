"""The one pass over an event table: rows become sums per customer, interval and first showing."""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Measure
from features.grid import Grid, microseconds

MILLIONTH = 1_000_000
FEW_CUSTOMERS = 1_000  # so few are picked in the scan, not after it


@dataclass(frozen=True)
class Reduced:
    """One row per (customer, interval, first as-of that may see it), sorted by customer.

    `customer`, `interval`, `shown` are int32 of shape (n_rows,); `values` holds int64 sums,
    millionths for decimals, or microseconds for `last` and `first` (0 when absent); `(n_rows, n)`.
    """

    customer: np.ndarray
    interval: np.ndarray
    shown: np.ndarray
    values: np.ndarray


def reduce_events(
    table: ir.Table, measures: Sequence[Measure], grid: Grid, customers: pa.Array
) -> Reduced:
    """Sum additive measures, and take last and first moments, in one scan of the table."""
    names = [m.name for m in measures]
    return _fetch(scan(table, measures, grid, customers), names, customers)


def scan(table: ir.Table, measures: Sequence[Measure], grid: Grid, customers: pa.Array) -> ir.Table:
    """The one query over the events: sums by customer, interval and showing."""
    placed = _placed(table, grid, customers)
    sums = {m.name: _aggregate(placed, m) for m in measures}
    return placed.group_by("customer_id", "interval", "shown").aggregate(**sums)


def reduce_days(table: ir.Table, measure: Measure, grid: Grid, customers: pa.Array) -> Reduced:
    """Count distinct days: a day is one row, shown as soon as the first of its events is."""
    placed = _placed(table, grid, customers)
    value = measure.contributes(placed)
    days = (
        placed.filter(value.notnull())
        .mutate(day=value)
        .group_by("customer_id", "interval", "day")
        .aggregate(shown=ibis._.shown.min())
    )
    one = days.group_by("customer_id", "interval", "shown").aggregate(
        **{measure.name: ibis._.count()}
    )
    return _fetch(one, [measure.name], customers)


def reduce_distinct(table: ir.Table, measure: Measure, grid: Grid, customers: pa.Array) -> Reduced:
    """One row per customer, value, interval and showing; `values` is a code of the value."""
    placed = _placed(table, grid, customers)
    value = measure.contributes(placed)
    rows = (
        placed.filter(value.notnull())
        .mutate(value=value.hash() if value.type().is_string() else value)
        .group_by("customer_id", "interval", "value")
        .aggregate(shown=ibis._.shown.min())
    )
    return _fetch(rows, ["value"], customers)


def _placed(table: ir.Table, grid: Grid, customers: pa.Array) -> ir.Table:
    """The rows any as-of may see, each with its interval and the as-of that first sees it."""
    last = np.datetime64(int(grid.as_of[-1]), "us").item()
    rows = table.filter(table.occurred_at < last, table.known_at < last)
    if len(customers) <= FEW_CUSTOMERS:
        rows = rows.filter(rows.customer_id.isin(customers.to_pylist()))
    oldest = table.occurred_at.min().to_pyarrow().cast(pa.timestamp("us")).value
    unit, frame = grid.lookup(grid.edges[0] if oldest is None else oldest)
    lookup = ibis.memtable(pa.Table.from_pandas(frame, preserve_index=False))
    by_event = lookup.rename(at_unit="unit", at_shown="shown")
    by_known = lookup.select(known_unit="unit", known_shown="shown")
    late = rows.known_at > rows.occurred_at
    rows = rows.mutate(
        at_unit=rows.occurred_at.truncate(unit),
        known_unit=ibis.ifelse(late, rows.known_at.truncate(unit), ibis.null("timestamp(6)")),
    )
    rows = rows.inner_join(by_event, "at_unit").left_join(by_known, "known_unit")
    return rows.mutate(shown=ibis.greatest(rows.at_shown, rows.known_shown.fill_null(0)))


def _aggregate(rows: ir.Table, measure: Measure) -> ir.Value:
    value = measure.contributes(rows)
    if measure.reduce == "last":
        return rows.occurred_at.max(where=value)
    if measure.reduce == "first":
        return rows.occurred_at.min(where=value)
    if value.type().is_boolean():
        return ibis.ifelse(value, 1, ibis.null("int8")).count()
    return value.sum()


def _fetch(expression: ir.Table, names: Sequence[str], customers: pa.Array) -> Reduced:
    """The grouped rows as compact integers, sorted by customer."""
    parts: list[list[np.ndarray]] = []
    # Read whole, not streamed: DuckDB then groups on all cores, in a third of the time.
    for batch in expression.to_pyarrow().to_batches(max_chunksize=1_000_000):
        code = pc.index_in(batch.column("customer_id").cast(pa.string()), value_set=customers)
        mine = np.asarray(code.is_valid())
        columns = [code.fill_null(-1), batch.column("interval"), batch.column("shown")]
        arrays = [np.asarray(c).astype(np.int32) for c in columns]
        arrays += [integers(batch.column(name)) for name in names]
        parts.append([a[mine] for a in arrays] if not mine.all() else arrays)
    return _sorted(parts, len(names))


def _sorted(parts: Sequence[Sequence[np.ndarray]], n_values: int) -> Reduced:
    """Batches as one, rows by customer; each column is let go once it is in place."""
    if not parts:
        none = np.empty(0, np.int32)
        return Reduced(none, none, none, np.empty((0, n_values), np.int64))
    order = np.argsort(np.concatenate([part[0] for part in parts]), kind="stable")
    customer, interval, shown = (
        np.concatenate([part[place] for part in parts])[order] for place in range(3)
    )
    values = np.empty((n_values, len(order)), np.int64)
    for place in range(n_values):
        np.take(np.concatenate([part[3 + place] for part in parts]), order, out=values[place])
    return Reduced(customer, interval, shown, values.T)


def integers(column: pa.Array) -> np.ndarray:
    """A column as int64: decimals in their own last place, moments in microseconds, nulls as 0."""
    if pa.types.is_timestamp(column.type):
        known = np.asarray(column.is_valid())
        return np.where(known, microseconds(column.to_numpy(zero_copy_only=False)), 0)
    if pa.types.is_decimal(column.type):
        column = pc.fill_null(column, 0)
        words = np.frombuffer(column.buffers()[1], dtype=np.int64).reshape(-1, 2)
        words = words[column.offset : column.offset + len(column)]
        if np.any(words[:, 1] != words[:, 0] >> 63):
            raise OverflowError("a sum does not fit into 63 bits of millionths")
        return words[:, 0].copy()
    return np.asarray(column.fill_null(0), dtype=np.int64)
