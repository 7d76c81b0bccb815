"""Parts of staged tables: of some customers, or as they were known at one moment of each."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from features.connection import connect
from features.sources_raw import literal
from features.staged import glob_of
from features.staging import Staged
from features.tables import TABLES


def cut(staged: Staged, pairs: pd.DataFrame, folder: Path) -> Staged:
    """Only the facts of the pairs' customers that were known before each one's as-of.

    Facts that happen at or after the as-of go too, but for those that a table may announce
    (subscriptions and invoices). Tables without customers stay as they are.

    Parameters
    ----------
    staged : Staged
    pairs : DataFrame of shape (n, 2)
        `customer_id`, `as_of`; a customer once.
    folder : Path
        Where the cut tables are written.
    """
    tables = dict(staged.tables)
    with connect() as con:
        con.register("pairs", pairs[["customer_id", "as_of"]])
        for name, path in staged.tables.items():
            if not TABLES[name].has_customer:
                continue
            rows = f"read_parquet({literal(glob_of(path))})"
            columns = {str(row[0]) for row in con.execute(f"DESCRIBE FROM {rows}").fetchall()}
            clocks = ["known_at"] if TABLES[name].announces else ["occurred_at", "known_at"]
            known = [f"coalesce(t.{clock} < p.as_of, TRUE)" for clock in clocks if clock in columns]
            tables[name] = folder / f"{name}.parquet"
            con.execute(
                f"COPY (SELECT t.* FROM {rows} t JOIN pairs p ON t.customer_id = p.customer_id"
                f" WHERE {' AND '.join(known) or 'TRUE'}) TO {literal(tables[name])}"
                " (FORMAT parquet)"
            )
    return replace(staged, tables=tables)


def thin(staged: Staged, nth: int, folder: Path) -> Staged:
    """The tables with one customer in `nth`, whole, chosen by a hash of the id.

    Parameters
    ----------
    staged : Staged
    nth : int
    folder : Path
        Where the smaller tables are written.
    """
    tables = dict(staged.tables)
    with connect() as con:
        for name, path in staged.tables.items():
            if TABLES[name].has_customer:
                tables[name] = folder / f"{name}.parquet"
                con.execute(
                    f"COPY (FROM read_parquet({literal(path)}) WHERE hash(customer_id) % {nth} = 0)"
                    f" TO {literal(tables[name])} (FORMAT parquet)"
                )
    return replace(staged, tables=tables)
