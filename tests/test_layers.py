"""The direction of imports, one home per library, and the size of files, read from source."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("features", "models", "training", "serving", "simulation")
FRONT = ("retention", "retention_jobs")  # may import all
OWN = {*ROOMS, *FRONT}

# What each room may import of this project, besides itself.
MAY_IMPORT = {
    "features": set(),
    "models": {"features"},
    "training": {"features", "models"},
    "serving": {"features", "models"},
    "simulation": {"features.tables"},
}

# Where an outside library may be imported: folders end in a slash; `*` is any room.
HOMES = {
    "ibis": ("features/",),
    "duckdb": ("features/",),
    "pyspark": ("features/spark.py",),
    "lightgbm": ("models/",),
    "sklearn": ("models/", "training/"),
    "mlflow": (
        "models/registry.py",
        "models/registry_numbers.py",
        "models/registry_package.py",
        "models/tracking.py",
        "models/portable.py",
    ),
    "optuna": ("training/tune.py", "training/tune_search.py"),
    "fastapi": ("serving/",),
    "starlette": ("serving/",),
    "sqlalchemy": ("serving/",),
    "alembic": ("serving/",),
    "jinja2": ("serving/",),
    "altair": ("*/charts.py",),
    "vl_convert": ("*/charts.py", "serving/"),
    "typer": ("retention.py", "retention_jobs.py"),
    "rich": ("features/console.py",),
    "uvicorn": ("serving/",),
}
PORTABLE = {"lightgbm", "numpy", "mlflow", "pandas"}  # pandas comes with mlflow


def sources() -> list[Path]:
    """Every Python file of the packages and the command line."""
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    files += [ROOT / f"{name}.py" for name in FRONT]
    return [path.relative_to(ROOT) for path in files if path.exists()]


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imports(module: ast.Module) -> Iterator[str]:
    """Dotted names that are imported anywhere in the module, inside functions too."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, allowed: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def wrong_direction(path: Path, module: ast.Module) -> list[str]:
    """Imports of this project that its layers forbid to `path`."""
    room = path.parts[0]
    if room not in MAY_IMPORT:
        return []
    own = [name for name in imports(module) if name.split(".")[0] in OWN]
    return [name for name in own if not within(name, MAY_IMPORT[room] | {room})]


def at_home(path: Path, library: str) -> bool:
    """Whether `path` may import that library."""
    for home in HOMES.get(library, ("",)):
        if home.endswith("/") or not home:
            if str(path).startswith(home):
                return True
        elif home.startswith("*/"):
            if path.name == home[2:]:
                return True
        elif str(path) == home:
            return True
    return False


def away_from_home(path: Path, module: ast.Module) -> list[str]:
    """Imports of libraries that live elsewhere."""
    return [name for name in imports(module) if not at_home(path, name.split(".")[0])]


def long_functions(module: ast.Module) -> list[str]:
    """Functions of more than 40 lines, docstring not counted."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
            if lines > 40:
                found.append(f"{node.name}: {lines} lines")
    return found


@pytest.mark.parametrize("path", sources(), ids=str)
class TestEveryFile:
    """Each file of the packages and the command line."""

    def test_imports_only_downwards(self, path: Path) -> None:
        assert wrong_direction(path, tree(path)) == []

    def test_leaves_libraries_in_their_homes(self, path: Path) -> None:
        assert away_from_home(path, tree(path)) == []

    def test_can_be_read_in_one_sitting(self, path: Path) -> None:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300
        assert long_functions(tree(path)) == []

    def test_opens_with_what_it_is_for(self, path: Path) -> None:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not text.strip() or ast.get_docstring(tree(path)), "no module docstring"

    def test_neither_prints_nor_asserts(self, path: Path) -> None:
        module = tree(path)
        calls = [node.func for node in ast.walk(module) if isinstance(node, ast.Call)]
        printed = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        asserted = [node for node in ast.walk(module) if isinstance(node, ast.Assert)]
        assert path.name == "retention.py" or printed == []
        assert asserted == [], "an assert vanishes under -O; raise an error of the tree"


def test_the_portable_model_needs_nothing_of_this_project() -> None:
    """Any client with mlflow alone must be able to load it."""
    names = {name.split(".")[0] for name in imports(tree(Path("models/portable.py")))}
    assert names & OWN == set()
    assert names - sys.stdlib_module_names <= PORTABLE


def test_no_package_lies_under_tests() -> None:
    """A `tests/features/__init__.py` would hide `features`; two files of one name would collide."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_outputs_are_not_committed(skip_or_fail: Callable[[str], None]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:  # an archive without its history
        skip_or_fail("this is no git checkout")
    outputs = (".parquet", ".db", ".sqlite", ".pyc")
    assert [name for name in tracked.stdout.splitlines() if name.endswith(outputs)] == []


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("features/a.py", "from models.encode import Encoder", ["models.encode.Encoder"]),
        ("serving/a.py", "import training.train", ["training.train"]),
        ("training/a.py", "from serving import store", ["serving.store"]),
        ("simulation/a.py", "from features.build import build", ["features.build.build"]),
        ("simulation/a.py", "from features.tables import TABLES", []),
        ("serving/a.py", "def f():\n    from models.registry import Registry", []),
        ("models/a.py", "import retention", ["retention"]),
    ],
)
def test_a_wrong_direction_is_seen(path: str, code: str, found: list[str]) -> None:
    assert wrong_direction(Path(path), ast.parse(code)) == found


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("models/value.py", "import mlflow.pyfunc", ["mlflow.pyfunc"]),
        ("models/registry.py", "import mlflow.pyfunc", []),
        ("serving/a.py", "import lightgbm as lgb", ["lightgbm"]),
        ("training/charts.py", "import altair as alt", []),
        ("training/report.py", "import altair as alt", ["altair"]),
        ("models/a.py", "import ibis", ["ibis"]),
    ],
)
def test_a_library_away_from_home_is_seen(path: str, code: str, found: list[str]) -> None:
    assert away_from_home(Path(path), ast.parse(code)) == found


def test_a_long_function_is_seen() -> None:
    code = "def f():\n" + "    x = 1\n" * 41
    assert long_functions(ast.parse(code)) == ["f: 41 lines"]
