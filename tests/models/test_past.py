"""A customer's own past, read from longer windows."""

import numpy as np
import pytest

from models.past import OwnPast

NAMES = [
    "age_days",
    "usage_events_7d",
    "usage_events_28d",
    "usage_events_90d",
    "usage_quantity_28d",
    "usage_quantity_90d",
    "seats",
    "days_since_mrr_change",
    "quantity_per_seat_28d",
    "usage_pace_28d_90d",
    "active_users_28d",
    "active_users_90d",
]


def before(names=NAMES, **values):
    """The past of one row by name; columns not named are 0."""
    row = np.array([[float(values.get(name, 0)) for name in names]])
    return dict(zip(names, OwnPast(names).before(row)[0], strict=True))


def test_the_time_before_is_the_longer_window_without_the_shorter_one():
    found = before(age_days=400, usage_events_7d=1, usage_events_28d=22, usage_events_90d=146)
    assert found["usage_events_28d"] == pytest.approx((146 - 22) * 28 / 62)
    assert found["usage_events_7d"] == pytest.approx((22 - 1) * 7 / 21)
    assert np.isnan(found["usage_events_90d"]), "nothing is longer"
    assert np.isnan(found["active_users_28d"]), "distinct users do not add up"
    assert np.isnan(found["usage_pace_28d_90d"]), "it compares by itself"


def test_a_new_customer_has_no_time_before():
    found = before(age_days=89, usage_events_7d=1, usage_events_28d=22, usage_events_90d=50)
    assert np.isnan(found["usage_events_28d"])
    assert found["usage_events_7d"] == pytest.approx(7)
    assert np.isnan(before(NAMES[1:], usage_events_28d=22)["usage_events_28d"]), "age not known"


@pytest.mark.parametrize(("changed", "known"), [(90, True), (89, False)])
def test_what_is_per_seat_is_known_where_the_seats_stood(changed, known):
    found = before(
        age_days=400,
        usage_quantity_28d=10,
        usage_quantity_90d=72,
        seats=4,
        days_since_mrr_change=changed,
    )
    assert found["usage_quantity_28d"] == pytest.approx(28)
    expected = 28 / 4 if known else np.nan
    assert found["quantity_per_seat_28d"] == pytest.approx(expected, nan_ok=True)
