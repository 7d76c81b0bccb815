"""SQL functions for queries over billing exports: moments, money, and nothing lost on the way."""

from duckdb import DuckDBPyConnection

# Currencies whose minor unit is not a hundredth: as billing APIs send them, which treat ISK and UGX
# as having two decimals though ISO 4217 gives them none.
NO_DECIMALS = (
    *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
    *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
)
THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")


def _listed(currencies: tuple[str, ...]) -> str:
    return ", ".join(f"'{currency}'" for currency in currencies)


# Seconds or milliseconds since 1970, or a text, in UTC where it has no zone; null if unreadable.
_MOMENT = r"""moment(x) AS CASE
  WHEN regexp_full_match(trim(x::VARCHAR), '\d{9,10}(\.\d+)?') THEN to_timestamp(x::VARCHAR::DOUBLE)
  WHEN regexp_full_match(trim(x::VARCHAR), '\d{12,13}') THEN to_timestamp(x::VARCHAR::DOUBLE / 1000)
  ELSE TRY_CAST(trim(x::VARCHAR) AS TIMESTAMPTZ) END"""
# The same as a text; what cannot be read stays as it came, so that staging can say which it is.
_UTC = """utc(x) AS coalesce(
  strftime(moment(x) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), nullif(trim(x::VARCHAR), ''))"""
_FACTOR = f"""CASE WHEN upper(currency) IN ({_listed(NO_DECIMALS)}) THEN 1.000::DECIMAL(4, 3)
  WHEN upper(currency) IN ({_listed(THREE_DECIMALS)}) THEN 0.001::DECIMAL(4, 3)
  ELSE 0.010::DECIMAL(4, 3) END"""
# Minor units as an exact decimal of the currency, as a text for the same reason. Nearly all are
# whole numbers that fit 64 bits, which are fifty times faster than 128.
_MONEY = rf"""money(x, currency) AS CASE
  WHEN regexp_full_match(x::VARCHAR, '-?\d{{1,11}}')
    THEN (TRY_CAST(x::VARCHAR AS DECIMAL(14, 3)) * {_FACTOR})::VARCHAR
  WHEN TRY_CAST(x::VARCHAR AS DECIMAL(28, 6)) IS NULL THEN nullif(trim(x::VARCHAR), '')
  ELSE (TRY_CAST(x::VARCHAR AS DECIMAL(28, 6)) * {_FACTOR})::VARCHAR END"""
_FLAG = "flag(x) AS lower(trim(x::VARCHAR)) IN ('true', 't', 'yes', 'y', '1')"
# A value inside JSON as a text; unlike the arrow it needs no parentheses.
_PICK = "pick(x, path) AS json_extract_string(x, path)"
MACROS = (_MOMENT, _UTC, _MONEY, _FLAG, _PICK)


def define_macros(con: DuckDBPyConnection) -> None:
    """Make `moment`, `utc`, `money`, `flag` and `pick` known to the queries of a connection."""
    for macro in MACROS:
        con.execute(f"CREATE OR REPLACE TEMP MACRO {macro}")
