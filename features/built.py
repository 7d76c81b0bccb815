"""What a build returns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.declare import Feature
from features.stored import Stored


@dataclass(frozen=True)
class Built:
    """Row-aligned frames of one build.

    `keys` holds `customer_id` and `as_of` (NaT for a snapshot); `features` float64 columns and
    object columns for categories, in the order of `catalogue`, on disk where the rows are many;
    `state` the columns that `features.state` lists.
    """

    keys: pd.DataFrame
    features: pd.DataFrame | Stored
    state: pd.DataFrame
    catalogue: tuple[Feature, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def table(self) -> pd.DataFrame:
        """The features in memory."""
        features = self.features
        return features.read(np.arange(len(self))) if isinstance(features, Stored) else features

    def take(self, rows: np.ndarray) -> "Built":
        """The rows where a boolean mask holds, or at those positions."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        keys, state = (numbered(part, rows) for part in (self.keys, self.state))
        return Built(keys, some_rows(self.features, rows), state, self.catalogue)


def some_rows(features: pd.DataFrame | Stored, rows: np.ndarray) -> pd.DataFrame | Stored:
    """Those of a frame that may stay on disk."""
    if isinstance(features, Stored):
        return features.take(rows, renumber=True)
    return numbered(features, rows)


def numbered(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Some of the rows, numbered anew; copied only where they are not all."""
    everything = len(rows) == len(frame) and np.array_equal(rows, np.arange(len(rows)))
    return (frame if everything else frame.iloc[rows]).reset_index(drop=True)
