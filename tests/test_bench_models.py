"""The table of the benchmark of models: its rows exist, and its page says what was measured."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.project import load_project

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))  # last: its scripts have names of packages

from cases.models_lines import Line, judged  # noqa: E402
from cases.models_page import page  # noqa: E402
from cases.models_rows import ROWS, Row  # noqa: E402

from models.bootstrap import Interval  # noqa: E402

EXTRAS = ROOT / "benchmarks" / "cases" / "models_extra.py"
ROW = Row("shop", "telco", "churn", "folds", "none", "AUC .8", (Line("auc", 0.8),))


def told(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "se": 0.01}


@pytest.fixture
def result() -> dict[str, Any]:
    """What a run of `ROW` would leave."""
    learners = {"ours": told(0.81), "ebm": told(0.805), "flaml": told(0.79)}
    line = {"measure": "auc", "at": 0.8, "less": False, "met": True, "clearly": False} | told(0.81)
    return {
        "rows": 1234,
        "rate": 0.25,
        "grade": "B",
        "learners": {name: {"auc": one, "log_loss": one} for name, one in learners.items()},
        "against": {"ebm": {"auc": told(0.005), "log_loss": told(0.005)}},
        "lines": [line],
        "seconds": {"ours": 12.3, "ebm": 45.6},
        "failed": {"catboost": "ValueError: no"},
        "remarks": {"oracle": 5.43},
        "seed": 0,
        "budget": 30.0,
        "machine": "2 cores",
        "commit": "abc1234",
        "changed": False,
        "moment": "2026-01-01T00:00:00Z",
        "looks": [{}, {}, {}],
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_names_a_project_and_target_that_exist(row: Row) -> None:
    if row.example != "simulated":
        load_project(ROOT / "examples" / f"{row.example}.toml").target(row.target)
    assert row.lines
    assert not row.extra or f"def {row.extra}(" in EXTRAS.read_text(encoding="utf-8")


def test_every_example_with_a_line_is_there_and_no_row_twice() -> None:
    keys = [row.key for row in ROWS]
    assert len(keys) == len(set(keys))
    examples = {path.stem for path in (ROOT / "examples").glob("*.toml")}
    # Too few of its customers leave for a line; it has none.
    assert {row.example for row in ROWS} - {"simulated"} == examples - {"megaline_telecom"}


def test_the_page_says_what_was_measured(result: dict[str, Any]) -> None:
    text = page([ROW], {"shop": result})
    (line,) = [one for one in text.splitlines() if one.startswith("| telco")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[5:] == [
        "AUC at least 0.8",
        "0.8100 (0.7900 to 0.8300)",
        "0.0100",
        "yes",
        "12",
        "0",
        "3",
        "abc1234",
    ]
    assert "1 of 1 rows were run; of their 1 lines 1 are met, 0 of them clearly" in text
    assert "| shop | **0.8100** |" in text
    assert "ebm 0.0050" in text
    assert "catboost: ValueError: no" in text


def test_a_line_that_is_missed_is_said_at_the_top(result: dict[str, Any]) -> None:
    result["lines"][0]["met"] = False
    text = page([ROW], {"shop": result})
    assert "Not met: shop (AUC)" in text
    assert "**no**" in text


def test_the_page_says_where_something_simpler_would_be_registered(result: dict[str, Any]) -> None:
    assert "would be registered" not in page([ROW], {"shop": result | {"best": "model"}})
    text = page([ROW], {"shop": result | {"best": "logistic"}})
    assert "logistic is better here and would be registered" in text


def test_a_row_that_was_not_run_says_so() -> None:
    text = page([ROW], {})
    assert "0 of 1 rows were run" in text
    assert "not run" in text


@pytest.mark.parametrize(
    ("at", "less", "met", "clearly"),
    [
        pytest.param(0.775, False, True, True, id="beyond by the whole interval"),
        pytest.param(0.805, False, True, False, id="half a standard error short"),
        pytest.param(0.815, False, False, False, id="more than one short"),
        pytest.param(0.795, True, True, False, id="less is better, half short"),
        pytest.param(0.785, True, False, False, id="less is better, more short"),
        pytest.param(0.825, True, True, True, id="less is better, beyond"),
    ],
)
def test_a_line_is_met_within_a_standard_error(
    at: float, less: bool, met: bool, clearly: bool
) -> None:
    measured = Interval(*np.array([0.80, 0.78, 0.82, 0.01]))
    found = judged(Line("auc", at, less), {"auc": measured})
    assert (found["met"], found["clearly"]) == (met, clearly)
    assert json.loads(json.dumps(found)) == found  # is kept as JSON
