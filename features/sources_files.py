"""Finding the files of a source, and landing each: a text is parsed once into Parquet."""

from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Project, Source
from features.sources_landed import Landing, key_of
from features.sources_raw import Landed, Unit, columns_of, first_sentence, literal
from features.sources_text import TEXT_SUFFIXES, check_whole, parse_text

PARQUET_SUFFIXES = (".parquet", ".pq")
READABLE = PARQUET_SUFFIXES + TEXT_SUFFIXES


def find_files(
    project: Project, table: str, name: str, suffixes: tuple[str, ...] = READABLE
) -> tuple[Path, ...]:
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
        if not file.name.lower().endswith(suffixes):
            known = ", ".join(suffixes)
            raise SourceError(f"sources.{table}: cannot read {file.name!r}; readable are {known}")
    return tuple(files)


def land_files(
    con: DuckDBPyConnection, project: Project, table: str, position: int, landing: Landing
) -> Landed:
    """Every file of a source as Parquet; one that landed before is not parsed again.

    Text files are parsed with every value as text; lines that do not have the header's number of
    values are kept as rejects (`_file`, `_row`, `line`, `reason`).
    """
    source = project.sources[table][position]
    files = find_files(project, table, source.file or "")
    try:
        try:
            units = tuple(_land(con, source, file, landing) for file in files)
        except SourceError as error:
            raise SourceError(f"sources.{table}: {error}") from error
        columns = _columns(con, table, source, units)
    except (Error, OSError, EOFError) as error:
        what = first_sentence(error) if isinstance(error, Error) else str(error)
        raise SourceError(f"sources.{table}: cannot read {source.origin}: {what}") from error
    is_text = any(unit.rejects is not None for unit in units)
    return Landed(source, table, position, units, columns, is_text, files)


def _land(con: DuckDBPyConnection, source: Source, file: Path, landing: Landing) -> Unit:
    digest = landing.digest(file)
    if file.name.lower().endswith(PARQUET_SUFFIXES):
        return Unit(file.name, file, digest)
    key = key_of(digest, file.name, source.delimiter, source.header)
    rejects = landing.rejects(key)

    def parse(path: Path) -> dict[str, Any]:
        check_whole(file)
        lines = parse_text(con, source, file, path, f"rejects_{key}")
        con.execute(f"COPY ({lines}) TO {literal(rejects)} (FORMAT parquet)")
        return {"file": file.name}

    landing.land(key, parse)
    return Unit(file.name, landing.path(key), key, rejects)


def _columns(
    con: DuckDBPyConnection, table: str, source: Source, units: tuple[Unit, ...]
) -> dict[str, str]:
    """Columns over all files of a source; every file must have those that are mapped."""
    wanted = set(source.columns.values())
    for unit in units if len(units) > 1 and wanted else ():
        names = set(columns_of(con, [unit.path]))
        if wanted - names:
            raise SourceError(
                f"sources.{table}: {unit.name} lacks column {min(wanted - names)!r};"
                f" it has {sorted(names)}"
            )
    return columns_of(con, [unit.path for unit in units])
