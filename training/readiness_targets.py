"""Per target: who is eligible, how many events there are, and whether that is enough to learn."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.build import build
from features.built import Built
from features.catalogue import available
from features.checks import Finding
from features.clock import as_of_dates, pairs_at
from features.cut import thin
from features.engine import open_tables
from features.errors import RetentionError
from features.snapshot import is_snapshot
from features.staging import Staged
from features.tables import TABLES
from training.guard_static import findings, outcomes_of
from training.labels import known_after
from training.readiness import Plan, plan
from training.report import Json
from training.sample import Dataset, chosen
from training.splits import BLOCK, N_ORIGINS

FACTS = 3_000_000  # of more, whole customers are sampled: the report is to be quick
PAIRS = 1_000_000  # of customers and as-of dates
FIRM = 4  # so many times the least number of events make a proof firm
Progress = Callable[[str], None]


def target_readiness(staged: Staged, say: Progress) -> tuple[list[Json], dict[str, list[Finding]]]:
    """The verdict on every target, and what the leak guard finds in the columns for each."""
    nth = _nth(staged)
    with tempfile.TemporaryDirectory(prefix="retention-thin-") as folder:
        part = thin(staged, nth, Path(folder)) if nth > 1 else staged
        done: dict[str, Built] = {}
        verdicts, found = [], {}
        for name in staged.project.targets:
            say(f"target {name}")
            try:
                verdict, found[name] = _judged(part, name, nth, done)
            except RetentionError as error:
                target = staged.project.targets[name]
                said = {"name": name, "kind": target.kind, "horizon_days": target.horizon_days}
                verdict = said | {"state": "error", "details": str(error)}
            verdicts.append(verdict)
    return verdicts, found


def _nth(staged: Staged) -> int:
    """One customer in so many is looked at."""
    if staged.known_until is None:
        return 1
    facts = sum(n for name, n in staged.rows.items() if TABLES[name].has_customer)
    people = staged.rows.get("customers", 0)
    calendar = [t for t in staged.project.targets.values() if t.as_of.anchor is None]
    pairs = people * max((len(as_of_dates(staged, target)) for target in calendar), default=0)
    return max(1, -(-facts // FACTS), -(-pairs // PAIRS))


def _judged(
    staged: Staged, name: str, nth: int, done: dict[str, Built]
) -> tuple[Json, list[Finding]]:
    target = staged.project.target(name)
    tables = open_tables(staged.tables)
    usable = available(tables, staged.project)
    chosen(tuple(usable.values()), target.features)  # a name that is not known stops here
    key = target.as_of.model_dump_json() + target.split.model_dump_json()
    if key not in done:
        cheapest = min(usable.values(), key=lambda f: (f.family != "profile", len(f.tables)))
        dated = not is_snapshot(tables)
        pairs = pairs_at(staged, target, as_of_dates(staged, target)) if dated else pd.DataFrame()
        done[key] = build(staged, pairs, names=[cheapest.name] if dated else None)
    data = Dataset(staged, target.model_copy(update={"features": []}), done[key])
    least = staged.project.limits.min_events
    planned = plan(data, data.data_end, -(-least // nth))
    found = findings(staged, target, outcomes_of(data, data.data_end))
    return _verdict(data, planned, name, nth, least) | _counts(data, planned, nth), found


def _counts(data: Dataset, planned: Plan, nth: int) -> Json:
    """Customers, events and dates; of a sample, for all customers."""
    dates = sorted(data.keys["as_of"].dropna().unique())
    ready = [] if data.data_end is None else data.mature(data.data_end)
    is_newest = data.keys["as_of"].eq(dates[-1]).to_numpy() if dates else np.ones(len(data.keys))
    rows, y = data.labelled(ready or None, data.data_end)
    return {
        "eligible": nth * len(np.unique(data.customer)),
        "eligible_now": nth * len(np.unique(data.customer[is_newest.astype(bool)])),
        "events": nth * len(np.unique(data.customer[rows[y == 1]])),
        "rate": float(y.mean()) if len(y) else None,
        "dates": len(dates),
        "mature": len(ready),
        "first_mature": f"{ready[0]:%Y-%m-%d}" if ready else None,
        "last_mature": f"{ready[-1]:%Y-%m-%d}" if ready else None,
        "origins": len(planned.origins),
        "one_in": nth,
    }


def _verdict(data: Dataset, planned: Plan, name: str, nth: int, least: int) -> Json:
    """Ready, thin or unready, with what is missing and by how much."""
    among = f" (judged on one customer in {nth})" if nth > 1 else ""
    said = {"name": name, "kind": data.target.kind, "horizon_days": data.target.horizon_days}
    if planned.missing is not None:
        return said | {"state": "unready", "details": planned.missing + among}
    lacking = thin_of(data, planned, least, nth)
    if lacking:
        return said | {"state": "thin", "details": "; ".join(lacking) + among}
    tests = (
        "every row is tested out of fold"
        if not planned.origins
        else (f"{len(planned.origins)} tests on later time")
    )
    return said | {"state": "ready", "details": f"enough to learn and to prove: {tests}{among}"}


def thin_of(data: Dataset, planned: Plan, least: int, nth: int = 1) -> list[str]:
    """What the data lack for a firm proof, a sentence each; of a sample one in `nth` customers."""
    return [*_few_events(planned, nth, least), *_few_origins(data, planned), *planned.left_out]


def _few_events(planned: Plan, nth: int, least: int) -> Iterator[str]:
    """Where a proof would be loose."""
    for where, counted in (("training", planned.train), ("test", planned.test)):
        events = nth * (counted or {}).get("events", 0)
        if events < FIRM * least:
            yield (
                f"{events:,} customers with the event in {where}, and a firm proof wants"
                f" {FIRM * least}: {FIRM * least - events:,} more"
            )


def _few_origins(data: Dataset, planned: Plan) -> Iterator[str]:
    """Fewer tests on later time than there should be, where the project does not fix them."""
    split = data.target.split
    if data.is_snapshot or split.test or split.test_from is not None:
        return
    lacking = N_ORIGINS - len(planned.origins) - len(planned.left_out)
    if lacking > 0:
        dates = pd.DatetimeIndex(sorted(data.keys["as_of"].unique()))
        step = dates.to_series().diff().median() if len(dates) > 1 else BLOCK
        step = step if step >= timedelta(days=7) else BLOCK
        wait = known_after(data.target).days
        yield (
            f"{len(planned.origins)} of {N_ORIGINS} tests on later time, as an answer takes {wait}"
            f" days: about {lacking * step.days} more days of history"
        )
