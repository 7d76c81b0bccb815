"""What the lists of a back-test would have earned: by how many are contacted, and under what terms.

Every as-of date of the tests is a run with a list of its own; amounts are means over the runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.bootstrap import customer_sums, interval
from models.profit import Terms, best_list, expected_profit
from training.sample import Floats, Rows

Listed = npt.NDArray[np.bool_]

ORACLE = "known afterwards"


def profit_curve(
    tested: pd.DataFrame,
    worth: Floats,
    terms: Terms,
    capacities: Sequence[int],
    models: Sequence[str],
) -> pd.DataFrame:
    """Expected and realised profit of the best list of a run, by capacity and model.

    Parameters
    ----------
    tested : DataFrame of shape (n, columns)
        `customer_id`, `as_of`, `event` and a column of probabilities for each of the models; see
        `training.backtest_kept.tested_rows`.
    worth : ndarray of shape (n,)
        What is lost with each customer; one whose worth is NaN is never contacted.
    terms : Terms
    capacities : sequence of int
    models : sequence of str
        Names of columns. `ORACLE` stands for who knows who will leave.

    Returns
    -------
    DataFrame
        `model`, `capacity`, `contacted`, `expected`, `realised`, and the 95 % interval of what was
        realised, `low` and `high`: under draws of customers, with those contacted fixed.
    """
    happened = expected_profit(tested["event"], worth, terms)
    rows: list[dict[str, object]] = []
    for model in models:
        p = tested["event" if model == ORACLE else model].to_numpy(np.float64)
        expected = expected_profit(p, worth, terms)
        rank = _ranks(tested, expected)
        listed = rank[:, None] < np.asarray(capacities)[None, :]
        columns = [np.where(listed, np.nan_to_num(one)[:, None], 0) for one in (expected, happened)]
        rows += _curve(model, capacities, listed, columns[0], columns[1], tested)
    return pd.DataFrame(rows)


def _ranks(tested: pd.DataFrame, profit: Floats) -> Floats:
    """The place of each row on the list of its run, from 0; infinite where it is not on it."""
    rank = np.full(len(tested), np.inf)
    for places in runs(tested):
        listed = places[best_list(profit[places])]
        rank[listed] = np.arange(len(listed))
    return rank


def runs(tested: pd.DataFrame) -> Iterator[Rows]:
    """Positions of the rows of each run; snapshots are one."""
    as_of = tested["as_of"].to_numpy()
    for date in np.unique(as_of):
        yield np.flatnonzero(np.isnat(as_of) if np.isnat(date) else as_of == date)


def _curve(
    model: str,
    capacities: Sequence[int],
    listed: Listed,
    expected: Floats,
    realised: Floats,
    tested: pd.DataFrame,
) -> Iterator[dict[str, object]]:
    count = len(list(runs(tested)))
    drawn = customer_sums(tested["customer_id"], realised) / count
    for place, capacity in enumerate(capacities):
        found = interval(float(realised[:, place].sum()) / count, drawn[:, place])
        yield {
            "model": model,
            "capacity": int(capacity),
            "contacted": float(listed[:, place].sum()) / count,
            "expected": float(expected[:, place].sum()) / count,
            "realised": found.value,
            "low": found.low,
            "high": found.high,
        }


def profit_under(
    tested: pd.DataFrame,
    worth: Floats,
    terms: Terms,
    *,
    success_rates: Iterable[float],
    contact_costs: Iterable[float],
    capacity: int | None = None,
    model: str = "p_model",
) -> pd.DataFrame:
    """What changes when a contact works more rarely, or costs more, than was thought.

    Parameters
    ----------
    tested, worth, terms
        As in `profit_curve`; the terms are those that were assumed.
    success_rates, contact_costs : iterable of float
        What may be true instead.
    capacity : int, optional
        The most that can be contacted in a run.
    model : str
        The column of probabilities.

    Returns
    -------
    DataFrame
        By `success_rate` and `contact_cost` that are true: `contacted` and `realised` of the list
        made for them, and `realised_as_assumed` of the list made for the assumed terms.
    """
    p = tested[model].to_numpy(np.float64)
    assumed = _listed(tested, expected_profit(p, worth, terms), capacity)
    count, rows = len(list(runs(tested))), []
    for rate in success_rates:
        for cost in contact_costs:
            true = replace(terms, success_rate=rate, contact_cost=cost)
            happened = np.nan_to_num(expected_profit(tested["event"], worth, true))
            best = _listed(tested, expected_profit(p, worth, true), capacity)
            rows.append(
                {
                    "success_rate": rate,
                    "contact_cost": cost,
                    "contacted": float(best.sum()) / count,
                    "realised": float(happened[best].sum()) / count,
                    "realised_as_assumed": float(happened[assumed].sum()) / count,
                }
            )
    return pd.DataFrame(rows)


def _listed(tested: pd.DataFrame, profit: Floats, capacity: int | None) -> Listed:
    return np.asarray(_ranks(tested, profit) < (np.inf if capacity is None else capacity))
