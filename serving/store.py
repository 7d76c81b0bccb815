"""The operational store: connections to SQLite or PostgreSQL, and the upkeep of its tables."""

import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from features.errors import StoreError
from features.project import Project

BUSY_SECONDS = 30.0  # how long a writer waits for another writer of the same file


class Store:
    """The store at a URL; opens nothing before its first use.

    Parameters
    ----------
    url : str
        `sqlite:///FILE` or `postgresql://HOST/DATABASE`; psycopg is the driver of the latter.

    Raises
    ------
    StoreError
        If the URL is of neither kind, or, on use, the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked(url)

    @classmethod
    def for_project(cls, project: Project, url: str | None = None) -> Self:
        """The store at `url`, by default a SQLite file among the project's outputs."""
        return cls(url or f"sqlite:///{project.outputs / 'store.db'}")

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is a file."""
        return self.url.get_backend_name() == "sqlite"

    @cached_property
    def engine(self) -> Engine:
        """The pool of connections; a SQLite file and its folder are made when missing."""
        if not self.is_sqlite:
            return create_engine(self.url, pool_pre_ping=True)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(self.url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _tune_sqlite)
        return engine

    @cached_property
    def _reading(self) -> Engine:
        """The same pool without transactions: one statement is one round trip."""
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for single statements."""
        with _explained(self.url), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in one transaction: all of it is kept, or nothing."""
        with _explained(self.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def sole_writer(self, project: str, wait_seconds: float = 0.0) -> Iterator[None]:
        """Hold the right to write runs; the database or the system frees it when a process dies.

        Parameters
        ----------
        project : str
            On PostgreSQL whose runs; a SQLite file has one writer for all.
        wait_seconds : float
            How long to wait for another writer to end.

        Raises
        ------
        StoreError
            If another living process holds it.
        """
        lock = self._lock_file if self.is_sqlite else self._lock_server
        with lock(project, wait_seconds) as held:
            if not held:
                raise StoreError(
                    f"another process is writing to the store {self}; wait for it to end"
                )
            yield

    def migrate(self) -> None:
        """Create the tables, or bring them to this version; cheap when there is nothing to do.

        Raises
        ------
        StoreError
            If the store was made by a newer version.
        """
        config = _alembic()
        head = ScriptDirectory.from_config(config).get_current_head()
        if self._revision(config) == head:
            return
        with self.sole_writer("migrations", BUSY_SECONDS), self.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")  # nothing, when another process was first

    def analyze(self, tables: Iterable[str]) -> None:
        """Tell PostgreSQL's planner about new rows now, not when its housekeeping comes by."""
        if not self.is_sqlite:
            with self.reading() as connection:
                connection.execute(text(f"ANALYZE {', '.join(tables)}"))

    def close(self) -> None:
        """Let go of all connections."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def _revision(self, config: Config) -> str | None:
        """The version of the tables; StoreError when this code does not know it."""
        with self.reading() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if revision is not None and revision not in known:
            raise StoreError(
                f"the store {self} has version {revision!r}; this program knows {sorted(known)}"
            )
        return revision

    @property
    def _file(self) -> Path:
        return Path(self.url.database or "")

    @contextmanager
    def _lock_file(self, _project: str, wait_seconds: float) -> Iterator[bool]:
        """An exclusive lock on an empty file beside the store."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        name = self._file.with_name(self._file.name + ".lock")
        with closing(sqlite3.connect(name, timeout=wait_seconds, isolation_level=None)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                yield False
                return
            yield True

    @contextmanager
    def _lock_server(self, project: str, wait_seconds: float) -> Iterator[bool]:
        """An advisory lock of the server, held by one session."""
        key = {"key": zlib.crc32(f"retention {project}".encode())}
        with self.reading() as session:
            end = time.monotonic() + wait_seconds
            while not session.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(0.1)
            try:
                yield True
            finally:
                session.execute(text("SELECT pg_advisory_unlock(:key)"), key)


def _checked(text_url: str) -> URL:
    """The URL with its driver; only files and PostgreSQL can hold a store."""
    try:
        url = make_url(text_url.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(f"store URL {text_url!r}: {error}") from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"store URL {url.render_as_string()!r}: expected sqlite:///FILE or postgresql://HOST/DATABASE"
    )


@contextmanager
def _explained(url: URL) -> Iterator[None]:
    """Turn what the database says into one line that names the store."""
    try:
        yield
    except DatabaseError as error:
        shown = url.render_as_string(hide_password=True)
        first = str(error.orig).strip().splitlines()[0]
        raise StoreError(f"the store {shown} failed: {first}") from error


def _tune_sqlite(connection: Any, _record: Any) -> None:
    """Readers go on while a run is written; a crash of the process loses nothing committed."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "mmap_size = 268435456"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _alembic() -> Config:
    """Alembic's settings, with the migrations that are packaged beside this file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
