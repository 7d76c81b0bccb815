"""Finding and reading the files of a source: each becomes a DuckDB view with its rows numbered."""

import csv
import difflib
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Project, Source

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".csv.gz", ".txt", ".txt.gz", ".tsv", ".tsv.gz")
DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"
ROW_NUMBERS = ("_file", "_row")


@dataclass(frozen=True)
class RawSource:
    """The files of one source behind one view; `rejects` is a view of lines that are no rows."""

    source: Source
    table: str
    position: int  # of the source within its table
    files: tuple[Path, ...]
    view: str
    columns: dict[str, str]  # column of the file -> DuckDB type; text files are all VARCHAR
    rejects: str | None
    is_text: bool

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"sources.{self.table}: {self.source.file}"


def quote(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A SQL literal of a text, number or flag."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def missing_column(raw: RawSource, wanted: str, column: str) -> SourceError:
    """The error of a column that the file does not have, with the nearest that it has."""
    folded = {name.lower(): name for name in raw.columns}
    near = difflib.get_close_matches(column.lower(), folded, n=1)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
    return SourceError(
        f"{raw.label}: no column {column!r} for {wanted}; it has {', '.join(raw.columns)}{hint}"
    )


def find_files(project: Project, table: str, source: Source) -> tuple[Path, ...]:
    """The files a source names, sorted.

    Raises
    ------
    SourceError
        When there is none, or one has a suffix that cannot be read.
    """
    folder = project.data_folder
    pattern = Path(source.file)
    base = Path(pattern.anchor) if pattern.is_absolute() else folder
    relative = pattern.relative_to(pattern.anchor) if pattern.is_absolute() else pattern
    is_glob = any(character in source.file for character in "*?[")
    files = sorted(base.glob(str(relative))) if is_glob else [base / relative]
    files = [file for file in files if file.is_file()]
    if not files:
        what = "no file matches" if is_glob else "no such file"
        near = sorted(f.name for f in folder.iterdir()) if folder.is_dir() else []
        there = f"; the folder holds {', '.join(near[:12])}" if near else ""
        raise SourceError(f"sources.{table}: {what} {source.file!r} in {folder}{there}")
    for file in files:
        if not file.name.lower().endswith(PARQUET_SUFFIXES + TEXT_SUFFIXES):
            known = ", ".join(PARQUET_SUFFIXES + TEXT_SUFFIXES)
            raise SourceError(f"sources.{table}: cannot read {file.name!r}; readable are {known}")
    return tuple(files)


def open_source(
    con: DuckDBPyConnection, project: Project, table: str, position: int, scratch: Path
) -> RawSource:
    """Make the view `raw_<table>_<position>` over the files of a source.

    Text files are parsed once, every value as text, into Parquet in `scratch`; lines that do not
    have the header's number of values are kept in a view of rejects (`_file`, `_row`, `line`,
    `reason`).
    """
    source = project.sources[table][position]
    files = find_files(project, table, source)
    name = f"{table}_{position}"
    parquet, rejects = [], []
    try:
        for number, file in enumerate(files):
            if file.name.lower().endswith(PARQUET_SUFFIXES):
                parquet.append(file)
                continue
            parsed = scratch / f"{name}_{number}.parquet"
            rejects.append(_parse_text(con, source, file, parsed, f"rejects_{name}_{number}"))
            parquet.append(parsed)
        columns = _columns(con, table, source, files, parquet)
        names = ", ".join(quote(column) for column in columns)
        con.execute(
            f"CREATE VIEW raw_{name} AS SELECT {names}, {_file_case(files, parquet)} AS _file,"
            f" file_row_number AS _row FROM read_parquet([{_paths(parquet)}],"
            " union_by_name = true, filename = true, file_row_number = true)"
        )
        if rejects:
            con.execute(f"CREATE VIEW rejects_{name} AS {' UNION ALL '.join(rejects)}")
    except Error as error:
        raise SourceError(
            f"sources.{table}: cannot read {source.file}: {_message(error)}"
        ) from error
    return RawSource(
        source,
        table,
        position,
        files,
        f"raw_{name}",
        columns,
        f"rejects_{name}" if rejects else None,
        is_text=bool(rejects),
    )


def _message(error: Error) -> str:
    return str(error).splitlines()[0]


def _paths(files: list[Path]) -> str:
    return ", ".join(literal(file) for file in files)


def _file_case(files: tuple[Path, ...], parquet: list[Path]) -> str:
    """SQL for the name of the file a row came from."""
    if len(files) == 1:
        return literal(files[0].name)
    cases = " ".join(
        f"WHEN {literal(p)} THEN {literal(f.name)}" for f, p in zip(files, parquet, strict=True)
    )
    return f"CASE filename {cases} END"


def _columns(
    con: DuckDBPyConnection,
    table: str,
    source: Source,
    files: tuple[Path, ...],
    parquet: list[Path],
) -> dict[str, str]:
    """Columns over all files of a source; every file must have those that are mapped."""
    wanted = set(source.columns.values())
    for file, path in zip(files, parquet, strict=True):
        described = con.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(path)})").fetchall()
        names = {row[0] for row in described}
        if len(files) > 1 and wanted - names:
            missing = min(wanted - names)
            raise SourceError(
                f"sources.{table}: {file.name} lacks column {missing!r}; it has {sorted(names)}"
            )
    described = con.execute(
        f"DESCRIBE SELECT * FROM read_parquet([{_paths(parquet)}], union_by_name = true)"
    ).fetchall()
    return {row[0]: row[1] for row in described}


def _open_text(file: Path, encoding: str) -> TextIO:
    if file.name.lower().endswith(".gz"):
        return gzip.open(file, "rt", encoding=encoding, newline="")
    return file.open(encoding=encoding, newline="")


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


def _parse_text(
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
