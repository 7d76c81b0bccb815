"""SQL of the project file over the columns of a source: what it reads, and of which type."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from duckdb import DuckDBPyConnection, Error

from features.errors import SourceError
from features.project import Source
from features.sources_raw import ROW_NUMBERS, RawSource, missing_column, quote
from features.sources_types import NUMBER, PADDED, present

_SHAPES = {  # what a text must look like, since a cast would round 1.25 to a whole number
    "BIGINT": r"[+-]?[0-9]{1,18}",
    "DOUBLE": NUMBER,
    "DATE": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "TIMESTAMP": r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}.*)?",
}
_TYPES = tuple(_SHAPES)
_MOSTLY = 0.9  # share of readable values from which the others count as misprints
_MISFIT = {"BIGINT": "not_number", "DOUBLE": "not_number"}


@dataclass(frozen=True)
class Guess:
    """The type of all values of a text column, and of most of them."""

    strict: str
    mostly: str


@dataclass(frozen=True)
class Prepared:
    """A view whose columns are typed for expressions; `misfits` is SQL of a fault, or nothing.

    The text as it came stays under `raw:NAME`.
    """

    view: str
    misfits: str | None = None
    tallies: Mapping[str, list[int]] = field(default_factory=dict)


def used_columns(con: DuckDBPyConnection, raw: RawSource) -> set[str]:
    """Columns of the file that expressions and the filter read; `_row` is a row's place in it.

    Raises
    ------
    SourceError
        Naming the key when its SQL does not parse or reads a column that the file lacks.
    """
    used: set[str] = set()
    folded = {column.lower(): column for column in raw.columns}
    for key, text in _texts(raw.source):
        for name in _references(con, raw, key, text):
            if name in ROW_NUMBERS:
                continue
            if name.lower() not in folded:
                raise missing_column(raw, key, name)
            used.add(folded[name.lower()])
    return used


def _texts(source: Source) -> list[tuple[str, str]]:
    texts = [(f"expressions.{name}", text) for name, text in source.expressions.items()]
    return texts + ([("where", source.where)] if source.where is not None else [])


def is_row_by_row(con: DuckDBPyConnection, source: Source) -> bool:
    """Whether what the project file wrote looks at one row at a time."""
    trees = [_parsed(con, text) for _, text in _texts(source)]
    return not any('"class":"WINDOW"' in tree or '"class":"SUBQUERY"' in tree for tree in trees)


def _parsed(con: DuckDBPyConnection, text: str) -> str:
    """The parse tree of an expression, as JSON."""
    row = con.execute("SELECT json_serialize_sql('SELECT ' || ?)", [f"({text})"]).fetchone()
    return str(row[0]) if row else '{"error": true, "error_message": "nothing"}'


def _references(con: DuckDBPyConnection, raw: RawSource, key: str, text: str) -> set[str]:
    tree = json.loads(_parsed(con, text))
    if tree["error"]:
        message = str(tree["error_message"]).splitlines()[0]
        raise SourceError(f"{raw.label}: {key} = {text!r} is not SQL: {message}")
    return set(_walk(tree))


def _walk(node: Any) -> Iterator[str]:
    """Names of columns in a parse tree."""
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _walk(child)


def tally(con: DuckDBPyConnection, raw: RawSource, columns: Iterable[str]) -> dict[str, list[int]]:
    """Per text column: values, those led by a zero, those of each type; in one scan.

    The tallies of two parts of a source add up to that of the whole.
    """
    names = sorted(columns)
    if not names:
        return {}
    counts = []
    for name in names:
        value = present(quote(name), "VARCHAR")
        fits = ", ".join(
            f"count(TRY_CAST({value} AS {kind})) FILTER (regexp_full_match({value}, '{shape}'))"
            for kind, shape in _SHAPES.items()
        )
        padded = f"count_if(regexp_matches({value}, '{PADDED}'))"
        counts.append(f"[count({value}), {padded}, {fits}]")
    row = con.execute(f"SELECT {', '.join(counts)} FROM {raw.view}").fetchone() or ()
    return {name: [int(n or 0) for n in one] for name, one in zip(names, row, strict=True)}


def guess_types(tallies: Mapping[str, list[int]]) -> dict[str, Guess]:
    """Types of text columns from the tallies of all their values."""
    return {name: _guess(*one) for name, one in tallies.items()}


def added(some: Mapping[str, list[int]], more: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Tallies of two parts of a source, together."""
    return {
        name: [a + b for a, b in zip(one, more.get(name, [0] * len(one)), strict=True)]
        for name, one in some.items()
    }


