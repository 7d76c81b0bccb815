"""The mapping of a source onto its canonical table, as one DuckDB view of typed rows with a fault."""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Source
from features.sources import ROW_NUMBERS, RawSource, literal, quote
from features.sources_types import PHYSICAL, Reading, cast, is_text, mistyped, present
from features.tables import TABLES

PERIOD_COLUMNS = ("starts_at", "ends_at")


@dataclass(frozen=True)
class Mapped:
    """A source as canonical rows: the view, its columns with types, what was not used."""

    raw: RawSource
    view: str
    columns: dict[str, str]  # column -> canonical type ("number" for numeric attributes)
    unused: tuple[str, ...]


@dataclass(frozen=True)
class _Value:
    """SQL over the prepared view and its DuckDB type."""

    sql: str
    kind: str
    what: str  # for messages


def wanted_columns(source: Source, table: str, labels: Iterable[str]) -> dict[str, str]:
    """Columns a source may give, with canonical types; attributes and labels as `attribute`."""
    columns = {column.name: column.type for column in TABLES[table].columns}
    wanted: dict[str, str] = dict(columns)
    if source.shape == "periods":
        wanted = {k: v for k, v in wanted.items() if k != "occurred_at"}
        wanted |= dict.fromkeys(PERIOD_COLUMNS, "timestamp")
    extra = (*source.attributes, *source.static)
    wanted |= {name: "attribute" for name in extra if name not in wanted}
    return wanted | {name: "string" for name in labels if name not in columns}


def required_columns(source: Source, table: str) -> tuple[str, ...]:
    """Columns that must be filled on every row."""
    required = [column.name for column in TABLES[table].columns if column.required]
    if source.shape == "periods":
        return (*(n for n in required if n not in {"occurred_at", "status"}), "starts_at")
    return tuple(required)


def map_source(
    con: DuckDBPyConnection, raw: RawSource, reading: Reading, labels: tuple[str, ...]
) -> Mapped:
    """Make the view `mapped_<table>_<position>`: canonical columns, `_fault`, `_file`, `_row`.

    Raises
    ------
    SourceError
        A column that is missing or whose type can never fit, or an expression that does not run.
    """
    source, table = raw.source, raw.table
    wanted = wanted_columns(source, table, labels)
    used = _used_columns(con, raw, wanted)
    prepared = _prepare(con, raw, used)
    values = {
        name: _value(con, raw, prepared, name)
        for name in wanted
        if _is_given(raw, name, wanted[name])
    }
    _demand(raw, values, [*required_columns(source, table), *source.attributes, *labels])
    kinds = {
        name: _attribute_type(con, raw, prepared, value) if wanted[name] == "attribute" else kind
        for name, value in values.items()
        if (kind := wanted[name])
    }
    view = f"mapped_{table}_{raw.position}"
    con.execute(f"CREATE VIEW {view} AS {_select(raw, prepared, values, kinds, reading)}")
    taken = {source.columns.get(n, n) for n in values if _origin(raw, n) == "column"} | used
    unused = tuple(column for column in raw.columns if column not in taken)
    return Mapped(raw, view, kinds, unused)


def _origin(raw: RawSource, name: str) -> str | None:
    """Where the value of a canonical column comes from."""
    source = raw.source
    if name in source.expressions:
        return "expression"
    if name in source.constants:
        return "constant"
    if name in source.columns or name in raw.columns:
        return "column"
    return None


def _is_given(raw: RawSource, name: str, kind: str) -> bool:
    if name in raw.source.columns and raw.source.columns[name] not in raw.columns:
        raise missing_column(raw, name, raw.source.columns[name])
    return _origin(raw, name) is not None or kind == "attribute"


def missing_column(raw: RawSource, wanted: str, column: str) -> SourceError:
    """The error of a column that the file does not have, with the nearest that it has."""
    near = difflib.get_close_matches(column.lower(), [c.lower() for c in raw.columns], 1, 0.6)
    meant = next((c for c in raw.columns if near and c.lower() == near[0]), None)
    hint = f"; did you mean {meant!r}?" if meant else ""
    return SourceError(
        f"{raw.label}: no column {column!r} for {raw.table}.{wanted};"
        f" it has {', '.join(raw.columns)}{hint}"
    )


def _demand(raw: RawSource, values: dict[str, _Value], names: Iterable[str]) -> None:
    for name in names:
        if name not in values:
            raise missing_column(raw, name, name)


def _used_columns(con: DuckDBPyConnection, raw: RawSource, wanted: dict[str, str]) -> set[str]:
    """Columns of the file that expressions and the filter read."""
    used: set[str] = set()
    texts = {f"expressions.{k}": v for k, v in raw.source.expressions.items() if k in wanted}
    if raw.source.where is not None:
        texts["where"] = raw.source.where
    folded = {column.lower(): column for column in raw.columns}
    for key, text in texts.items():
        for name in _references(con, raw, key, text):
            if name.lower() not in folded:
                raise missing_column(raw, key, name)
            used.add(folded[name.lower()])
    return used


def _references(con: DuckDBPyConnection, raw: RawSource, key: str, text: str) -> set[str]:
    """Names of the columns that a SQL expression reads."""
    row = con.execute("SELECT json_serialize_sql('SELECT ' || ?)", [f"({text})"]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True, "error_message": "empty"}
    if tree["error"]:
        raise SourceError(f"{raw.label}: {key}: not SQL: {text!r}: {tree['error_message']}")
    return set(_walk(tree))


def _walk(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        for child in node.values():
            yield from _walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)


