"""A query over several files as one source: CSV, Parquet and JSON, joined by DuckDB.

Each input is a relation of its name. Values of text files are texts; a JSON object is a row with
its top-level keys as texts (nested ones as JSON) and the whole as `json`. Rows in are the rows of
the query's result, and lines of the inputs that are no rows.
"""

from dataclasses import dataclass, field
from pathlib import Path

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Input, Project, Source
from features.sources_connection import fetch
from features.sources_files import PARQUET_SUFFIXES, find_files
from features.sources_macros import define_macros
from features.sources_raw import RawSource, first_sentence, literal, quote
from features.sources_text import TEXT_SUFFIXES, parse_text

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
SUFFIXES = PARQUET_SUFFIXES + TEXT_SUFFIXES + JSON_SUFFIXES
_LEAST_OBJECT = 16_777_216  # bytes; DuckDB's default, below which it need not be told


@dataclass
class _Inputs:
    """The files of a query as they are read: what was found, and which lines are no rows."""

    files: list[Path] = field(default_factory=list)
    rejects: list[str] = field(default_factory=list)
    relations: dict[str, str] = field(default_factory=dict)  # name -> SQL


def open_query(
    con: DuckDBPyConnection, project: Project, table: str, position: int, scratch: Path
) -> RawSource:
    """Make the view `raw_<table>_<position>` over the result of a query, its rows numbered.

    Raises
    ------
    SourceError
        An input that is missing and not optional, or SQL that DuckDB refuses, in one line.
    """
    source = project.sources[table][position]
    name = f"{table}_{position}"
    result = scratch / f"{name}.parquet"
    try:
        define_macros(con)
        inputs = _read_inputs(con, project, table, source, scratch / name)
        con.execute(f"COPY ({_joined(source, inputs)}) TO {literal(result)} (FORMAT parquet)")
        columns = _columns(con, result)
        shown = ", ".join(f"{quote(c)}::{kind} AS {quote(c)}" for c, kind in columns.items())
        con.execute(
            f"CREATE VIEW raw_{name} AS SELECT {shown}, {literal(source.origin)} AS _file,"
            f" file_row_number AS _row FROM read_parquet({literal(result)},"
            " file_row_number = true)"
        )
        if inputs.rejects:
            con.execute(f"CREATE VIEW rejects_{name} AS {' UNION ALL '.join(inputs.rejects)}")
    except Error as error:
        raise SourceError(f"sources.{table}: {source.origin}: {first_sentence(error)}") from error
    return RawSource(
        source,
        table,
        position,
        tuple(inputs.files),
        f"raw_{name}",
        columns,
        f"rejects_{name}" if inputs.rejects else None,
        is_text=False,
    )


def input_files(project: Project, table: str, source: Source) -> tuple[Path, ...]:
    """The files of all inputs of a query; an optional one may have none.

    Raises
    ------
    SourceError
        When another has none.
    """
    return tuple(file for one in source.inputs.values() for file in find_input(project, table, one))


def _joined(source: Source, inputs: _Inputs) -> str:
    """The query with its inputs; sorted, so that rows are numbered alike in every run."""
    known = ", ".join(f"{quote(name)} AS ({sql})" for name, sql in inputs.relations.items())
    query = (source.query or "").strip().rstrip(";")
    return f"WITH {known} SELECT * FROM (\n{query}\n) ORDER BY ALL"


def _columns(con: DuckDBPyConnection, result: Path) -> dict[str, str]:
    """Columns of the result with their types; JSON is a text."""
    described = con.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(result)})").fetchall()
    return {row[0]: "VARCHAR" if row[1] == "JSON" else row[1] for row in described}


def _read_inputs(
    con: DuckDBPyConnection, project: Project, table: str, source: Source, stem: Path
) -> _Inputs:
    """Every input as SQL of a relation; what is not Parquet is made so beside `stem`."""
    inputs = _Inputs()
    for name, one in source.inputs.items():
        place = stem.with_name(f"{stem.name}_{name}")
        if one.connection is not None:
            relation = _fetched(project, f"sources.{table}.inputs.{name}", one, place)
        else:
            files = find_input(project, table, one)
            inputs.files += files
            relation = _relation(con, source, files, place, inputs)
        inputs.relations[name] = _with_columns(con, relation, one)
    return inputs