def _guess(total: int, padded: int, *fits: int) -> Guess:
    if not total or padded:
        return Guess("VARCHAR", "VARCHAR")
    strict = next((k for k, n in zip(_TYPES, fits, strict=True) if n == total), "VARCHAR")
    best = max(fits)
    mostly = _TYPES[fits.index(best)] if best >= _MOSTLY * total else "VARCHAR"
    return Guess(strict, mostly)


def prepare(
    con: DuckDBPyConnection, raw: RawSource, used: set[str], before: Mapping[str, list[int]]
) -> Prepared:
    """Type the columns that expressions read; Parquet has its types already.

    A text column is of the type of all its values. Where an expression cannot be bound to that (a
    price column with one misprint is a text), it is of the type of most of them, and rows with
    another value get a fault. `before` are the tallies of rows that are not shown.
    """
    if not raw.is_text:
        _bind(con, raw, raw.view)
        return Prepared(raw.view)
    tallies = added(tally(con, raw, used), before)
    guesses = guess_types(tallies)
    view = f"prepared_{raw.table}_{raw.position}"
    strict = {name: guess.strict for name, guess in guesses.items()}
    mostly = {name: guess.mostly for name, guess in guesses.items()}
    con.execute(_typed_view(raw, view, strict))
    try:
        _bind(con, raw, view)
    except SourceError:
        if mostly == strict:
            raise
        con.execute(_typed_view(raw, view, mostly))
        _bind(con, raw, view)
        others = {n: k for n, k in mostly.items() if k != strict[n]}
        return Prepared(view, _misfits(others), tallies)
    return Prepared(view, tallies=tallies)


def _typed_view(raw: RawSource, view: str, kinds: dict[str, str]) -> str:
    typed = [
        f"TRY_CAST({present(quote(c), 'VARCHAR')} AS {kinds[c]}) AS {quote(c)}"
        if kinds.get(c, "VARCHAR") != "VARCHAR"
        else quote(c)
        for c in raw.columns
    ]
    kept = [f"{quote(c)} AS {quote('raw:' + c)}" for c in raw.columns]
    columns = ", ".join([*typed, *kept, *ROW_NUMBERS])
    return f"CREATE OR REPLACE VIEW {view} AS SELECT {columns} FROM {raw.view}"


def _misfits(kinds: dict[str, str]) -> str:
    cases = [
        f"WHEN {present(quote('raw:' + name), 'VARCHAR')} IS NOT NULL AND {quote(name)} IS NULL"
        f" THEN '{name.replace(chr(39), chr(39) * 2)}: {_MISFIT.get(kind, 'not_timestamp')}'"
        for name, kind in kinds.items()
    ]
    return f"CASE {' '.join(cases)} END"


def _bind(con: DuckDBPyConnection, raw: RawSource, view: str) -> None:
    """Check that every expression and the filter fit the types of the view."""
    for key, text in _texts(raw.source):
        try:
            con.execute(f"DESCRIBE SELECT ({text}) AS v FROM {view}")
        except Error as error:
            message = str(error).splitlines()[0]
            raise SourceError(f"{raw.label}: {key} = {text!r}: {message}") from error


def type_of(con: DuckDBPyConnection, expression: str, view: str) -> str:
    """The DuckDB type of a SQL expression that binds."""
    row = con.execute(f"DESCRIBE SELECT ({expression}) AS v FROM {view}").fetchone()
    return str(row[1]) if row else "VARCHAR"