def _prepare(con: DuckDBPyConnection, raw: RawSource, used: set[str]) -> str:
    """A view in which columns that expressions read are typed; the text stays under `raw:NAME`."""
    if not raw.is_text:
        return raw.view
    kinds = {column: _guess(con, raw, column) for column in used}
    typed = [
        f"TRY_CAST({present(quote(c), 'VARCHAR')} AS {kinds[c]}) AS {quote(c)}"
        if c in kinds and kinds[c] != "VARCHAR"
        else quote(c)
        for c in raw.columns
    ]
    kept = [f"{quote(c)} AS {quote('raw:' + c)}" for c in raw.columns]
    view = f"prepared_{raw.table}_{raw.position}"
    con.execute(
        f"CREATE VIEW {view} AS SELECT {', '.join([*typed, *kept, *ROW_NUMBERS])} FROM {raw.view}"
    )
    return view


def _guess(con: DuckDBPyConnection, raw: RawSource, column: str) -> str:
    """The type of all values of a text column; text when some are not of one type."""
    value = present(quote(column), "VARCHAR")
    counts = ", ".join(
        f"count(TRY_CAST(v AS {kind}))" for kind in ("BIGINT", "DOUBLE", "DATE", "TIMESTAMP")
    )
    row = con.execute(
        f"SELECT count(v), count_if(regexp_matches(v, '^-?0[0-9]')), {counts}"
        f" FROM (SELECT {value} AS v FROM {raw.view})"
    ).fetchone()
    total, led_by_zero, *fits = row or (0, 0)
    if not total or led_by_zero:
        return "VARCHAR"
    kinds = ("BIGINT", "DOUBLE", "DATE", "TIMESTAMP")
    return next((k for k, n in zip(kinds, fits, strict=True) if n == total), "VARCHAR")


def _value(con: DuckDBPyConnection, raw: RawSource, prepared: str, name: str) -> _Value:
    """Where a canonical column's value comes from."""
    source, origin = raw.source, _origin(raw, name)
    if origin == "expression":
        text = source.expressions[name]
        try:
            row = con.execute(f"DESCRIBE SELECT ({text}) AS v FROM {prepared}").fetchone()
        except Error as error:
            message = str(error).splitlines()[0]
            raise SourceError(f"{raw.label}: expressions.{name}: {message}") from error
        return _Value(f"({text})", row[1] if row else "VARCHAR", f"expression {text!r}")
    if origin == "constant":
        constant = source.constants[name]
        kind = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}.get(type(constant), "VARCHAR")
        return _Value(literal(constant), kind, f"constant {constant!r}")
    column = source.columns.get(name, name)
    if column not in raw.columns:
        raise missing_column(raw, name, column)
    shown = quote("raw:" + column) if raw.is_text else quote(column)
    return _Value(shown, raw.columns[column], f"column {column!r}")


def _attribute_type(con: DuckDBPyConnection, raw: RawSource, prepared: str, value: _Value) -> str:
    """An attribute is a number when every value is one, else a text."""
    if not is_text(value.kind):
        return "number" if cast("x", value.kind, "number", Reading()) else "string"
    shown = present(value.sql, value.kind)
    row = con.execute(
        "SELECT count(v), count(TRY_CAST(v AS DOUBLE)), count_if(regexp_matches(v, '^-?0[0-9]'))"
        f" FROM (SELECT {shown} AS v FROM {prepared})"
    ).fetchone()
    total, numbers, led_by_zero = row or (0, 0, 0)
    return "number" if total and numbers == total and not led_by_zero else "string"


def _select(
    raw: RawSource,
    prepared: str,
    values: dict[str, _Value],
    kinds: dict[str, str],
    reading: Reading,
) -> str:
    """Typed columns and the first fault of each row."""
    inner, outer, faults, came = [], [], [], []
    required = required_columns(raw.source, raw.table)
    for name, value in values.items():
        wanted, shown = kinds[name], quote("v:" + name)
        typed = cast(shown, value.kind, wanted, reading)
        if typed is None:
            raise mistyped(raw.label, f"{value.what} for {raw.table}.{name}", value.kind, wanted)
        inner.append(f"{present(value.sql, value.kind)} AS {shown}")
        outer.append(f"({typed})::{PHYSICAL[wanted]} AS {quote(name)}")
        misfit = f"{shown} IS NOT NULL AND {quote(name)} IS NULL"
        faults.append(f"WHEN {misfit} THEN '{name}: not_{wanted}'")
        came.append(f"WHEN {misfit} THEN {shown}::VARCHAR")
        if name in required:
            faults.append(f"WHEN {quote(name)} IS NULL THEN '{name}: missing_value'")
            came.append(f"WHEN {quote(name)} IS NULL THEN NULL")
    where = f" WHERE coalesce(({raw.source.where}), FALSE)" if raw.source.where else ""
    carried = ", ".join(quote("v:" + name) for name in values)
    columns = ", ".join(quote(name) for name in values)
    return (
        f"SELECT {columns}, CASE {' '.join(faults)} END AS _fault, CASE {' '.join(came)} END AS"
        f" _value, {raw.position} AS _source, _file, _row"
        f" FROM (SELECT {', '.join(outer)}, {carried}, _file, _row FROM"
        f" (SELECT {', '.join(inner)}, _file, _row FROM {prepared}{where}))"
        f"{_kept_once(raw.source, columns)}"
    )


def _kept_once(source: Source, columns: str) -> str:
    """Which rows of one content, or of one customer, are kept: the first; faulty rows always."""
    kept = []
    if source.deduplicate:
        kept.append(f"row_number() OVER (PARTITION BY {columns} ORDER BY _file, _row) = 1")
    if source.shape == "first":
        kept.append(
            "(_fault IS NOT NULL OR row_number() OVER (PARTITION BY customer_id, _fault IS NULL"
            " ORDER BY occurred_at, _file, _row) = 1)"
        )
    return f" QUALIFY {' AND '.join(kept)}" if kept else ""
