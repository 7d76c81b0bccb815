"""The moments of a build: as-of dates, window edges, and the intervals between edges."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import ProjectError

DAY = 86_400_000_000  # microseconds
Unit = Literal["D", "h", "m"]
_UNITS: tuple[tuple[Unit, int], ...] = (("D", DAY), ("h", 3_600_000_000), ("m", 60_000_000))


@dataclass(frozen=True)
class Grid:
    """Sorted as-of moments and window edges, in microseconds since 1970, UTC.

    Interval `i` holds the moments from edge `i - 1` (inclusive; interval 0 has no beginning) to
    edge `i` (exclusive). Every as-of is an edge, so an interval lies between two as-ofs, and all
    in it is first visible at one of them: `shown[i]`, an index into `as_of`.
    """

    as_of: np.ndarray  # (n_as_of,) int64
    edges: np.ndarray  # (n_edges,) int64
    shown: np.ndarray  # (n_edges,) int64

    @classmethod
    def of(cls, as_of: Iterable[pd.Timestamp], offsets_days: Iterable[int]) -> "Grid":
        """The grid of those as-ofs with an edge at every offset (in days) before each of them."""
        moments = microseconds(pd.DatetimeIndex(list(as_of)).unique().sort_values())
        offsets = np.array(sorted({0, *offsets_days}), dtype=np.int64) * DAY
        edges = np.unique(moments[:, None] - offsets)
        return cls(moments, edges, np.searchsorted(moments, edges, side="left"))

    def edge(self, as_of: np.ndarray, days: int) -> np.ndarray:
        """Position in `edges` of the moment `days` before each as-of (an index into `as_of`)."""
        return np.asarray(np.searchsorted(self.edges, self.as_of[as_of] - days * DAY))

    @property
    def days_whole(self) -> bool:
        """Whether every edge is a midnight, so that no day is cut in two."""
        return not np.any(self.edges % DAY)

    def lookup(self, since: int) -> tuple[Unit, pd.DataFrame]:
        """The unit of time that cuts no interval, and a table of `unit`, `interval`, `shown`.

        One row per unit from microsecond `since` (or the first edge) to the last as-of.

        Raises
        ------
        ProjectError
            When an as-of is not a whole minute.
        """
        for unit, size in _UNITS:
            if not np.any(self.edges % size):
                start = min(since, int(self.edges[0])) // size * size
                starts = np.arange(start, self.edges[-1], size, dtype=np.int64)
                interval = np.searchsorted(self.edges, starts, side="right")
                frame = {
                    "unit": starts.astype("datetime64[us]"),
                    "interval": interval.astype(np.int32),
                    "shown": self.shown[interval].astype(np.int32),
                }
                return unit, pd.DataFrame(frame)
        odd = pd.Timestamp(int(self.as_of[self.as_of % _UNITS[-1][1] != 0][0]), unit="us")
        raise ProjectError(f"as-of {odd} is not a whole minute; give a date or an hour")


def microseconds(moments: pd.DatetimeIndex | pd.Series) -> np.ndarray:
    """Microseconds since 1970 as int64; a missing moment is the smallest integer."""
    return np.asarray(moments, dtype="datetime64[us]").astype(np.int64)
