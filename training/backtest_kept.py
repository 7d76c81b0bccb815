"""What a back-test predicted for each tested customer, kept beside its report, to look at later."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import UnfitDataError
from features.project import Project
from training.backtest import Backtest
from training.report import BASELINES, Json
from training.sample import CUTS, Dataset
from training.trial import Trial

MODEL = "p_model"  # the column of what is registered, or would be


def tested_rows(data: Dataset, found: Backtest) -> pd.DataFrame:
    """Every tested row with its label and what each model said of it.

    Returns
    -------
    DataFrame of shape (n, columns)
        `customer_id`, `as_of`, `origin` (NaT on snapshots), `event` (0 or 1), `value_per_month`,
        the columns of the state that tell segments apart, and a probability for each model:
        `p_model`, and `p_` before the names of the baselines, NaN where one could not be judged.
    """
    return pd.concat([_rows(data, found, trial) for trial in found.trials], ignore_index=True)


def _rows(data: Dataset, found: Backtest, trial: Trial) -> pd.DataFrame:
    rows = trial.test_rows
    part = data.keys[["customer_id", "as_of"]].iloc[rows].reset_index(drop=True)
    part["origin"] = np.datetime64("NaT" if trial.at is None else trial.at, "us")
    part["event"], part["value_per_month"] = trial.y.astype(int), data.value[rows]
    for name in CUTS:
        part[name] = data.cuts[name].iloc[rows].astype(object).to_numpy()
    part[MODEL] = trial.probability[found.best]
    for name in BASELINES:
        if name in trial.probability:
            part[f"p_{name}"] = trial.probability[name]
    return part


def keep_tested(data: Dataset, found: Backtest, folder: Path, target: str) -> None:
    """Write `tested_rows` of the newest back-test of a target, `<target>.parquet`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{target}.parquet"
    scratch = path.with_suffix(".part")
    tested_rows(data, found).to_parquet(scratch, index=False)
    scratch.replace(path)


def newest_backtest(project: Project, target: str) -> tuple[Json, pd.DataFrame]:
    """The report and the tested rows of a target's newest back-test.

    Raises
    ------
    UnfitDataError
        None is kept: it was never run, or could not test the target.
    """
    paths = [project.outputs / "backtests" / f"{target}.{kind}" for kind in ("json", "parquet")]
    for path in paths:
        if not path.exists():
            raise UnfitDataError(
                f"no back-test of {target!r} is kept at {path}; run: retention backtest"
                f" {project.path} --target {target}"
            )
    return json.loads(paths[0].read_text(encoding="utf-8")), pd.read_parquet(paths[1])
