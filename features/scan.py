"""The queries over an event table: every row placed between edges, then grouped by customer."""

from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.declare import DAY_KINDS, Measure
from features.grid import DAY, Grid, Unit
from features.reduce import Blocks, fetch

SETTLED = 90  # days, in which most customers do something
LATEST = ("at", "known", "value")
Contributes = Callable[[ir.Table], ir.Value]


def reduce_events(
    table: ir.Table,
    measures: Sequence[Measure],
    grid: Grid,
    customers: pa.Array,
    since: int | None = None,
) -> Blocks:
    """Sums, last and first moments, and days as bits, in one scan of the table.

    Rows before `since` (microseconds) are in no window that is asked for.
    """
    names = [m.name for m in measures]
    return fetch(scan(table, measures, grid, customers, since), names, grid, customers)


def scan(
    table: ir.Table,
    measures: Sequence[Measure],
    grid: Grid,
    customers: pa.Array,
    since: int | None = None,
) -> ir.Table:
    """The one query over the events: sums by customer, interval and showing.

    Of rows before `since` (microseconds, an edge) only last and first moments are read.
    """
    codes = _codes(customers)
    placed = _placed(table, grid, codes, since)
    found = {m.name: _aggregate(placed, m) for m in measures}
    recent = placed.group_by("customer", "interval", "shown").aggregate(**found)
    moments = [m for m in measures if m.reduce in ("last", "first")]
    if since is None or not moments:
        return recent
    return recent.union(_moments_before(table, moments, grid, codes, since, recent))


def _moments_before(
    table: ir.Table,
    measures: Sequence[Measure],
    grid: Grid,
    codes: ir.Table,
    since: int,
    like: ir.Table,
) -> ir.Table:
    """Last and first moments of the rows before all windows, with the columns of `like`.

    No edge that matters lies among them: all are put into interval 0.
    """
    first, last = _moment(int(grid.as_of[0])), _moment(int(grid.as_of[-1]))
    rows = typed(table).filter(ibis._.occurred_at < _moment(since), ibis._.known_at < last)
    unit, lookup = _lookup(grid, since)
    rows = _shown_late(rows.mutate(shown=0), rows.known_at >= first, unit, lookup, grid)
    moments = {m.name: _aggregate(rows, m) for m in measures}
    found = rows.group_by("customer_id", "shown").aggregate(**moments)
    found = found.inner_join(codes, "customer_id").mutate(interval=0)
    return found.select(
        **{
            name: found[name].cast(kind) if name in found.columns else ibis.null(kind)
            for name, kind in like.schema().items()
        }
    )


def reduce_distinct(
    table: ir.Table,
    contributes: Contributes,
    grid: Grid,
    customers: pa.Array,
    since: int | None = None,
    *,
    counted: bool = False,
) -> Blocks:
    """One row per customer, value, interval and showing; `values` is a code of the value.

    `counted` adds how many rows there are of each, by when they are shown. Rows before `since`
    (microseconds) are in no window that is asked for.
    """
    placed = _placed(table, grid, _codes(customers), since)
    value = contributes(placed)
    rows = placed.filter(value.notnull()).mutate(
        value=value.hash() if value.type().is_string() else value
    )
    by = ["customer", "interval", "value"]
    if counted:
        times = rows.group_by(*by, "shown").aggregate(times=ibis._.count())
        return fetch(times, ["value", "times"], grid, customers)
    first = rows.group_by(*by).aggregate(shown=ibis._.shown.min())
    return fetch(first, ["value"], grid, customers)


def reduce_latest(
    table: ir.Table, contributes: Contributes, grid: Grid, customers: pa.Array
) -> Blocks:
    """The latest value per customer, interval and showing; `values` are both clocks and the value.

    Of values at one moment the one known last counts, of those the greatest. A customer with a
    value in the SETTLED days before the first as-of, known by then, needs none from before them.
    """
    codes, first = _codes(customers), int(grid.as_of[0])
    edge, seen = first - SETTLED * DAY, _moment(first)
    near = typed(table).filter(
        ibis._.occurred_at >= _moment(edge), ibis._.occurred_at < seen, ibis._.known_at < seen
    )
    settled = near.filter(contributes(near).notnull()).select("customer_id").distinct()
    recent = _latest(_placed(table, grid, codes, edge), contributes)
    before = table.filter(table.occurred_at < _moment(edge))
    older = _latest(_placed(before, grid, codes.anti_join(settled, "customer_id")), contributes)
    return fetch(recent.union(older), LATEST, grid, customers)


