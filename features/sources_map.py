"""The mapping of a source onto its canonical table, as a DuckDB view of typed rows with a fault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from duckdb import DuckDBPyConnection

from features.errors import SourceError
from features.project import Source
from features.project_checks import PERIOD_COLUMNS
from features.sources_attributes import Kind, attribute_kinds, is_plain_number
from features.sources_raw import RawSource, literal, missing_column, quote
from features.sources_sql import Prepared, prepare, type_of, used_columns
from features.sources_types import (
    PHYSICAL,
    Reading,
    cast,
    is_exact,
    is_number,
    is_text,
    mistyped,
    present,
)
from features.tables import TABLES


@dataclass(frozen=True)
class Mapped:
    """A source as canonical rows: the view, its columns with types, what was not used."""

    raw: RawSource
    view: str
    columns: dict[str, str]  # column -> canonical type ("number" for numeric attributes)
    unused: tuple[str, ...]
    tallies: Mapping[str, list[int]]  # of the text columns that expressions read
    odd: Mapping[str, str]  # attribute -> finding of its cells that `odd:NAME` of the view holds


@dataclass(frozen=True)
class _Value:
    """Where a canonical column comes from: SQL over the prepared view, and its DuckDB type."""

    sql: str
    kind: str
    what: str  # for messages
    column: str | None = None  # of the file, where it is one


def source_columns(source: Source, table: str) -> dict[str, str]:
    """Columns that a source may give, with canonical types; `attribute` is typed by its values."""
    wanted: dict[str, str] = {column.name: column.type for column in TABLES[table].columns}
    if source.shape == "periods":
        del wanted["occurred_at"]
        wanted |= dict.fromkeys(PERIOD_COLUMNS, "timestamp")
    extra = (*source.attributes, *source.static)
    return wanted | {name: "attribute" for name in extra if name not in wanted}


def required_columns(source: Source, table: str) -> tuple[str, ...]:
    """Columns that must be filled on every row."""
    required = [column.name for column in TABLES[table].columns if column.required]
    if source.shape == "periods":
        return (*(n for n in required if n not in {"occurred_at", "status"}), "starts_at")
    return tuple(required)


def map_source(
    con: DuckDBPyConnection,
    raw: RawSource,
    reading: Reading,
    labels: tuple[str, ...] = (),
    before: Mapping[str, list[int]] = MappingProxyType({}),
) -> Mapped:
    """Make the view `mapped_<table>_<position>`: canonical columns, `_fault`, `_file`, `_row`.

    Cells of an attribute that do not fit the others are no fault; they are in `odd:NAME` as well.

    Parameters
    ----------
    labels : tuple of str
        Label columns of a snapshot, staged as text under their own names.
    before : mapping
        Tallies (`sources_sql.tally`) of rows of the source that are not shown.

    Raises
    ------
    SourceError
        A column that is missing or whose type can never fit, or SQL that cannot be used.
    """
    source, table = raw.source, raw.table
    wanted = source_columns(source, table)
    wanted |= {name: "string" for name in labels if name not in wanted}
    used = used_columns(con, raw)
    prepared = prepare(con, raw, used, before)
    found = {name: _value(con, raw, prepared, name) for name in wanted}
    values = {name: value for name, value in found.items() if value is not None}
    needed = (*required_columns(source, table), *source.attributes, *source.static, *labels)
    _demand(raw, values, needed)
    kinds, odd = _kinds(con, raw, values, wanted)
    view = f"mapped_{table}_{raw.position}"
    con.execute(
        f"CREATE OR REPLACE VIEW {view} AS {_select(raw, prepared, values, kinds, odd, reading)}"
    )
    taken = {value.column for value in values.values()} | used
    unused = tuple(column for column in raw.columns if column not in taken)
    return Mapped(raw, view, kinds, unused, prepared.tallies, odd)


def _demand(raw: RawSource, values: dict[str, _Value], names: Iterable[str]) -> None:
    """Every one of these columns comes from somewhere, and attributes have a date."""
    for name in names:
        if name not in values:
            raise missing_column(raw, f"{raw.table}.{name}", name)
    dated = "occurred_at" in values or raw.table != "customers"
    for name in raw.source.attributes:
        if not dated and name not in raw.source.static:
            raise SourceError(
                f"{raw.label}: attribute {name!r} has no date; map occurred_at, or list it under"
                " static if it never changes"
            )


def _value(con: DuckDBPyConnection, raw: RawSource, prepared: Prepared, name: str) -> _Value | None:
    """Where a column comes from: an expression, a constant, a column mapped or of that name."""
    source = raw.source
    if name in source.expressions:
        text = source.expressions[name]
        kind = type_of(con, text, prepared.view)
        return _Value(f"({text})", kind, f"expression {text!r}")
    if name in source.constants:
        constant = source.constants[name]
        kind = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}.get(type(constant), "VARCHAR")
        return _Value(literal(constant), kind, f"constant {constant!r}")
    column = source.columns.get(name, name)
    if column in raw.columns:
        shown = quote("raw:" + column) if raw.is_text else quote(column)
        return _Value(shown, raw.columns[column], f"column {column!r}", column)
    if name in source.columns:
        raise missing_column(raw, f"{raw.table}.{name}", column)
    return None


def _kinds(
    con: DuckDBPyConnection, raw: RawSource, values: dict[str, _Value], wanted: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Canonical types, and the finding of each attribute that may hold cells unlike the others."""
    attributes = {name: value for name, value in values.items() if wanted[name] == "attribute"}
    texts = {v.column for v in attributes.values() if v.column is not None and is_text(v.kind)}
    guesses = attribute_kinds(con, raw, texts)
    kinds = {name: wanted[name] for name in values}
    odd = {}
    for name, value in attributes.items():
        typed: Kind = "number" if is_number(value.kind) else "text"
        guess = guesses.get(value.column or "", typed)
        kinds[name] = "number" if guess == "number" else "string"
        if guess == "coded" or (guess == "number" and not is_exact(value.kind)):
            odd[name] = "not_finite" if guess == "number" else "coded"
    return kinds, odd


