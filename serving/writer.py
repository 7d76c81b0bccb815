"""Writing a scoring run: in chunks that nobody sees, then current in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, delete, insert, select, update

from serving.records import TargetModel
from serving.schema import (
    FAILED,
    PUBLISHED,
    WRITING,
    Base,
    RunCustomer,
    RunExternalId,
    RunModel,
    ScoreEntry,
    ScoreRow,
    ScoringRun,
)
from serving.store import Store

KEEP_RUNS = 13  # twelve weeks of weekly runs and the current one
CHUNK = 5_000  # rows of one insert
_PARTS: tuple[type[Base], ...] = (ScoreEntry, ScoreRow, RunExternalId, RunCustomer, RunModel)


@contextmanager
def scoring_run(
    store: Store,
    project: str,
    *,
    as_of: datetime | None,
    data_end: datetime | None = None,
    usage_to: datetime | None = None,
    keep: int = KEEP_RUNS,
) -> Iterator["RunWriter"]:
    """Write one run; leaving without `publish` takes back what was written.

    Half-written runs of processes that died are cleaned first: only one process writes at a time,
    and its right to do so ends with it. The newest `keep` published runs stay readable.

    Raises
    ------
    StoreError
        If another living process is writing, or the store cannot be reached.
    """
    with store.sole_writer(project):
        _clean(store, project)
        writer = RunWriter(store, project, as_of, data_end, usage_to)
        try:
            yield writer
        finally:
            if not writer.is_published:
                _discard(store, writer.run_id, "ended before it was published")
        _prune(store, project, keep)


class RunWriter:
    """One run being written; made by `scoring_run`."""

    def __init__(
        self,
        store: Store,
        project: str,
        as_of: datetime | None,
        data_end: datetime | None,
        usage_to: datetime | None,
    ) -> None:
        self._store, self._project, self._as_of = store, project, as_of
        self.is_published = False
        run = insert(ScoringRun).values(
            project=project,
            status=WRITING,
            is_current=False,
            as_of=as_of,
            started_at=_now(),
            data_end=data_end,
            usage_to=usage_to,
        )
        with store.writing() as connection:
            self.run_id: int = connection.execute(run.returning(ScoringRun.id)).scalar_one()

    def add_models(self, models: Iterable[TargetModel]) -> None:
        """What each target is scored with, in the order of the project file."""
        self._insert(
            RunModel,
            (
                {
                    "target": model.target,
                    "place": place,
                    "kind": model.kind,
                    "horizon_days": model.horizon_days,
                    "bands": model.bands,
                    "name": model.name,
                    "version": model.version,
                    "grade": model.grade,
                    "trained_at": model.trained_at,
                    "features": model.features,
                }
                for place, model in enumerate(models)
            ),
        )

    def add_customers(self, customers: Sequence[Mapping[str, Any]]) -> None:
        """Customers, each with the columns of `RunCustomer` beside the run."""
        self._insert(RunCustomer, customers)
        self._insert(
            RunExternalId,
            (
                {"customer_id": who["customer_id"], "system": system, "value": value}
                for who in customers
                for system, value in who["external_ids"].items()
            ),
        )

    def add_rows(
        self, target: str, customer_ids: Sequence[str], matrix: npt.NDArray[np.float64]
    ) -> None:
        """The encoded model rows of customers, shape (n_customers, n_features)."""
        rows = matrix.astype("<f8", copy=False)
        self._insert(
            ScoreRow,
            (
                {"target": target, "customer_id": who, "row": row.tobytes()}
                for who, row in zip(customer_ids, rows, strict=True)
            ),
        )

    def rows(self, target: str, customer_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Rows given to `add_rows` before, in the order of the ids."""
        query = select(ScoreRow.customer_id, ScoreRow.row).where(
            ScoreRow.run_id == self.run_id,
            ScoreRow.target == target,
            ScoreRow.customer_id.in_(list(customer_ids)),
        )
        with self._store.reading() as connection:
            found = {who: np.frombuffer(row, dtype="<f8") for who, row in connection.execute(query)}
        return np.stack([found[who] for who in customer_ids])

    def add_scores(self, target: str, scores: Iterable[Mapping[str, Any]]) -> None:
        """Scores of a target, each with the columns of `ScoreEntry` beside run and target."""
        self._insert(ScoreEntry, ({"target": target, **score} for score in scores))

    def before(
        self, target: str
    ) -> tuple[datetime | None, dict[str, tuple[float | None, str | None]]]:
        """Probability and band of each customer in the newest run with an earlier moment.

        A run without a moment (snapshots) has nothing before it: no time passed between two runs.
        """
        if self._as_of is None:
            return None, {}
        earlier = (
            select(ScoringRun.id, ScoringRun.as_of)
            .where(
                ScoringRun.project == self._project,
                ScoringRun.status == PUBLISHED,
                ScoringRun.as_of < self._as_of,
            )
            .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
        )
        with self._store.reading() as connection:
            run = connection.execute(earlier.limit(1)).first()
            if run is None:
                return None, {}
            query = select(ScoreEntry.customer_id, ScoreEntry.probability, ScoreEntry.band).where(
                ScoreEntry.run_id == run[0],
                ScoreEntry.target == target,
                ScoreEntry.probability.is_not(None),
            )
            return run[1], {who: (p, band) for who, p, band in connection.execute(query)}

    def publish(self, counts: dict[str, Any]) -> None:
        """Make the run current; readers see the run before or this one, never a part."""
        self._store.analyze(part.__tablename__ for part in _PARTS)
        with self._store.writing() as connection:
            old = update(ScoringRun).where(
                ScoringRun.project == self._project, ScoringRun.is_current.is_(True)
            )
            connection.execute(old.values(is_current=False))
            new = update(ScoringRun).where(ScoringRun.id == self.run_id)
            connection.execute(
                new.values(status=PUBLISHED, is_current=True, published_at=_now(), counts=counts)
            )
        self.is_published = True

    def _insert(self, part: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows of the run, a chunk to a transaction."""
        entries = ({"run_id": self.run_id, **row} for row in rows)
        while chunk := list(islice(entries, CHUNK)):
            with self._store.writing() as connection:
                connection.execute(insert(part), chunk)


def _clean(store: Store, project: str) -> None:
    """Take back what dead processes left; the caller is the only writer."""
    dead = select(ScoringRun.id).where(ScoringRun.project == project, ScoringRun.status == WRITING)
    with store.reading() as connection:
        ids = list(connection.scalars(dead))
    for run_id in ids:
        _discard(store, run_id, "its process died")


def _discard(store: Store, run_id: int, error: str) -> None:
    """Delete the rows of an unpublished run; its entry stays as a record of the failure."""
    with store.writing() as connection:
        _delete_parts(connection, run_id)
        run = update(ScoringRun).where(ScoringRun.id == run_id)
        connection.execute(run.values(status=FAILED, error=error))


def _prune(store: Store, project: str, keep: int) -> None:
    """Delete published runs beyond the newest `keep`, each in one transaction."""
    old = (
        select(ScoringRun.id)
        .where(
            ScoringRun.project == project,
            ScoringRun.status == PUBLISHED,
            ScoringRun.is_current.is_(False),
        )
        .order_by(ScoringRun.published_at.desc(), ScoringRun.id.desc())
        .offset(keep - 1)
    )
    with store.reading() as connection:
        ids = list(connection.scalars(old))
    for run_id in ids:
        with store.writing() as connection:
            _delete_parts(connection, run_id)
            connection.execute(delete(ScoringRun).where(ScoringRun.id == run_id))


def _delete_parts(connection: Connection, run_id: int) -> None:
    """Delete everything that belongs to a run but its entry."""
    for part in _PARTS:
        table = part.__table__
        connection.execute(delete(part).where(table.c.run_id == run_id))


def _now() -> datetime:
    """The present moment as naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)