def _latest(placed: ir.Table, contributes: Contributes) -> ir.Table:
    value = contributes(placed)
    clocks = {"at": placed.occurred_at, "known": placed.known_at}
    latest = ibis.struct({**clocks, "value": value}).max(where=value.notnull())
    return (
        placed.group_by("customer", "interval", "shown")
        .aggregate(latest=latest)
        .filter(ibis._.latest.notnull())
        .mutate(**{name: ibis._.latest[name] for name in LATEST})
        .drop("latest")
    )


def _placed(table: ir.Table, grid: Grid, codes: ir.Table, since: int | None = None) -> ir.Table:
    """The rows any as-of may see, each with its interval and the as-of that first sees it."""
    last = _moment(int(grid.as_of[-1]))
    rows = table.filter(table.occurred_at < last, table.known_at < last)
    if since is None:
        since = oldest(table)
    else:
        rows = rows.filter(rows.occurred_at >= _moment(since))
    unit, lookup = _lookup(grid, since)
    rows = rows.mutate(at_unit=rows.occurred_at.truncate(unit))
    rows = rows.inner_join(lookup.rename(at_unit="unit"), "at_unit")
    rows = rows.inner_join(codes, "customer_id")
    return _shown_late(rows, rows.known_at > rows.occurred_at, unit, lookup, grid)


def _lookup(grid: Grid, since: int | None) -> tuple[Unit, ir.Table]:
    unit, frame = grid.lookup(int(grid.edges[0]) if since is None else since)
    return unit, ibis.memtable(pa.Table.from_pandas(frame, preserve_index=False))


def _shown_late(
    rows: ir.Table, late: ir.BooleanValue, unit: Unit, lookup: ir.Table, grid: Grid
) -> ir.Table:
    """The rows with `shown` put off, where they are late, to the as-of that first knows them."""
    if len(grid.as_of) == 1:
        return rows  # what the one as-of does not see has been left out
    known = ibis.ifelse(late, rows.known_at.truncate(unit), ibis.null("timestamp(6)"))
    by_known = lookup.select(known_unit="unit", known_shown="shown")
    rows = rows.mutate(known_unit=known).left_join(by_known, "known_unit")
    return rows.mutate(shown=ibis.greatest(rows.shown, rows.known_shown.fill_null(0)))


def _aggregate(rows: ir.Table, measure: Measure) -> ir.Value:
    value = measure.contributes(rows)
    if measure.reduce in DAY_KINDS:
        return rows.day_bit.bit_or(where=value.notnull())
    if measure.reduce == "last":
        return rows.occurred_at.max(where=value)
    if measure.reduce == "first":
        return rows.occurred_at.min(where=value)
    if value.type().is_boolean():
        return ibis.ifelse(value, 1, ibis.null("int8")).count()
    return value.sum()


def typed(table: ir.Table) -> ir.Table:
    """An event table as a measure sees it: with `day`, the local date, which the scan looks up."""
    return table.mutate(day=ibis.null("date"))


def oldest(table: ir.Table) -> int | None:
    """The first moment of a table in microseconds; None where it has no rows."""
    found: int | None = table.occurred_at.min().to_pyarrow().cast(pa.timestamp("us")).value
    return found


def _codes(customers: pa.Array) -> ir.Table:
    """Customers with their places: numbers group faster than names, and strangers fall out."""
    places = pa.array(np.arange(len(customers), dtype=np.int32))
    return ibis.memtable(pa.table({"customer_id": customers, "customer": places}))


def _moment(microseconds: int) -> object:
    return np.datetime64(microseconds, "us").item()
