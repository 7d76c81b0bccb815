"""Features that stay in their Parquet file: read by rows or by column, never whole."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Rows = npt.NDArray[np.int64]
GROUP = 16_384  # rows of a file that are read at once, at least


class Stored:
    """Some rows of a wide Parquet file, in place of a DataFrame of as many rows and columns.

    It is asked as a DataFrame is: `columns`, `index`, a column by its name, rows by `iloc`. Only
    what is asked for is in memory.

    Parameters
    ----------
    path : Path
        A file in row groups; reading one row reads its group.
    names : mapping of str to str
        The columns there are, each with its name in the file.
    rows : ndarray of int64, shape (n,), optional
        Places in the file; all when left out.
    index : Index of length n, optional
        0 to n - 1 when left out.
    """

    def __init__(
        self,
        path: Path,
        names: Mapping[str, str],
        rows: Rows | None = None,
        index: pd.Index | None = None,
    ) -> None:
        self._path, self._names = path, dict(names)
        self._metadata = pq.read_metadata(path)
        groups = (self._metadata.row_group(i) for i in range(self._metadata.num_row_groups))
        self._ends = np.cumsum([group.num_rows for group in groups], dtype=np.int64)
        self._rows = np.arange(self._metadata.num_rows) if rows is None else rows
        self.index = pd.RangeIndex(len(self._rows)) if index is None else index

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    @property
    def columns(self) -> pd.Index:
        """The names of the columns."""
        return pd.Index(self._names)

    @property
    def iloc(self) -> "_Places":
        """Rows by their places, as a DataFrame."""
        return _Places(self)

    def __getitem__(self, name: str) -> pd.Series:
        """One column of all rows."""
        return self._read([name], self._rows).set_axis(self.index)[name]

    def take(self, rows: Rows, *, renumber: bool = False) -> "Stored":
        """Some of the rows; nothing is read. They keep their index unless they are renumbered."""
        index = None if renumber else self.index[rows]
        return Stored(self._path, self._names, self._rows[rows], index)

    def select(self, names: list[str]) -> "Stored":
        """Some of the columns, in that order."""
        chosen = {name: self._names[name] for name in names}
        return Stored(self._path, chosen, self._rows, self.index)

    def read(self, rows: Rows) -> pd.DataFrame:
        """Some of the rows as a DataFrame, with their index."""
        return self._read([*self._names], self._rows[rows]).set_axis(self.index[rows])

    def _read(self, names: list[str], rows: Rows) -> pd.DataFrame:
        """Columns at places of the file, in the order of the places."""
        order = np.argsort(rows, kind="stable")
        tables = [*self._tables([self._names[name] for name in names], rows[order])]
        if not tables:
            return pd.DataFrame({name: pd.Series(dtype=float) for name in names})
        columns = pa.concat_tables(tables).columns
        found = {name: to_series(one) for name, one in zip(names, columns, strict=True)}
        frame = pd.DataFrame(found, copy=False)
        if not np.array_equal(order, np.arange(len(order))):
            frame = frame.iloc[np.argsort(order)].reset_index(drop=True)
        return frame

    def _tables(self, columns: list[str], rows: Rows) -> Iterator[pa.Table]:
        """The same from each row group that has some of the sorted rows."""
        file = pq.ParquetFile(self._path, metadata=self._metadata)  # one for each thread that reads
        groups = np.searchsorted(self._ends, rows, side="right")
        starts = self._ends - np.diff(self._ends, prepend=0)
        bounds = np.searchsorted(groups, [*np.unique(groups), len(self._ends)])
        for group, first, last in zip(np.unique(groups), bounds[:-1], bounds[1:], strict=True):
            table = file.read_row_group(int(group), columns=columns).select(columns)
            local = rows[first:last] - starts[group]
            whole = len(local) == table.num_rows and (np.diff(local) == 1).all()
            yield table if whole else table.take(pa.array(local))


class _Places:
    """What `iloc` gives."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def __getitem__(self, rows: Rows) -> pd.DataFrame:
        return self._stored.read(np.asarray(rows, dtype=np.int64))


def to_series(column: pa.ChunkedArray) -> pd.Series:
    """A column as a build gives it: text as objects, equal ones once, None where missing."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        found: pd.Series = column.to_pandas()
        return found
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    values = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    codes = encoded.indices.fill_null(len(values) - 1)
    return pd.Series(values[codes.to_numpy(zero_copy_only=False)], dtype=object)
