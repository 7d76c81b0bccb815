"""Keeps the promoted model of every target in memory; swaps it whole for the next one."""

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from features.errors import ModelNotFoundError
from models.loaded import LoadedModel
from models.registry import Registry

_KEPT_VERSIONS = 8  # older versions that explanations of stored scores ask for

_log = logging.getLogger("retention.serving")


class Champions:
    """The models that predictions use.

    A reader takes one `LoadedModel` and keeps it for its request, so no answer mixes versions.

    Parameters
    ----------
    registry : Registry
        Where models are registered.
    names : mapping of str to str
        Registered name per target.
    """

    def __init__(self, registry: Registry, names: dict[str, str]) -> None:
        self.registry = registry
        self.names = names
        self._models: dict[str, LoadedModel] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._version = lru_cache(maxsize=_KEPT_VERSIONS)(registry.load)

    def start(self, every_seconds: float) -> None:
        """Load what is promoted now, and look for another champion from time to time."""
        self.refresh()
        self._thread = threading.Thread(
            target=self._watch, args=(every_seconds,), name="champions", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the look-out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def refresh(self) -> None:
        """Load the champions that changed; the rest stays as it is."""
        fresh: dict[str, LoadedModel] = {}
        for target, name in self.names.items():
            held = self._models.get(target)
            version = self.registry.champion_version(name)
            if version is None:
                continue
            if held is not None and held.version == version:
                fresh[target] = held
            else:
                fresh[target] = self.registry.load(name, version)
                _log.info("%s: version %s is the champion now", name, version)
        self._models = fresh

    def get(self, target: str) -> LoadedModel | None:
        """The champion of a target, or None while nothing was promoted."""
        return self._models.get(target)

    def need(self, target: str) -> LoadedModel:
        """The champion; ModelNotFoundError while nothing was promoted."""
        model = self._models.get(target)
        if model is None:
            raise ModelNotFoundError(f"no model of target {target!r} was promoted yet")
        return model

    def version(self, target: str, version: int) -> LoadedModel:
        """The model that made a stored score, be it still champion or not."""
        held = self._models.get(target)
        if held is not None and held.version == version:
            return held
        return self._version(self.names[target], version)

    def versions(self, target: str) -> list[dict[str, Any]]:
        """All registered versions of a target, newest first."""
        return self.registry.versions(self.names[target])

    def loaded(self) -> Iterable[str]:
        """Targets that have a champion."""
        return tuple(self._models)

    def _watch(self, every_seconds: float) -> None:
        """Refresh until stopped; whatever a refresh meets is logged, and the models held stay."""
        with ThreadPoolExecutor(1, "champions-refresh") as pool:
            while not self._stop.wait(every_seconds):
                failure = pool.submit(self.refresh).exception()
                if failure is not None:
                    _log.error("the model registry could not be read", exc_info=failure)
