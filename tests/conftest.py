"""What every test may rely on: a clean environment, the shared data sets, a small company."""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

# Before any import of a library that reads them.
os.environ["SCIPY_ARRAY_API"] = "1"  # keeps scikit-learn's estimator checks from skipping
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
for name in [name for name in os.environ if name.startswith("RETENTION_")]:
    if name != "RETENTION_SHARED":
        del os.environ[name]
os.environ.pop("MLFLOW_TRACKING_URI", None)
if "PYTEST_XDIST_WORKER" in os.environ:  # processes beside one another, each with one core
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import numpy as np
import pytest
from postgres_server import postgres  # noqa: F401 - a fixture for all

ROOT = Path(__file__).resolve().parent.parent
SEED = 20260930


def in_ci() -> bool:
    """Whether nothing may be skipped."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


TOGETHER = {  # files whose tests share what is slow to make
    "test_engines.py": "Spark",
    "test_spark_scoring.py": "Spark",
    "test_examples_events.py": "staged examples",
    "test_examples_snapshots.py": "staged examples",
    "test_examples_staging.py": "staged examples",
    "test_examples_training.py": "staged examples",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Where tests run in several processes, a file runs in one, and files named above in the same.

    One Spark then takes half of the memory, not one per process.
    """
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return TOGETHER.get(Path(file).name, file)

    return Together(config, log)


@pytest.fixture(scope="session")
def skip_or_fail() -> Callable[[str], None]:
    """Skip with the reason given; under CI=true fail instead."""

    def decide(reason: str) -> None:
        if in_ci():
            pytest.fail(f"{reason}; with CI=true nothing may be skipped")
        pytest.skip(reason)

    return decide


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's own folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared(skip_or_fail: Callable[[str], None]) -> Path:
    """The folder of shared data sets: `../shared` beside the project, or RETENTION_SHARED."""
    folder = Path(os.environ.get("RETENTION_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        skip_or_fail(f"shared data sets are not at {folder} (RETENTION_SHARED names another place)")
    return folder


@pytest.fixture(scope="session")
def spark(skip_or_fail: Callable[[str], None]) -> Iterator[str]:
    """The name of an engine, `local[2]`, whose one Spark session runs."""
    if find_spec("pyspark") is None:
        skip_or_fail("PySpark is not installed (pip install .[spark])")
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        skip_or_fail("no Java here (Debian: apt-get install openjdk-17-jre-headless)")
    from features.spark import session

    # Java's and Spark's second compilers pay off after minutes, and tests last seconds.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"
    running = session("local[2]")
    del os.environ["JDK_JAVA_OPTIONS"]
    for name in ("spark.sql.codegen.wholeStage", "spark.sql.adaptive.enabled"):
        running.conf.set(name, "false")
    yield "local[2]"
    running.stop()


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a simulated company of 300 customers over 12 months; do not write to it."""
    from simulation.company import simulate

    folder = tmp_path_factory.mktemp("company")
    simulate(folder, customers=300, months=12, seed=7)
    return folder


@pytest.fixture(scope="session")
def example(root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """A function that stages an example project beside a copy of its file, once."""
    from features.project import load_project
    from features.staging import Staged, stage

    done: dict[str, Staged] = {}

    def staged(name: str) -> Staged:
        if name not in done:
            original = root / "examples" / f"{name}.toml"
            path = tmp_path_factory.mktemp(name) / original.name
            for file in (original.name, *load_project(original).features):
                shutil.copy(original.parent / file, path.parent)
            data = shared / "data" / load_project(original).data_folder.name
            done[name] = stage(load_project(path, data))
        return done[name]

    return staged


@pytest.fixture
def write_project(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes CSV files and a `retention.toml` into a folder and returns its path.

    `write_project("name = ...", customers="customer_id\\nc1\\n")` writes `customers.csv` too.
    """

    def write(toml: str, **tables: str) -> Path:
        for table, text in tables.items():
            (tmp_path / f"{table}.csv").write_text(text, encoding="utf-8")
        path = tmp_path / "retention.toml"
        path.write_text(toml, encoding="utf-8")
        return path

    return write
