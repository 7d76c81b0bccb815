"""Prices: what a plan costs in each currency, before and after the rise, and promotions."""

import numpy as np

from simulation.kinds import Flags, Floats, Ints
from simulation.models import Model
from simulation.world import PRICE_RISE

CURRENCIES = ("USD", "EUR", "GBP")
LISTED = np.array([1.0, 0.92, 0.80])  # list price in each currency against the first
MONTHS_PAID_OF_A_YEAR = 10  # a year costs ten months
TOP = 3  # position of the largest plan
PROMO_PERCENT = 20  # off the first months
PROMO_MONTHS = 3


def unit_amount(
    model: Model, plan: Ints, term: Ints, price: Floats, price_list: Ints, currency: Ints
) -> Ints:
    """Price of one seat for one paid period, in millionths, whole cents.

    Parameters
    ----------
    model : Model
    plan : array of shape (n,)
        Positions in the model's plans.
    term : array of shape (n,)
        Months of a paid period.
    price : array of shape (n,)
        What the customer pays of the list price, 1 for all of it.
    price_list : array of shape (n,)
        0 before the rise, 1 after.
    currency : array of shape (n,)
        Positions in `CURRENCIES`.
    """
    listed = model.cents[plan] * np.where(price_list == 1, PRICE_RISE, 1.0) * LISTED[currency]
    cents = np.rint(listed * price).astype(np.int64)
    months = np.where(term >= 12, term // 12 * MONTHS_PAID_OF_A_YEAR, term)
    millionths: Ints = cents * months * 10_000
    return millionths


def after_promotion(amount: Ints, in_promotion: Flags) -> Ints:
    """What is charged of an amount in millionths while a promotion runs."""
    return np.where(in_promotion, amount // 100 * (100 - PROMO_PERCENT), amount)
