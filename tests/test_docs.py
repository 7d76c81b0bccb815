"""The documents: links lead somewhere, commands exist, generated pages are current."""

import re
import tomllib
from pathlib import Path

import pytest

from features.catalogue import CATALOGUE
from features.catalogue_page import catalogue_page
from retention import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "examples/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
VERBS = {command.name or command.callback.__name__ for command in app.registered_commands}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
class TestEveryPage:
    """README, changelog and all under docs."""

    def test_links_lead_to_files(self, page: Path) -> None:
        targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        local = [target for target in targets if "://" not in target]
        assert [target for target in local if not (page.parent / target).exists()] == []

    def test_commands_exist(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^ {4}|`)retention ([a-z]+)", text, flags=re.MULTILINE))
        assert named <= VERBS
        make = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, flags=re.MULTILINE))
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert make <= set(targets)


def test_the_feature_page_is_current() -> None:
    page = ROOT / "docs" / "features.md"
    assert page.read_text(encoding="utf-8") == catalogue_page(CATALOGUE.values()), (
        "run: retention features --write"
    )


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in sorted(VERBS) if f"retention {verb}" not in text] == []


def test_every_decision_is_listed_and_fits_a_page() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in folder.glob("0*.md"):
        assert page.name in index
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 60


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.+!]+", line)] == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["postgres"], *extras["bench"]]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    names = {re.split(r"[\[<>=]", line)[0] for line in wanted} - {project["name"]}
    assert names - pinned == set()
