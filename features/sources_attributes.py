"""Attributes have no declared type: whether a column's values are numbers or categories."""

from collections.abc import Iterable
from typing import Literal

from duckdb import DuckDBPyConnection

from features.sources_raw import RawSource, literal, quote
from features.sources_types import NUMBER, PADDED, present

Kind = Literal["number", "text", "coded"]  # coded: a text, though nearly all values are numbers
MOSTLY = 0.95  # share of given values that are numbers, from which the others are misprints
MISSING = ("nan", "na", "n/a", "#n/a", "null", "?", "-")  # what stands for no value among numbers
_SHAPE = rf"{NUMBER}|(?i:[+-]?inf(inity)?)"
_MIXED = r"\p{L}.*[0-9]|[0-9].*\p{L}"  # A12, 12b: a code, unless it is a number such as 1e5


def is_plain_number(value: str) -> str:
    """SQL of whether a text is a number, perhaps infinite; one led by a zero is a code."""
    return f"(regexp_full_match({value}, '{_SHAPE}') AND NOT regexp_matches({value}, '{PADDED}'))"


def attribute_kinds(
    con: DuckDBPyConnection, raw: RawSource, columns: Iterable[str]
) -> dict[str, Kind]:
    """Kinds of text columns by all their values, in one scan.

    Numbers, where at least `MOSTLY` of the values are and none is a code (it mixes letters with
    digits, or is led by a zero). Words for a missing value do not count.
    """
    names = sorted(columns)
    if not names:
        return {}
    counts = []
    for name in names:
        value = present(quote(name), "VARCHAR")
        number = is_plain_number(value)
        code = f"(regexp_matches({value}, '{PADDED}') OR regexp_matches({value}, '{_MIXED}'))"
        missing = f"lower({value}) IN ({', '.join(map(literal, MISSING))})"
        counts.append(
            f"[count({value}) FILTER (NOT {missing}), count_if({number}),"
            f" count_if({code} AND NOT {number})]"
        )
    row = con.execute(f"SELECT {', '.join(counts)} FROM {raw.view}").fetchone() or ()
    return {name: _kind(*(int(n or 0) for n in one)) for name, one in zip(names, row, strict=True)}


def _kind(given: int, numbers: int, codes: int) -> Kind:
    if not given or numbers < MOSTLY * given:
        return "text"
    return "coded" if codes else "number"
