"""Text files: how they are delimited, and their parsing into Parquet with every value as text."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from duckdb import DuckDBPyConnection

from features.errors import SourceError
from features.project import Source
from features.sources_raw import literal, quote

TEXT_SUFFIXES = (".csv", ".csv.gz", ".txt", ".txt.gz", ".tsv", ".tsv.gz")
DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"


def _open_text(file: Path, encoding: str) -> TextIO:
    if file.name.lower().endswith(".gz"):
        return gzip.open(file, "rt", encoding=encoding, newline="")
    return file.open(encoding=encoding, newline="")


def check_whole(file: Path) -> None:
    """Read a compressed file to its end, since DuckDB takes one that was cut off for whole.

    Raises
    ------
    SourceError
        When its end is missing or damaged.
    """
    if not file.name.lower().endswith(".gz"):
        return
    try:
        with gzip.open(file) as content:
            while content.read(1 << 20):
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"cannot read {file.name}: {str(error).lower()}") from error


def first_line(file: Path) -> str:
    """The first line that is not blank; empty when the file is."""
    with _open_text(file, "utf-8-sig") as lines:
        return next((line for line in lines if line.strip()), "")


def _guess_delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)


def read_header(file: Path, delimiter: str | None = None, *, header: bool = True) -> list[str]:
    """Column names of a text file; `column0`, `column1`, ... when it has no header."""
    line = first_line(file)
    delimiter = delimiter or _guess_delimiter(line)
    if delimiter == WHITESPACE:
        names = line.split()
    else:
        with _open_text(file, "utf-8-sig") as lines:
            rows: Iterator[list[str]] = csv.reader(lines, delimiter=delimiter)
            names = next((row for row in rows if any(row)), [])
    if not header:
        return [f"column{number}" for number in range(len(names))]
    return [name.strip() for name in names]


def parse_text(
    con: DuckDBPyConnection, source: Source, file: Path, parsed: Path, rejects: str
) -> str:
    """Parse one text file into Parquet; SQL over the lines that are not rows comes back."""
    try:
        names = read_header(file, source.delimiter, header=source.header)
    except (UnicodeDecodeError, OSError, csv.Error) as error:
        raise SourceError(f"cannot read {file.name} as text: {error}") from error
    if not names:
        raise SourceError(f"{file.name} is empty: it has no header line")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or "" in names:
        fault = f"column {repeated[0]!r} twice" if repeated else "a column without a name"
        raise SourceError(f"{file.name} has {fault} in its header {names}")
    if source.delimiter == WHITESPACE:
        return _parse_blanks(con, source, file, parsed, rejects, names)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    delimiter = source.delimiter or _guess_delimiter(first_line(file))
    con.execute(
        f"COPY (SELECT * FROM read_csv({literal(file)}, auto_detect = false,"
        f" header = {literal(source.header)}, delim = {literal(delimiter)}, quote = '\"',"
        f" escape = '\"', nullstr = '', columns = {{{columns}}}, store_rejects = true,"
        f" rejects_table = {literal(rejects)}, rejects_scan = {literal(rejects + '_scan')},"
        f" rejects_limit = 0)) TO {literal(parsed)} (FORMAT parquet)"
    )
    return (
        f"SELECT {literal(file.name)} AS _file, line::BIGINT AS _row, min(csv_line) AS line,"
        f" 'line: not a row of {len(names)} values' AS reason FROM {rejects} GROUP BY ALL"
    )


def _parse_blanks(
    con: DuckDBPyConnection,
    source: Source,
    file: Path,
    parsed: Path,
    rejects: str,
    names: list[str],
) -> str:
    """A file whose values are parted by one or more blanks."""
    first = 2 if source.header else 1
    con.execute(
        f"CREATE TEMP VIEW {rejects} AS SELECT regexp_split_to_array(trim(line), '\\s+') AS parts,"
        " line, row_number() OVER () AS number FROM read_csv("
        f"{literal(file)}, auto_detect = false, header = false, delim = '\x01', quote = '',"
        " escape = '', columns = {'line': 'VARCHAR'}) WHERE trim(line) <> ''"
    )
    values = ", ".join(
        f"parts[{position}] AS {quote(name)}" for position, name in enumerate(names, start=1)
    )
    con.execute(
        f"COPY (SELECT {values} FROM {rejects} WHERE number >= {first} AND len(parts) ="
        f" {len(names)} ORDER BY number) TO {literal(parsed)} (FORMAT parquet)"
    )
    return (
        f"SELECT {literal(file.name)} AS _file, number AS _row, line,"
        f" 'line: not a row of {len(names)} values' AS reason FROM {rejects}"
        f" WHERE number >= {first} AND len(parts) <> {len(names)}"
    )
