"""Parquet files of a simulated company: one per table, the large ones in a file per block."""

import shutil
from collections.abc import Iterable
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
TRUTH = "truth"  # a folder beside the tables
_STYLE = {"compression": "zstd", "compression_level": 1}


def clear(out: Path) -> None:
    """Take away what an earlier company left in the folder, the project file first."""
    names = ["retention.toml", *(f"{name}.parquet" for name in TABLES)]
    for path in [*(out / name for name in names), *sorted(out.glob(f"{PARTED}-*.parquet"))]:
        path.unlink(missing_ok=True)
    (out / f"{TRUTH}.parquet").unlink(missing_ok=True)  # where it was once
    shutil.rmtree(out / TRUTH, ignore_errors=True)
    (out / TRUTH).mkdir()


def write_block(
    out: Path,
    tables: Iterable[tuple[str, dict[str, pa.Array] | pa.Table]],
    *,
    end: int,
    block: int,
    customers: int,
) -> dict[str, pa.Table]:
    """Write usage and truth of a block; give back its other tables.

    Parameters
    ----------
    out : Path
        An existing folder.
    tables : iterable of (name, columns)
        Canonical tables, and `truth`.
    end : int
        `data_end` in days since 1970: what is known later is not in the company's tables yet.
    block : int
        Which block it is, from 0.
    customers : int
        Rows of customers beyond that number are left out.
    """
    small = {}
    for name, columns in tables:
        table = columns if isinstance(columns, pa.Table) else arrow.table(name, columns)
        table = table.filter(pc.less_equal(table["customer_id"], pa.scalar(f"c{customers:07d}")))
        if "known_at" in table.column_names:
            now = pa.scalar(end * DAY, pa.timestamp("us"))
            table = table.filter(pc.less(table["known_at"], now))
        if name == PARTED:
            pq.write_table(table, out / f"{PARTED}-{block + 1:05d}.parquet", **_STYLE)
        elif name == TRUTH:
            pq.write_table(table, out / TRUTH / f"{block + 1:05d}.parquet", **_STYLE)
        else:
            small[name] = table
    return small


class Writer:
    """Open files of the smaller tables; rows come block by block and are not kept.

    Parameters
    ----------
    out : Path
        An existing folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
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

    def write(self, name: str, columns: dict[str, pa.Array] | pa.Table) -> None:
        """Append rows to a canonical table."""
        table = columns if isinstance(columns, pa.Table) else arrow.table(name, columns)
        if name not in self.files:
            path = self.out / f"{name}.parquet"
            self.files[name] = pq.ParquetWriter(path, table.schema, **_STYLE)
        self.files[name].write_table(table)
