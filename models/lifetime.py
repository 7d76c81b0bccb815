"""What a customer is still worth: lifetime value from a curve, beside the ratio formula."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame, concat

from features.project_checks import LIFETIME
from models.curve import CAP_MONTHS, MONTH, PERIODS, Curve
from models.loaded import LoadedModel
from models.periods import Terms, hazards
from models.portable import Ensemble, Floats, LinearPart, PortableModel

NAME = LIFETIME  # of the registered hazard, after the project's
HAZARD = "hazard"  # what its card says it asks
ROWS = 100_000  # whose curves are made at once
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


def lacking(model: LoadedModel, columns: Iterable[str]) -> list[str]:
    """What a registered hazard asks of a build that has these columns and does not find, sorted."""
    names = [feature.name for feature in model.features]
    added = [feature.name for feature in Terms.of(names).features]
    return sorted({*names} - {*added} - {*columns})


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
    of = _probability(model.portable, X)
    hazard = hazards(of, X, int(model.card["known_periods"]), terms)
    return Curve(hazard, {"any": np.ones((len(X), PERIODS))})


def _probability(model: PortableModel, X: Floats) -> Callable[[Floats], Floats]:
    """`model.probability` of X with the columns of a period; the linear terms of X are summed once.

    They cost as much as the trees, and would else be computed anew for every period.
    """
    ensemble, width = model.ensemble, X.shape[1]
    if ensemble.linear is None:
        return model.probability
    still, moving = _split(ensemble.linear, width)
    base = still.terms(X).sum(axis=1) + ensemble.linear.intercept
    trees, weight = Ensemble(ensemble.boosters, None, 0.0), ensemble.weight

    def probability(Z: Floats) -> Floats:
        linear = base + moving.terms(Z[:, width:]).sum(axis=1)
        return model.calibrated((1 - weight) * trees.log_odds(Z) + weight * linear)

    return probability


def _split(linear: LinearPart, width: int) -> tuple[LinearPart, LinearPart]:
    """The terms of the first `width` columns, and of those behind them; without the intercept."""
    numbers = linear.spec["numbers"]
    index = np.asarray(numbers["index"], dtype=np.intp)

    def part(places: Any, shift: int, categories: list[Any]) -> LinearPart:
        chosen = {key: np.asarray(values)[places] for key, values in numbers.items()}
        chosen["index"] = chosen["index"] - shift
        return LinearPart({"intercept": 0.0, "numbers": chosen, "categories": categories})

    still = part(index < width, 0, linear.spec["categories"])
    return still, part(index >= width, width, [])  # what a period adds are numbers


def remaining(model: LoadedModel, frame: DataFrame, value: ArrayLike, money: Any) -> DataFrame:
    """Expected remaining months and lifetime value of each row by a registered hazard.

    Parameters
    ----------
    frame : DataFrame of shape (n, columns)
        At least the model's features; n > 0.
    value : array-like of shape (n,)
        Per month.
    money : Money
        The project's: `gross_margin`, `discount_rate`.

    Returns
    -------
    DataFrame of shape (n, 2)
        `expected_remaining_months` and, in the unit of `value`, `predicted_cltv`.

    Raises
    ------
    UnknownFeatureError, UnfitDataError
        As `LoadedModel.matrix`.
    """
    value = np.asarray(value, dtype=np.float64)
    margin, discount = float(money.gross_margin), float(money.discount_rate)
    parts = []
    for start in range(0, len(frame), ROWS):
        rows = frame.iloc[start : start + ROWS]
        curve = registered_curve(model, rows)
        paid = value[start : start + ROWS]
        worth = predicted_cltv(curve, paid, margin=margin, discount_rate=discount)
        months = curve.remaining_months()
        columns = {"expected_remaining_months": months, "predicted_cltv": worth}
        parts.append(DataFrame(columns, index=rows.index))
    return concat(parts)
