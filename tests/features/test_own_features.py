"""Features in a company's own files: declared in a few lines, built like all others."""

import re
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.build import build_from
from features.catalogue import CATALOGUE, catalogue
from features.engine import tables_of
from features.errors import ProjectError
from features.frames import frame
from features.own import use_own
from features.project import Project, load_project
from features.staging import stage

PROJECT = """
name = "own"
revenue_model = "subscription"
features = ["my_features.py"]
[sources.customers]
file = "customers.csv"
[sources.usage]
file = "usage.csv"
[targets.quiet]
kind = "inactivity"
horizon_days = 30
as_of.dates = [2024-03-01]
"""
USES = [("export", 1), ("export", 20), ("login", 2), ("login", 40), ("export", 100)]


TAKEN = """from features.declare import measure
@measure(unit="events", reason="use", windows=(7,))
def usage_events(usage):
    return usage.event == "export"
"""


@pytest.fixture
def own(tmp_path: Path) -> Project:
    """A project whose own features are those of the documentation."""
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "own_features.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    return project_with(tmp_path, code)


def project_with(folder: Path, code: str) -> Project:
    (folder / "my_features.py").write_text(code, encoding="utf-8")
    (folder / "customers.csv").write_text("customer_id,occurred_at\nc1,2023-01-01\n")
    lines = [f"c1,{pd.Timestamp('2024-03-01') - pd.Timedelta(days=d)},{e}" for e, d in USES]
    (folder / "usage.csv").write_text("customer_id,occurred_at,event\n" + "\n".join(lines))
    (folder / "retention.toml").write_text(PROJECT, encoding="utf-8")
    return load_project(folder / "retention.toml")


def tables():
    at = [pd.Timestamp("2024-03-01") - pd.Timedelta(days=days) for _, days in USES]
    usage = pd.DataFrame({"customer_id": "c1", "occurred_at": at, "event": [e for e, _ in USES]})
    customers = pd.DataFrame({"customer_id": ["c1"], "occurred_at": [pd.Timestamp("2023-01-01")]})
    return tables_of({"usage": usage, "customers": customers})


PAIRS = pd.DataFrame({"customer_id": ["c1"], "as_of": [datetime(2024, 3, 1)]})


def test_the_documented_example_is_built(own: Project) -> None:
    found = build_from(tables(), own, PAIRS).features.iloc[0]
    assert found["exports_28d"] == 2
    assert found["exports_90d"] == 2
    assert found["export_share_28d"] == pytest.approx(2 / 3)
    assert found["export_days_28d"] == 2
    assert found["usage_events_28d"] == 3


def test_they_have_a_family_and_a_meaning_like_all_others(own: Project) -> None:
    use_own(own)
    found = catalogue()
    assert set(found) - set(CATALOGUE) == {
        "exports_28d",
        "exports_90d",
        "export_share_28d",
        "export_days_28d",
    }
    assert found["exports_28d"].family == "my_features"
    assert found["exports_28d"].meaning == "Exports in the last 28 days."


def test_another_project_does_not_see_them(own: Project) -> None:
    use_own(own)
    other = own.model_copy(update={"features": []})
    assert "exports_28d" not in build_from(tables(), other, PAIRS).features
    assert set(catalogue()) == set(CATALOGUE)


def test_a_changed_file_is_a_changed_frame(own: Project, tmp_path: Path) -> None:
    staged = stage(own)
    assert frame(staged, "quiet").features["exports_28d"].tolist() == [2.0]
    code = (tmp_path / "my_features.py").read_text(encoding="utf-8")
    (tmp_path / "my_features.py").write_text(code.replace('"export"', '"login"'))
    assert frame(staged, "quiet").features["exports_28d"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\nbad bad\n", "my_features.py, line 2: SyntaxError: invalid syntax"),
        ("\nraise KeyError('seats')\n", "my_features.py, line 2: KeyError: 'seats'"),
        (TAKEN, "line 2: ValueError: there is a feature 'usage_events' already"),
    ],
)
def test_a_file_that_does_not_work_is_told_in_one_line(
    tmp_path: Path, code: str, said: str
) -> None:
    with pytest.raises(ProjectError) as told:
        use_own(project_with(tmp_path, code))
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert set(catalogue()) == set(CATALOGUE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    project = project_with(tmp_path, "")
    (tmp_path / "my_features.py").unlink()
    with pytest.raises(ProjectError, match=r"features: 'my_features.py' is not a Python file"):
        use_own(project)
