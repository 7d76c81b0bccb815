"""Labels of staged companies: pauses, scheduled ends, owners and segments, causes."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from features.build import build
from features.project import load_project
from features.staging import stage
from models.targets import not_scored_reason
from training.labels import causes, known_after, labels, settled

DAY = timedelta(days=1)
TOML = """
name = "club"
revenue_model = "membership"
data_end = 2025-01-01
[sources.customers]
file = "customers.csv"
[sources.subscriptions]
file = "subscriptions.csv"
[targets.churn]
kind = "churn"
horizon_days = 60
grace_days = 15
"""
HEADER = "customer_id,occurred_at,known_at,subscription_id,status,unit_amount,end_reason"
AS_OF = datetime(2024, 3, 1)


@pytest.fixture
def club(write_project):
    """A function that stages customers by name, each with changes (day, status, told, reason)."""

    def make(extra="", versions="", **lives):
        rows = [HEADER]
        for who, life in lives.items():
            for change in life:
                day, status, told, reason = (*change, *("", "")[len(change) - 2 :])
                rows.append(f"{who},{day},{told},s{who},{status},30,{reason}")
        people = ["customer_id,occurred_at,known_at,segment,owner_id"]
        people += [f"{who},2023-01-01,,first,ann" for who in lives]
        path = write_project(
            TOML.replace("[sources.customers]", f"{extra}\n[sources.customers]"),
            customers="\n".join([*people, versions]),
            subscriptions="\n".join(rows),
        )
        return stage(load_project(path))

    return make


def state_of(staged, as_of=AS_OF):
    names = sorted(
        pd.read_csv(staged.project.data_folder / "customers.csv")["customer_id"].unique()
    )
    built = build(staged, pd.DataFrame({"customer_id": names, "as_of": as_of}), names=["mrr"])
    return built.keys, built.state


def told(staged, as_of=AS_OF):
    """Label, cause and reason by customer."""
    target = staged.project.target("churn")
    keys, state = state_of(staged, as_of)
    who = keys["customer_id"]
    reasons = not_scored_reason(target, state, as_of, due=None, customer_id=who, data_end=None)
    found = labels(staged, target, keys, state, staged.data_end)
    why = causes(staged, target, keys, staged.data_end)
    return {one: row for one, *row in zip(who, found, why, reasons, strict=True)}


JOINED = ("2023-01-01", "active")


def test_a_pause_waits_as_long_as_pauses_may_last(club):
    staged = club(
        back=[JOINED, ("2024-03-10", "paused"), ("2024-05-20", "active")],
        late=[JOINED, ("2024-03-10", "paused"), ("2024-06-20", "active")],
        gone=[JOINED, ("2024-03-10", "paused")],
        left=[JOINED, ("2024-03-10", "canceled")],
        again=[JOINED, ("2024-03-10", "canceled"), ("2024-05-20", "active")],
    )
    found = {who: (label, cause) for who, (label, cause, _) in told(staged).items()}
    stays, leaves = (0.0, None), (1.0, "voluntary")
    assert found == {
        "back": stays,  # after 71 days: less than pause_max_days, more than the grace
        "late": leaves,
        "gone": leaves,
        "left": leaves,
        "again": leaves,
    }


def test_its_length_is_the_policys_or_the_targets(club):
    life = [JOINED, ("2024-03-10", "paused"), ("2024-05-20", "active")]
    short = club("[revenue]\npause_max_days = 30", one=life)
    assert told(short)["one"][0] == 1.0
    target = short.project.target("churn")
    assert known_after(settled(target, short)) == 90 * DAY
    own = target.model_copy(update={"pause_days": 80})
    keys, state = state_of(short)
    assert labels(short, own, keys, state, short.data_end).tolist() == [0.0]
    assert known_after(settled(own, short)) == 140 * DAY


def test_who_never_pauses_waits_for_the_grace_only(club):
    staged = club(one=[JOINED])
    assert known_after(settled(staged.project.target("churn"), staged)) == 75 * DAY


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        pytest.param(1, "not_eligible", id="paused"),
        pytest.param(89, "not_eligible", id="still"),
        pytest.param(90, "already_churned", id="churned"),
    ],
)
def test_who_is_paused_has_churned_when_it_lasts_too_long(club, days, reason):
    staged = club(one=[JOINED, ("2024-03-01", "paused")], other=[JOINED, ("2024-03-01", "expired")])
    found = told(staged, AS_OF + days * DAY)
    assert found["one"][2] == reason
    assert found["other"][2] == "already_churned"


def test_an_end_that_is_agreed_is_not_predicted(club):
    staged = club(
        told=[JOINED, ("2024-04-01", "canceled", "2024-02-01")],
        later=[JOINED, ("2024-04-01", "canceled", "2024-03-01")],
        here=[JOINED, ("2024-02-01", "active"), ("2024-04-01", "canceled", "2024-02-01")],
    )
    found = told(staged)
    assert [found[who][2] for who in ("told", "later", "here")] == [
        "cancellation_scheduled",
        None,
        "cancellation_scheduled",
    ]
    assert found["later"][0] == 1.0


def test_causes_by_reason_and_dunning(club):
    staged = club(
        asked=[JOINED, ("2024-03-10", "canceled")],
        failed=[JOINED, ("2024-03-10", "canceled", "", "payment_failed")],
        dunned=[JOINED, ("2024-03-02", "past_due")],
        paid=[JOINED, ("2024-03-02", "past_due"), ("2024-03-20", "active")],
        stays=[JOINED],
    )
    found = {who: cause for who, (_, cause, _) in told(staged).items()}
    assert found == {
        "asked": "voluntary",
        "failed": "involuntary",
        "dunned": "involuntary",
        "paid": None,
        "stays": None,
    }


def test_a_new_owner_and_segment_count_from_when_they_are_known(club):
    """A history on two clocks: the version in force, of those that were known."""
    versions = "one,2024-02-01,2024-03-15,second,bob\none,2024-04-01,,third,bob\n"
    staged = club(versions=versions, one=[JOINED])
    seen = []
    for as_of in (AS_OF, datetime(2024, 3, 15), datetime(2024, 3, 16), datetime(2024, 4, 2)):
        row = state_of(staged, as_of)[1].iloc[0]
        seen.append((row["segment"], row["owner_id"]))
    assert seen == [("first", "ann"), ("first", "ann"), ("second", "bob"), ("third", "bob")]
