"""What routes work with: opened once in the lifespan, closed when the service ends."""

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from fastapi import Depends, Request

from features.errors import CustomerNotFoundError, StoreError
from features.own import use_own
from features.project import Project, load_project
from models.registry import Registry
from serving.champions import Champions
from serving.queries import Reader
from serving.records import Run, TargetModel
from serving.settings import Settings
from serving.store import Store

_RUNS_KEPT = 4


@dataclass
class Services:
    """The project, its store and its models."""

    settings: Settings
    project: Project
    store: Store
    reader: Reader
    champions: Champions
    secret: bytes

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Read the project, open the store, load the models; RetentionError when one cannot be."""
        project = load_project(settings.project, settings.data)
        use_own(project)  # their code says what follows when a figure moves
        store = Store.for_project(project, settings.store_url)
        store.migrate()
        registry = Registry.for_project(project, settings.tracking_uri)
        names = {target: project.model_name(target) for target in project.targets}
        champions = Champions(registry, names)
        champions.start(settings.refresh_seconds)
        reader = Reader(store, project.name)
        return cls(settings, project, store, reader, champions, _secret(settings, project))

    def __post_init__(self) -> None:
        self._described = lru_cache(maxsize=_RUNS_KEPT)(self._describe)

    def close(self) -> None:
        """Let go of threads and connections."""
        self.champions.stop()
        self.store.close()

    def run(self, run_id: int) -> tuple[Run, dict[str, TargetModel]]:
        """A run and its models; kept in memory, since a published run never changes."""
        return self._described(run_id)

    def _describe(self, run_id: int) -> tuple[Run, dict[str, TargetModel]]:
        run = self.reader.run(run_id)
        if run is None:
            raise StoreError(f"scoring run {run_id} is gone")
        return run, self.reader.models(run_id)

    def unknown(self, customer_id: str) -> CustomerNotFoundError:
        """The error for a customer the current run does not hold."""
        return CustomerNotFoundError(customer_id[:200])


def _secret(settings: Settings, project: Project) -> bytes:
    """The key of cursors: from the settings, else random and kept among the project's outputs."""
    if settings.cursor_secret is not None:
        return settings.cursor_secret.get_secret_value().encode()
    return _kept_key(project.outputs / "cursor.key")


def _kept_key(path: Path) -> bytes:
    """Random bytes that all workers of this machine share; readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first: its key holds
    finally:
        fresh.unlink()
    return path.read_bytes()


async def services(request: Request) -> Services:
    """The services of this app; a coroutine, so that no thread is spent on it."""
    held: Services = request.app.state.services
    return held


ServicesDep = Annotated[Services, Depends(services)]
