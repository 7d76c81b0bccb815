"""Whom a contact pays for, by the terms that the project names."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from features.project import Money
from models.profit import best_list, expected_profit, terms_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contacts:
    """The decision on each customer of a target, in the order of its scores.

    Attributes
    ----------
    profit : ndarray of shape (n,)
        Expected of a contact; NaN where the value is not known, or no terms are named.
    advised : sequence of bool or None
        Whether the customer is on the best list; None where the profit is not known.
    """

    profit: Floats
    advised: list[bool | None]

    @classmethod
    def none(cls, n: int) -> Self:
        """No decisions."""
        return cls(np.full(n, np.nan), [None] * n)

    @classmethod
    def by(cls, money: Money, probability: Floats, value_per_month: Floats) -> Self:
        """Decisions by contact cost, success rate, margin and capacity of `[money]`.

        What a contact can save is the margin over the months exposed.
        """
        terms = terms_of(money)
        if terms is None:
            return cls.none(len(probability))
        worth = value_per_month * money.months_exposed * float(money.gross_margin)
        profit = expected_profit(probability, worth, terms)
        advised: list[bool | None] = [None if np.isnan(earned) else False for earned in profit]
        for place in best_list(profit, money.capacity):
            advised[place] = True
        return cls(profit, advised)
