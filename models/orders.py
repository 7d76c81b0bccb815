"""Orders to come of customers without a contract: a Poisson rate per period of 30 days."""

from collections.abc import Sequence
from typing import Self

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from features.errors import UnfitDataError
from models.curve import EDGES, PERIODS, YEAR
from models.periods import hazards, with_period
from models.portable import Floats

MIN_ORDERS = 50  # below, one rate per period for all
MAX_ROWS = 200_000
UNIT = 30  # days of a rate
_LENGTHS = np.diff(EDGES) / UNIT


class OrderRates(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Expected orders in each period given the features at the as-of date.

    LightGBM with a Poisson loss on a row per customer, as-of date and period that was wholly
    observed; the period is a feature. With fewer than 50 orders everybody gets the mean rate.

    Parameters
    ----------
    num_leaves, n_estimators, learning_rate, min_child_samples, reg_lambda, colsample_bytree
        As in LightGBM.
    categorical : sequence of int
        Positions of the columns that hold category codes.
    max_rows : int
        Rows to learn from, drawn at random from all.
    random_state, n_jobs : int

    Attributes
    ----------
    known_periods_ : int
        Periods that were ever observed; later ones are taken for the last of them.
    """

    def __init__(
        self,
        *,
        num_leaves: int = 8,
        n_estimators: int = 300,
        learning_rate: float = 0.1,
        min_child_samples: int = 50,
        reg_lambda: float = 10.0,
        colsample_bytree: float = 0.5,
        categorical: Sequence[int] = (),
        max_rows: int = MAX_ROWS,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.num_leaves = num_leaves
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.min_child_samples = min_child_samples
        self.reg_lambda = reg_lambda
        self.colsample_bytree = colsample_bytree
        self.categorical = categorical
        self.max_rows = max_rows
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, orders: ArrayLike, observed: ArrayLike) -> Self:
        """Fit on one row per customer and as-of date.

        Parameters
        ----------
        X : array-like of shape (n, f)
            Encoded features, NaN where missing.
        orders : array-like of shape (n, 12)
            Orders in each period.
        observed : array-like of shape (n,)
            Days after the as-of date that are known; a period observed in part does not count.

        Raises
        ------
        UnfitDataError
            No period was wholly observed.
        """
        X, orders = np.asarray(X, np.float64), np.asarray(orders, np.float64)
        known = np.asarray(observed, np.float64)[:, None] >= np.asarray(EDGES[1:])
        row, period = np.nonzero(known)
        if not len(row):
            raise UnfitDataError(
                f"no row is observed for a whole period; the first needs {EDGES[1]} days"
            )
        self.n_features_in_ = X.shape[1]
        self.known_periods_ = int(period.max()) + 1
        if len(row) > self.max_rows:
            drawn = np.random.default_rng(self.random_state).permutation(len(row))[: self.max_rows]
            row, period = row[drawn], period[drawn]
        length, count = _LENGTHS[period], orders[row, period]
        self.rate_ = float(count.sum() / length.sum())
        self.booster_: lgb.Booster | None = None
        if count.sum() >= MIN_ORDERS:
            data = lgb.Dataset(
                with_period(X[row], period),
                label=count / length,
                weight=length,  # of two periods the longer says more of the rate
                categorical_feature=list(self.categorical),
                params={"verbose": -1, "feature_pre_filter": False},
            )
            self.booster_ = lgb.train(self._params(), data, num_boost_round=self.n_estimators)
        return self

    def _params(self) -> dict[str, object]:
        return {
            "objective": "poisson",
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": self.reg_lambda,
            "feature_fraction": self.colsample_bytree,
            "feature_pre_filter": False,
            "seed": self.random_state,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.n_jobs,
            "verbose": -1,
        }

    def expected(self, X: ArrayLike, days: ArrayLike) -> Floats:
        """Orders expected within so many days, shape (n, len(days)); within a period evenly.

        Raises
        ------
        ValueError
            Days below zero or beyond a year.
        """
        check_is_fitted(self)
        X, days = np.asarray(X, np.float64), np.atleast_1d(np.asarray(days, np.float64))
        if (days < 0).any() or (days > YEAR).any():
            raise ValueError(f"days must lie between 0 and {YEAR}; got {days.tolist()}")
        booster, threads = self.booster_, self.n_jobs
        if booster is None:
            rates = np.full((len(X), PERIODS), self.rate_)
        else:
            rates = hazards(
                lambda Z: np.asarray(booster.predict(Z, num_threads=threads)),
                X,
                self.known_periods_,
            )
        start, end = np.asarray(EDGES[:-1]), np.asarray(EDGES[1:])
        within = np.clip((days[:, None] - start) / (end - start), 0, 1) * _LENGTHS
        return np.asarray(rates @ within.T)
