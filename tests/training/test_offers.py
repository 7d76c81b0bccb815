"""A target that a touch anchors and names the product of: what the customer was just offered."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from features.build import build
from features.clock import as_of_dates, offers_at, pairs_at
from features.project import load_project
from features.staging import Staged, stage
from training.labels import labels

TOML = """
name = "shop"
revenue_model = "consumption"
data_end = 2026-06-01

[sources.customers]
file = "customers.csv"

[sources.subscriptions]
file = "customers.csv"
columns = { subscription_id = "customer_id" }
constants = { occurred_at = "2026-01-01", plan_id = "card", status = "active" }

[sources.touches]
file = "touches.csv"

[sources.usage]
file = "usage.csv"

[targets.redemption]
kind = "cross_sell"
horizon_days = 10
product_from = "campaign"
product_in = "usage"
as_of.anchor = "touches"
as_of.after_days = 1
"""
TOUCHES = """customer_id,occurred_at,campaign
own,2026-03-01,a
other,2026-03-01,a
late,2026-03-01,a
again,2026-03-01,a
again,2026-03-21,b
before,2026-03-01,a
two,2026-03-01,b
two,2026-03-01,a
none,2026-03-01,a
"""
USAGE = """customer_id,occurred_at,event
own,2026-03-02,a
other,2026-03-05,b
late,2026-03-12,a
again,2026-03-05,a
again,2026-03-25,b
before,2026-02-20,a
before,2026-03-05,a
two,2026-03-05,b
"""


@pytest.fixture
def staged(write_project: Callable[..., Path]) -> Staged:
    who = ["own", "other", "late", "again", "before", "two", "none"]
    customers = "\n".join(["customer_id", *who]) + "\n"
    return stage(
        load_project(write_project(TOML, customers=customers, touches=TOUCHES, usage=USAGE))
    )


def events(staged: Staged) -> dict[tuple[str, datetime], float]:
    target = staged.project.target("redemption")
    keys = pairs_at(staged, target, as_of_dates(staged, target))
    state = build(staged, keys, names=["age_days"]).state
    found = labels(staged, target, keys, state, staged.data_end)
    moments = keys["as_of"].dt.to_pydatetime()
    return dict(zip(zip(keys["customer_id"], moments, strict=True), found, strict=True))


def test_only_the_product_of_the_touch_counts(staged: Staged) -> None:
    """From the moment on, for ten days; who used it before is not asked."""
    first, second = datetime(2026, 3, 2), datetime(2026, 3, 22)
    assert events(staged) == {
        ("own", first): 1.0,
        ("other", first): 0.0,
        ("late", first): 0.0,
        ("again", first): 1.0,
        ("again", second): 1.0,
        ("before", first): pytest.approx(np.nan, nan_ok=True),
        ("two", first): 0.0,
        ("none", first): 0.0,
    }


def test_of_two_offers_of_a_moment_the_first_by_name_is_asked(staged: Staged) -> None:
    target = staged.project.target("redemption")
    offers = offers_at(staged, target, [datetime(2026, 3, 2)])
    assert offers.set_index("customer_id")["product"]["two"] == "a"
    assert not offers.duplicated(["customer_id", "as_of"]).any()
