"""What was not known at a moment changes nothing then; nor do the order of rows and the batch."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from random_company import Row, Rows, company, frames_of
from test_oracle import grid_pairs, project

from features.build import build_from
from features.built import Built
from features.engine import tables_of

DATES = [datetime(2023, 7, 1), datetime(2023, 8, 1, 6), datetime(2023, 12, 1)]
NAMES = [f"c{n}" for n in range(6)]
KEYS = {
    "customers": ("customer_id", "occurred_at"),
    "plans": ("plan_id", "occurred_at"),
    "subscriptions": ("subscription_id", "occurred_at"),
    "tickets": ("ticket_id", "change", "occurred_at"),
}
few = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a smaller company is no clearer, and each is built anew
)


def built_of(rows: Rows, names: list[str] = NAMES, dates: list[datetime] = DATES) -> Built:
    return build_from(tables_of(frames_of(rows)), project(), grid_pairs(names, dates))


def assert_same(one: Built, other: Built) -> None:
    pd.testing.assert_frame_equal(one.keys, other.keys)
    for part in ("features", "state"):
        said, meant = (plain(getattr(built, part)) for built in (one, other))
        pd.testing.assert_frame_equal(said, meant, check_exact=True)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as objects with None for missing, whatever type of text pandas chose."""
    text = frame.columns[[not pd.api.types.is_any_real_numeric_dtype(t) for t in frame.dtypes]]
    return frame.assign(**{c: frame[c].astype(object).where(frame[c].notna(), None) for c in text})


def until(built: Built, moment: datetime) -> Built:
    return built.take(np.asarray(built.keys["as_of"] <= moment))


def unseen(rows: Rows, cut: datetime) -> Rows:
    """The rows that happen, or are told, at `cut` or later; no end that is told before."""
    found: Rows = {}
    for table, listed in rows.items():
        told = [row for row in listed if row["known_at"] is not None]
        late = [row for row in told if max(row["occurred_at"], row["known_at"]) >= cut]
        if table == "subscriptions":
            late = [row for row in late if row["known_at"] >= cut]
        found[table] = late
    return found


def joined(rows: Rows, more: Rows) -> Rows:
    """Both companies; no key twice."""
    return {table: [*rows[table], *_fresh(table, rows[table], more[table])] for table in rows}


def _fresh(table: str, rows: list[Row], more: list[Row]) -> list[Row]:
    key = KEYS.get(table)
    if key is None:
        return more
    taken = {tuple(row[name] for name in key) for row in rows}
    return [row for row in more if tuple(row[name] for name in key) not in taken]


@few
@given(seed=st.integers(0, 10_000), cut=st.sampled_from(DATES))
def test_rows_that_come_later_or_are_told_later_change_nothing(seed: int, cut: datetime) -> None:
    rows = company(seed, DATES)
    more = unseen(company(seed + 1, [cut]), cut)
    late = {"occurred_at": datetime(2023, 1, 2), "known_at": cut}
    price = {"interval": "month", "interval_count": 1, "unit_amount": Decimal(7)}
    more["plans"] += [{"plan_id": f"p{n}", "tier": 9} | late | price for n in range(4)]
    before, after = built_of(rows), built_of(joined(rows, more))
    assert_same(until(before, cut), until(after, cut))
    assert not after.features.equals(before.features) or cut == DATES[-1]


@few
@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(seed: int, order: object) -> None:
    rows = company(seed, DATES)
    shuffled = {table: order.sample(found, len(found)) for table, found in rows.items()}  # type: ignore[attr-defined]
    assert_same(built_of(rows), built_of(shuffled))


@few
@given(seed=st.integers(0, 10_000))
def test_the_order_of_pairs_is_kept(seed: int) -> None:
    rows = company(seed, DATES, n_customers=3)
    pairs = grid_pairs(NAMES[:3], DATES).sample(frac=1, random_state=seed, ignore_index=True)
    one = built_of(rows, NAMES[:3])
    other = build_from(tables_of(frames_of(rows)), project(), pairs)
    pd.testing.assert_frame_equal(other.keys, pairs.astype({"as_of": "datetime64[us]"}))
    back = other.keys.sort_values(["as_of", "customer_id"], kind="stable").index.to_numpy()
    assert_same(one, other.take(back))


@pytest.mark.parametrize("name", NAMES)
def test_one_customer_alone_is_the_same_as_in_a_batch(name: str, batch: tuple[Rows, Built]) -> None:
    rows, together = batch
    alone = built_of(rows, [name])
    assert_same(together.take(np.asarray(together.keys["customer_id"] == name)), alone)


@pytest.fixture(scope="module")
def batch() -> tuple[Rows, Built]:
    """All customers at once."""
    rows = company(21, DATES)
    return rows, built_of(rows)


def use(*moments: tuple[datetime, datetime | None]) -> Rows:
    customer = {"customer_id": "c1", "occurred_at": datetime(2023, 1, 1), "known_at": None}
    rows = [
        {"customer_id": "c1", "occurred_at": at, "known_at": told or at} for at, told in moments
    ]
    return {"customers": [customer | {"known_at": datetime(2023, 1, 1)}], "usage": rows}


def value(rows: Rows, name: str, dates: list[datetime]) -> list[float]:
    return built_of(rows, ["c1"], dates).features[name].tolist()


def test_a_window_excludes_its_end_and_includes_its_beginning() -> None:
    as_of, tick = datetime(2023, 6, 30), timedelta(microseconds=1)
    start = as_of - timedelta(days=28)
    for moment, counted in ((as_of, 0), (as_of - tick, 1), (start, 1), (start - tick, 0)):
        assert value(use((moment, None)), "usage_events_28d", [as_of]) == [counted]


def test_a_row_told_late_counts_from_then_on_only() -> None:
    happened, told = datetime(2023, 6, 10), datetime(2023, 6, 20)
    dates = [datetime(2023, 6, 15), told, told + timedelta(hours=1), datetime(2023, 7, 20)]
    rows = use((happened, told))
    assert value(rows, "usage_events_28d", dates) == [0, 0, 1, 0]
    assert value(rows, "usage_events_90d", dates) == [0, 0, 1, 1]
    since = value(rows, "days_since_last_use", dates)
    assert since[2:] == [10 + 1 / 24, 40]
    assert np.isnan(since[:2]).all()


def test_subscriptions_may_all_be_told_late() -> None:
    started, told = datetime(2023, 6, 1), datetime(2023, 6, 20)
    change = {"customer_id": "c1", "subscription_id": "s1", "plan_id": "p", "status": "active"}
    plan = {"plan_id": "p", "unit_amount": Decimal(30), "interval": "month"}
    rows = use((started, None)) | {
        "subscriptions": [change | {"occurred_at": started, "known_at": told}],
        "plans": [plan | {"occurred_at": datetime(2023, 1, 1), "known_at": datetime(2023, 1, 1)}],
    }
    assert value(rows, "mrr", [told, told + timedelta(hours=1)]) == [0, 30]
