"""SQL that turns a value of a source into a canonical type, or null when it is not one."""

from dataclasses import dataclass

from features.errors import SourceError
from features.sources_raw import literal

ISO_MOMENT = r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?"
ISO_OFFSET = r"\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)"
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
PADDED = "^-?0[0-9]"  # led by a zero: a code such as 007
PHYSICAL = {
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "decimal": "DECIMAL(18, 6)",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "number": "DOUBLE",  # attributes only
}
CALLED = {
    "string": "a text",
    "timestamp": "a date or time",
    "decimal": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "number": "a number",
}
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT")
_NUMBERS = (*_INTEGERS, "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class Reading:
    """How naive times are meant: the project's time zone, the source's date format."""

    timezone: str = "UTC"
    date_format: str | None = None

    def utc(self, moment: str) -> str:
        """SQL of a naive local moment in UTC."""
        if self.timezone == "UTC":
            return moment
        return f"timezone('UTC', timezone({literal(self.timezone)}, {moment}))"


def is_text(kind: str) -> bool:
    """Whether a DuckDB type holds text."""
    return kind == "VARCHAR" or kind.startswith("ENUM")


def is_number(kind: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    return kind.partition("(")[0] in _NUMBERS


def is_exact(kind: str) -> bool:
    """Whether every value of a DuckDB type is a finite number."""
    return is_number(kind) and kind not in {"FLOAT", "DOUBLE"}


def present(value: str, kind: str) -> str:
    """SQL of a value whose blanks and not-a-numbers are null."""
    if is_text(kind):
        return f"nullif(trim({value}::VARCHAR), '')"
    if kind in {"FLOAT", "DOUBLE"}:
        return f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END"
    return value


def cast(value: str, kind: str, wanted: str, reading: Reading) -> str | None:
    """SQL of a present value in the wanted type, null where it is none; None: never possible."""
    return {
        "string": _string,
        "timestamp": _timestamp,
        "decimal": _decimal,
        "number": _number,
        "integer": _integer,
        "boolean": _boolean,
    }[wanted](value, kind, reading)


def _string(value: str, kind: str, _: Reading) -> str:
    if kind in {"FLOAT", "DOUBLE"}:  # an id that a missing value turned into 12345.0
        whole = f"{value} = trunc({value}) AND abs({value}) < 1e15"
        return f"CASE WHEN {whole} THEN {value}::BIGINT::VARCHAR ELSE {value}::VARCHAR END"
    return f"{value}::VARCHAR"


def _timestamp(value: str, kind: str, reading: Reading) -> str | None:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _within(f"{value}::TIMESTAMP")
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return _within(reading.utc(f"{value}::TIMESTAMP"))
    if reading.date_format is not None and (is_text(kind) or kind in _INTEGERS):
        parsed = f"try_strptime({value}::VARCHAR, {literal(reading.date_format)})::TIMESTAMP"
        return parsed if "%z" in reading.date_format else reading.utc(parsed)
    if not is_text(kind):
        return None
    naive = reading.utc(f"TRY_CAST({value} AS TIMESTAMP)")
    return (
        f"CASE WHEN regexp_full_match({value}, '{ISO_MOMENT}') THEN {naive}"
        f" WHEN regexp_full_match({value}, '{ISO_MOMENT}{ISO_OFFSET}')"
        f" THEN TRY_CAST({value} AS TIMESTAMPTZ)::TIMESTAMP END"
    )


def _within(moment: str) -> str:
    """SQL of a moment of the years 1 to 9999; infinity and other years are none."""
    last = "9999-12-31 23:59:59.999999"
    return f"CASE WHEN {moment} BETWEEN '0001-01-01' AND '{last}' THEN {moment} END"


def _decimal(value: str, kind: str, _: Reading) -> str | None:
    if is_text(kind) or is_number(kind):
        return f"TRY_CAST({value} AS DECIMAL(18, 6))"
    return None


def _number(value: str, kind: str, _: Reading) -> str | None:
    if is_text(kind) or kind in {"FLOAT", "DOUBLE"}:
        number = f"TRY_CAST({value} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    return f"{value}::DOUBLE" if is_number(kind) or kind == "BOOLEAN" else None


def _integer(value: str, kind: str, reading: Reading) -> str | None:
    if kind in _INTEGERS:
        return f"{value}::BIGINT"
    number = _decimal(value, kind, reading)
    if number is None:
        return None
    return f"CASE WHEN {number} = trunc({number}) THEN {number}::BIGINT END"


def _boolean(value: str, kind: str, _: Reading) -> str | None:
    if kind == "BOOLEAN":
        return value
    if not (is_text(kind) or kind in _INTEGERS or kind == "DOUBLE"):
        return None
    text = f"lower({value}::VARCHAR)"
    return (
        f"CASE WHEN {text} IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE"
        f" WHEN {text} IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END"
    )


def mistyped(where: str, what: str, kind: str, wanted: str) -> SourceError:
    """The error of a column whose type can never be the wanted one."""
    hint = (
        " (set date_format, or an expression such as to_timestamp(...))"
        if wanted == "timestamp"
        else ""
    )
    return SourceError(f"{where}: {what} is {kind}, expected {CALLED[wanted]}{hint}")
