from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.errors import ProjectError
from features.project import Target
from models.targets import REASONS, has_event, not_scored_reason

AS_OF = datetime(2026, 10, 1)
MOMENTS = ("first_seen_at", "last_fact_at", "first_paid_at", "last_order_at", "last_activity_at")


def customer(**changes):
    """A paying customer in good standing, a year old, last seen a day before `AS_OF`."""
    state = {
        "first_seen_at": AS_OF - timedelta(days=365),
        "last_fact_at": AS_OF - timedelta(days=1),
        "first_paid_at": AS_OF - timedelta(days=365),
        "last_order_at": AS_OF - timedelta(days=1),
        "last_activity_at": AS_OF - timedelta(days=1),
        "mrr": 90.0,
        "covered": True,
        "ever_covered": True,
        "ever_subscribed": True,
        "trialing": False,
        "paused": False,
        "end_announced": False,
        "objected": False,
        "plan_id": "pro",
    }
    return state | changes


def reason(target, state, *, due=None, data_end=AS_OF, as_of=AS_OF):
    frame = pd.DataFrame([state])
    for name in MOMENTS:
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    ids = pd.Series(["c1"])
    return not_scored_reason(
        target, frame, as_of, due=due, customer_id=ids, data_end=data_end
    ).iloc[0]


FREE = {"covered": False, "ever_covered": False, "mrr": 0.0, "first_paid_at": None}
LONG_AGO = AS_OF - timedelta(days=181)


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        pytest.param("churn", {}, None, id="paying"),
        pytest.param("churn", {"objected": True}, "objection_recorded", id="objected"),
        pytest.param("churn", {"covered": False}, "already_churned", id="gone"),
        pytest.param("churn", {"end_announced": True}, "cancellation_scheduled", id="going"),
        pytest.param("upsell", {"end_announced": True}, None, id="going-may-still-buy"),
        pytest.param("churn", FREE, "not_eligible", id="free"),
        pytest.param("churn", FREE | {"trialing": True}, "trial_only", id="trial"),
        pytest.param("conversion", FREE | {"trialing": True}, None, id="trial-may-convert"),
        pytest.param("conversion", FREE, None, id="free-may-convert"),
        pytest.param("conversion", {}, "not_eligible", id="paying-cannot-convert"),
        pytest.param("conversion", {"covered": False}, "already_churned", id="paid-once"),
        pytest.param("churn", {"last_fact_at": LONG_AGO}, "insufficient_history", id="quiet"),
        pytest.param(
            "churn",
            {"last_fact_at": LONG_AGO, "last_activity_at": None},
            None,
            id="no-usage-cannot-go-quiet",
        ),
        pytest.param("silence", {"last_fact_at": LONG_AGO}, None, id="silence-has-its-own-span"),
        pytest.param("silence", {"last_order_at": None}, "not_eligible", id="never-bought"),
        pytest.param("inactivity", {"last_activity_at": None}, "not_eligible", id="never-used"),
    ],
)
def test_reason_by_kind(kind, changes, expected):
    assert reason(Target(kind=kind), customer(**changes)) == expected


NEVER_SUBSCRIBED = FREE | {"ever_subscribed": False}
BUYER = NEVER_SUBSCRIBED | {"last_order_at": AS_OF - timedelta(days=90)}
NO_ORDER = NEVER_SUBSCRIBED | {"last_order_at": None}


@pytest.mark.parametrize(
    ("changes", "audiences"),
    [
        pytest.param(NO_ORDER, {"free"}, id="signed-up-only"),
        pytest.param(FREE | {"last_order_at": None}, {"free"}, id="free-plan"),
        pytest.param(FREE, {"free"}, id="free-plan-that-also-bought"),
        pytest.param(FREE | {"trialing": True}, {"trial"}, id="trial"),
        pytest.param(BUYER, {"one_time_buyer"}, id="bought-and-never-subscribed"),
        pytest.param({}, set(), id="paying"),
        pytest.param({"covered": False, "paused": True}, set(), id="paused"),
    ],
)
def test_audiences_of_a_conversion(changes, audiences):
    for audience in ("free", "trial", "one_time_buyer"):
        expected = None if audience in audiences else "not_eligible"
        assert reason(Target(kind="conversion", audience=audience), customer(**changes)) == expected
    anybody = None if audiences else "not_eligible"
    assert reason(Target(kind="conversion"), customer(**changes)) == anybody


@pytest.mark.parametrize("changes", [NO_ORDER, FREE, BUYER, FREE | {"trialing": True}])
def test_who_never_paid_has_not_churned(changes):
    for kind in ("churn", "upsell", "contraction", "conversion"):
        assert reason(Target(kind=kind), customer(**changes)) != "already_churned"


def test_a_paused_customer_may_come_back():
    paused = customer(covered=False, paused=True)
    for kind in ("churn", "upsell", "contraction"):
        assert reason(Target(kind=kind), paused) == "not_eligible"


