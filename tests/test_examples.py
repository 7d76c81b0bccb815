"""The page of the example projects: a row for each, as its file has it."""

import re
from pathlib import Path

import pytest

from features.project import Project, load_project
from features.project_targets import Target

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "examples" / "README.md"
PROJECTS = sorted(path.stem for path in PAGE.parent.glob("*.toml"))
MODELS = {"subscription", "membership", "freemium", "contract", "consumption"}


def protocol(target: Target) -> str:
    """How a target is tested, in the words of the page."""
    split = target.split
    if split.test:
        return "tested at " + ", ".join(f"{moment:%Y-%m-%d}" for moment in split.test)
    if split.test_from:
        return f"tested from {split.test_from:%Y-%m-%d}"
    if split.test_sample:
        return f"sample {split.train_sample}, tested on {split.test_sample}"
    if split.test_share:
        drawn = "last" if split.seed is None else f"drawn, seed {split.seed}"
        return f"tested on {split.test_share:.0%} of the rows, {drawn}"
    if target.label is None:
        return "rolling origins"
    return "folds, repeated rows together" if split.group_duplicates else "folds"


def row(name: str, project: Project) -> str:
    """All of a row but what the example shows."""
    targets = ", ".join(f"{name} ({target.kind})" for name, target in project.targets.items())
    protocols = dict.fromkeys(protocol(target) for target in project.targets.values())
    cells = [f"[{name}]({name}.toml)", project.revenue_model, targets, "; ".join(protocols)]
    return f"| {' | '.join(cells)} | `retention run examples/{name}.toml` |"


@pytest.mark.parametrize("name", PROJECTS)
def test_the_page_has_its_row(name: str) -> None:
    project = load_project(PAGE.parent / f"{name}.toml")
    (found,) = re.findall(rf"^\| \[{name}\].*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    said, shows = found.removesuffix(" |").rsplit(" | ", 1)
    assert f"{said} |" == row(name, project)
    assert len(shows) > 20


def test_every_revenue_model_has_an_example() -> None:
    found = {load_project(PAGE.parent / f"{name}.toml").revenue_model for name in PROJECTS}
    assert found == MODELS


def test_outputs_stay_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    outputs = load_project(PAGE.parent / f"{PROJECTS[0]}.toml").outputs
    assert f"{outputs.relative_to(PAGE.parent).parts[0]}/" in ignored
