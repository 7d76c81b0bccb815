"""Data sets without history: a row per customer (and date), no windows, labels as they came."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.built import Built
from features.catalogue import attribute_features
from features.engine import Tables, to_frame
from features.project import Project
from features.state import MOMENTS


def is_snapshot(tables: Tables) -> bool:
    """Whether the company's only facts are a snapshot."""
    facts = set(tables) - {"customers", "plans", "snapshots", "costs", "fx_rates"}
    return "snapshots" in tables and not facts


def build_snapshot(tables: Tables, project: Project, names: Sequence[str] = ()) -> Built:
    """Every row of the snapshots, by customer and date; the label columns are in the state."""
    table = tables["snapshots"]
    order = [column for column in ("customer_id", "as_of") if column in table.columns]
    rows = to_frame(table).sort_values(order, ignore_index=True)
    attributes = {
        column: feature
        for column, feature in attribute_features(tables, project).items()
        if "snapshots" in feature.tables
        and (not names or feature.name in names or feature.family in names)
    }
    columns = {}
    for column, feature in attributes.items():
        values = rows[column]
        if feature.kind == "number":
            columns[feature.name] = values.astype("float64").to_numpy()
        else:
            columns[feature.name] = values.astype(object).where(values.notna(), None).to_numpy()
    as_of = rows["as_of"] if "as_of" in rows else pd.Series(pd.NaT, rows.index)
    keys = pd.DataFrame(
        {"customer_id": rows["customer_id"], "as_of": as_of.astype("datetime64[us]")}
    )
    state = _state(rows, project)
    catalogue = tuple(attributes.values())
    return Built(keys, pd.DataFrame(columns), state, catalogue)


def newest_rows(built: Built) -> Built:
    """The rows of the newest date, which are those to score; all rows where there is no date."""
    as_of = built.keys["as_of"]
    kept = np.flatnonzero(as_of.eq(as_of.max()) | as_of.isna())
    keys, features, state = (
        part.iloc[kept].reset_index(drop=True) for part in (built.keys, built.features, built.state)
    )
    return Built(keys, features, state, built.catalogue)


def _state(rows: pd.DataFrame, project: Project) -> pd.DataFrame:
    """What eligibility and value read; label columns keep their names."""
    n_rows = len(rows)
    state = pd.DataFrame({m: np.full(n_rows, np.datetime64("NaT", "us")) for m in MOMENTS})
    mrr = rows["mrr"].astype("float64") if "mrr" in rows else pd.Series(np.nan, rows.index)
    state["mrr"] = mrr
    state["value_per_month"] = mrr
    state[["covered", "ever_covered"]] = True
    state[["trialing", "end_announced", "objected"]] = False
    for text in ("plan_id", "segment", "owner_id", "name", "country", "external_ids"):
        state[text] = None
    state["currency"] = project.currency
    for column in ("sample", "row_number"):
        if column in rows:
            state[column] = rows[column]
    for target in project.targets.values():
        if target.label is not None:
            state[target.label] = rows[target.label].astype(object)
    return state
