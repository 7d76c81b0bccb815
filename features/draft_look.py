"""A first look at a file nobody has described: what its columns hold, by name and by value."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from duckdb import DuckDBPyConnection

from features.sources_files import PARQUET_SUFFIXES
from features.sources_raw import literal, quote
from features.sources_text import DELIMITERS, TEXT_SUFFIXES, WHITESPACE, first_line, read_header
from features.sources_types import ISO_MOMENT, ISO_OFFSET

SAMPLE = 50_000  # rows
_ALMOST = 0.98  # share of values that must fit: a few misprints are for `check` to name
_FEW = 12
DATE_FORMATS = (
    "%Y%m%d",
    *(
        f"{date}{time}"
        for date in ("%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y")
        for time in ("", " %H:%M", " %H:%M:%S")
    ),
)
_PART = re.compile(r"^([^.]+[-_])0\d+(\..+)$")  # usage-00001.parquet


@dataclass(frozen=True)
class Look:
    """One column of a file, from its first rows; counts are of values that are not blank."""

    name: str
    rows: int
    filled: int
    distinct: int
    numbers: int
    dates: int
    formatted: tuple[int, ...]  # dates, for each of DATE_FORMATS
    values: tuple[str, ...]  # all of them when there are few

    @cached_property
    def words(self) -> frozenset[str]:
        """Lower-case words of the name."""
        return words_of(self.name)

    @property
    def date_format(self) -> str | None:
        """How its dates are written, where that is not ISO; the first of two that fit alike."""
        if self._mostly(self.dates) or not self._mostly(max(self.formatted)):
            return None
        return DATE_FORMATS[self.formatted.index(max(self.formatted))]

    @property
    def is_ambiguous(self) -> bool:
        """Whether its dates could as well have day and month the other way round."""
        return self.date_format is not None and self.formatted.count(max(self.formatted)) > 1

    @property
    def is_compact_date(self) -> bool:
        """Whether it holds dates such as 19970131, which may be numbers."""
        return self.date_format == DATE_FORMATS[0]

    @property
    def is_date(self) -> bool:
        """Whether it holds dates or times that are nothing else."""
        return self._mostly(self.dates) or (
            self.date_format is not None and not self.is_compact_date
        )

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers that are not dates."""
        return self._mostly(self.numbers) and not self.is_compact_date

    @property
    def is_unique(self) -> bool:
        """Whether no value comes twice and none is missing."""
        return self.rows > 0 and self.distinct == self.filled == self.rows

    def _mostly(self, fitting: int) -> bool:
        return self.filled > 0 and fitting >= _ALMOST * self.filled


@dataclass(frozen=True)
class LookedAt:
    """One file: its columns and how it is delimited, where that must be said.

    Of numbered parts (`usage-00001.parquet`) the first is looked at and `name` is their pattern.
    """

    file: Path
    columns: tuple[Look, ...]
    delimiter: str | None = None
    pattern: str | None = None

    @property
    def name(self) -> str:
        """The file's name, or the pattern of its parts."""
        return self.pattern or self.file.name

    @property
    def stem(self) -> str:
        """The name without number and endings."""
        return self.name.partition(".")[0].lower().removesuffix("*").rstrip("-_")

    @cached_property
    def words(self) -> frozenset[str]:
        """Lower-case words of the file's name."""
        return words_of(self.name.partition(".")[0])

    def find(self, *words: str) -> list[Look]:
        """Columns whose name has one of these words, in the order of the words."""
        found = [column for word in words for column in self.columns if word in column.words]
        return list(dict.fromkeys(found))

    def column(self, name: str) -> Look | None:
        """The column of exactly that name."""
        return next((column for column in self.columns if column.name == name), None)


def words_of(name: str) -> frozenset[str]:
    """`customerID`, `Customer ID` and `customer_id` have the words customer and id."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = re.split(r"[^a-z0-9]+", parted.lower())
    return frozenset(word for word in words if word) | {w[:-1] for w in words if w.endswith("s")}


def look_at_folder(con: DuckDBPyConnection, folder: Path) -> list[LookedAt]:
    """Every readable file of a folder, by name; files without columns are left out."""
    suffixes = PARQUET_SUFFIXES + TEXT_SUFFIXES
    files = sorted(f for f in folder.iterdir() if f.name.lower().endswith(suffixes))
    parts: dict[str, Path] = {}
    for file in files:
        if file.is_file():
            parts.setdefault(_PART.sub(r"\1*\2", file.name), file)
    looked = [look_at(con, file) for file in parts.values()]
    named = zip(parts, looked, strict=True)
    return [
        replace(one, pattern=name if "*" in name else None) for name, one in named if one.columns
    ]


def look_at(con: DuckDBPyConnection, file: Path) -> LookedAt:
    """Sample a file and describe its columns."""
    if file.name.lower().endswith(PARQUET_SUFFIXES):
        rows = f"SELECT * FROM read_parquet({literal(file)})"
        described = con.execute(f"DESCRIBE {rows}").fetchall()
        return LookedAt(file, _columns(con, rows, [row[0] for row in described]))
    line = first_line(file)
    blanks = not any(character in line for character in DELIMITERS) and " " in line.strip()
    names = read_header(file, WHITESPACE if blanks else None)
    if not names:
        return LookedAt(file, ())
    if blanks:
        values = ", ".join(f"parts[{i}] AS {quote(name)}" for i, name in enumerate(names, 1))
        rows = (
            f"SELECT {values} FROM (SELECT regexp_split_to_array(trim(line), '\\s+') AS parts"
            f" FROM read_csv({literal(file)}, auto_detect = false, header = true, quote = '',"
            " escape = '', delim = '\x01', columns = {'line': 'VARCHAR'}))"
        )
        return LookedAt(file, _columns(con, rows, names), WHITESPACE)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    delimiter = max(DELIMITERS, key=line.count)
    rows = (
        f"SELECT * FROM read_csv({literal(file)}, auto_detect = false, header = true,"
        f" delim = {literal(delimiter)}, quote = '\"', escape = '\"', nullstr = '',"
        f" columns = {{{columns}}}, ignore_errors = true)"
    )
    return LookedAt(file, _columns(con, rows, names))


def _columns(con: DuckDBPyConnection, rows: str, names: list[str]) -> tuple[Look, ...]:
    tallies = []
    for name in names:
        value = f"nullif(trim({quote(name)}::VARCHAR), '')"
        formatted = ", ".join(
            f"count(try_strptime({value}, '{one}')) FILTER (length({value}) > 7)"
            for one in DATE_FORMATS
        )
        tallies.append(
            f"{{'filled': count({value}), 'distinct': count(DISTINCT {value}),"
            f" 'numbers': count(TRY_CAST({value} AS DOUBLE)),"
            f" 'dates': count_if(regexp_full_match({value}, '{ISO_MOMENT}({ISO_OFFSET})?')),"
            f" 'formatted': [{formatted}],"
            f" 'values': list_sort(list(DISTINCT {value}))[:{_FEW + 1}]}}"
        )
    row = con.execute(
        f"SELECT count(*), {', '.join(tallies)} FROM ({rows} LIMIT {SAMPLE})"
    ).fetchone()
    count, *found = row or (0,)
    return tuple(
        Look(
            name,
            count,
            tally["filled"],
            tally["distinct"],
            tally["numbers"],
            tally["dates"],
            tuple(tally["formatted"]),
            tuple(tally["values"] or ()) if tally["distinct"] <= _FEW else (),
        )
        for name, tally in zip(names, found, strict=True)
    )
