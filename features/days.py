"""Days of a time zone: so many days after a midnight is a midnight, whatever the clocks do."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
DAY = 86_400_000_000  # microseconds


def micros(moments: pd.Series | pd.DatetimeIndex) -> Ints:
    """Moments as whole microseconds since 1970."""
    return np.asarray(moments.to_numpy(dtype="datetime64[us]")).astype(np.int64)


def wall_clock(at: Ints, zone: str) -> Ints:
    """Moments as the clocks of a time zone show them, in microseconds: a day there has 24 hours."""
    if zone == "UTC":
        return at
    there = pd.DatetimeIndex(at.astype("datetime64[us]"), tz="UTC").tz_convert(zone)
    return micros(there.tz_localize(None))


def days_later(at: Ints, days: int | Ints, zone: str = "UTC") -> Ints:
    """Moments, in microseconds, so many days of a time zone later: at the same time of the day.

    Where the clocks skip that time it is the first moment after, where they repeat it the first.
    """
    later = np.asarray(wall_clock(at, zone) + days * DAY)
    if zone == "UTC":
        return later
    first = np.ones(len(later), dtype=bool)
    local = pd.DatetimeIndex(later.astype("datetime64[us]"))
    back = local.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return micros(back.tz_convert("UTC").tz_localize(None))
