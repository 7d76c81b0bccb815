"""Every feature against a plain row-by-row computation, on small companies drawn at random."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import oracle_rhythm  # noqa: F401  adds to ORACLE
import pandas as pd
import pytest
from oracle import ORACLE, Rows, View
from random_company import company, frames_of

from features.build import build_from
from features.built import Built
from features.catalogue import CATALOGUE
from features.engine import tables_of
from features.project import Project

MONTHS = [datetime(2023, month, 1) for month in (5, 7, 8, 11, 12)] + [datetime(2024, 2, 29)]
HOURS = [datetime(2023, 6, 1, 5), datetime(2023, 6, 2), datetime(2023, 11, 30, 23)]
SEEDS = range(12)


def project() -> Project:
    sources: dict[str, Any] = {"customers": [{"file": "customers.csv"}]}
    return Project(
        name="small",
        revenue_model="subscription",
        sources=sources,
        targets={},
        path=Path("retention.toml"),
    )


def grid_pairs(names: list[str], moments: list[datetime]) -> pd.DataFrame:
    return pd.DataFrame([(n, m) for m in moments for n in names], columns=["customer_id", "as_of"])


def anchored_pairs(names: list[str], moments: list[datetime], seed: int) -> pd.DataFrame:
    """Each customer at one to three moments of its own."""
    choose = np.random.default_rng(seed)
    found = []
    for name in names:
        own = {moments[i] for i in choose.integers(len(moments), size=2)}
        own |= {moments[0] + timedelta(days=int(choose.integers(300)))}
        found += [(name, moment) for moment in own]
    return pd.DataFrame(found, columns=["customer_id", "as_of"])


def build_case(seed: int) -> tuple[Rows, Built]:
    moments = HOURS if seed % 3 == 2 else MONTHS
    rows = company(seed, moments)
    if seed == 3:
        rows |= {"usage": [], "tickets": [], "subscriptions": []}
    names = sorted({row["customer_id"] for row in rows["customers"]})
    pairs = grid_pairs(names, moments) if seed % 2 else anchored_pairs(names, moments, seed)
    return rows, build_from(tables_of(frames_of(rows)), project(), pairs)


@pytest.fixture(scope="module")
def cases() -> list[tuple[Rows, Built]]:
    return [build_case(seed) for seed in SEEDS]


def missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def differs(said: Any, meant: Any, *, exact: bool) -> bool:
    if missing(said) or missing(meant):
        return missing(said) != missing(meant)
    if isinstance(meant, str):
        return bool(said != meant)
    if exact:
        return float(said) != float(meant)
    return not math.isclose(float(said), float(meant), rel_tol=1e-9, abs_tol=1e-9)


def test_the_oracle_covers_the_catalogue() -> None:
    assert set(ORACLE) == set(CATALOGUE)


def test_a_full_company_has_every_feature(cases: list[tuple[Rows, Built]]) -> None:
    assert [f.name for f in cases[0][1].catalogue] == list(CATALOGUE)
    assert list(cases[0][1].features.columns) == list(CATALOGUE)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_a_feature_is_what_it_says(name: str, cases: list[tuple[Rows, Built]]) -> None:
    feature = CATALOGUE[name]
    exact = feature.window_days is not None and feature.empty == 0
    wrong, seen = [], 0
    for seed, (rows, built) in zip(SEEDS, cases, strict=True):
        for said, key in zip(built.features[name], built.keys.itertuples(), strict=True):
            meant = ORACLE[name](View(rows, key.customer_id, key.as_of.to_pydatetime()))
            seen += not missing(meant) and meant != 0
            if differs(said, meant, exact=exact):
                wrong.append((seed, key.customer_id, str(key.as_of), said, meant))
    assert not wrong, f"{len(wrong)} differ: seed, customer, as-of, built, meant: {wrong[:3]}"
    assert seen > 5, "the companies never show this feature"
