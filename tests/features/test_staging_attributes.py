"""Attributes: numbers with a few cells that are none stay numbers, codes stay text, all is told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.project import load_project
from features.staging import Staged, open_staged, stage
from features.summary import remarks

Write = Callable[..., Path]
N = 100
SOURCE = """
[[sources.snapshots]]
file = "{file}"
attributes = ["calls"]
"""
TOML = """
name = "people"
revenue_model = "subscription"
[targets.churn]
kind = "churn"
label = "left"
positive = "yes"
"""


def people(calls: list[object], start: int = 0) -> pd.DataFrame:
    ids = [f"c{start + i:03}" for i in range(len(calls))]
    left = ["yes" if i % 2 else "no" for i in range(len(calls))]
    return pd.DataFrame({"customer_id": ids, "calls": calls, "left": left})


def among_numbers(*cells: str) -> list[object]:
    """These cells, and numbers up to a hundred."""
    return [*cells, *(str(i % 40 + 0.5) for i in range(N - len(cells)))]


@pytest.fixture(params=["csv", "parquet"])
def staged(request: pytest.FixtureRequest, write_project: Write) -> Callable[..., Staged]:
    """A function that stages people with such calls from either kind of file."""

    def make(calls: list[object], extra: str = "") -> Staged:
        path = write_project(TOML + SOURCE.format(file=f"people.{request.param}") + extra)
        file = path.with_name(f"people.{request.param}")
        if request.param == "csv":
            people(calls).to_csv(file, index=False)
        else:
            people(calls).to_parquet(file)
        result = stage(load_project(path))
        count = result.counts["snapshots"]
        assert (count.rows_in, count.used) == (len(calls), len(calls))
        return result

    return make


def calls_of(result: Staged) -> pd.Series:
    return pd.read_parquet(result.tables["snapshots"]).set_index("customer_id")["calls"]


FEW = [
    pytest.param(["inf"], "1 row", "'inf'", id="infinite"),
    pytest.param(["7", "-Infinity", "1e999"], "2 rows", "'-Infinity', '1e999'", id="negative"),
    pytest.param(["NaN"], "1 row", "'NaN'", id="nan"),
    pytest.param(["n/a", "-", "?"], "3 rows", "'-', '?', 'n/a'", id="words for nothing"),
    pytest.param(["NA"] * 60, "60 rows", "'NA'", id="mostly missing"),
    pytest.param(["many", "1,5"], "2 rows", "'1,5', 'many'", id="misprints"),
    pytest.param(["inf"] * 30, "30 rows", "'inf'", id="many infinite"),
    pytest.param(["x"] * 5, "5 rows", "'x'", id="a twentieth"),
]


@pytest.mark.parametrize(("cells", "rows", "values"), FEW)
def test_cells_that_are_no_number_are_missing_and_told(
    staged: Callable[..., Staged], cells: list[str], rows: str, values: str
) -> None:
    result = staged(among_numbers(*cells))
    calls = calls_of(result)
    assert calls.dtype == "float64"
    bad = [cell for cell in cells if cell != "7"]
    assert calls.isna().sum() == len(bad)
    assert np.isfinite(calls.dropna()).all()
    (line,) = remarks(result)
    first = [f"c{i:03}" for i, cell in enumerate(cells) if cell in bad][:3]
    assert line == (
        f"warning: snapshots.calls: {rows} with a value that is no finite number, read as missing"
        f" ({values}), e.g. {', '.join(first)}; counted in scoring these customers"
    )
    assert open_staged(result.project).findings == result.findings


@pytest.mark.parametrize(
    ("cells", "values"), [(["007"], "'007'"), (["A12", "12b"], "'12b', 'A12'")]
)
def test_a_few_codes_keep_a_column_text_and_are_told(
    staged: Callable[..., Staged], cells: list[str], values: str
) -> None:
    result = staged(among_numbers(*cells))
    assert calls_of(result)["c000"] == cells[0]
    (line,) = remarks(result)
    assert f"with a code or word among numbers, so that all are read as text ({values})" in line


TEXTS = [
    pytest.param([f"{i:05}" for i in range(9_950, 9_950 + N)], id="zip codes"),
    pytest.param(["month", "year", "-", "nan"] * 25, id="words"),
    pytest.param(among_numbers(*["x"] * 6), id="more than a twentieth"),
]


@pytest.mark.parametrize("calls", TEXTS)
def test_texts_stay_as_they_are(staged: Callable[..., Staged], calls: list[object]) -> None:
    result = staged(calls)
    assert calls_of(result).tolist() == calls
    assert not list(remarks(result))


def test_an_expression_decides_otherwise(staged: Callable[..., Staged]) -> None:
    text = staged(among_numbers("many"), 'expressions = { calls = "trim(calls)" }\n')
    assert calls_of(text)["c000"] == "many"
    number = 'expressions = { calls = "TRY_CAST(calls AS DOUBLE)" }\n'
    assert calls_of(staged(among_numbers("12b"), number)).isna().sum() == 1


def test_infinite_values_of_a_typed_column_are_missing_and_told(write_project: Write) -> None:
    path = write_project(TOML + SOURCE.format(file="people.parquet"))
    people([1.5, np.inf, np.nan, -np.inf]).to_parquet(path.with_name("people.parquet"))
    result = stage(load_project(path))
    assert calls_of(result).isna().tolist() == [False, True, True, True]
    (line,) = remarks(result)
    assert "calls: 2 rows with a value that is no finite number" in line
    assert "('-inf', 'inf'), e.g. c001, c003;" in line


def test_only_rows_that_are_used_are_told(write_project: Write) -> None:
    """One is filtered, one is quarantined for its repeated key, one is left."""
    frame = people(among_numbers("inf", "inf", "inf"))
    frame.loc[2, "customer_id"] = "c001"
    toml = "limits.quarantine_share = 0.1\n" + TOML + SOURCE.format(file="people.csv")
    toml += "where = \"customer_id <> 'c000'\"\n"
    path = write_project(toml, people=frame.to_csv(index=False))
    result = stage(load_project(path))
    count = result.counts["snapshots"]
    assert (count.rows_in, count.used, count.filtered, count.quarantined) == (N, N - 2, 1, 1)
    assert [(f.column, f.code, f.count) for f in result.findings] == [
        ("customer_id", "duplicate_key", 1),
        ("calls", "not_finite", 1),
    ]


def test_a_number_in_one_source_only_is_told(write_project: Write) -> None:
    path = write_project(
        TOML + SOURCE.format(file="people.csv") + SOURCE.format(file="more.csv"),
        people=people([1.5, 2.5]).to_csv(index=False),
        more=people(["few", "many"], start=2).to_csv(index=False),
    )
    (line,) = remarks(stage(load_project(path)))
    assert line == (
        "snapshots.calls: numbers in one source and no numbers in another, so all are read as text"
    )
