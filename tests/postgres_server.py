"""A real PostgreSQL server for the session, of Debian's programs or of those on the path."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest


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
