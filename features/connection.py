"""A DuckDB connection that reads times as UTC and keeps stdout to the caller."""

import duckdb
from duckdb import DuckDBPyConnection


def connect() -> DuckDBPyConnection:
    """A new in-memory connection; close it, or use it as a context manager."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    hush(con)
    return con


def hush(con: DuckDBPyConnection) -> None:
    """No progress bar: standard output is the caller's."""
    shown = con.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    if shown == (True,):  # off in a notebook, where setting it again asks for widgets
        con.execute("SET enable_progress_bar = false")
