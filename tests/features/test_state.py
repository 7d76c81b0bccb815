"""The state beside the features: what eligibility and value read."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle import View, last
from random_company import Row, Rows, company, frames_of
from test_oracle import grid_pairs, missing, project

from features.build import build, build_from
from features.built import Built
from features.engine import tables_of
from features.project import load_project
from features.staging import stage

DATES = [datetime(2023, 6, 1), datetime(2023, 8, 1, 6), datetime(2023, 12, 1)]
START = datetime(2023, 1, 1)
SEEDS = (31, 32, 33, 34)
MEANT = {
    "first_paid_at": lambda v: v.money.first_paid_at,
    "coverage_started_at": lambda v: v.money.covered_since,
    "renewal_at": lambda v: v.money.renewal_at,
    "last_order_at": lambda v: last(r for r in v.rows("orders") if not r["is_return"]),
    "last_activity_at": lambda v: last(v.rows("usage")),
    "mrr": lambda v: v.money.mrr,
    "value_per_month": lambda v: v.money.mrr,
    "covered": lambda v: v.money.mrr > 0,
    "ever_covered": lambda v: v.money.changes > 0,
    "ever_subscribed": lambda v: bool(v.rows("subscriptions")),
    "trialing": lambda v: v.money.is_trial,
    "paused": lambda v: v.money.is_paused,
    "end_announced": lambda v: v.money.end_announced,
    "objected": lambda v: (v.profile.get("objected_at") or v.as_of) < v.as_of,
    "plan_id": lambda v: v.money.largest.get("plan_id"),
    "segment": lambda v: v.profile.get("segment"),
    "owner_id": lambda v: v.profile.get("owner_id"),
    "country": lambda v: v.profile.get("country"),
}


@pytest.fixture(scope="module")
def cases() -> list[tuple[Rows, Built]]:
    found = []
    for seed in SEEDS:
        rows = company(seed, DATES)
        names = sorted({row["customer_id"] for row in rows["customers"]})
        pairs = grid_pairs(names, DATES)
        found.append((rows, build_from(tables_of(frames_of(rows)), project(), pairs)))
    return found


@pytest.mark.parametrize("column", MEANT)
def test_a_column_is_what_the_rows_say(column: str, cases: list[tuple[Rows, Built]]) -> None:
    wrong = []
    for rows, built in cases:
        for value, key in zip(built.state[column], built.keys.itertuples(), strict=True):
            meant = MEANT[column](View(rows, key.customer_id, key.as_of.to_pydatetime()))
            said = None if value is pd.NaT or missing(value) else value
            if said != meant:
                wrong.append((key.customer_id, str(key.as_of), said, meant))
    assert not wrong, f"{len(wrong)} differ: customer, as-of, built, meant: {wrong[:3]}"


def row(at: datetime, **more: Any) -> Row:
    return {"customer_id": "c1", "occurred_at": at, "known_at": at} | more


def state_of(as_of: datetime, **tables: list[Row]) -> pd.Series:
    rows = {"customers": [row(START)]} | tables
    pairs = grid_pairs(["c1"], [as_of])
    return build_from(tables_of(frames_of(rows)), project(), pairs).state.iloc[0]


def subscription(at: datetime, **more: Any) -> Row:
    return row(at, subscription_id="s1", status="active") | more


def test_without_amounts_money_is_null_and_coverage_is_known() -> None:
    state = state_of(DATES[0], subscriptions=[subscription(START)])
    assert state["covered"]
    assert np.isnan(state["mrr"])
    assert np.isnan(state["value_per_month"])


def test_value_without_subscriptions_is_the_net_orders_of_a_year_by_month() -> None:
    def order(at: datetime, amount: int, **more: Any) -> Row:
        return row(at, amount=Decimal(amount), is_return=False) | more

    orders = [
        order(datetime(2023, 5, 1), 240),
        order(datetime(2023, 6, 1), 120),
        order(datetime(2023, 7, 1), -24, is_return=True),
        order(datetime(2022, 5, 30), 5000),
    ]
    state = state_of(datetime(2024, 5, 30, 12), orders=orders)
    assert state["value_per_month"] == (120 - 24) / 12
    assert np.isnan(state["mrr"])


def test_an_announced_end_is_seen_before_it_comes() -> None:
    end = subscription(datetime(2023, 9, 1), status="canceled", known_at=datetime(2023, 7, 1))
    life = [subscription(START), end]
    said = [state_of(at, subscriptions=life)["end_announced"] for at in DATES]
    assert said == [False, True, False]


@pytest.mark.parametrize(
    ("table", "fact"),
    [
        ("usage", {}),
        ("orders", {"is_return": True}),
        ("payments", {"payment_id": "p", "status": "failed"}),
        ("tickets", {"ticket_id": "t", "change": "resolved"}),
        ("surveys", {}),
        ("touches", {}),
        ("subscriptions", {"subscription_id": "s", "status": "trialing"}),
    ],
)
def test_the_last_fact_is_the_newest_row_of_any_table(table: str, fact: dict[str, Any]) -> None:
    at = datetime(2023, 5, 20)
    state = state_of(DATES[0], **{table: [row(at, **fact), row(DATES[0], **fact)]})
    assert state["last_fact_at"] == at


def test_a_renewal_is_a_fact_though_the_price_stays() -> None:
    months = [datetime(2023, month, 1) for month in (1, 3, 5)]
    life = [subscription(at, unit_amount=Decimal(9), interval="month") for at in months]
    assert state_of(DATES[0], subscriptions=life)["last_fact_at"] == months[-1]


def test_who_was_first_seen_when() -> None:
    late = row(datetime(2022, 1, 1), segment="A") | {"known_at": datetime(2023, 7, 1)}
    customers = [row(START, segment="A"), late]
    assert state_of(DATES[0], customers=customers)["first_seen_at"] == START
    assert state_of(DATES[2], customers=customers)["first_seen_at"] == datetime(2022, 1, 1)


def test_no_pairs_give_every_column_and_no_rows() -> None:
    rows = {"customers": [row(START)], "usage": [row(START)]}
    some = build_from(tables_of(frames_of(rows)), project(), grid_pairs(["c1"], DATES))
    none = build_from(tables_of(frames_of(rows)), project(), grid_pairs([], []))
    assert len(none) == 0
    assert list(none.features.columns) == list(some.features.columns)
    assert list(none.state.columns) == list(some.state.columns)


def test_a_column_of_customers_may_be_an_attribute_too(write_project: Callable[..., Path]) -> None:
    toml = """
name = "both"
revenue_model = "consumption"
[sources.customers]
file = "customers.csv"
static = ["country"]
[sources.orders]
file = "orders.csv"
[targets.lapse]
kind = "silence"
"""
    customers = "customer_id,occurred_at,country\nc1,2026-01-01,NL\n"
    orders = "customer_id,occurred_at\nc1,2026-01-02\n"
    staged = stage(load_project(write_project(toml, customers=customers, orders=orders)))
    pairs = pd.DataFrame({"customer_id": ["c1"], "as_of": [pd.Timestamp("2026-02-01")]})
    built = build(staged, pairs)
    assert built.state["country"].tolist() == ["NL"]
    assert built.features[["country", "attribute_country"]].to_numpy().tolist() == [["NL", "NL"]]
