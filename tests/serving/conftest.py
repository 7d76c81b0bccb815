"""Stores to test on: a SQLite file, and a real PostgreSQL server started for the session."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from serving.store import Store

_databases = count(1)
_NEEDS_SERVER = pytest.mark.postgres


def _programs() -> Path | None:
    """The newest PostgreSQL server's programs, where Debian puts them or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _server_user() -> str:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    for _ in range(300):
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert server.poll() is None, "the PostgreSQL server ended"
            time.sleep(0.1)
        else:
            return
    pytest.fail("the PostgreSQL server did not answer within 30 s")


@pytest.fixture(scope="session")
def postgres(skip_or_fail: Callable[[str], None]) -> Iterator[Path]:
    """The folder whose socket leads to a PostgreSQL server of this session."""
    programs = _programs()
    if programs is None:
        skip_or_fail("no PostgreSQL server here (Debian: apt-get install postgresql)")
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short: a socket's path is limited
    shutil.chown(folder, user)
    run_as = {"user": user} if os.geteuid() == 0 else {}
    base = folder / "data"
    make = [programs / "initdb", "-D", base, "-A", "trust", "-U", "retention", "-E", "UTF8", "-N"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **run_as)
    options = ["-c", "listen_addresses=", "-k", str(folder), "-F", "-c", "synchronous_commit=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", base, *options], stderr=log, stdout=log, **run_as
        )
    try:
        _wait(f"postgresql://retention@/postgres?host={folder}", server)
        yield folder
    finally:
        server.send_signal(signal.SIGINT)  # ends open sessions too
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=_NEEDS_SERVER)])
def new_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes URLs of empty stores; tests run once with each kind of database."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    folder = request.getfixturevalue("postgres")

    def create() -> str:
        name = f"store{next(_databases)}"
        admin_url = f"postgresql://retention@/postgres?host={folder}"
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return f"postgresql://retention@/{name}?host={folder}"

    return create


@pytest.fixture
def store_url(new_url: Callable[[], str]) -> str:
    """The URL of an empty store, once of each kind."""
    return new_url()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store with its tables."""
    opened = Store(store_url)
    opened.migrate()
    yield opened
    opened.close()
