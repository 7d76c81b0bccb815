"""Reads about runs: which is current, which are kept, and with what each target was scored."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import select

from serving.lists import Condition, Query
from serving.records import Run, TargetModel
from serving.schema import PUBLISHED, RunModel, ScoringRun
from serving.store import Store

CACHED = 256
_RUN = (
    ScoringRun.id,
    ScoringRun.project,
    ScoringRun.as_of,
    ScoringRun.started_at,
    ScoringRun.published_at,
    ScoringRun.is_current,
    ScoringRun.data_end,
    ScoringRun.usage_to,
    ScoringRun.counts,
)
_MODEL = (
    RunModel.target,
    RunModel.kind,
    RunModel.horizon_days,
    RunModel.bands,
    RunModel.name,
    RunModel.version,
    RunModel.grade,
    RunModel.trained_at,
    RunModel.features,
)


class RunReader:
    """Reads the published runs of one project."""

    def __init__(self, store: Store, project: str) -> None:
        self._store, self._project = store, project
        self._current = select(ScoringRun.id).where(
            ScoringRun.project == project, ScoringRun.is_current.is_(True)
        )
        self._models = lru_cache(CACHED)(self._read_models)

    def current_run(self) -> Run | None:
        """The run that is current now."""
        return self._one_run(ScoringRun.is_current.is_(True))

    def current_run_id(self) -> int | None:
        """Its id only: cheap enough to ask on every request."""
        with self._store.reading() as connection:
            return connection.scalar(self._current)

    def run(self, run_id: int) -> Run | None:
        """A published run; None when it never was, or was pruned."""
        return self._one_run(ScoringRun.id == run_id)

    def runs(self) -> list[Run]:
        """All kept runs, newest first."""
        return [Run(*row) for row in self._rows(self._runs())]

    def models(self, run_id: int | None = None) -> dict[str, TargetModel]:
        """What each target of a run was scored with, by target in the order of the project file."""
        run = self._run_id(run_id)
        return {} if run is None else dict(self._models(run))

    def _runs(self) -> Query:
        """Kept runs, newest first."""
        return (
            select(*_RUN)
            .where(ScoringRun.project == self._project, ScoringRun.status == PUBLISHED)
            .order_by(ScoringRun.published_at.desc(), ScoringRun.id.desc())
        )

    def _one_run(self, condition: Condition) -> Run | None:
        rows = self._rows(self._runs().where(condition).limit(1))
        return Run(*rows[0]) if rows else None

    def _run_id(self, run_id: int | None) -> int | None:
        return self.current_run_id() if run_id is None else run_id

    def _rows(self, query: Query) -> Sequence[Any]:
        with self._store.reading() as connection:
            return connection.execute(query).all()

    def _read_models(self, run_id: int) -> Mapping[str, TargetModel]:
        query = select(*_MODEL).where(RunModel.run_id == run_id).order_by(RunModel.place)
        return MappingProxyType({row[0]: TargetModel(*row) for row in self._rows(query)})
