"""Notebooks run from top to bottom in a real kernel, and are kept without their output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


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

    def test_it_runs(self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOTEBOOK_CUSTOMERS", "1500")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        notebook = nbformat.read(path, 4)
        resources = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=280, kernel_name="python3", resources=resources).execute()
        shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
        assert sum(1 for outputs in shown if outputs) >= 8
        charts = str(shown).count("image/svg+xml")
        assert charts >= 4
        assert list(tmp_path.glob("first-look-*")) == []