@pytest.mark.parametrize(
    ("has", "changes", "expected"),
    [
        pytest.param(False, {}, None, id="lacks-it"),
        pytest.param(True, {}, "not_eligible", id="has-it"),
        pytest.param(False, {"covered": False}, "already_churned", id="gone"),
        pytest.param(False, FREE, "not_eligible", id="never-paid"),
        pytest.param(False, FREE | {"trialing": True}, "trial_only", id="trial"),
    ],
)
def test_a_cross_sell_is_for_customers_without_the_product(has, changes, expected):
    target = Target(kind="cross_sell", product="addon", product_in="orders")
    assert reason(target, customer(**changes) | {"has addon in orders": has}) == expected


@pytest.mark.parametrize("kind", ["silence", "inactivity"])
def test_active_days_include_their_first_moment(kind):
    column = "last_order_at" if kind == "silence" else "last_activity_at"
    edge = AS_OF - timedelta(days=100)
    target = Target(kind=kind, active_days=100)
    assert reason(target, customer(**{column: edge})) is None
    before = edge - timedelta(microseconds=1)
    assert reason(target, customer(**{column: before})) == "already_churned"


def test_too_new_is_under_the_minimum_age():
    target = Target(kind="churn", min_age_days=14)
    assert reason(target, customer(first_seen_at=AS_OF - timedelta(days=14))) is None
    assert reason(target, customer(first_seen_at=AS_OF - timedelta(days=13))) == "too_new"


def test_not_due_when_the_anchor_falls_elsewhere():
    assert reason(Target(kind="churn"), customer(), due={"c1"}) is None
    assert reason(Target(kind="churn"), customer(), due={"c2"}) == "not_due"


def test_stale_after_seven_days_without_news():
    target = Target(kind="churn")
    assert reason(target, customer(), data_end=AS_OF - timedelta(days=7)) is None
    assert reason(target, customer(), data_end=AS_OF - timedelta(days=8)) == "stale_data"


def test_the_first_reason_that_applies_wins():
    """Every condition at once, lifted one by one, walks down the list of the specification."""
    state = customer(
        objected=True,
        covered=False,
        end_announced=True,
        last_fact_at=LONG_AGO,
        first_seen_at=AS_OF - timedelta(days=3),
    )
    target = Target(kind="churn", where="plan_id = 'free'")
    lift = [{"objected": False}, {"covered": True}, {"end_announced": False}]
    found = []
    for change in [{}, *lift]:
        state |= change
        found.append(reason(target, state, due=set(), data_end=LONG_AGO))
    target = Target(kind="churn")
    found.append(reason(target, state, due=set(), data_end=LONG_AGO))
    state["first_seen_at"] = LONG_AGO
    found.append(reason(target, state, due=set(), data_end=LONG_AGO))
    found.append(reason(target, state, due=None, data_end=LONG_AGO))
    found.append(reason(target, state))
    expected = [code for code in REASONS if code not in ("trial_only", "no_model")]
    assert found == expected


def test_where_sees_the_state_and_the_moment():
    target = Target(kind="churn", where="mrr >= 90 and as_of = timestamp '2026-10-01'")
    assert reason(target, customer()) is None
    assert reason(target, customer(mrr=89.0)) == "not_eligible"
    assert reason(target, customer(mrr=np.nan)) == "not_eligible"


def test_where_that_cannot_be_read_is_the_users_error():
    with pytest.raises(ProjectError, match="no_such_column"):
        reason(Target(kind="churn", where="no_such_column > 1"), customer())


def test_one_moment_per_row():
    frame = pd.DataFrame([customer(), customer()])
    as_of = pd.Series([AS_OF, AS_OF - timedelta(days=360)])
    found = not_scored_reason(
        Target(kind="churn"),
        frame,
        as_of,
        due=None,
        customer_id=pd.Series(["a", "b"]),
        data_end=None,
    )
    assert found.tolist() == [None, "too_new"]


def test_snapshots_leave_out_who_has_left():
    target = Target(kind="churn", label="Churn", positive="Yes")
    state = pd.DataFrame({"Churn": ["Yes", "No", None]})
    found = not_scored_reason(
        target, state, None, due=None, customer_id=pd.Series(["a", "b", "c"]), data_end=None
    )
    assert found.tolist() == ["already_churned", None, None]


@pytest.mark.parametrize("kind", ["upsell", "cross_sell", "conversion", "contraction"])
def test_who_has_bought_already_has_not_churned(kind):
    target = Target(kind=kind, label="y", positive="1")
    state = pd.DataFrame({"y": [1, 0]})
    found = not_scored_reason(
        target, state, None, due=None, customer_id=pd.Series(["a", "b"]), data_end=None
    )
    assert found.tolist() == ["not_eligible", None]


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        pytest.param(["Yes", "No", None], "Yes", [1, 0, np.nan], id="named"),
        pytest.param([1, 0, 1], None, [1, 0, 1], id="numbers"),
        pytest.param([True, False, True], None, [1, 0, 1], id="flags"),
        pytest.param([1.0, np.nan, 0.0], None, [1, np.nan, 0], id="missing"),
        pytest.param([1, 0], "1", [1, 0], id="number-named-as-text"),
        pytest.param([1.0, np.nan, 0.0], "1", [1, np.nan, 0], id="named-and-missing"),
    ],
)
def test_has_event(values, positive, expected):
    target = Target(kind="churn", label="y", positive=positive)
    np.testing.assert_array_equal(has_event(target, pd.Series(values)).to_numpy(), expected)
