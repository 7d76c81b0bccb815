"""What a customer is still worth: lifetime value from a curve, beside the ratio formula."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame

from models.curve import CAP_MONTHS, MONTH, PERIODS, Curve
from models.loaded import LoadedModel
from models.periods import Terms, hazards
from models.portable import Floats

NO_CHURN = "no_churn_observed"


def predicted_cltv(
    curve: Curve,
    value_per_month: ArrayLike,
    *,
    margin: float = 1.0,
    discount_rate: float = 0.0,
    months: int = CAP_MONTHS,
) -> Floats:
    """Money that a customer is expected to leave until the end, shape (n,).

    The sum over months t = 0, 1, ... of S(t) x value x margin / (1 + discount)^(t / 12): a month is
    paid when it begins, by who is there.

    Parameters
    ----------
    curve : Curve
        Of n customers.
    value_per_month : array-like of shape (n,)
        MRR; where it is NaN so is the result.
    margin : float
        Share of the revenue that is left after the cost of serving it.
    discount_rate : float
        A year.
    months : int
        How many count at most.
    """
    value = np.asarray(value_per_month, dtype=np.float64) * margin
    return value * discounted_months(curve, discount_rate, months)


def discounted_months(curve: Curve, discount_rate: float = 0.0, months: int = CAP_MONTHS) -> Floats:
    """Months that a customer is expected to pay, later ones discounted, shape (n,)."""
    total = np.zeros(len(curve))
    for first in range(0, months, 12):  # a year at a time keeps the matrix small
        month = np.arange(first, min(first + 12, months))
        weight = (1 + discount_rate) ** (-month / 12)
        total += curve.survival(month * MONTH) @ weight
    return total


@dataclass(frozen=True)
class Ratio:
    """The ratio formula: ARPA x gross margin / churn.

    Attributes
    ----------
    arpa : float or None
        MRR per paying customer.
    churn : float or None
        Share of customers lost a month.
    margin : float
    cltv : float or None
    reason : str or None
        Why there is none: `no_churn_observed`, `no_customers`.
    """

    arpa: float | None
    churn: float | None
    margin: float
    cltv: float | None
    reason: str | None


def ratio_cltv(arpa: float | None, churn: float | None, margin: float = 1.0) -> Ratio:
    """Lifetime value of an average customer if churn stayed what it was."""
    if arpa is None or churn is None:
        return Ratio(arpa, churn, margin, None, "no_customers")
    if churn <= 0:
        return Ratio(arpa, churn, margin, None, NO_CHURN)
    return Ratio(arpa, churn, margin, arpa * margin / churn, None)


def registered_curve(model: LoadedModel, frame: DataFrame) -> Curve:
    """Curves of a feature frame by a registered hazard (`<project>.lifetime`).

    Its probability is that of leaving in the period that begins `period_start_days` after the
    as-of date; where there are terms it asks for the distance of the renewal from there too. The
    card's `known_periods` says how many periods were ever observed.

    Raises
    ------
    UnknownFeatureError, UnfitDataError
        As `LoadedModel.matrix`.
    """
    terms = Terms.of([feature.name for feature in model.features])
    added = [feature.name for feature in terms.features]
    X = model.matrix(frame.assign(**dict.fromkeys(added, 0.0)))[:, : -len(added)]
    hazard = hazards(model.probability, X, int(model.card["known_periods"]), terms)
    return Curve(hazard, {"any": np.ones((len(X), PERIODS))})


def remaining(model: LoadedModel, frame: DataFrame, value: ArrayLike, money: Any) -> DataFrame:
    """Expected remaining months and lifetime value of each row by a registered hazard.

    Parameters
    ----------
    frame : DataFrame of shape (n, columns)
        At least the model's features.
    value : array-like of shape (n,)
        Per month.
    money : Money
        The project's: `gross_margin`, `discount_rate`.
    """
    curve = registered_curve(model, frame)
    margin, discount = float(money.gross_margin), float(money.discount_rate)
    worth = predicted_cltv(curve, value, margin=margin, discount_rate=discount)
    months = curve.remaining_months()
    columns = {"expected_remaining_months": months, "predicted_cltv": worth}
    return DataFrame(columns, index=frame.index)
