"""Columns under `sensitive`: never features, they only cut customers into parts for reports."""

import pandas as pd

from features.engine import tables_for, to_frame
from features.staging import Staged

PARTS = 4  # of a number, alike in customers
FEW = 8  # different values of a number that are shown as they are


def sensitive_values(staged: Staged, customer_id: pd.Series) -> pd.DataFrame:
    """The newest value that the company records of each sensitive column.

    Parameters
    ----------
    staged : Staged
    customer_id : Series of shape (n,)

    Returns
    -------
    DataFrame of shape (n, k)
        Text, None where nothing is recorded; numbers as the quarter that they fall into. Columns
        that no table has are left out.
    """
    found = {}
    tables = tables_for(staged)
    for name in ("snapshots", "customers"):
        if name not in tables:
            continue
        columns = [c for c in staged.project.sensitive if c in tables[name].columns]
        clock = next((c for c in ("occurred_at", "as_of") if c in tables[name].columns), None)
        rows = to_frame(tables[name].select("customer_id", *([clock] if clock else []), *columns))
        if clock:
            rows = rows.sort_values(clock, kind="stable", na_position="first")
        newest = rows.drop_duplicates("customer_id", keep="last").set_index("customer_id")
        for column in columns:
            found[column] = _text(newest[column]).reindex(customer_id).to_numpy()
    return pd.DataFrame(found, index=customer_id.index)


def _text(values: pd.Series) -> pd.Series:
    """The values as text; a number of many values as its quarter."""
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric and values.nunique() > FEW:
        values = pd.qcut(values.astype(float), PARTS, duplicates="drop")
    return values.astype(object).where(values.notna(), None).map(str, na_action="ignore")
