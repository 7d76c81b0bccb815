"""Who has the product of a cross-sell: by a paid plan, an order line or a use."""

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.engine import Tables, to_frame
from features.grid import Grid, microseconds
from features.history import Pairs
from features.project import Project
from features.project_kinds import PRODUCT_COLUMNS, product_table


def product_columns(project: Project) -> list[str]:
    """The flags of the state that tell who has a product, in the order of the targets."""
    found = (target.product_column for target in project.targets.values())
    return list(dict.fromkeys(column for column in found if column is not None))


def products_in(project: Project, table: str) -> Mapping[str, str]:
    """The products that a table names, by the flag of the state."""
    return {
        target.product_column: target.product
        for name, target in project.targets.items()
        if target.product is not None
        and target.product_column is not None
        and product_table(f"targets.{name}", target, project) == table
    }


def product_state(
    tables: Tables, project: Project, grid: Grid, pairs: Pairs, codes: pd.Index
) -> dict[str, np.ndarray]:
    """Whether each pair was known to have bought, or used, each product of orders and usage."""
    state = {}
    for table in ("orders", "usage"):
        for column, product in products_in(project, table).items():
            rows = to_frame(_first_seen(tables[table], table, product))
            first = np.full(len(codes), np.iinfo(np.int64).max)
            place = codes.get_indexer(pd.Index(rows["customer_id"]))
            first[place[place >= 0]] = microseconds(rows["seen"])[place >= 0]
            state[column] = first[pairs.customer] < grid.as_of[pairs.as_of]
    return state


def sold(rows: ir.Table, table: str, product: str | None) -> ir.Table:
    """Rows of a product (None: of any); a return, or an order line for nothing, is none."""
    if product is not None:
        rows = rows.filter(rows[PRODUCT_COLUMNS[table]] == product)
    if table == "orders" and "is_return" in rows.columns:
        rows = rows.filter(~rows.is_return.fill_null(False))
    if table == "orders" and "amount" in rows.columns:
        rows = rows.filter(rows.amount.isnull() | (rows.amount > 0))
    return rows


def _first_seen(rows: ir.Table, table: str, product: str) -> ir.Table:
    """When each customer was first known to have it."""
    rows = sold(rows, table, product)
    seen = ibis.greatest(rows.occurred_at, rows.known_at)
    return rows.group_by("customer_id").aggregate(seen=seen.min())
