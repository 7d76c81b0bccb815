"""Features built again without what came later: whatever changes knew the future."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.build import build
from features.cut import cut
from features.staging import Staged
from training.guard_check import Check, check_of
from training.sample import Dataset

PAIRS = 300
TOLERANCE = 1e-9


def check_future(staged: Staged, data: Dataset, seed: int = 0) -> Check:
    """Features of a sample of rows against a build from what was known before their as-of.

    A customer is looked at once, at a random one of its moments. Facts at or after that moment,
    or known from then on, are cut away; an announced subscription or invoice stays.

    Parameters
    ----------
    staged : Staged
    data : Dataset
        With the features a training is about to use.
    seed : int
    """
    if data.target.label is not None:
        return Check("future", "skipped", "a snapshot has no clock to cut at")
    rows = _sampled(data, seed)
    pairs = data.keys.iloc[rows].reset_index(drop=True)
    used = data.frame.iloc[rows].reset_index(drop=True)
    names = list(used.columns)
    with tempfile.TemporaryDirectory(prefix="retention-cut-") as folder:
        again = build(cut(staged, pairs, Path(folder)), pairs, names=names).table
    faults, named = [], []
    for name in names:
        differs = _differs(used[name], again.get(name))
        if differs.any():
            named.append(name)
            faults.append(_said(name, pairs, used, again, differs))
    passed = f"{len(names)} features of {len(pairs)} rows are the same without what came later"
    return check_of("future", faults, passed, columns=named)


def _sampled(data: Dataset, seed: int) -> np.ndarray:
    """One row each of some customers."""
    shuffled = np.random.default_rng(seed).permutation(len(data.keys))
    once = ~pd.Series(data.customer[shuffled]).duplicated().to_numpy()
    return np.sort(shuffled[once][:PAIRS])


def _differs(used: pd.Series, again: pd.Series | None) -> np.ndarray:
    if again is None:
        return np.ones(len(used), dtype=bool)
    if pd.api.types.is_numeric_dtype(used):
        near = np.isclose(used, again, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        return np.asarray(~near)
    return (used.fillna("") != again.fillna("")).to_numpy()


def _said(
    name: str, pairs: pd.DataFrame, used: pd.DataFrame, again: pd.DataFrame, differs: np.ndarray
) -> str:
    """The proof: how many rows, and both values of the first of them."""
    first = int(np.flatnonzero(differs)[0])
    customer, as_of = pairs["customer_id"].iloc[first], pairs["as_of"].iloc[first]
    now = again.loc[first, name] if name in again else None
    return (
        f"feature {name!r} changes with facts from its as-of on, in {differs.sum()} of"
        f" {len(pairs)} rows: for {customer} at {as_of:%Y-%m-%d %H:%M} it is"
        f" {_shown(used.loc[first, name])}, and {_shown(now)} from what was known before"
    )


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
