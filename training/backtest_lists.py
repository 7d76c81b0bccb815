"""What the lists of a back-test were worth: money found in time, profit of contacts, stability.

A run is an as-of date of the tests. Its list is sorted as the published one: of targets of leaving
by revenue at risk, of others, and where no value is known, by probability.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.days import DAY, micros
from features.project import Money
from models.bootstrap import Interval, customer_sums, interval
from models.profit import Terms, best_list, expected_profit, terms_of
from models.ranking import divide
from models.targets import LEAVING
from models.value import expected_revenue_at_risk
from training.backtest_lost import lost_mrr
from training.sample import Dataset, Floats
from training.trial import Trial

TOP = 0.10
LEAD_DAYS = (30, 60, 90)
ANCHORED = "each run asks about other customers, those whose anchor is due"
Ids = npt.NDArray[np.object_]
Metrics = dict[str, Interval]


@dataclass(frozen=True)
class Run:
    """One as-of date of a test.

    Attributes
    ----------
    at : datetime or None
        None for snapshots.
    origin : int
        Number of the trial.
    customer : ndarray of shape (n,)
        Ids.
    y, value : ndarray of shape (n,)
        The event; money per month, NaN where it is not known.
    probability : mapping of str to ndarray of shape (n,)
        By model.
    """

    at: datetime | None
    origin: int
    customer: Ids
    y: Floats
    value: Floats
    probability: Mapping[str, Floats]

    def top(self, model: str, *, by_money: bool) -> Ids:
        """The customers in the top tenth of the list; ties go by id, unknown values come last."""
        p = self.probability[model]
        worth = expected_revenue_at_risk(p, self.value) if by_money else p
        order = np.lexsort((self.customer.astype(str), -p, -np.nan_to_num(worth, nan=-np.inf)))
        return self.customer[order[: int(np.ceil(TOP * len(p)))]]


def runs_of(data: Dataset, trials: Sequence[Trial]) -> list[Run]:
    """The runs of a back-test, oldest first, with the models that every trial has."""
    models = [name for name in trials[0].probability if all(name in t.probability for t in trials)]
    found = []
    for number, trial in enumerate(trials):
        as_of = data.keys["as_of"].iloc[trial.test_rows]
        for date in [None] if data.is_snapshot else sorted(as_of.unique()):
            at = slice(None) if date is None else np.flatnonzero(as_of == date)
            rows = trial.test_rows[at]
            customer = data.keys["customer_id"].iloc[rows].to_numpy(dtype=object)
            probability = {name: trial.probability[name][at] for name in models}
            run = Run(date, number, customer, trial.y[at], data.value[rows], probability)
            found.append(run)
    return found


@dataclass(frozen=True)
class Lists:
    """Metrics of the lists by model: over all runs, and at each origin those that it has."""

    average: dict[str, Metrics]
    origins: tuple[dict[str, Metrics], ...]


def lists_of(data: Dataset, trials: Sequence[Trial], money: Money) -> Lists:
    """Lead-time recall of lost MRR, expected and realised profit, and stability of the lists."""
    runs = runs_of(data, trials)
    by_money = data.target.kind in LEAVING and not all(np.isnan(run.value).all() for run in runs)
    tops = {
        model: [run.top(model, by_money=by_money) for run in runs] for model in runs[0].probability
    }
    lost, calendar = lost_mrr(data), data.target.as_of.anchor is None
    earned = profits(runs, money, leaving=by_money, n_origins=len(trials))
    average = {
        model: _recalls(runs, top, lost, data.target.horizon_days)
        | earned[-1][model]
        | {"top10_jaccard": jaccard(top) if calendar else Interval(None, reason=ANCHORED)}
        for model, top in tops.items()
    }
    return Lists(average, tuple(earned[:-1]))


def jaccard(tops: Sequence[Ids]) -> Interval:
    """Customers on both of two consecutive lists over those on either, mean over the pairs."""
    pairs = list(pairwise(tops))
    if not pairs:
        return Interval(None, reason="one run only: there is no other list to compare with")
    every = np.unique(np.concatenate(list(tops)).astype(str))
    columns = []
    for first, second in pairs:
        a, b = (np.isin(every, top.astype(str)) for top in (first, second))
        columns += [a & b, a | b]
    drawn = customer_sums(every, np.column_stack(columns))
    whole = np.asarray([column.sum() for column in columns], dtype=np.float64)
    value = divide(whole[0::2], whole[1::2]).mean()
    return interval(float(value), divide(drawn[:, 0::2], drawn[:, 1::2]).mean(axis=1))


def _recalls(
    runs: Sequence[Run], tops: Sequence[Ids], lost: pd.DataFrame | str, horizon_days: int
) -> Metrics:
    names = {f"lead_time_recall_{days}d": days for days in LEAD_DAYS}
    if isinstance(lost, str):
        return {name: Interval(None, reason=lost) for name in names}
    dates = [run.at for run in runs if run.at is not None]
    return {
        name: lead_time_recall(dates, tops, lost, lead_days=days, horizon_days=horizon_days)
        for name, days in names.items()
    }


def lead_time_recall(
    dates: Sequence[datetime],
    tops: Sequence[Ids],
    lost: pd.DataFrame,
    *,
    lead_days: int,
    horizon_days: int,
) -> Interval:
    """Of the MRR lost, the share whose customer was on a list so many days before the end.

    Counted are the ends that a run could have come before, until the horizon of the last run is
    over; whoever was never scored, as joined too late, is counted as missed.

    Parameters
    ----------
    dates : sequence of datetime
        As-of dates of the runs, oldest first.
    tops : sequence of ndarray
        The customers on top of each.
    lost : DataFrame of shape (n, 3)
        `customer_id`, `at` (microseconds), `mrr`.
    """
    at, moments = lost["at"].to_numpy(), micros(pd.Series(dates))
    begin, end = moments[0] + lead_days * DAY, moments[-1] + horizon_days * DAY
    counted = lost[(at >= begin) & (at < end)]
    if not counted["mrr"].sum() > 0:
        why = f"no MRR was lost between {lead_days} days after the first run and the last's horizon"
        return Interval(None, reason=why)
    found = np.zeros(len(counted), dtype=bool)
    for moment, top in zip(moments, tops, strict=True):
        early = (counted["at"] - moment >= lead_days * DAY).to_numpy()
        found |= early & counted["customer_id"].isin(top).to_numpy()
    mrr = counted["mrr"].to_numpy(dtype=np.float64)
    columns = np.column_stack([mrr * found, mrr])
    drawn = customer_sums(counted["customer_id"], columns)
    caught, all_of_it = columns.sum(axis=0)
    return interval(float(caught / all_of_it), divide(drawn[:, 0], drawn[:, 1]))


def profits(
    runs: Sequence[Run], money: Money, *, leaving: bool, n_origins: int
) -> list[dict[str, Metrics]]:
    """Expected and realised profit of the best list of a run, at each origin and on average.

    Those who are contacted stay fixed under the draws of customers.
    """
    models = list(runs[0].probability)
    terms = terms_of(money)
    if terms is None or not leaving:
        why = "[money] names no contact_cost and success_rate"
        why = why if leaving else "no money is at risk: no amounts, or not a target of leaving"
        nothing = Interval(None, reason=why)
        names = ("expected_profit", "realised_profit")
        return [{model: dict.fromkeys(names, nothing) for model in models}] * (n_origins + 1)
    ids = np.concatenate([run.customer for run in runs])
    worth = money.months_exposed * float(money.gross_margin)
    columns = np.zeros((len(ids), n_origins, len(models), 2))
    ends = np.cumsum([len(run.y) for run in runs])
    for run, part in zip(runs, np.split(columns, ends[:-1]), strict=True):
        n_runs = sum(other.origin == run.origin for other in runs)
        part[:, run.origin] = _earned(run, run.value * worth, terms, money.capacity) / n_runs
    flat = columns.reshape(len(ids), -1)
    parts = (flat.sum(axis=0), customer_sums(ids, flat))
    value, drawn = (part.reshape(-1, n_origins, len(models), 2) for part in parts)
    pieces = [(value[0, number], drawn[:, number]) for number in range(n_origins)]
    pieces.append((value[0].mean(axis=0), drawn.mean(axis=1)))
    return [
        {model: dict(_named(whole[i], draws[:, i])) for i, model in enumerate(models)}
        for whole, draws in pieces
    ]


def _named(whole: Floats, drawn: Floats) -> Iterator[tuple[str, Interval]]:
    for number, name in enumerate(("expected_profit", "realised_profit")):
        yield name, interval(float(whole[number]), drawn[:, number])


def _earned(run: Run, worth: Floats, terms: Terms, capacity: int | None) -> Floats:
    """What each customer adds to the profit of a run, by (model, expected or realised)."""
    out = np.zeros((len(worth), len(run.probability), 2))
    happened = expected_profit(run.y, worth, terms)
    for number, p in enumerate(run.probability.values()):
        expected = expected_profit(p, worth, terms)
        listed = best_list(expected, capacity)
        out[listed, number, 0] = expected[listed]
        out[listed, number, 1] = happened[listed]
    return out
