"""When customers leave: a discrete-time hazard by periods of 30 days, learned from a panel.

A panel row is a customer at an as-of date, with the days until the end and the days that are known
after it. It becomes a row per period, and the hazard of a period is the probability to leave in it
of who is there when it begins.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted

from features.errors import UnfitDataError
from models.calibrate import Calibration, fit_calibration
from models.curve import EDGES, PERIODS, Curve
from models.periods import (
    NO_TERMS,
    PersonPeriods,
    Terms,
    hazards,
    person_periods,
    rates,
    sampled,
    with_period,
)
from models.portable import LIMIT, Floats
from models.propensity import PropensityModel

Params = Mapping[str, Any]

MIN_EVENTS = 50  # below, one hazard per period for all
FEW_EVENTS = 200  # below, a logistic regression
MAX_ROWS = 100_000
FOLDS = 3
_TREES: Params = {
    "learning_rate": 0.05,
    "min_child_samples": 50,
    "reg_lambda": 10.0,
    "colsample_bytree": 0.5,
    "subsample": 0.7,
}
LOGISTIC: Params = {"linear_weight": 1.0}
SMALL: Params = {**_TREES, "num_leaves": 8, "n_estimators": 200, "linear_weight": 0.25}
LARGE: Params = {**_TREES, "num_leaves": 31, "n_estimators": 300}


class HazardModel(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Hazard of each period given the features at the as-of date, by cause.

    A `PropensityModel` of the features and the period, calibrated on folds that keep customers
    together. Large and small trees are tried on one fold, and what has the least log loss there is
    taken; below 200 customers with the event it is a logistic regression. Below 50 every customer
    gets the rate of the period. A second model gives the share of each cause among those who leave,
    so that causes add up.

    Parameters
    ----------
    params : mapping, optional
        Of `PropensityModel`, in place of what is tried.
    categorical : sequence of int
        Positions of the columns that hold category codes.
    terms : Terms
        Where the columns are that say when terms end.
    max_rows : int
        Person-periods to learn from. All events are kept; of the others a random part, and the
        log-odds are shifted by the logarithm of that part, which is exact (King & Zeng 2001).
    random_state : int
    n_jobs : int

    Attributes
    ----------
    params_ : mapping
        With which it was learned.
    known_periods_ : int
        Periods that were ever observed; beyond, the hazard of the last of them holds.
    fallback_ : str or None
        `constant` or `logistic` where events were few.
    causes_ : tuple of str

    References
    ----------
    Singer, J. D., & Willett, J. B. (1993). It's about time: using discrete-time survival analysis.
    Journal of Educational Statistics, 18(2), 155-195. King, G., & Zeng, L. (2001). Logistic
    regression in rare events data. Political Analysis, 9(2), 137-163.
    """

    def __init__(
        self,
        *,
        params: Params | None = None,
        categorical: Sequence[int] = (),
        terms: Terms = NO_TERMS,
        max_rows: int = MAX_ROWS,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.params = params
        self.categorical = categorical
        self.terms = terms
        self.max_rows = max_rows
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: ArrayLike,
        days: ArrayLike,
        observed: ArrayLike,
        cause: Sequence[str | None] | NDArray[np.object_] | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit on one row per customer and as-of date.

        Parameters
        ----------
        X : array-like of shape (n, f)
            Encoded features, NaN where missing.
        days, observed : array-like of shape (n,)
            As for `person_periods`.
        cause : sequence of shape (n,), optional
            Of each end; None where there is none.
        groups : array-like of shape (n,), optional
            Customers; each row its own when left out.

        Raises
        ------
        UnfitDataError
            No period was wholly observed.
        """
        X = np.asarray(X, dtype=np.float64)
        periods = person_periods(days, observed)
        if not len(periods.row):
            raise UnfitDataError(
                f"no row is observed for a whole period; the first needs {EDGES[1]} days"
            )
        self.n_features_in_ = X.shape[1]
        self.known_periods_ = int(periods.period.max()) + 1
        self.rate_ = rates(periods)
        self.model_: PropensityModel | None = None
        self.calibration_, self.params_ = Calibration.line("none"), self.params or {}
        events = np.unique(self._groups(groups, len(X))[periods.row[periods.event]])
        self.fallback_ = _fallback(len(events))
        self._fit_causes(X, periods, cause)
        if self.fallback_ != "constant":
            self._fit_total(X, periods, self._groups(groups, len(X)))
        return self

    def _groups(self, groups: ArrayLike | None, n: int) -> NDArray[Any]:
        return np.arange(n) if groups is None else np.asarray(groups)

    def _fit_total(self, X: Floats, periods: PersonPeriods, groups: NDArray[Any]) -> None:
        """The hazard of any cause, and its calibration."""
        kept, share = sampled(periods, self.max_rows, self.random_state)
        Z, y = with_period(X[kept.row], kept.period, self.terms), kept.event.astype(np.int64)
        folds = GroupKFold(FOLDS, shuffle=True, random_state=self.random_state)
        parts = list(folds.split(Z, y, groups[kept.row]))
        first = [_held_out(self._estimator(one), Z, y, parts[0]) for one in self._tried()]
        best = int(np.argmin([_loss(raw, y[parts[0][1]]) for raw in first]))
        self.params_ = self._tried()[best]
        rest = [_held_out(self._estimator(self.params_), Z, y, part) for part in parts[1:]]
        raw = np.concatenate([first[best], *rest])
        answers = np.concatenate([y[test] for _, test in parts])
        line = fit_calibration(raw, answers, method="platt")
        shifted = tuple(value + float(np.log(share)) for value in line.y)
        self.calibration_ = Calibration("platt", line.x, shifted)
        self.model_ = self._estimator(self.params_).fit(Z, y)

    def _tried(self) -> tuple[Params, ...]:
        """What is compared on the first fold."""
        if self.params is not None:
            return (self.params,)
        return (LOGISTIC,) if self.fallback_ == "logistic" else (SMALL, LARGE)

    def _estimator(self, params: Params) -> PropensityModel:
        common: dict[str, Any] = {
            "categorical": tuple(self.categorical),
            "random_state": self.random_state,
            "n_jobs": self.n_jobs,
        }
        return PropensityModel(**common, **params)

    def _fit_causes(
        self, X: Floats, periods: PersonPeriods, cause: Sequence[Any] | NDArray[Any] | None
    ) -> None:
        """Log-odds of each cause against the commonest, from the rows of each pair."""
        self.causes_: tuple[str, ...] = ("any",)
        self.cause_models_: list[PropensityModel | float] = []
        if cause is None:
            return
        ended = periods.take(periods.event)
        names, code = np.unique(
            np.asarray(cause, object)[ended.row].astype(str), return_inverse=True
        )
        count = np.bincount(code, minlength=len(names))
        order = np.argsort(-count, kind="stable")
        self.causes_ = tuple(str(names[one]) for one in order) or ("any",)
        for one in order[1:]:
            pair = (code == one) | (code == order[0])
            y = (code[pair] == one).astype(np.int64)
            if count[one] < MIN_EVENTS:
                self.cause_models_.append(float(np.log(count[one] / count[order[0]])))
            else:
                Z = with_period(X[ended.row[pair]], ended.period[pair], self.terms)
                self.cause_models_.append(self._estimator(SMALL).fit(Z, y))

    def hazard(self, X: ArrayLike) -> Floats:
        """Probability to leave in each period of who is there when it begins, shape (n, 12)."""
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        if self.model_ is None:
            return np.tile(self.rate_, (len(X), 1))
        model, calibration = self.model_, self.calibration_
        return hazards(
            lambda Z: calibration.probability(model.ensemble_.log_odds(Z)),
            X,
            self.known_periods_,
            self.terms,
        )

    def curve(self, X: ArrayLike) -> Curve:
        """The survival curve of each row, with the shares of the causes."""
        X = np.asarray(X, dtype=np.float64)
        odds = [np.zeros((len(X), PERIODS))]
        for one in self.cause_models_:
            if isinstance(one, float):
                odds.append(np.full((len(X), PERIODS), one))
            else:
                odds.append(hazards(one.ensemble_.log_odds, X, self.known_periods_, self.terms))
        stacked = np.exp(np.stack(odds) - np.max(odds, axis=0))
        shares = stacked / stacked.sum(axis=0)
        return Curve(self.hazard(X), dict(zip(self.causes_, shares, strict=True)))


def _held_out(model: PropensityModel, Z: Floats, y: NDArray[Any], part: tuple[Any, Any]) -> Floats:
    """Log-odds of one fold by a model of the others; those of the rate where they have one class.

    Folds of so many customers with the event all hold some; a fold without its opposite is one in
    which everybody leaves at once.
    """
    train, test = part
    if len(np.unique(y[train])) < 2:
        return np.full(len(test), LIMIT if y[train][0] else -LIMIT)
    found: Floats = model.fit(Z[train], y[train]).decision_function(Z[test])
    return found


def _loss(raw: Floats, y: NDArray[Any]) -> float:
    """Mean log loss."""
    return float(np.mean(np.logaddexp(0, np.where(y == 1, -raw, raw))))


def _fallback(events: int) -> str | None:
    """How a hazard is learned from customers with the event."""
    if events < MIN_EVENTS:
        return "constant"
    return "logistic" if events < FEW_EVENTS else None
