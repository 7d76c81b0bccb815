"""What staging leaves for the next run, so that only what is new is mapped, checked and written.

A table is continued where every row is judged alone: its new units are staged as one more part, and
rows set aside for a reason that time may mend (a customer not known yet, a date after the end of
the data) are judged again. Anything else that depends on other rows makes it start afresh.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from duckdb import DuckDBPyConnection

from features.project import Source
from features.sources_raw import Landed, Unit
from features.sources_sql import is_row_by_row

MENDABLE = ("unknown_customer", "in_future")
KNOWN_CUSTOMERS = "known_customers.parquet"
_WHOLE = ("customers", "plans", "snapshots")  # small, or judged as a whole


@dataclass(frozen=True)
class Memory:
    """The account of one staged table; lists run over its sources."""

    units: list[list[list[str]]]  # name and digest of each
    columns: list[dict[str, str]]  # of the file
    kinds: list[dict[str, str]]  # canonical
    tallies: list[dict[str, list[int]]]  # see sources_sql.tally
    rows_in: int
    kept: int
    rejected: int
    rejected_lines: list[list[Any]]  # file, line number
    repeats: tuple[int, list[str]]  # rows, customers
    parts: list[str] = field(default_factory=list)
    rows: int = 0
    content: int = 0
    newest: dict[str, str] = field(default_factory=dict)  # column -> of staged rows
    oldest: str | None = None  # occurred_at
    years: dict[str, int] = field(default_factory=dict)  # of known_at -> staged rows


@dataclass(frozen=True)
class Before:
    """A table as the last run published it, and what is new since."""

    name: str
    folder: Path
    memory: Memory
    new: tuple[tuple[Unit, ...], ...]  # per source

    @property
    def parts(self) -> list[Path]:
        """Staged rows."""
        return [self.folder / self.name / part for part in self.memory.parts]

    @property
    def held(self) -> Path | None:
        """Rows set aside, typed; None where there are none."""
        file = self.folder / "held" / f"{self.name}.parquet"
        return file if file.is_file() else None

    @property
    def quarantine(self) -> Path | None:
        """Rows set aside, as they came."""
        file = self.folder / "quarantine" / f"{self.name}.parquet"
        return file if file.is_file() else None

    def newest(self, column: str) -> datetime | None:
        """The newest moment of a column among staged rows."""
        moment = self.memory.newest.get(column)
        return datetime.fromisoformat(moment) if moment else None


@dataclass(frozen=True)
class Published:
    """All that the last run published, as far as the project still reads the same."""

    folder: Path
    known_until: datetime | None
    tables: dict[str, Memory]

    @classmethod
    def read(cls, place: Path, signature: str) -> Self | None:
        """What is in a folder; None when there is nothing, or of another project file."""
        try:
            raw = json.loads((place / "staged.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        if raw.get("signature") != signature:
            return None
        until = raw["known_until"]
        tables = {name: Memory(**one) for name, one in raw["memory"].items()}
        return cls(place.resolve(), datetime.fromisoformat(until) if until else None, tables)

    @property
    def known_customers(self) -> Path:
        """Customers that rows were held against."""
        return self.folder / "held" / KNOWN_CUSTOMERS

    def before(self, name: str, landed: Sequence[Landed]) -> Before | None:
        """What a table can be continued from; None when it must start afresh."""
        memory = self.tables.get(name)
        if memory is None or len(memory.units) != len(landed):
            return None
        new = []
        for one, units, columns in zip(landed, memory.units, memory.columns, strict=True):
            old = {(unit, digest) for unit, digest in units}
            if one.columns != columns or old - {(u.name, u.digest) for u in one.units}:
                return None
            new.append(tuple(u for u in one.units if (u.name, u.digest) not in old))
        return Before(name, self.folder, memory, tuple(new))


def can_continue(con: DuckDBPyConnection, name: str, landed: Sequence[Landed]) -> bool:
    """Whether every row of a table is judged alone, and is told by its file and number."""
    names = [unit.name for one in landed for unit in one.units]
    return (
        name not in _WHOLE
        and len(names) == len(set(names))
        and all(_is_plain(con, one.source) for one in landed)
    )


def _is_plain(con: DuckDBPyConnection, source: Source) -> bool:
    whole = source.deduplicate or source.attributes or source.static or source.shape != "rows"
    return not whole and is_row_by_row(con, source)
