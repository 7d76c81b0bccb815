"""What some rows measure beside the usual metrics: profit, other horizons, the truth, the grade."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import Draws, Interval, customer_sums, interval
from models.metrics import auc
from models.profit import expected_maximum_profit
from training.backtest_run import Proof
from training.sample import Dataset
from training.trial import Trial

Floats = NDArray[np.float64]
Found = dict[str, dict[str, Interval]]  # by learner and measure
DRAWS = 500
SUCCESS, MARGIN, LOST, SHARE, COST = 0.3, 0.95, 0.7, 0.05, 1.0  # of the published profit
HOLDOUT_END = pd.Timestamp("1998-06-30")  # 39 weeks after 1997-09-30
SIDE = Path(__file__).with_name("models_empulse.py")


@dataclass(frozen=True)
class Measured:
    """What an extra measure reads: all trials hold the predictions of every learner."""

    proof: Proof
    data: Dataset
    trials: Sequence[Trial]
    draws: Draws
    folder: Path
    empulse: Path | None


@dataclass(frozen=True)
class Extra:
    """What an extra measure gives: values by learner, and remarks for people."""

    found: Found
    remarks: Mapping[str, Any]


def value(number: float) -> Interval:
    """A number without spread."""
    return Interval(float(number))


def resampled(
    customers: NDArray[Any], statistic: Callable[[NDArray[np.intp]], float | None]
) -> Interval:
    """A statistic of rows with its spread over draws of customers, seed 0."""
    codes = np.unique(customers, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 2))
    random, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        chosen = random.integers(0, codes.max() + 1, codes.max() + 1)
        rows = np.concatenate([order[starts[c] : starts[c + 1]] for c in chosen])
        found.append(statistic(rows))
    whole = statistic(np.arange(len(codes)))
    as_float = [np.nan if one is None else one for one in (whole, *found)]
    return interval(as_float[0], np.asarray(as_float[1:]))


def empc(given: Measured) -> Extra:
    """Expected maximum profit at the published terms, and what `empulse` finds for the same."""
    (trial,) = given.trials
    customers = given.data.customer[trial.test_rows]

    def of(p: Floats) -> Callable[[NDArray[np.intp]], float]:
        return lambda rows: expected_maximum_profit(trial.y[rows], p[rows]).profit

    found = {name: {"empc": resampled(customers, of(p))} for name, p in trial.probability.items()}
    remarks: dict[str, Any] = {}
    if given.empulse is not None:
        ours = {name: one["empc"].value for name, one in found.items()}
        remarks["empulse"] = _by_empulse(given.empulse, trial, ours)
    return Extra(found, remarks)


def _by_empulse(python: Path, trial: Trial, ours: Mapping[str, float | None]) -> dict[str, Any]:
    """The same measure in an environment of its own, by file exchange."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.json"
        scores = {name: p.tolist() for name, p in trial.probability.items()}
        path.write_text(json.dumps({"y": trial.y.tolist(), "scores": scores}), encoding="utf-8")
        done = subprocess.run([python, SIDE, path], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    apart = max(abs(said["empc"][name] - (ours[name] or 0.0)) for name in said["empc"])
    return said | {"largest_difference": apart}


def worth(file: Path, keys: pd.Series) -> Floats:
    """Customer Value of rows whose id is their place in the file."""
    table = pd.read_csv(file)
    return table["Customer Value"].to_numpy(dtype=np.float64)[keys.astype(int).to_numpy() - 1]


def profit(given: Measured) -> Extra:
    """Profit per customer of acting where its expectation is positive, beside the oracle's."""
    (trial,) = given.trials
    clv = worth(given.folder / "Customer_Churn.csv.gz", given.data.keys["customer_id"])
    clv, customers = clv[trial.test_rows], given.data.customer[trial.test_rows]
    gain = SUCCESS * (MARGIN * clv - COST) - LOST
    loss = SHARE * clv + COST
    earned = np.where(trial.y == 1, gain, -loss)
    best = np.maximum(earned, 0.0)
    names, columns = [*trial.probability], [best, np.ones(len(best))]
    for name in names:
        p = trial.probability[name]
        columns.append(np.where(p * gain - (1 - p) * loss > 0, earned, 0.0))
    table = np.column_stack(columns)
    drawn, whole = customer_sums(customers, table), table.sum(axis=0)
    found: Found = {}
    for place, name in enumerate(names, 2):
        found[name] = {
            "profit": interval(whole[place] / whole[1], drawn[:, place] / drawn[:, 1]),
            "oracle_share": interval(whole[place] / whole[0], drawn[:, place] / drawn[:, 0]),
        }
    return Extra(found, {"oracle": float(whole[0] / whole[1])})


def weeks(given: Measured) -> Extra:
    """The ranking for 13 weeks judged by whether anything was bought in 39."""
    (trial,) = given.trials
    log = pd.read_csv(given.folder / "CDNOW_master.txt.gz", sep=r"\s+", dtype={"customer_id": str})
    date = pd.to_datetime(log["date"].astype(str), format="%Y%m%d")
    after = (date >= pd.Timestamp(trial.at)) & (date < HOLDOUT_END)
    buyers = set(log["customer_id"][after])
    ids = given.data.keys["customer_id"].iloc[trial.test_rows]
    silent = (~ids.isin(buyers)).to_numpy(dtype=np.float64)

    def of(p: Floats) -> Callable[[NDArray[np.intp]], float | None]:
        return lambda rows: auc(silent[rows], p[rows])

    customers = given.data.customer[trial.test_rows]
    found = {
        name: {"auc_39_weeks": resampled(customers, of(p))}
        for name, p in trial.probability.items()
        if name != "constant"
    }
    return Extra(found, {"silent for 39 weeks": float(silent.mean())})


def truth(given: Measured) -> Extra:
    """Share of the way from a coin to the true probabilities' AUC."""
    known, drawn = given.draws.value, given.draws.drawn
    top, top_drawn = known["truth"]["auc"] - 0.5, drawn["truth"]["auc"] - 0.5
    found: Found = {}
    for name in known:
        shares = (drawn[name]["auc"] - 0.5).mean(axis=0) / top_drawn.mean(axis=0)
        whole = float((known[name]["auc"] - 0.5).mean() / top.mean())
        found[name] = {"share_of_truth": interval(whole, shares)}
    return Extra(found, {})


def true_probability(folder: Path, data: Dataset, trial: Trial) -> Floats:
    """The true chance of the event of each test row."""
    table = pd.read_parquet(folder / "truth")
    table["as_of"] = pd.to_datetime(table["as_of"]).astype("datetime64[us]")
    keys = data.keys.iloc[trial.test_rows][["customer_id", "as_of"]]
    whole = keys.merge(table, on=["customer_id", "as_of"], how="left", validate="one_to_one")
    return whole[data.target.kind].to_numpy(dtype=np.float64)


def grade(given: Measured) -> Extra:
    """Whether what cannot be learned is graded so."""
    said = given.proof.report.grade
    fair = value(said in {"U", "C"} and not given.proof.report.promoted)
    return Extra({"ours": {"grade_u_or_c": fair}}, {"reason": given.proof.report.reason})


def drift(given: Measured) -> Extra:
    """Whether drift is among the warnings."""
    report = given.proof.report
    said = [text for text in report.warnings if text.startswith("drift:")]
    remarks = {"warnings": [*report.warnings], "grade": report.grade}
    return Extra({"ours": {"drift_flagged": value(bool(said))}}, remarks)


EXTRAS: dict[str, Callable[[Measured], Extra]] = {
    one.__name__: one for one in (empc, profit, weeks, truth, grade, drift)
}
