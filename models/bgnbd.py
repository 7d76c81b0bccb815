"""BG/NBD: the classic model of repeat purchase without a contract, by maximum likelihood.

While alive a customer buys at random at a rate of its own (gamma across customers), and after each
purchase leaves with a probability of its own (beta across customers).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

from features.errors import UnfitDataError
from models.portable import Floats


@dataclass(frozen=True)
class BgNbd:
    """Four parameters, and what follows from them.

    Attributes
    ----------
    r, alpha : float
        Shape and rate of the gamma distribution of purchase rates; alpha in the unit of time.
    a, b : float
        Of the beta distribution of the probability to leave after a purchase.
    log_likelihood : float

    References
    ----------
    Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005). "Counting your customers" the easy way: an
    alternative to the Pareto/NBD model. Marketing Science, 24(2), 275-284.
    doi:10.1287/mksc.1040.0098
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    @classmethod
    def fit(cls, repeats: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Self:
        """Fit to one row per customer.

        Parameters
        ----------
        repeats : array-like of shape (n,)
            Purchases after the first; those of one day are one.
        recency : array-like of shape (n,)
            Time from the first purchase to the last; 0 without repeats.
        age : array-like of shape (n,)
            Time from the first purchase to the as-of date, in the same unit.

        Raises
        ------
        UnfitDataError
            Nobody ever bought again.
        """
        x, t, T = _checked(repeats, recency, age)
        if not x.any():
            raise UnfitDataError("no customer ever bought again, so no rate of purchase is known")
        rows, weight = np.unique(np.column_stack([x, t, T]), axis=0, return_counts=True)

        def loss(log_params: Floats) -> float:
            each = _log_likelihood(np.exp(log_params), *rows.T)
            return -float(each @ weight) / len(x)

        start = np.log([1.0, max(float(np.mean(T)), 1e-6), 1.0, 1.0])
        found = minimize(loss, start, method="L-BFGS-B", bounds=[(-12.0, 12.0)] * 4)
        found = minimize(loss, found.x, method="Nelder-Mead", options=_FINE)
        r, alpha, a, b = (float(one) for one in np.exp(found.x))
        return cls(r, alpha, a, b, -float(found.fun) * len(x))

    def p_alive(self, repeats: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
        """Probability that a customer has not left, shape (n,); 1 without repeats."""
        x, t, T = _checked(repeats, recency, age)
        again = np.maximum(x, 1)
        log_odds = np.log(self.a / (self.b + again - 1))
        log_odds = log_odds + (self.r + x) * np.log((self.alpha + T) / (self.alpha + t))
        return np.where(x > 0, 1 / (1 + np.exp(log_odds)), 1.0)

    def expected_orders(
        self, repeats: ArrayLike, recency: ArrayLike, age: ArrayLike, ahead: float
    ) -> Floats:
        """Purchases expected within a time ahead given the past, shape (n,)."""
        x, t, T = _checked(repeats, recency, age)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        z = ahead / (alpha + T + ahead)
        shrink = ((alpha + T) / (alpha + T + ahead)) ** (r + x)
        growth = (a + b + x - 1) / (a - 1) * (1 - shrink * hyp2f1(r + x, b + x, a + b + x - 1, z))
        return np.asarray(growth * self.p_alive(x, t, T))


_FINE = {"xatol": 1e-7, "fatol": 1e-12, "maxiter": 4000, "maxfev": 4000}


def _log_likelihood(params: Floats, x: Floats, t: Floats, T: Floats) -> Floats:
    """Of each row."""
    r, alpha, a, b = params
    bought = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    alive = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + T)
    again = np.maximum(x, 1)
    left = betaln(a + 1, b + again - 1) - betaln(a, b) - (r + x) * np.log(alpha + t)
    return np.asarray(bought + np.where(x > 0, np.logaddexp(alive, left), alive))


def _checked(repeats: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, ...]:
    x, t, T = (np.asarray(one, dtype=np.float64) for one in (repeats, recency, age))
    wrong: NDArray[np.bool_] = (x < 0) | (t < 0) | (t > T) | ((x == 0) & (t > 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            "0 <= recency <= age, and recency 0 without repeats, are expected; row"
            f" {row} has repeats {x[row]:g}, recency {t[row]:g}, age {T[row]:g}"
        )
    return x, t, T
