"""What a company records of its customers, and since when, for the checks of the leak guard."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from duckdb import DuckDBPyConnection

from features.catalogue import attribute_features
from features.connection import connect
from features.engine import open_tables
from features.sources_raw import literal, quote
from features.staged import glob_of
from features.staging import Staged

WHO = ("segment", "country", "acquisition_channel")  # columns of customers that become features
_ENDED = "status IN ('canceled', 'expired')"


@dataclass(frozen=True)
class Attribute:
    """A column of `customers` or `snapshots` that becomes a feature.

    Attributes
    ----------
    table, column, feature : str
    is_category : bool
    values : DataFrame of shape (customers, 3)
        By `customer_id`: `value` as the customer's first row has it; `filled_at`, when it was first
        known (NaT where never filled, or without a clock); `from_first`, whether the first row, or
        an undated one, already had it.
    """

    table: str
    column: str
    feature: str
    is_category: bool
    values: pd.DataFrame


def attributes(staged: Staged) -> Iterator[Attribute]:
    """Every attribute of the project, with what its clock says; one after the other in memory."""
    tables = open_tables(staged.tables)
    listed = attribute_features(tables, staged.project)
    named = [(f.tables[0], column, f.name, f.kind == "category") for column, f in listed.items()]
    if "customers" in tables:
        barred = {*staged.project.exclude, *staged.project.sensitive}
        there = [c for c in WHO if c in tables["customers"].columns and c not in barred]
        named += [("customers", column, column, True) for column in there if column not in listed]
    with connect() as con:
        for table, column, feature, is_category in named:
            values = _values(con, staged, table, column)
            yield Attribute(table, column, feature, is_category, values)


def _values(con: DuckDBPyConnection, staged: Staged, table: str, column: str) -> pd.DataFrame:
    rows = f"read_parquet({literal(glob_of(staged.tables[table]))})"
    clocks = [c for c in ("occurred_at", "known_at") if c in _columns(con, staged.tables[table])]
    if table != "customers" or not clocks or column in _static(staged):
        seen = "NULL::TIMESTAMP"
    else:
        seen = f"greatest({', '.join(clocks)})"
    value = quote(column)
    number = "1"  # without a clock every row counts as the first
    if clocks:
        order = ", ".join(f"{clock} NULLS FIRST" for clock in clocks)
        number = f"row_number() OVER (PARTITION BY customer_id ORDER BY {order})"
    return con.execute(
        f"WITH rows AS (SELECT customer_id, {value} AS value, {seen} AS seen,"
        f" {number} AS number FROM {rows})"
        " SELECT customer_id, min(value) FILTER (number = 1) AS value,"
        " min(seen) FILTER (value IS NOT NULL) AS filled_at,"
        " coalesce(bool_or(value IS NOT NULL AND (number = 1 OR seen IS NULL)), FALSE)"
        " AS from_first FROM rows GROUP BY customer_id ORDER BY customer_id"
    ).df().set_index("customer_id")  # fmt: skip


def _static(staged: Staged) -> set[str]:
    return {column for source in staged.project.sources["customers"] for column in source.static}


def _columns(con: DuckDBPyConnection, path: Path) -> list[str]:
    shown = con.execute(f"DESCRIBE FROM read_parquet({literal(glob_of(path))})").fetchall()
    return [str(row[0]) for row in shown]


def ends(staged: Staged) -> pd.Series:
    """When it was known that a customer's last subscription is over; by `customer_id`, who left."""
    if "subscriptions" not in staged.tables:
        return pd.Series(dtype="datetime64[us]")
    rows = f"read_parquet({literal(glob_of(staged.tables['subscriptions']))})"
    with connect() as con:
        found = con.execute(
            f"WITH last AS (FROM {rows} SELECT customer_id, status, known_at QUALIFY row_number()"
            " OVER (PARTITION BY subscription_id ORDER BY occurred_at DESC, known_at DESC) = 1)"
            f" SELECT customer_id, max(known_at) AS at FROM last GROUP BY customer_id"
            f" HAVING bool_and({_ENDED}) ORDER BY customer_id"
        ).df()
    return found.set_index("customer_id")["at"].astype("datetime64[us]")


def early_reasons(staged: Staged) -> tuple[int, list[str]]:
    """Rows of subscriptions that say why they ended before they did: how many, three customers."""
    if "subscriptions" not in staged.tables:
        return 0, []
    path = staged.tables["subscriptions"]
    rows = f"read_parquet({literal(glob_of(path))})"
    with connect() as con:
        if "end_reason" not in _columns(con, path):
            return 0, []
        early = f"FROM {rows} WHERE end_reason IS NOT NULL AND NOT {_ENDED}"
        row = con.execute(f"SELECT count(*), min(customer_id, 3) {early}").fetchone()
    return (int(row[0]), list(row[1] or ())) if row else (0, [])
