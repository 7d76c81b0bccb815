"""A scoring run: every customer, every target, from staged tables to a published list."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from features.build import Built, build
from features.clock import due, pairs_at
from features.project import AsOf, Project
from features.snapshot import newest_rows
from features.staging import Staged
from models.registry import Registry
from serving.people import customer_rows
from serving.store import Store
from serving.target_run import TargetRun, TargetSummary
from serving.writer import RunWriter, scoring_run

BLOCK = 100_000  # customers whose features are in memory at once
SPARK_BLOCK = 1_000_000  # the same on a cluster, where a pass over the events costs more
Progress = Callable[[str], None]


@dataclass(frozen=True)
class RunSummary:
    """What a scoring run published."""

    run_id: int
    as_of: datetime | None
    customers: int
    targets: tuple[TargetSummary, ...]

    def as_json(self) -> dict[str, Any]:
        """What the run keeps: customers, and of each target the counts and the lifetime model."""
        return {
            "customers": self.customers,
            "targets": {
                one.target: {
                    "scored": one.scored,
                    "not_scored": one.not_scored,
                    "bands": one.bands,
                    "lifetime": one.lifetime,
                }
                for one in self.targets
            },
        }


def _quiet(_: str) -> None:
    """Progress that nobody watches."""


def score(
    project: Project,
    staged: Staged,
    *,
    as_of: datetime | None = None,
    store: Store,
    registry: Registry,
    progress: Progress | None = None,
) -> RunSummary:
    """Score all customers for all targets by the champions, and make the result current.

    Nothing is seen before all of it is written: whoever dies or fails half-way leaves the run
    before in place.

    Parameters
    ----------
    as_of : datetime, optional
        Features see up to it, exclusive; the end of the data by default. Snapshots have none.
    store : Store
        With its tables (`Store.migrate`).
    progress : callable, optional
        Told in a few words what happens now.

    Raises
    ------
    StoreError
        If another process is writing a run, or the store cannot be reached.
    ModelNotFoundError
        If the out-of-fold scores of a snapshot's champion are gone.
    """
    say = progress or _quiet
    if _is_snapshot(project):
        as_of = None
    elif as_of is None:
        as_of = staged.data_end
    usage = staged.periods.get("usage")
    with scoring_run(
        store,
        project.name,
        as_of=as_of,
        data_end=staged.known_until,
        usage_to=usage[1] if usage else None,
    ) as writer:
        runs = list(_target_runs(project, staged, registry, as_of, say))
        summary = _written(staged, as_of, writer, runs, say)
        say("publishing")
        writer.publish(summary.as_json())
    return summary


def _target_runs(
    project: Project, staged: Staged, registry: Registry, as_of: datetime | None, say: Progress
) -> Iterator[TargetRun]:
    """The targets with their champions and those who are due."""
    for name, target in project.targets.items():
        say(f"loading the model of {name}")
        dues = None if as_of is None else due(staged, target, as_of)
        yield TargetRun(project, staged, name, registry, as_of=as_of, due=dues)


def _written(
    staged: Staged, as_of: datetime | None, writer: RunWriter, runs: list[TargetRun], say: Progress
) -> RunSummary:
    """Write customers and scores of a run, unseen yet."""
    writer.add_models(run.model_record() for run in runs)
    customers = 0
    for built in _blocks(staged, as_of, say):
        writer.add_customers(customer_rows(built.keys, built.state, staged.project))
        for run in runs:
            run.take(built, writer)
        customers += len(built.keys)
        say(f"scored {customers:,} customers")
    targets = tuple(run.finish(writer, say) for run in runs)
    return RunSummary(writer.run_id, as_of, customers, targets)


def _is_snapshot(project: Project) -> bool:
    """Whether customers have no history, so that there is no moment to score at."""
    return all(target.label is not None for target in project.targets.values())


def _blocks(staged: Staged, as_of: datetime | None, say: Progress) -> Iterator[Built]:
    """Features and state of all customers, so many at a time."""
    pairs = _everyone(staged, as_of)
    size = BLOCK if staged.project.engine == "duckdb" else SPARK_BLOCK
    if as_of is None:
        yield newest_rows(build(staged, pairs, progress=say))  # its own list of customers
        return
    for start in range(0, len(pairs), size):
        block = pairs.iloc[start : start + size].reset_index(drop=True)
        yield build(staged, block, progress=say)


def _everyone(staged: Staged, as_of: datetime | None) -> pd.DataFrame:
    """Every customer first seen before the moment, whatever a target's anchor."""
    if as_of is None:
        return pd.DataFrame({"customer_id": [], "as_of": []})
    target = next(iter(staged.project.targets.values()))
    return pairs_at(staged, target.model_copy(update={"as_of": AsOf()}), [as_of])
