"""The rows of a scan as arrays: sums per customer, interval and first showing, in blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.grid import Grid, microseconds
from features.parallel import in_threads

MILLIONTH = 1_000_000
BLOCK_BYTES = 8 << 20  # of a block's planes in the kernel, so few that they stay in the cache
BLOCK_CUSTOMERS = 1 << 13  # so few that every core has some, and a sort stays in the cache
BATCH_ROWS = 1 << 20


@dataclass(frozen=True)
class Rows:
    """One row per (customer, interval, first as-of that may see it), in any order.

    `customer`, `interval`, `shown` are int32 of shape (n_rows,); `values` holds int64 sums,
    millionths for decimals, or microseconds for `last` and `first` (0 when absent); `(n_rows, n)`.
    """

    customer: np.ndarray
    interval: np.ndarray
    shown: np.ndarray
    values: np.ndarray

    def __getitem__(self, which: slice | np.ndarray) -> "Rows":
        return Rows(*(part[which] for part in self.parts))

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All columns, in order."""
        return self.customer, self.interval, self.shown, self.values

    @staticmethod
    def joined(rows: Sequence["Rows"]) -> "Rows":
        """Several as one; at least one must be given."""
        return Rows(*map(np.concatenate, zip(*(r.parts for r in rows), strict=True)))


Work = Callable[[np.ndarray, Rows, np.ndarray, np.ndarray], None]


class Blocks(Protocol):
    """The rows of a scan in blocks of `size` neighbouring customers, wherever they are."""

    @property
    def size(self) -> int:
        """Customers of a block."""

    def each(self, work: Work, out: np.ndarray, customer: np.ndarray, as_of: np.ndarray) -> None:
        """Fill `out`, whose last axis are the pairs, block by block.

        `work` gets its part of `out`, the rows, and the block's pairs with customers counted from
        its first; `customer` must be sorted. It is a function of what it is given, and may run in
        another process.
        """


@runtime_checkable
class Elsewhere(Protocol):
    """An engine that leaves the rows where they are, and takes the kernel to them."""

    def in_blocks(self, expression: ir.Table, names: Sequence[str], size: int) -> Blocks:
        """The grouped rows of a scan; `names` are their values."""


@dataclass(frozen=True)
class Reduced:
    """The rows of a scan in batches, each grouped by block of `size` neighbouring customers.

    Rows of block `b` in batch `k` are `batches[k][bounds[k][b]:bounds[k][b + 1]]`; so the kernel
    gathers a block without all rows ever being sorted.
    """

    batches: Sequence[Rows]
    bounds: Sequence[np.ndarray]
    size: int

    @classmethod
    def of(cls, batches: Sequence[Rows], n_customers: int, size: int) -> "Reduced":
        """Group each batch; a batch of no rows at least says how many values a row has."""
        grouped = in_threads(lambda rows: _grouped(rows, n_customers, size), batches)
        return cls([rows for rows, _ in grouped], [bounds for _, bounds in grouped], size)

    def block(self, low: int) -> Rows:
        """The rows of the block that begins with customer `low`, counted from there."""
        number = low // self.size
        pairs = zip(self.batches, self.bounds, strict=True)
        rows = Rows.joined([rows[b[number] : b[number + 1]] for rows, b in pairs])
        return replace(rows, customer=rows.customer - low)

    def each(self, work: Work, out: np.ndarray, customer: np.ndarray, as_of: np.ndarray) -> None:
        """As `Blocks.each`, on every core."""

        def one(low: int) -> None:
            pairs = pairs_of(customer, low, self.size)
            work(out[..., pairs], self.block(low), customer[pairs] - low, as_of[pairs])

        in_threads(one, range(0, int(customer[-1]) + 1 if len(customer) else 0, self.size))


def pairs_of(customer: np.ndarray, low: int, size: int) -> slice:
    """The pairs, sorted by customer, of the block that begins with customer `low`."""
    return slice(*np.searchsorted(customer, [low, low + size]))


def fetch(expression: ir.Table, names: Sequence[str], grid: Grid, customers: pa.Array) -> Blocks:
    """The grouped rows as compact integers, in blocks of customers."""
    size = min(max(1, BLOCK_BYTES // (len(grid.edges) * len(names) * 8)), BLOCK_CUSTOMERS)
    backend = expression.get_backend()
    if isinstance(backend, Elsewhere):
        return backend.in_blocks(expression, names, size)
    # Read whole, not streamed: DuckDB then groups on all cores, in a third of the time.
    found = expression.to_pyarrow()
    batches = found.to_batches(max_chunksize=BATCH_ROWS) or [_no_rows(found.schema)]
    rows = in_threads(lambda batch: to_rows(batch, names), batches)
    return Reduced.of(rows, len(customers), size)


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def to_rows(batch: pa.RecordBatch, names: Sequence[str]) -> Rows:
    """A batch as arrays; the values of a row lie side by side, as the kernel writes them."""
    customer, interval, shown = (
        np.asarray(batch.column(key), np.int32) for key in ("customer", "interval", "shown")
    )
    values = np.empty((batch.num_rows, len(names)), np.int64)
    for place, name in enumerate(names):
        values[:, place] = integers(batch.column(name))
    return Rows(customer, interval, shown, values)


def _grouped(rows: Rows, n_customers: int, size: int) -> tuple[Rows, np.ndarray]:
    """Rows ordered by block, with the bounds of the blocks."""
    n_blocks = -(-n_customers // size)
    block = (rows.customer // size).astype(np.uint16 if n_blocks <= 1 << 16 else np.int32)
    order = np.argsort(block, kind="stable")  # a radix sort, for numbers this short
    bounds = np.zeros(n_blocks + 1, np.int64)
    np.cumsum(np.bincount(block, minlength=n_blocks), out=bounds[1:])
    return rows[order], bounds


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
