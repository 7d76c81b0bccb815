"""NumPy columns as Arrow columns of the canonical types."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.tables import TABLES, Type
from simulation.kinds import Flags, Ints

MILLION = 1_000_000
TYPES: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "timestamp": pa.timestamp("us"),
    "decimal": pa.decimal128(18, 6),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}


def moments(microseconds: Ints, present: Flags | None = None) -> pa.Array:
    """Microseconds since 1970 as moments; null where not `present`."""
    mask = None if present is None else ~present
    return pa.array(microseconds, pa.int64(), mask=mask).cast(pa.timestamp("us"))


def decimals(millionths: Ints, present: Flags | None = None) -> pa.Array:
    """Millionths as decimal(18, 6), without a detour over floats; null where not `present`."""
    pairs = np.empty((len(millionths), 2), dtype="<i8")
    pairs[:, 0], pairs[:, 1] = millionths, millionths >> 63
    valid = None
    if present is not None:
        valid = pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
    return pa.Array.from_buffers(
        TYPES["decimal"], len(millionths), [valid, pa.py_buffer(pairs.tobytes())]
    )


def labels(codes: Ints, names: Sequence[str | None]) -> pa.Array:
    """Positions as the names they stand for."""
    return pa.array(names, pa.string()).take(pa.array(codes))


def constant(name: str, n: int) -> pa.Array:
    """The same text n times."""
    return pa.repeat(pa.scalar(name, pa.string()), n)


def ids(prefix: str, number: Ints, part: Ints | None = None) -> pa.Array:
    """Ids such as `c0000012`, or with a part `i0000012-3`."""
    distinct, place = np.unique(number, return_inverse=True)
    base = pa.array([f"{prefix}{n:07d}" for n in distinct.tolist()], pa.string()).take(
        pa.array(place)
    )
    if part is None:
        return base
    return pc.binary_join_element_wise(base, pa.array(part).cast(pa.string()), "-")


def table(name: str, columns: dict[str, pa.Array]) -> pa.Table:
    """Columns as a table in canonical order, attributes last.

    Raises
    ------
    TypeError
        A canonical column of another type.
    """
    canonical = TABLES[name]
    order = [c for c in canonical.names if c in columns]
    order += [c for c in columns if c not in canonical.names]
    for column in canonical.columns:
        if column.name in columns and columns[column.name].type != TYPES[column.type]:
            came = columns[column.name].type
            raise TypeError(f"{name}.{column.name} is {came}; expected {TYPES[column.type]}")
    return pa.table({column: columns[column] for column in order})
