"""What a build returns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.declare import Feature


@dataclass(frozen=True)
class Built:
    """Row-aligned frames of one build.

    `keys` holds `customer_id` and `as_of` (NaT for a snapshot); `features` float64 columns and
    object columns for categories, in the order of `catalogue`; `state` the columns that
    `features.state` lists.
    """

    keys: pd.DataFrame
    features: pd.DataFrame
    state: pd.DataFrame
    catalogue: tuple[Feature, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: np.ndarray) -> "Built":
        """The rows where a boolean mask holds, or at those positions."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        parts = (
            p.iloc[rows].reset_index(drop=True) for p in (self.keys, self.features, self.state)
        )
        keys, features, state = parts
        return Built(keys, features, state, self.catalogue)
