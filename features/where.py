"""Evaluates a `where` of the project file on the state of customers at a moment."""

import duckdb
import numpy as np
import pandas as pd

from features.errors import ProjectError


def holds(frame: pd.DataFrame, condition: str) -> np.ndarray:
    """Whether a SQL condition is true, row by row; unknown counts as false.

    Parameters
    ----------
    frame : DataFrame of shape (n, columns)
        The state at `as_of`, one customer a row, with `customer_id` and `as_of`.
    condition : str
        SQL over its columns, such as `mrr >= 50 and plan_id <> 'free'`.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ProjectError
        With what DuckDB says about the condition.
    """
    if frame.empty:
        return np.zeros(0, dtype=bool)
    with duckdb.connect() as connection:
        connection.register("state", frame.reset_index(drop=True))
        try:
            answer = connection.sql(f"select ({condition})::boolean as holds from state").df()
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise ProjectError(f"where = {condition!r} cannot be used: {first}") from None
    return np.asarray(answer["holds"].fillna(False), dtype=bool)
