"""Finding and reading the files of a source: one view over all, their rows numbered."""

from pathlib import Path

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Project, Source
from features.sources_raw import RawSource, first_sentence, literal, quote
from features.sources_text import TEXT_SUFFIXES, parse_text

PARQUET_SUFFIXES = (".parquet", ".pq")


def find_files(project: Project, table: str, name: str) -> tuple[Path, ...]:
    """The files of a name or glob in the data folder, sorted.

    Raises
    ------
    SourceError
        When there is none, or one has a suffix that cannot be read.
    """
    folder = project.data_folder
    pattern = Path(name)
    base = Path(pattern.anchor) if pattern.is_absolute() else folder
    relative = pattern.relative_to(pattern.anchor) if pattern.is_absolute() else pattern
    is_glob = any(character in name for character in "*?[")
    files = sorted(base.glob(str(relative))) if is_glob else [base / relative]
    files = [file for file in files if file.is_file()]
    if not files:
        what = "no file matches" if is_glob else "no such file"
        near = sorted(f.name for f in folder.iterdir()) if folder.is_dir() else []
        there = f"; the folder holds {', '.join(near[:12])}" if near else ""
        raise SourceError(f"sources.{table}: {what} {name!r} in {folder}{there}")
    for file in files:
        if not file.name.lower().endswith(PARQUET_SUFFIXES + TEXT_SUFFIXES):
            known = ", ".join(PARQUET_SUFFIXES + TEXT_SUFFIXES)
            raise SourceError(f"sources.{table}: cannot read {file.name!r}; readable are {known}")
    return tuple(files)


def open_files(
    con: DuckDBPyConnection, project: Project, table: str, position: int, scratch: Path
) -> RawSource:
    """Make the view `raw_<table>_<position>` over the files of a source.

    Text files are parsed once, every value as text, into Parquet in `scratch`; lines that do not
    have the header's number of values are kept in a view of rejects (`_file`, `_row`, `line`,
    `reason`).
    """
    source = project.sources[table][position]
    files = find_files(project, table, source.file or "")
    name = f"{table}_{position}"
    parquet, rejects = [], []
    try:
        for number, file in enumerate(files):
            if file.name.lower().endswith(PARQUET_SUFFIXES):
                parquet.append(file)
                continue
            parsed = scratch / f"{name}_{number}.parquet"
            rejects.append(parse_text(con, source, file, parsed, f"rejects_{name}_{number}"))
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
            f"sources.{table}: cannot read {source.origin}: {first_sentence(error)}"
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
