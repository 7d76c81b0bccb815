"""A matrix of many rows that is read by blocks, so that LightGBM's bins are all that is held."""

from collections.abc import Callable, Iterator

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.portable import Floats

BLOCK = 65_536  # rows read at once
FEW = 100_000  # rows that are given as an array
Rows = NDArray[np.int64]
Read = Callable[[Rows], Floats]


class Streamed:
    """A float matrix (n, f) in place of an array of many rows.

    Parameters
    ----------
    read : callable
        Gives the encoded rows at some places, shape (len(places), f).
    rows : ndarray of int64, shape (n,)
        The places of this matrix.
    width : int
        Columns.
    """

    def __init__(self, read: Read, rows: Rows, width: int) -> None:
        self._read, self._rows = read, rows
        self.shape = (len(rows), width)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Rows | slice) -> "Matrix":
        """Some of the rows, as an array where they are few."""
        some = self._rows[rows]
        if len(some) <= FEW:
            return self._read(some)
        return Streamed(self._read, some, self.shape[1])

    def array(self, rows: Rows) -> Floats:
        """Some of the rows as an array, however many."""
        return self._read(self._rows[rows])

    def block(self, start: int, stop: int) -> Floats:
        """Consecutive rows."""
        return self._read(self._rows[start:stop])

    def blocks(self) -> Iterator[Floats]:
        """All rows, block by block."""
        for start in range(0, len(self), BLOCK):
            yield self.block(start, start + BLOCK)


Matrix = Floats | Streamed


class Blocks(lgb.Sequence):
    """How LightGBM reads a streamed matrix: single rows in rising order, then block by block."""

    batch_size = BLOCK

    def __init__(self, matrix: Streamed) -> None:
        self._matrix = matrix
        self._start, self._block = 0, np.empty((0, matrix.shape[1]))

    def __len__(self) -> int:
        return len(self._matrix)

    def __getitem__(self, index: int | slice | list[int]) -> Floats:
        """A row, or consecutive rows."""
        if isinstance(index, slice):
            return self._matrix.block(index.start, index.stop)
        if isinstance(index, list):
            raise TypeError("a streamed matrix gives a row, or consecutive rows")
        place = int(index)
        if not self._start <= place < self._start + len(self._block):
            self._start = place // BLOCK * BLOCK
            self._block = self._matrix.block(self._start, self._start + BLOCK)
        return np.asarray(self._block[place - self._start])
