"""From probabilities to decisions: bands, percentiles and expected money."""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.project import Bands
from models.portable import Floats

MONTHS = 12
_CENT = Decimal("0.01")


def band_of(probability: float, bands: Bands) -> str:
    """`low`, `medium` or `high`; an edge belongs to the higher band."""
    if probability >= bands.high:
        return "high"
    return "medium" if probability >= bands.medium else "low"


def bands_of(probability: ArrayLike, bands: Bands) -> list[str]:
    """The band of each probability, as `band_of`."""
    return [band_of(p, bands) for p in np.asarray(probability, dtype=np.float64).tolist()]


def percentile_of(probability: ArrayLike) -> NDArray[np.int64]:
    """Whole percent of the scored customers with a lower probability, shape (n,), rounded down."""
    p = np.asarray(probability, dtype=np.float64)
    below = np.searchsorted(np.sort(p), p, side="left")
    return np.asarray(100 * below // max(len(p), 1), dtype=np.int64)


def expected_revenue_at_risk(
    probability: ArrayLike, value_per_month: ArrayLike, months_exposed: int = MONTHS
) -> Floats:
    """Probability x value per month x months exposed, shape (n,).

    NaN where the value is not known; a customer worth nothing risks nothing.
    """
    p, value = _arrays(probability, value_per_month)
    return p * value * months_exposed


def expected_gain(
    probability: ArrayLike, increase_per_month: ArrayLike, months: int = MONTHS
) -> Floats:
    """Probability x the usual increase per month x 12, shape (n,); NaN where not known."""
    p, increase = _arrays(probability, increase_per_month)
    return p * increase * months


def cents(amount: float | Decimal | None) -> Decimal | None:
    """An amount as shown: two decimals, rounded half-even; None when missing.

    Floats are first read to 12 significant digits, so that .1 + .2 is .30 and a half is a half.
    """
    if amount is None or amount != amount:  # noqa: PLR0124 - NaN
        return None
    exact = amount if isinstance(amount, Decimal) else Decimal(f"{amount:.12g}")
    return exact.quantize(_CENT, ROUND_HALF_EVEN)


def _arrays(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    return np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
