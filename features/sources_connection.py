"""Reading a table of a connection in pieces: PostgreSQL, SQLite, DuckDB, or any Ibis backend.

Rows land as Parquet, one file per run. With `loaded_at` a run reads only the rows that are newer
than all that landed, after counting that the source still holds as many older ones; where it does
not (a row was changed, deleted, or came with an old load time) everything is read again.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent
from urllib.parse import urlsplit

from duckdb import DuckDBPyConnection
from ibis.common.exceptions import TableNotFound

from features.errors import SourceError
from features.project import Project, Source
from features.sources_landed import Landing, key_of
from features.sources_raw import Landed, Unit, columns_of, literal
from features.sources_readers import Reader, open_reader

_REFERENCE = re.compile(r"\$\{(\w+)\}")


def land_connection(
    con: DuckDBPyConnection, project: Project, table: str, position: int, landing: Landing
) -> Landed:
    """The rows of a relation or query as Parquet, in the parts in which they were read.

    Raises
    ------
    SourceError
        When a secret is not in the environment, or the backend refuses; never with the secret.
    """
    source = project.sources[table][position]
    key = f"sources.{table}: {source.origin}"
    units: tuple[Unit, ...] = ()
    url, secrets = resolve(project.connections[source.connection or ""].url, source.connection)
    with _told(key, secrets), closing(open_reader(_located(url, project), source)) as reader:
        columns = reader.columns()
        if source.loaded_at is None or source.loaded_at in columns:
            units = _land(con, reader, landing, _identity(project, table, position))
    if not units:
        raise SourceError(
            f"{key}: no column {source.loaded_at!r} for loaded_at; it has {', '.join(columns)}"
        )
    kinds = columns_of(con, [unit.path for unit in units])
    return Landed(source, table, position, units, kinds, reader.is_text)


def fetch(project: Project, key: str, connection: str, relation: str, path: Path) -> bool:
    """Write a whole relation of a connection as Parquet; False where there is none of that name.

    Raises
    ------
    SourceError
        As `land_connection`; `key` names what is read.
    """
    if connection not in project.connections:
        raise SourceError(f"{key}: no [connections.{connection}]")
    url, secrets = resolve(project.connections[connection].url, connection)
    source = Source(connection=connection, relation=relation)
    with _told(key, secrets):
        try:
            with closing(open_reader(_located(url, project), source)) as reader:
                reader.write(path, None)
        except TableNotFound:
            return False
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise
    return True


@contextmanager
def _told(key: str, secrets: list[str]) -> Iterator[None]:
    """What a backend raises, as one line without a secret."""
    try:
        yield
    except SourceError as error:
        raise SourceError(_without(str(error), secrets)) from None
    except Exception as error:  # noqa: BLE001 - a backend raises what its driver raises
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceError(f"{key}: cannot be read: {_without(said[0], secrets)}") from None


def resolve(url: str, name: str | None) -> tuple[str, list[str]]:
    """The URL with `${NAME}` from the environment, and what of it may never be shown.

    Raises
    ------
    SourceError
        Naming the variable that the environment does not have.
    """
    names = _REFERENCE.findall(url)
    missing = [one for one in names if one not in os.environ]
    if missing:
        raise SourceError(f"connections.{name}.url: {missing[0]} is not set in the environment")
    secrets = [os.environ[one] for one in names]
    whole = _REFERENCE.fullmatch(url) is not None

    def value(match: re.Match[str]) -> str:
        found = os.environ[match.group(1)]
        return found if whole or "://" not in url else percent(found, safe="")

    filled = _REFERENCE.sub(value, url)
    hidden = urlsplit(filled).password
    return filled, [one for one in (*secrets, *map(percent, secrets), hidden) if one]


def _without(text: str, secrets: list[str]) -> str:
    """A message with every secret struck out, on one line."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())


def _located(url: str, project: Project) -> str:
    """A file's path from the data folder on."""
    return url if "://" in url else str(project.data_folder / url)


def _identity(project: Project, table: str, position: int) -> str:
    """What the rows of a source depend on, whenever they are read."""
    source = project.sources[table][position]
    connection = project.connections[source.connection or ""]
    how = source.model_dump_json(include={"relation", "query", "loaded_at"})
    return key_of("connection", connection.url, project.data_folder, how)


def _land(
    con: DuckDBPyConnection, reader: Reader, landing: Landing, identity: str
) -> tuple[Unit, ...]:
    """The parts that landed before, where they still hold, and the rows that are new."""
    parts = _parts(reader, landing, identity)
    rows = sum(part["rows"] for part in parts)
    newest = parts[-1]["newest"] if parts else None
    if parts and (newest is None or reader.count_until(newest) != rows):
        landing.forget(_key(identity, number) for number in range(len(parts)))
        parts, newest = [], None
    key = _key(identity, len(parts))
    path = landing.path(key)
    reader.write(path, newest)
    counted = _describe(con, reader, path)
    if counted["rows"] or not parts:
        parts.append(landing.land(key, lambda _: counted | {"newest": counted["newest"] or newest}))
    else:
        path.unlink()
    name = reader.name
    return tuple(
        Unit(f"{name} {number + 1:05}", landing.path(_key(identity, number)), part["digest"])
        for number, part in enumerate(parts)
    )


def _key(identity: str, number: int) -> str:
    return f"{identity}-{number:05}"


def _parts(reader: Reader, landing: Landing, identity: str) -> list[dict[str, Any]]:
    """What landed in earlier runs; nothing where every run reads everything."""
    parts: list[dict[str, Any]] = []
    while reader.loaded_at and (part := landing.described(_key(identity, len(parts)))):
        parts.append(part)
    if not reader.loaded_at:
        landing.forget([_key(identity, 0)])
    return parts


def _describe(con: DuckDBPyConnection, reader: Reader, path: Path) -> dict[str, Any]:
    """Rows, content and newest load time of what was just read."""
    row = con.execute(
        f"SELECT count(*), coalesce(sum(hash(t)), 0)::VARCHAR FROM read_parquet({literal(path)}) t"
    ).fetchone() or (0, "0")
    newest = reader.newest(con, path) if reader.loaded_at else None
    return {"rows": row[0], "digest": key_of(*row), "newest": newest}
