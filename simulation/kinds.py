"""Array types, the calendar in whole days, and the numbers that say what a customer is doing."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.int8]

DAY = 86_400_000_000  # microseconds
HOUR = DAY // 24
MINUTE = HOUR // 60
NEVER = 1 << 40  # a day that does not come

# What a customer is at the start of a day.
ABSENT, FREE, TRIAL, PAID, LEFT, PAUSED = range(6)

DATA_END = int(np.datetime64("2026-11-01", "D").astype(np.int64))  # days since 1970, exclusive


def add_months(days: Ints, months: Ints | int) -> Ints:
    """The same day of the month so many months later, or the month's last day.

    Parameters
    ----------
    days : array of shape (n,)
        Days since 1970-01-01.
    months : int or array of shape (n,)
        Whole months, may be negative.

    Returns
    -------
    array of shape (n,)
        Days since 1970-01-01.
    """
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    of_month = (dates - month.astype("datetime64[D]")).astype(np.int64)
    target = month + np.asarray(months).astype("timedelta64[M]")
    first = target.astype("datetime64[D]").astype(np.int64)
    after = (target + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64)
    later: Ints = first + np.minimum(of_month, after - first - 1)
    return later


def month_of(days: Ints | int) -> Ints:
    """Month of the year, 0 to 11."""
    dates = np.asarray(days).astype("datetime64[D]")
    month: Ints = dates.astype("datetime64[M]").astype(np.int64) % 12
    return month


def months_between(earlier: Ints, later: int) -> Ints:
    """Calendar months from the month of `earlier` to the month of `later`, days left out."""
    start = earlier.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    end = np.int64(later).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    count: Ints = end - start
    return count


def month_starts(start: int, end: int) -> list[int]:
    """First days of the months that begin in [start, end], both included when they do."""
    months = range(int(months_between(np.array([start]), end)[0]) + 1)
    first = np.int64(start).astype("datetime64[D]").astype("datetime64[M]")
    days = [(first + m).astype("datetime64[D]").astype(np.int64) for m in months]
    return [int(day) for day in days if start <= day <= end]
