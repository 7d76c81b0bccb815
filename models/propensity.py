"""The propensity model: gradient-boosted trees over several seeds, blended with a linear part."""

from collections.abc import Sequence
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from models.linear import fit_linear
from models.portable import Ensemble, Floats, LinearPart, sigmoid
from models.streamed import Blocks, Matrix, Streamed


class PropensityModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Probability that one event falls inside the horizon, before calibration.

    Parameters
    ----------
    num_leaves, n_estimators, learning_rate, min_child_samples, subsample, colsample_bytree, \
    reg_lambda, extra_trees
        As in LightGBM; the defaults suit a few thousand rows.
    linear_weight : float
        Share of the linear part in the log-odds: 0 is trees only, 1 is linear only.
    linear_c : float
        Inverse strength of the linear part's penalty; 0 leaves its intercept alone.
    n_seeds : int
        Boosters whose log-odds are averaged.
    categorical : sequence of int
        Positions of the columns that hold category codes.
    random_state : int
        Seed of the first booster; the others count on from it.
    n_jobs : int
        Threads while fitting.
    monotone : sequence of int, optional
        +1, -1 or 0 for each feature; None promises nothing.
    majority_share : float
        Share of the commoner class that is learned from, drawn at random; the log-odds are
        corrected for it.
    """

    def __init__(
        self,
        *,
        num_leaves: int = 7,
        n_estimators: int = 150,
        learning_rate: float = 0.05,
        min_child_samples: int = 20,
        subsample: float = 0.8,
        colsample_bytree: float = 0.8,
        reg_lambda: float = 1.0,
        linear_weight: float = 0.0,
        linear_c: float = 0.1,
        n_seeds: int = 1,
        categorical: Sequence[int] = (),
        random_state: int = 0,
        n_jobs: int = 2,
        extra_trees: bool = False,
        monotone: Sequence[int] | None = None,
        majority_share: float = 1.0,
    ) -> None:
        self.num_leaves = num_leaves
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.min_child_samples = min_child_samples
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.linear_weight = linear_weight
        self.linear_c = linear_c
        self.n_seeds = n_seeds
        self.categorical = categorical
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.extra_trees = extra_trees
        self.monotone = monotone
        self.majority_share = majority_share

    def fit(self, X: ArrayLike | Streamed, y: ArrayLike) -> Self:
        """Fit on one row per customer and as-of date.

        Parameters
        ----------
        X : array-like or Streamed of shape (n, f)
            Encoded features, NaN where missing. Of a streamed matrix only the bins are held.
        y : array-like of shape (n,)
            Two classes; the second in sorted order is the event.

        Raises
        ------
        ValueError
            Infinite values, fewer than two rows, or not exactly two classes.
        """
        matrix, y = self._checked(X, y)
        event = self._event(np.asarray(y))
        self._check_settings()
        drawn, shift = self._drawn(event)
        if drawn is not None:
            matrix, event = matrix[drawn], event[drawn]
        weight = float(self.linear_weight)
        boosters, linear = [], None
        if weight < 1:
            boosters = self._boost(matrix, event, shift)
        if weight > 0:
            linear = fit_linear(matrix, event, self.categorical, c=self.linear_c)
            linear = LinearPart({**linear.spec, "intercept": linear.intercept + shift})
        self.ensemble_ = Ensemble(boosters, linear, weight)
        return self

    def _checked(self, X: ArrayLike | Streamed, y: ArrayLike) -> tuple[Matrix, ArrayLike]:
        """The matrix and the classes; the blocks of a streamed matrix are checked as they come."""
        if isinstance(X, Streamed):
            self.n_features_in_ = X.shape[1]
            return X, y
        matrix, y = validate_data(
            self, X, y, ensure_all_finite="allow-nan", dtype=np.float64, ensure_min_samples=2
        )
        return matrix, y

    def _drawn(self, event: NDArray[np.int64]) -> tuple[NDArray[np.int64] | None, float]:
        """The rows to learn from (None: all), and what their log-odds lack."""
        if self.majority_share == 1:
            return None, 0.0
        common = int(2 * event.sum() > len(event))
        places = np.flatnonzero(event == common)
        count = max(1, round(self.majority_share * len(places)))
        kept = np.random.default_rng(self.random_state).choice(places, count, replace=False)
        rows = np.sort(np.concatenate([kept, np.flatnonzero(event != common)]))
        share = float(np.log(count / len(places)))
        return rows, -share if common else share

    def _event(self, y: NDArray[Any]) -> NDArray[np.int64]:
        """1 where the event happened; sets `classes_`."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        self.classes_, event = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"two classes are needed to learn from; all {len(y)} rows have the one class "
                f"{self.classes_[0]!r}"
            )
        return np.asarray(event, dtype=np.int64)

    def _check_settings(self) -> None:
        if not 0 <= self.linear_weight <= 1:
            raise ValueError(f"linear_weight must be between 0 and 1; got {self.linear_weight}")
        if self.linear_c < 0:
            raise ValueError(f"linear_c must be 0 or more; got {self.linear_c}")
        if not 0 < self.majority_share <= 1:
            raise ValueError(f"majority_share must lie in (0, 1]; got {self.majority_share}")
        if self.n_seeds < 1:
            raise ValueError(f"n_seeds must be at least 1; got {self.n_seeds}")

    def _boost(self, X: Matrix, event: NDArray[np.int64], shift: float) -> list[lgb.Booster]:
        """A booster for each seed, from the same bins; no weights, so log-odds are the data's."""
        data = lgb.Dataset(
            Blocks(X) if isinstance(X, Streamed) else X,
            label=event,
            categorical_feature=list(self.categorical),
            params={"verbose": -1, "feature_pre_filter": False},
        )
        threads = min(self.n_jobs, 1 + len(X) // 20_000)  # more would slow small data down
        rounds = self.n_estimators
        boosters = [
            lgb.train(self._params(number, threads), data, num_boost_round=rounds)
            for number in range(self.n_seeds)
        ]
        for booster in boosters:
            _move(booster, shift)
        return boosters

    def _params(self, number: int, threads: int) -> dict[str, Any]:
        monotone = {} if self.monotone is None else {"monotone_constraints": list(self.monotone)}
        return monotone | {
            "objective": "binary",
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_child_samples,
            "bagging_fraction": self.subsample,
            "bagging_freq": 1 if self.subsample < 1 else 0,
            "feature_fraction": self.colsample_bytree,
            "lambda_l2": self.reg_lambda,
            "extra_trees": self.extra_trees,
            "feature_pre_filter": False,
            "seed": self.random_state + number,
            "data_random_seed": 1,  # of the rows that bins are cut by: the same for every seed
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbose": -1,
        }

    def decision_function(self, X: ArrayLike | Streamed) -> Floats:
        """Uncalibrated log-odds of the event, shape (n,)."""
        check_is_fitted(self)
        if isinstance(X, Streamed):
            return np.concatenate([self.ensemble_.log_odds(block) for block in X.blocks()])
        matrix = validate_data(
            self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float64
        )
        return self.ensemble_.log_odds(matrix)

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Uncalibrated probability of each class, shape (n, 2)."""
        event = sigmoid(self.decision_function(X))
        return np.column_stack([1 - event, event])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likelier class of each row."""
        likely = (self.decision_function(X) > 0).astype(np.intp)
        return np.asarray(self.classes_[likely])

    def __sklearn_tags__(self) -> Tags:
        """Two classes only; missing values are fine."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _move(booster: lgb.Booster, shift: float) -> None:
    """Add a number to every log-odds of a booster, by the leaves of its first tree."""
    if shift:
        (tree,) = booster.dump_model(num_iteration=1)["tree_info"]
        for leaf in range(tree["num_leaves"]):
            booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + shift)
