"""Parquet files of a simulated company: one per table, usage in a file per block."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.tables import TABLES
from simulation import arrow
from simulation.kinds import DAY

PARTED = "usage"  # the large table
TRUTH = "truth"


def clear(out: Path) -> None:
    """Take away what an earlier company left in the folder, the project file first."""
    names = ["retention.toml", f"{TRUTH}.parquet", *(f"{name}.parquet" for name in TABLES)]
    for path in [*(out / name for name in names), *sorted(out.glob(f"{PARTED}-*.parquet"))]:
        path.unlink(missing_ok=True)


class Writer:
    """Open files of the tables; rows come block by block and are not kept.

    Parameters
    ----------
    out : Path
        An existing folder.
    end : int
        `data_end` in days since 1970: what is known later is not in the company's tables yet.
    """

    def __init__(self, out: Path, *, end: int) -> None:
        self.out, self.end = out, end
        self.files: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self.files.values():
            file.close()

    def write(
        self,
        name: str,
        columns: dict[str, pa.Array] | pa.Table,
        *,
        block: int | None = None,
        customers: int | None = None,
    ) -> None:
        """Append rows to a table.

        Parameters
        ----------
        name : str
            A canonical table, or `truth`.
        columns : dict of arrays, or Table
            Canonical types.
        block : int, optional
            Which block it is, from 0.
        customers : int, optional
            Rows of customers beyond that number are left out.
        """
        table = columns if isinstance(columns, pa.Table) else arrow.table(name, columns)
        if customers is not None:
            last = pa.scalar(f"c{customers:07d}")
            table = table.filter(pc.less_equal(table["customer_id"], last))
        if "known_at" in table.column_names:
            now = pa.scalar(self.end * DAY, pa.timestamp("us"))
            table = table.filter(pc.less(table["known_at"], now))
        if name == PARTED and block is not None:
            pq.write_table(table, self.out / f"{PARTED}-{block + 1:05d}.parquet", **_STYLE)
            return
        if name not in self.files:
            path = self.out / f"{name}.parquet"
            self.files[name] = pq.ParquetWriter(path, table.schema, **_STYLE)
        self.files[name].write_table(table)


_STYLE = {"compression": "zstd", "compression_level": 1}
