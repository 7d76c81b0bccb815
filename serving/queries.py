"""Reads from published scoring runs: one score, all of a customer, lists, histories and sums."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import bindparam, func, select

from serving.lists import conditions, joined, money, page_of, paged, score_record, scores_select
from serving.records import Filters, Key, Page, Point, Score, Sort, Tiles
from serving.runs import CACHED, RunReader
from serving.schema import (
    RunCustomer,
    RunExternalId,
    RunModel,
    ScoreEntry,
    ScoreRow,
    ScoringRun,
)
from serving.store import Store
from serving.tiles import tiles_record, tiles_select

Row = npt.NDArray[np.float64]


class Reader(RunReader):
    """Reads the published scores of one project.

    A method that takes `run_id` reads that run; None is the current one. With no such run lists
    are empty and single reads give None, so a service can start before its first run. A published
    run never changes, so what was read from it may be kept; it is gone once it is pruned (`run`).
    """

    def __init__(self, store: Store, project: str) -> None:
        super().__init__(store, project)
        self._score_of = scores_select().where(
            ScoreEntry.run_id == self._current.scalar_subquery(),
            ScoreEntry.target == bindparam("target"),
            ScoreEntry.customer_id == bindparam("customer"),
        )
        self._tiles = lru_cache(CACHED)(self._read_tiles)
        self._choices = lru_cache(CACHED)(self._read_choices)

    def score_of(self, customer_id: str, target: str) -> Score | None:
        """The current score of one customer, in one prepared query."""
        with self._store.reading() as connection:
            found = connection.execute(
                self._score_of, {"target": target, "customer": customer_id}
            ).first()
        return None if found is None else score_record(found)

    def scores_of(self, customer_id: str, run_id: int | None = None) -> list[Score]:
        """All scores of a customer, in the order of the targets; empty when it is not known."""
        return self.batch_get([customer_id], run_id).get(customer_id, [])

    def batch_get(
        self, customer_ids: Sequence[str], run_id: int | None = None
    ) -> dict[str, list[Score]]:
        """The scores of every customer that is known, each in the order of the targets."""
        run = self._run_id(run_id)
        if run is None or not customer_ids:
            return {}
        order = {target: place for place, target in enumerate(self._models(run))}
        query = scores_select().where(
            ScoreEntry.run_id == run,
            ScoreEntry.target.in_(list(order)),
            ScoreEntry.customer_id.in_(list(customer_ids)),
        )
        found: dict[str, list[Score]] = defaultdict(list)
        for score in map(score_record, self._rows(query)):
            found[score.customer.customer_id].append(score)
        return {who: sorted(scores, key=lambda s: order[s.target]) for who, scores in found.items()}

    def find(self, system: str, value: str, run_id: int | None = None) -> list[str]:
        """The customers that carry this id of another system; often one."""
        return self.find_many([(system, value)], run_id).get((system, value), [])

    def find_many(
        self, ids: Sequence[tuple[str, str]], run_id: int | None = None
    ) -> dict[tuple[str, str], list[str]]:
        """`find` for many pairs of system and value at once; unknown ones are left out."""
        run = self._run_id(run_id)
        wanted = set(ids)
        entry = RunExternalId
        query = (
            select(entry.system, entry.value, entry.customer_id)
            .where(
                entry.run_id == run,
                entry.system.in_({system for system, _ in wanted}),
                entry.value.in_({value for _, value in wanted}),
            )
            .order_by(entry.customer_id)
        )
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for system, value, customer_id in self._rows(query) if run and wanted else []:
            if (system, value) in wanted:
                found[system, value].append(customer_id)
        return dict(found)

    def systems(self, run_id: int | None = None) -> list[str]:
        """The other systems that customers carry ids of, sorted."""
        query = select(RunExternalId.system).where(RunExternalId.run_id == self._run_id(run_id))
        return sorted(row[0] for row in self._rows(query.distinct()))

    def history(self, customer_id: str, target: str) -> list[Point]:
        """A customer's scores over the kept runs, oldest first."""
        return self.histories([customer_id], target).get(customer_id, [])

    def histories(self, customer_ids: Sequence[str], target: str) -> dict[str, list[Point]]:
        """`history` of many customers in one query."""
        runs = [run.id for run in self.runs()]
        query = (
            select(
                ScoreEntry.customer_id,
                ScoringRun.id,
                ScoringRun.as_of,
                ScoringRun.published_at,
                ScoreEntry.status,
                ScoreEntry.probability,
                ScoreEntry.band,
                ScoreEntry.expected_micro,
                RunModel.version,
            )
            .join_from(ScoreEntry, ScoringRun, ScoringRun.id == ScoreEntry.run_id)
            .join(
                RunModel,
                (RunModel.run_id == ScoreEntry.run_id) & (RunModel.target == ScoreEntry.target),
            )
            .where(
                ScoreEntry.run_id.in_(runs),
                ScoreEntry.target == target,
                ScoreEntry.customer_id.in_(list(customer_ids)),
            )
            .order_by(ScoringRun.published_at, ScoringRun.id)
        )
        found: dict[str, list[Point]] = defaultdict(list)
        for customer_id, *rest, micro, version in self._rows(query):
            found[customer_id].append(Point(*[*rest, money(micro), version]))
        return dict(found)

    def row(self, customer_id: str, target: str, run_id: int | None = None) -> Row | None:
        """The encoded model row a score came from, shape (n_features,); None when not scored."""
        return self.rows([customer_id], target, run_id).get(customer_id)

    def rows(
        self, customer_ids: Sequence[str], target: str, run_id: int | None = None
    ) -> dict[str, Row]:
        """`row` of many customers."""
        query = select(ScoreRow.customer_id, ScoreRow.row).where(
            ScoreRow.run_id == self._run_id(run_id),
            ScoreRow.target == target,
            ScoreRow.customer_id.in_(list(customer_ids)),
        )
        return {who: np.frombuffer(row, dtype="<f8") for who, row in self._rows(query)}

    def list_scores(
        self,
        filters: Filters,
        *,
        sort: Sort = "-revenue_at_risk",
        after: Key | None = None,
        limit: int = 50,
        run_id: int | None = None,
    ) -> Page:
        """One page of a target's list; hand its `after` and the run's id back for the next one."""
        run = self._run_id(run_id)
        if run is None:
            return Page([], None)
        query = scores_select().where(*self._conditions(filters, run))
        rows = self._rows(paged(query, filters, sort, after, limit))
        return Page(*page_of(rows, sort, limit))

    def iter_scores(self, filters: Filters, *, run_id: int | None = None) -> Iterator[Score]:
        """The whole list in its own order, read page by page from one run."""
        run, after = self._run_id(run_id), None
        while True:
            page = self.list_scores(filters, after=after, limit=1000, run_id=run)
            yield from page.scores
            after = page.after
            if after is None:
                return

    def count(self, filters: Filters, run_id: int | None = None) -> int:
        """How many scores the filters leave."""
        run = self._run_id(run_id)
        if run is None:
            return 0
        query = select(func.count()).select_from(ScoreEntry).join(RunCustomer, joined())
        return int(self._rows(query.where(*self._conditions(filters, run)))[0][0])

    def tiles(self, filters: Filters, run_id: int | None = None) -> Tiles:
        """The sums above the list."""
        run = self._run_id(run_id)
        return Tiles() if run is None else self._tiles(filters, run)

    def choices(self, run_id: int | None = None) -> Mapping[str, Sequence[str]]:
        """The values filters can take: `owner`, `segment` and `plan`, each sorted."""
        run = self._run_id(run_id)
        return {"owner": (), "segment": (), "plan": ()} if run is None else self._choices(run)

    def _conditions(self, filters: Filters, run: int) -> list[Any]:
        """The filters as SQL; with no run at `changed_since`, everything changed."""
        base = None
        if filters.changed_since is not None:
            earlier = self._one_run(ScoringRun.published_at <= filters.changed_since)
            base = None if earlier is None else earlier.id
        return conditions(filters, run, base)

    def _read_tiles(self, filters: Filters, run_id: int) -> Tiles:
        run = self.run(run_id)
        if run is None:
            return Tiles()
        return tiles_record(self._rows(tiles_select(self._conditions(filters, run_id), run.as_of)))

    def _read_choices(self, run_id: int) -> Mapping[str, Sequence[str]]:
        found = {}
        for name, column in (
            ("owner", RunCustomer.owner_id),
            ("segment", RunCustomer.segment),
            ("plan", RunCustomer.plan_id),
        ):
            query = select(column).where(RunCustomer.run_id == run_id, column.is_not(None))
            found[name] = tuple(sorted(row[0] for row in self._rows(query.distinct())))
        return MappingProxyType(found)
