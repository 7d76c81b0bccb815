"""Prior correction of a calibration from slices whose answers were known by an origin."""

from datetime import timedelta

import pandas as pd

from models.calibrate import Calibration
from models.prior import JUDGED, Slice, prior_shift
from training.sample import Floats
from training.splits import blocks

LEAST = JUDGED + 2  # slices; with fewer a correction cannot be judged


def corrected(
    calibration: Calibration,
    log_odds: Floats,
    y: Floats,
    as_of: pd.Series,
    wait: timedelta | None,
) -> Calibration:
    """The calibration, moved to the newest known level where that helped on earlier slices.

    Parameters
    ----------
    calibration : Calibration
    log_odds, y : ndarray of shape (n,)
        Predictions for rows that the model had not seen, before calibration, and labels.
    as_of : Series of datetime, shape (n,)
        A slice is the rows of one date, of a dense grid those of 30 days.
    wait : timedelta or None
        How long after its as-of an answer is known; None where rows have no time.
    """
    if wait is None or as_of.isna().any() or as_of.nunique() < LEAST:
        return calibration
    slices = _slices(calibration.log_odds(log_odds), y, as_of)
    if len(slices) < LEAST:
        return calibration
    return calibration.moved(prior_shift(slices, wait / timedelta(days=1)))


def _slices(log_odds: Floats, y: Floats, as_of: pd.Series) -> list[Slice]:
    """Rows by date; a block of a dense grid counts as its last date."""
    dates = sorted(as_of.unique())
    start = dates[0]
    found = []
    for block in blocks([pd.Timestamp(date).to_pydatetime() for date in dates]):
        rows = as_of.isin(list(block)).to_numpy()
        day = (pd.Timestamp(block[-1]) - start) / timedelta(days=1)
        found.append(Slice.of(float(day), log_odds[rows], y[rows]))
    return found