def _fetched(project: Project, key: str, one: Input, place: Path) -> str | None:
    """SQL of a table of a connection; None where it is optional and missing."""
    path = place.with_name(f"{place.name}.parquet")
    names = (one.relation or "", *one.alternatives)
    if any(fetch(project, key, one.connection or "", name, path) for name in names):
        return f"SELECT * FROM read_parquet({literal(path)})"
    if one.optional:
        return None
    raise SourceError(f"{key}: {one.connection} has no table {one.relation!r}")


def find_input(project: Project, table: str, one: Input) -> tuple[Path, ...]:
    """The files of an input; none where it is optional and missing, or no file at all."""
    if one.connection is not None or (one.optional and one.file is None):
        return ()
    if one.optional and one.file is not None:
        path = Path(one.file)
        found = [path] if path.is_absolute() else project.data_folder.glob(one.file)
        if not any(file.is_file() for file in found):
            return ()
    return find_files(project, table, one.file or "", SUFFIXES)


def _relation(
    con: DuckDBPyConnection,
    source: Source,
    files: tuple[Path, ...],
    stem: Path,
    inputs: _Inputs,
) -> str | None:
    """SQL of the rows of an input's files; None without one."""
    objects = [file for file in files if file.name.lower().endswith(JSON_SUFFIXES)]
    parquet = [file for file in files if file.name.lower().endswith(PARQUET_SUFFIXES)]
    for number, file in enumerate(files):
        if file in objects or file in parquet:
            continue
        parsed = stem.with_name(f"{stem.name}_{number}.parquet")
        rejects = f"rejects_{stem.name}_{number}"
        inputs.rejects.append(parse_text(con, source, file, parsed, rejects))
        parquet.append(parsed)
    parts = [_json_rows(con, objects)] if objects else []
    if parquet:
        parts.append(f"SELECT * FROM read_parquet([{_paths(parquet)}], union_by_name = true)")
    return " UNION ALL BY NAME ".join(parts) or None


def _paths(files: list[Path]) -> str:
    return ", ".join(literal(file) for file in files)


def _json_rows(con: DuckDBPyConnection, files: list[Path]) -> str:
    """One row per object: those of an array, of lines, of a page's `data` or of `resources`."""
    size = max(_LEAST_OBJECT, *(file.stat().st_size + 1 for file in files))
    read = f"read_json_objects([{_paths(files)}], maximum_object_size = {size})"
    objects = (
        "SELECT unnest(CASE WHEN json_type(json, '$.data') = 'ARRAY' THEN json -> '$.data[*]'"
        " WHEN json_type(json, '$.resources') = 'OBJECT' THEN json -> '$.resources.*'"
        f" ELSE [json] END) AS json FROM {read}"
    )
    keys = con.execute(
        f"SELECT DISTINCT unnest(json_keys(json)) AS k FROM ({objects})"
        " WHERE json_type(json) = 'OBJECT' ORDER BY k"
    ).fetchall()
    named = {key.lower(): key for (key,) in keys if key.lower() != "json"}
    shown = [f"json ->> {literal('/' + _pointer(key))} AS {quote(key)}" for key in named.values()]
    return f"SELECT {', '.join(['json', *shown])} FROM ({objects})"


def _pointer(key: str) -> str:
    """A key in a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _with_columns(con: DuckDBPyConnection, relation: str | None, one: Input) -> str:
    """The relation with the columns that the query may name, null where the files lack them."""
    if relation is None:
        nothing = ", ".join(f"NULL::VARCHAR AS {quote(column)}" for column in one.columns)
        return f"SELECT {nothing or 'NULL AS nothing'} WHERE FALSE"
    described = con.execute(f"DESCRIBE {relation}").fetchall()
    present = {row[0].lower() for row in described}
    absent = [column for column in one.columns if column.lower() not in present]
    added = [f"NULL::VARCHAR AS {quote(column)}" for column in absent]
    shown = [_shown(row[0], row[1], one) for row in described]
    return f"SELECT {', '.join([*shown, *added])} FROM ({relation})"


def _shown(column: str, kind: str, one: Input) -> str:
    """A column as the query sees it: a text where all are to be."""
    if one.as_text and kind not in {"VARCHAR", "JSON"}:
        return f"{quote(column)}::VARCHAR AS {quote(column)}"
    return quote(column)
