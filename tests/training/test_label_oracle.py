"""Labels and eligibility against a row-by-row oracle: random tables, late rows, random moments."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from label_oracle import churned, items_of, label, reason, steps_of
from random_company import Row, Rows, company, frames_of

from features.build import build_from
from features.engine import tables_of
from features.project import Project, Target
from features.staged import Staged
from models.targets import not_scored_reason
from training.labels import causes, labels

DAY = timedelta(days=1)
START = datetime(2023, 5, 1)
WINDOW = {"horizon_days": 100}
TARGETS: dict[str, dict[str, Any]] = {
    "churn": {"kind": "churn", "grace_days": 20},
    "no_grace": {"kind": "churn", "grace_days": 0, "pause_days": 10},
    "silence": {"kind": "silence", "active_days": 90},
    "inactivity": {"kind": "inactivity", "active_days": 30},
    "upsell": {"kind": "upsell"},
    "contraction": {"kind": "contraction"},
    "conversion": {"kind": "conversion", "horizon_days": 300},
    "free": {"kind": "conversion", "audience": "free"},
    "trial": {"kind": "conversion", "audience": "trial"},
    "buyer": {"kind": "conversion", "audience": "one_time_buyer"},
    "plan": {"kind": "cross_sell", "product": "p1", "product_in": "subscriptions"},
    "order": {"kind": "cross_sell", "product": "x", "product_in": "orders"},
    "use": {"kind": "cross_sell", "product": "a", "product_in": "usage"},
}
KEYS = {
    "customers": ("customer_id", "occurred_at"),
    "plans": ("plan_id", "occurred_at"),
    "subscriptions": ("subscription_id", "occurred_at"),
    "tickets": ("ticket_id", "change", "occurred_at"),
}
COMPANIES = [(0, 0), (2, 74), (5, 185)]  # between them each target shows each of its answers


def project() -> Project:
    return Project(
        name="small",
        revenue_model="subscription",
        sources={
            name: [{"file": "x.csv"}]
            for name in ("customers", "plans", "subscriptions", "orders", "usage")
        },
        targets={name: WINDOW | target for name, target in TARGETS.items()},
        path=Path("retention.toml"),
    )


def moments(seed: int) -> list[datetime]:
    """As-of dates a few of which are hours of a day."""
    draw = random.Random(seed)
    days = draw.sample(range(220), 3)
    return sorted(START + day * DAY + timedelta(hours=draw.choice((0, 0, 5))) for day in days)


def staged_of(rows: Rows, folder: Path) -> Staged:
    """The tables as they are after staging."""
    tables, files = tables_of(frames_of(rows)), {}
    for name in tables:
        files[name] = folder / f"{name}.parquet"
        tables[name].to_parquet(files[name])
    return Staged(project(), files, {}, (), "", datetime(2025, 1, 1))


class Case:
    """A company, what its customers are at some moments, and what the service says happened."""

    def __init__(self, rows: Rows, dates: list[datetime], folder: Path) -> None:
        self.rows, self.staged = rows, staged_of(rows, folder)
        names = sorted({row["customer_id"] for row in rows["customers"]})
        keys = pd.DataFrame(
            [(n, d) for d in dates for n in names], columns=["customer_id", "as_of"]
        )
        tables = tables_of(frames_of(rows))
        self.built = build_from(tables, self.staged.project, keys, names=["mrr"])
        self.keys = self.built.keys

    def target(self, name: str) -> Target:
        found = self.staged.project.target(name)
        if name != "churn":
            return found
        paused = any(row["status"] == "paused" for row in self.rows["subscriptions"])
        return found.model_copy(update={"pause_days": 90 if paused else 0})

    def reasons(self, name: str) -> list[str | None]:
        target = self.staged.project.target(name)
        as_of, who = self.keys["as_of"], self.keys["customer_id"]
        found = not_scored_reason(
            target, self.built.state, as_of, due=None, customer_id=who, data_end=None
        )
        return found.tolist()

    def labels(self, name: str, before: datetime) -> list[float]:
        target = self.staged.project.target(name)
        return labels(self.staged, target, self.keys, self.built.state, before).tolist()

    def pairs(self) -> list[tuple[str, datetime]]:
        return [(row.customer_id, row.as_of.to_pydatetime()) for row in self.keys.itertuples()]


@pytest.fixture(scope="module")
def seen() -> dict[str, set[Any]]:
    """What the random companies showed of each target."""
    return {}


@pytest.mark.parametrize(("seed", "wait"), COMPANIES)
def test_labels_and_reasons_are_what_the_rows_say(
    seed: int, wait: int, tmp_path_factory: pytest.TempPathFactory, seen: dict[str, set[Any]]
) -> None:
    dates = moments(seed)
    before = dates[-1] + wait * DAY
    case = Case(company(seed, dates, 16), dates, tmp_path_factory.mktemp("case"))
    wrong = []
    for name in TARGETS:
        target = case.target(name)
        said = zip(case.pairs(), case.reasons(name), case.labels(name, before), strict=True)
        for (who, as_of), why, answer in said:
            meant = reason(case.rows, who, as_of, target)
            event = label(case.rows, who, as_of, target, before) if meant is None else None
            found = None if np.isnan(answer) else int(answer)
            seen.setdefault(name, set()).update((why, found))
            if (why, found) != (meant, event):
                wrong.append((name, who, str(as_of), (why, found), (meant, event)))
    assert not wrong, f"{len(wrong)} differ: target, customer, as-of, said, meant: {wrong[:3]}"


def test_the_companies_showed_every_answer(seen: dict[str, set[Any]]) -> None:
    """After the property: each target had events and none, and each reason came."""
    assert [name for name in TARGETS if not {0, 1} <= seen[name]] == []
    assert {"already_churned", "cancellation_scheduled", "trial_only"} <= seen["churn"]
    assert {"not_eligible", "too_new", "objection_recorded"} <= set.union(*seen.values())


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_causes_are_what_ended_the_coverage(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dates, end = moments(seed), datetime(2025, 1, 1)
    case = Case(company(seed, dates, 16), dates, tmp_path_factory.mktemp("case"))
    target = case.target("churn")
    told = causes(case.staged, target, case.keys, end).tolist()
    meant = []
    for who, as_of in case.pairs():
        cause = churned(steps_of(items_of(case.rows, who, end)), as_of, target)
        names = {"involuntary": "involuntary", "": None, None: None}
        meant.append(names.get(cause, "voluntary"))
    assert told == meant


def backfilled(rows: Rows, more: Rows, cut: datetime) -> Rows:
    """The rows of a company with others that happened whenever and were told at `cut` or later."""
    joined = {}
    for table, found in rows.items():
        late = [row | {"known_at": max(row["known_at"] or cut, cut)} for row in more[table]]
        taken = {_key(table, row) for row in found} - {None}
        joined[table] = [*found, *(row for row in late if _key(table, row) not in taken)]
    return joined


def _key(table: str, row: Row) -> tuple[Any, ...] | None:
    return tuple(row[name] for name in KEYS[table]) if table in KEYS else None


@pytest.mark.parametrize("seed", [5, 8])
def test_a_backfill_changes_nothing_before_it_was_known(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dates = moments(seed)
    cut = dates[-1] + 40 * DAY
    rows = company(seed, dates)
    told = backfilled(rows, company(seed + 1, dates), cut)
    one = Case(rows, dates, tmp_path_factory.mktemp("one"))
    other = Case(told, dates, tmp_path_factory.mktemp("other"))
    pd.testing.assert_frame_equal(one.built.state, other.built.state)
    for name in ("churn", "silence", "contraction", "conversion", "plan", "use"):
        np.testing.assert_array_equal(one.labels(name, cut), other.labels(name, cut))
    after = cut + 365 * DAY
    changed = [
        not np.array_equal(one.labels(name, after), other.labels(name, after), equal_nan=True)
        for name in ("churn", "silence", "inactivity", "upsell")
    ]
    assert any(changed), "what is told later tells nothing even then"