def _select(
    raw: RawSource,
    prepared: Prepared,
    values: dict[str, _Value],
    kinds: dict[str, str],
    odd: dict[str, str],
    reading: Reading,
) -> str:
    """Typed columns, the first fault of each row, and the value that could not be read."""
    inner, outer, faults, came = [], [], [], []
    if prepared.misfits:
        faults.append("WHEN _misfit IS NOT NULL THEN _misfit")
        came.append("WHEN _misfit IS NOT NULL THEN NULL")
    for name, value in values.items():
        wanted, shown = kinds[name], quote("v:" + name)
        typed = cast(shown, value.kind, wanted, reading)
        if typed is None:
            raise mistyped(raw.label, f"{value.what} for {raw.table}.{name}", value.kind, wanted)
        inner.append(f"{present(value.sql, value.kind)} AS {shown}")
        outer.append(f"({typed})::{PHYSICAL[wanted]} AS {quote(name)}")
        if wanted == "number":
            continue
        misfit = f"{shown} IS NOT NULL AND {quote(name)} IS NULL"
        fault = name.replace("'", "''")
        faults.append(f"WHEN {misfit} THEN '{fault}: not_{wanted}'")
        came.append(f"WHEN {misfit} THEN {shown}::VARCHAR")
        if name in required_columns(raw.source, raw.table):
            faults.append(f"WHEN {quote(name)} IS NULL THEN '{fault}: missing_value'")
            came.append(f"WHEN {quote(name)} IS NULL THEN NULL")
    columns = ", ".join(quote(name) for name in values)
    carried = ", ".join(quote("v:" + name) for name in values)
    strange = "".join(_odd(name, fault) for name, fault in odd.items())
    hidden = "_misfit, _file, _row"
    return (
        f"SELECT {columns}{strange}, CASE {' '.join(faults)} END AS _fault,"
        f" (CASE {' '.join(came)} END)::VARCHAR AS _value, {raw.position} AS _source, _file, _row"
        f" FROM (SELECT {', '.join(outer)}, {carried}, {hidden} FROM"
        f" (SELECT {', '.join(inner)}, {hidden} FROM {_filtered(raw.source, prepared)}))"
        f"{_kept_once(raw.source, columns)}"
    )


def _odd(name: str, fault: str) -> str:
    """SQL of the column that has the cells of an attribute that are unlike the others."""
    shown = quote("v:" + name)
    test = f"NOT {is_plain_number(shown)}" if fault == "coded" else f"{quote(name)} IS NULL"
    return f", CASE WHEN {test} THEN {shown}::VARCHAR END AS {quote('odd:' + name)}"


def _filtered(source: Source, prepared: Prepared) -> str:
    """The rows that `where` keeps; one that could not be read is kept, to be quarantined."""
    rows = f"(SELECT *, {prepared.misfits or 'NULL'} AS _misfit FROM {prepared.view})"
    if source.where is None:
        return rows
    return f"{rows} WHERE coalesce(({source.where}), FALSE) OR _misfit IS NOT NULL"


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
