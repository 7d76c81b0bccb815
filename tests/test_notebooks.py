"""Notebooks run from top to bottom in real kernels on one small project; kept without output."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from simulation.company import simulate

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FEATURES = '[targets.churn]\nfeatures = ["lifecycle", "billing", "usage"]\n'
Run = list[Any]  # the code cells of a notebook, with their outputs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Every notebook after the other on one company; the first one trains its model."""
    room = tmp_path_factory.mktemp("notebooks")
    company = room / "company"
    simulate(company, customers=1500, months=24, seed=7)
    file = company / "retention.toml"
    text = file.read_text(encoding="utf-8").replace("[targets.churn]\n", FEATURES)
    head = re.split(r"\n(?=\[targets\.(?!churn\]))", text)[0]  # churn is its first target
    file.write_text(f"{head}\n[bands]\nmedium = 0.1\nhigh = 0.3\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTEBOOK_PROJECT", str(file))
        patch.setenv("TMPDIR", str(room))
        patch.setenv("IPYTHONDIR", str(room / "ipython"))
        yield {path.stem: _run(path, room) for path in NOTEBOOKS}


def _run(path: Path, room: Path) -> Run:
    notebook = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(room)}}
    NotebookClient(notebook, timeout=280, kernel_name="python3", resources=resources).execute()
    prefix = path.stem.split("_")[1]
    assert [*room.glob(f"{prefix}-*")] == []  # what was written on the way is gone
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _said(run: Run, source: str) -> str:
    """What the one cell that holds a piece of source wrote, as text."""
    (cell,) = (cell for cell in run if source in cell.source)
    told = (out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs)
    return "\n".join(told)


def _number(text: str, name: str, place: int = 0) -> float:
    """A number of the row of a table that begins with a name."""
    (row,) = (line for line in text.splitlines() if line.startswith(name + " "))
    return float(re.findall(r"-?[\d,]+\.?\d*", row.removeprefix(name))[place].replace(",", ""))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebooks:
    """Every notebook of the folder."""

    def test_output_is_stripped(self, path: Path) -> None:
        cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        assert cells
        assert [cell.id for cell in cells if cell.outputs or cell.execution_count] == []

    def test_it_defines_nothing(self, path: Path) -> None:
        source = "\n".join(
            cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"
        )
        assert "def " not in source
        assert "class " not in source

    def test_it_runs(self, path: Path, runs: dict[str, Run]) -> None:
        """An error in a cell would have ended the run."""
        outputs = [cell.outputs for cell in runs[path.stem]]
        assert sum(1 for one in outputs if one) >= 8
        assert str(outputs).count("image/svg+xml") >= 4


class TestFigures:
    """Numbers that the notebooks show are sane."""

    def test_the_model_lies_between_the_rule_and_the_truth(self, runs: dict[str, Run]) -> None:
        run = runs["02_model_review"]
        close = _said(run, 'said = {"the truth itself"')
        aucs = [_number(close, who) for who in ("simple rule", "the model", "the truth itself")]
        assert 0.5 < aucs[0] < aucs[1] < aucs[2] < 1
        assert "grade" in _said(run, "sentences(name, report)")
        assert 0.5 < _number(_said(run, "stability"), "over seeds") <= 1

    def test_curves_are_near_what_happened(self, runs: dict[str, Run]) -> None:
        run = runs["03_survival_and_cltv"]
        brier = _said(run, "one curve for all")
        expected, stayed, ours = (_number(brier, "curves by customer", at) for at in range(3))
        assert expected == pytest.approx(stayed, abs=0.05)
        assert ours <= _number(brier, "one curve for all", 2) + 0.005
        worth = _said(run, '"predicted, mean"')
        assert _number(worth, "predicted, median") < _number(worth, "predicted, mean")
        assert 0.2 < _number(worth, "predicted, mean") / _number(worth, "ratio formula") < 5
        assert 0 < _number(worth, "churn a month") < 0.2

    def test_orders_are_near_those_that_came(self, runs: dict[str, Run]) -> None:
        sums = _said(runs["03_survival_and_cltv"], '"everybody the mean"')
        mean = _number(sums, "everybody the mean", 2)
        for who in ("by features", "BG/NBD"):
            expected, came, error = (_number(sums, who, at) for at in range(3))
            assert expected == pytest.approx(came, rel=0.25)
            assert error < mean

    def test_who_knows_afterwards_earns_most(self, runs: dict[str, Run]) -> None:
        at = _said(runs["04_value_and_capacity"], 'earned["capacity"] == capacity')
        contacted, expected, realised = (_number(at, "known afterwards", n) for n in (1, 2, 3))
        assert 0 < contacted <= 40
        assert expected == realised
        for who in ("the model", "simple rule", "MRR alone"):
            assert _number(at, who, 3) <= realised
        measures = _said(runs["04_value_and_capacity"], "expected_maximum_profit(y, p)")
        assert 0 <= _number(measures, "constant", 1) < _number(measures, "model", 1)
