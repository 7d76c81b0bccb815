"""The moments of a build: as-of dates, window edges, and the intervals between edges."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import ProjectError

DAY = 86_400_000_000  # microseconds
WORD = 60  # days of an interval that are kept as bits of one number
Unit = Literal["D", "h", "m"]
_UNITS: tuple[tuple[Unit, int], ...] = (("D", DAY), ("h", 3_600_000_000), ("m", 60_000_000))


@dataclass(frozen=True)
class Grid:
    """Sorted as-of moments and window edges, in microseconds since 1970, UTC.

    Interval `i` holds the moments from edge `i - 1` (inclusive; interval 0 has no beginning) to
    edge `i` (exclusive). Every as-of is an edge, so an interval lies between two as-ofs, and all
    in it is first visible at one of them: `shown[i]`, an index into `as_of`. A window of `w` days
    begins at the same time of day `w` calendar days earlier, in the time zone of the project.
    """

    as_of: np.ndarray  # (n_as_of,) int64
    edges: np.ndarray  # (n_edges,) int64
    shown: np.ndarray  # (n_edges,) int64
    zone: str
    places: Mapping[int, np.ndarray]  # days before -> position in `edges`, for each as-of

    @classmethod
    def of(
        cls, as_of: Iterable[pd.Timestamp], offsets_days: Iterable[int], zone: str = "UTC"
    ) -> "Grid":
        """The grid of those as-ofs with an edge at every offset (in days) before each of them."""
        moments = pd.DatetimeIndex(list(as_of)).unique().sort_values()
        local = moments.tz_localize("UTC").tz_convert(zone)
        before = {days: _days_before(local, days) for days in {0, *offsets_days}}
        edges = np.unique(np.concatenate(list(before.values())))
        places = {days: np.searchsorted(edges, starts) for days, starts in before.items()}
        us = microseconds(moments)
        return cls(us, edges, np.searchsorted(us, edges, side="left"), zone, places)

    def edge(self, as_of: int, days: int) -> int:
        """Position in `edges` of the moment `days` before an as-of (an index into `as_of`)."""
        return int(self.places[days][as_of])

    def fine(self, since: int | None) -> "Grid":
        """The same with more edges, back to microsecond `since`: no interval exceeds WORD days."""
        local = pd.DatetimeIndex(self.as_of[-1:].astype("datetime64[us]"), tz="UTC")
        local = local.tz_convert(self.zone)
        start = int(self.edges[0]) if since is None else min(since, int(self.edges[0]))
        n_words = (int(self.as_of[-1]) - start) // (WORD * DAY) + 2  # a local day may be short
        more = [_days_before(local, WORD * k) for k in range(1, n_words + 1)]
        edges = np.union1d(self.edges, np.concatenate(more))
        places = {d: np.searchsorted(edges, self.edges[p]) for d, p in self.places.items()}
        shown = np.searchsorted(self.as_of, edges, side="left")
        return Grid(self.as_of, edges, shown, self.zone, places)

    @cached_property
    def first_day(self) -> np.ndarray:
        """The local day in which each interval begins, in days since 1970; shape (n_edges,).

        Interval 0 has no beginning; it is given the day of its end.
        """
        begins = np.concatenate([self.edges[:1], self.edges[:-1]])
        return np.asarray(_local(begins, self.zone).astype("datetime64[D]").astype(np.int64))

    @property
    def days_whole(self) -> bool:
        """Whether every edge is a midnight, so that no day is cut in two."""
        return bool(np.array_equal(_midnights(self.edges, self.zone), self.edges))

    @cached_property
    def last_day(self) -> np.ndarray:
        """The last whole local day before each as-of, in days since 1970; shape (n_as_of,)."""
        local = _local(self.as_of, self.zone)
        return np.asarray(local.astype("datetime64[D]").astype(np.int64) - 1)

    def lookup(self, since: int) -> tuple[Unit, pd.DataFrame]:
        """The unit of time that cuts no interval and no day, and a table of what a unit lies in.

        One row per unit from microsecond `since` (or the first edge) to the last as-of: `unit`,
        `interval`, `shown`, `day`, a local date, and `day_bit`, the day as a bit of its interval:
        bit 0 is the day in which it begins (no bit where an interval is too long; see `fine`).

        Raises
        ------
        ProjectError
            When an as-of is not a whole minute.
        """
        start = min(since, int(self.edges[0]))
        cuts = np.concatenate([self.edges, _midnights_between(start, self.edges[-1], self.zone)])
        for unit, size in _UNITS:
            if not np.any(cuts % size):
                starts = np.arange(start // size * size, self.edges[-1], size, dtype=np.int64)
                interval = np.searchsorted(self.edges, starts, side="right")
                day = _local(starts, self.zone).astype("datetime64[D]")
                frame = {
                    "unit": starts.astype("datetime64[us]"),
                    "interval": interval.astype(np.int32),
                    "shown": self.shown[interval].astype(np.int32),
                    "day": day.astype(object),
                    "day_bit": _bit(day.astype(np.int64) - self.first_day[interval]),
                }
                return unit, pd.DataFrame(frame)
        odd = pd.Timestamp(int(self.as_of[self.as_of % _UNITS[-1][1] != 0][0]), unit="us")
        raise ProjectError(f"as-of {odd} is not a whole minute; give a date or an hour")


def _bit(place: np.ndarray) -> np.ndarray:
    """Numbers of one bit each; 0 where the place is not among 63."""
    inside = (place >= 0) & (place < 63)
    return np.where(inside, np.left_shift(1, np.where(inside, place, 0)), 0)


def _days_before(local: pd.DatetimeIndex, days: int) -> np.ndarray:
    """The moments so many calendar days earlier, in microseconds UTC."""
    return _to_utc(local.tz_localize(None) - pd.Timedelta(days=days), str(local.tz))


def _to_utc(wall: pd.DatetimeIndex, zone: str) -> np.ndarray:
    """Wall-clock times as microseconds UTC; one that a change of clocks skips is the next."""
    earlier = np.ones(len(wall), bool)  # of a time that comes twice
    there = wall.tz_localize(zone, ambiguous=earlier, nonexistent="shift_forward")
    return microseconds(there.tz_convert(None))


def _local(moments: np.ndarray, zone: str) -> np.ndarray:
    """Wall-clock times, as `datetime64[us]`."""
    if zone == "UTC":
        return moments.astype("datetime64[us]")
    index = pd.DatetimeIndex(moments.astype("datetime64[us]"), tz="UTC")
    return np.asarray(index.tz_convert(zone).tz_localize(None), dtype="datetime64[us]")


def _midnights(moments: np.ndarray, zone: str) -> np.ndarray:
    """The local midnight at or before each moment, in microseconds UTC."""
    days = _local(moments, zone).astype("datetime64[D]").astype("datetime64[us]")
    return _to_utc(pd.DatetimeIndex(days), zone)


def _midnights_between(start: int, end: int, zone: str) -> np.ndarray:
    """Every local midnight of a span, in microseconds UTC."""
    if zone == "UTC":
        return np.empty(0, np.int64)
    return np.unique(_midnights(np.arange(start + DAY, end, DAY, dtype=np.int64), zone))


def microseconds(moments: pd.DatetimeIndex | pd.Series) -> np.ndarray:
    """Microseconds since 1970 as int64; a missing moment is the smallest integer."""
    return np.asarray(moments, dtype="datetime64[us]").astype(np.int64)
