"""Frames of a target: read back while nothing changed, built anew when anything did."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from test_point_in_time import plain

from features import frames
from features.build import build
from features.built import Built
from features.clock import as_of_dates, pairs_at
from features.errors import UnknownTargetError
from features.frames import frame
from features.project import load_project
from features.staging import Staged, stage

Write = Callable[..., Path]
TOML = """
name = "shop"
revenue_model = "consumption"
data_end = 2024-06-01
{head}
[sources.customers]
file = "customers.csv"
[sources.orders]
file = "orders.csv"
[targets.lapse]
kind = "silence"
[targets.lapse.as_of]
start = 2024-02-01
"""
CUSTOMERS = "customer_id,occurred_at,segment\nc1,2024-01-01,A\nc2,2024-01-10,\n"
ORDERS = "customer_id,occurred_at,order_id,amount\nc1,2024-01-05,o1,10\nc2,2024-03-12,o2,7.5\n"


def staged(write: Write, orders: str = ORDERS, head: str = "") -> Staged:
    toml = TOML.format(head=head)
    return stage(load_project(write(toml, customers=CUSTOMERS, orders=orders)))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pairs each build had, the real one still running."""
    counted: list[int] = []

    def counting(*args: object, **kwargs: object) -> Built:
        found = build(*args, **kwargs)  # type: ignore[arg-type]
        counted.append(len(found))
        return found

    monkeypatch.setattr(frames, "build", counting)
    return counted


def test_what_is_read_back_is_what_was_built(write_project: Write) -> None:
    found = staged(write_project)
    target = found.project.target("lapse")
    fresh = build(found, pairs_at(found, target, as_of_dates(found, target)))
    frame(found, "lapse")
    again = frame(found, "lapse")
    assert again.catalogue == fresh.catalogue
    for part in ("keys", "features", "state"):
        said, meant = getattr(again, part), getattr(fresh, part)
        pd.testing.assert_frame_equal(plain(said), plain(meant))
        moments = meant.select_dtypes("datetime").columns
        assert (said.dtypes[moments] == "datetime64[us]").all()
    assert len(again) == 2 * len(as_of_dates(found, target))


def test_a_frame_is_built_once(write_project: Write, builds: list[int]) -> None:
    found = staged(write_project)
    frame(found, "lapse")
    frame(found, "lapse")
    frame(staged(write_project), "lapse")
    assert len(builds) == 1


def test_changed_rows_are_a_new_frame(write_project: Write, builds: list[int]) -> None:
    before = frame(staged(write_project), "lapse")
    after = frame(staged(write_project, ORDERS.replace("7.5", "9")), "lapse")
    assert len(builds) == 2
    assert before.features["order_amount_ever"].max() == 10
    assert after.features["order_amount_ever"].sum() != before.features["order_amount_ever"].sum()


@pytest.mark.parametrize(
    "head", ['timezone = "Europe/Berlin"', 'currency = "EUR"', "revenue.dunning_days = 5"]
)
def test_a_changed_setting_is_a_new_frame(
    write_project: Write, builds: list[int], head: str
) -> None:
    found = staged(write_project)
    frame(found, "lapse")
    other = staged(write_project, head=head).project
    changed = replace(found, project=other)
    again = frame(changed, "lapse")
    assert len(builds) == 2
    assert again.state["currency"].eq(other.currency).all()


def test_a_target_that_is_not_declared(write_project: Write) -> None:
    with pytest.raises(UnknownTargetError, match=r"unknown target 'gone'.*lapse"):
        frame(staged(write_project), "gone")
