"""The label clock: of each past run, what was predicted against what happened once that is known.

Until then: what to expect if the probabilities can be taken at their word, and the rate so far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.frames import frame
from features.staging import Staged
from models import metrics
from models.bootstrap import bootstrap_metrics
from training.labels import Outcomes, eligible, known_after, mature, settled
from training.report import metrics_json
from training.sample import Floats

Json = dict[str, Any]
BANDS = 10
METRICS = ("log_loss", "brier", "auc", "calibration_slope", "calibration_intercept")
CELLS = 10_000_000  # customers times draws of the bootstrap
EARLY = 0.10  # of the horizon, before which what has happened tells nothing
LEAST = 10  # events, below which nothing is extrapolated


@dataclass(frozen=True)
class StoredRun:
    """What a scoring run published for one target, as it was stored.

    Attributes
    ----------
    id : int
    as_of : datetime or None
        None for snapshots, which have no clock.
    version : int or None
        Of the model; None when nothing was promoted.
    customers : ndarray of str, shape (n,)
        Those with a score.
    probability : ndarray of float, shape (n,)
    names : tuple of str, length f
        Features, in the order of the rows.
    rows : callable
        Gives the encoded rows, shape (n, f).
    """

    id: int
    as_of: datetime | None
    version: int | None
    customers: npt.NDArray[np.object_]
    probability: Floats
    names: tuple[str, ...]
    rows: Callable[[], Floats]

    def keys(self) -> pd.DataFrame:
        """Customer and moment of each score."""
        as_of = pd.Series(self.as_of, index=range(len(self.customers)), dtype="datetime64[us]")
        return pd.DataFrame({"customer_id": self.customers, "as_of": as_of})


def expected(p: Floats) -> Json:
    """Metrics to expect if every event has its probability, with the spread that chance gives.

    Rates and losses are sums over customers; AUC counts each customer as an event by `p` and as
    none by `1 - p`. No label is used, so this is an estimate that a broken calibration would break.

    Parameters
    ----------
    p : ndarray of shape (n,)

    Returns
    -------
    dict
        `rate`, `log_loss`, `brier` with `value`, `low` and `high` (95 %), and `auc`.
    """
    if not len(p):
        return {}
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    odds = np.log(clipped) - np.log1p(-clipped)
    chance = clipped * (1 - clipped)
    entropy = -clipped * np.log(clipped) - (1 - clipped) * np.log1p(-clipped)
    parts = {  # mean, and how much one customer's event changes it
        "rate": (p, np.ones(len(p))),
        "log_loss": (entropy, odds),
        "brier": (chance, 1 - 2 * clipped),
    }
    found: Json = {}
    for name, (mean, change) in parts.items():
        value, sd = float(mean.mean()), float(np.sqrt((chance * change**2).sum()) / len(p))
        found[name] = {"value": value, "low": value - 1.96 * sd, "high": value + 1.96 * sd}
    happens = np.repeat([1.0, 0.0], len(p))
    found["auc"] = {"value": metrics.auc(happens, np.tile(p, 2), np.append(p, 1 - p))}
    return found


def bands(y: Floats, p: Floats) -> list[Json]:
    """Of the customers called 0 to 10 %, 10 to 20 %, ...: how many, and how many it happened to.

    `low` and `high` are the 95 % interval of the rate (Wilson).
    """
    place = np.minimum((p * BANDS + 1e-9).astype(int), BANDS - 1)
    found = []
    for band in np.unique(place):
        mine = place == band
        n, rate = int(mine.sum()), float(y[mine].mean())
        z = 1.96**2 / n
        middle = (rate + z / 2) / (1 + z)
        half = np.sqrt(z * (rate * (1 - rate) + z / 4)) / (1 + z)
        found.append(
            {
                "from": band / BANDS,
                "to": (band + 1) / BANDS,
                "customers": n,
                "called": float(p[mine].mean()),
                "happened": int(y[mine].sum()),
                "rate": rate,
                "low": float(max(middle - half, 0)),
                "high": float(min(middle + half, 1)),
            }
        )
    return found


def judged(y: Floats, p: Floats, customers: npt.NDArray[Any]) -> Json:
    """Predictions against what happened; `z` is how far the sum is off, in standard deviations."""
    draws = int(np.clip(CELLS // max(len(y), 1), 100, 500))
    found = bootstrap_metrics(y, {"run": p}, customers, draws=draws)["run"]
    spread = float(np.sqrt((p * (1 - p)).sum()))
    return {
        "predicted": {"rate": float(p.mean()), "events": float(p.sum())},
        "happened": {"rate": float(y.mean()), "events": int(y.sum())},
        "z": float((y.sum() - p.sum()) / spread) if spread else None,
        "metrics": metrics_json({name: found[name] for name in METRICS}),
        "bands": bands(y, p),
    }


class LabelClock:
    """Tells the past runs of a target apart: those whose answer is known, and those that wait.

    Parameters
    ----------
    staged : Staged
    target_name : str
    runs : sequence of StoredRun
        With a moment each.
    """

    def __init__(self, staged: Staged, target_name: str, runs: Sequence[StoredRun]) -> None:
        self.target = settled(staged.project.target(target_name), staged)
        self._staged, self._name = staged, target_name
        self._end = staged.data_end
        known = pd.read_parquet(staged.tables["customers"], columns=["customer_id"])
        self._known = set(known["customer_id"])
        self._runs = sorted(runs, key=lambda run: (run.as_of, run.id))
        self._early: tuple[Outcomes, datetime] | None = None

    def known(self, run: StoredRun) -> bool:
        """Whether what happened after a run is known by the end of the data."""
        return run.as_of is not None and mature(run.as_of, self.target, self._end)

    def story(self, run: StoredRun) -> Json:
        """What a run predicted, and what happened, or what to expect until that is known."""
        as_of: datetime = run.as_of  # type: ignore[assignment]
        told = {
            "run": run.id,
            "as_of": as_of.isoformat(),
            "version": run.version,
            "customers": len(run.customers),
            "known": self.known(run),
            "known_on": (as_of + known_after(self.target)).date().isoformat(),
            "expected": expected(run.probability),
        }
        if not len(run.customers):
            return told
        if not told["known"]:
            return told | {"so_far": self._so_far(run, as_of)}
        y = self._answers(run)
        there = ~np.isnan(y)
        told["left_out"] = int((~there).sum())
        if not there.any():
            return told
        return told | judged(y[there], run.probability[there], run.customers[there])

    def _answers(self, run: StoredRun) -> Floats:
        """The event of each customer; NaN for those who are gone from the data or were not due."""
        y = Outcomes(self._staged, self.target, run.keys()).event(self._end)
        here = np.fromiter((who in self._known for who in run.customers), bool, len(y))
        return np.where(here, y, np.nan)

    def _so_far(self, run: StoredRun, as_of: datetime) -> Json:
        """The rate that what is known so far points to; `reason` where it tells nothing yet.

        An earlier date was, as long after it, in the same half-known state; what it came to be
        says how the present state will end.
        """
        elapsed = self._end - as_of
        told: Json = {"days": elapsed.days, "rate": None}
        if elapsed < EARLY * timedelta(days=self.target.horizon_days):
            return told | {"reason": "too early to tell"}
        before = self._reference()
        if before is None:
            return told | {"reason": "no earlier date has a known answer to compare with"}
        outcomes, date = before
        then, came = outcomes.event(date + elapsed), outcomes.event(self._end)
        both = ~np.isnan(then) & ~np.isnan(came)
        early, final = float(then[both].sum()), float(came[both].sum())
        now = self._answers(run)
        now = now[~np.isnan(now)]
        events = float(now.sum())
        told |= {"events": int(events), "compared_with": date.isoformat()}
        if min(early, final, events) < LEAST:
            return told | {"reason": f"fewer than {LEAST} events so far, here or then"}
        rate = events / len(now) * final / early
        variance = (1 - events / len(now)) / events + abs(1 / early - 1 / final)
        spread = np.exp(1.96 * np.sqrt(variance))
        low, high = float(rate / spread), float(min(rate * spread, 1.0))
        return told | {"rate": min(rate, 1.0), "low": low, "high": high}

    def _reference(self) -> tuple[Outcomes, datetime] | None:
        """Customers of the newest date whose answer is known: of a run, else of the training."""
        if self._early is None:
            keys = self._past_keys()
            if keys is None:
                return None
            date = keys["as_of"].iloc[0].to_pydatetime()
            self._early = Outcomes(self._staged, self.target, keys), date
        return self._early

    def _past_keys(self) -> pd.DataFrame | None:
        runs = [run for run in self._runs if self.known(run) and len(run.customers)]
        if runs:
            return runs[-1].keys()
        built = frame(self._staged, self._name)
        dates = [d for d in built.keys["as_of"].unique() if mature(d, self.target, self._end)]
        if not dates:
            return None
        rows = (built.keys["as_of"] == max(dates)).to_numpy()
        keys, state = (part[rows].reset_index(drop=True) for part in (built.keys, built.state))
        keys = keys[eligible(self.target, keys, state)].reset_index(drop=True)
        return keys if len(keys) else None
