from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ProjectError
from features.project import Split, Target
from training.labels import known_after
from training.splits import customer_folds, newest, origins

DAY = timedelta(days=1)
MONTHS = [datetime(2025 + month // 12, month % 12 + 1, 1) for month in range(18)]
END = datetime(2026, 7, 1)


def target(**settings):
    return Target(**{"kind": "silence", "horizon_days": 60} | settings)


def test_rolling_origins_are_the_newest_mature_dates():
    found = origins(target(), MONTHS, END)
    assert [origin.test for origin in found] == [
        (datetime(2026, 3, 1),),
        (datetime(2026, 4, 1),),
        (datetime(2026, 5, 1),),
    ]
    assert found[0].train[-1] == datetime(2025, 12, 1)  # answered on 2026-01-30; January is not
    assert found[0].train[0] == MONTHS[0]


def test_grace_delays_churn():
    found = origins(target(kind="churn", grace_days=30), MONTHS, END)
    assert found[-1].test == (datetime(2026, 4, 1),)
    assert found[-1].train[-1] == datetime(2026, 1, 1)


def test_a_short_history_has_fewer_origins():
    assert len(origins(target(), MONTHS[:5], datetime(2025, 6, 1))) == 1
    assert origins(target(), MONTHS[:3], datetime(2025, 4, 1)) == []


def test_listed_tests_are_origins_of_their_own():
    split = Split(test=[datetime(2026, 1, 1), datetime(2026, 4, 1)])
    first, second = origins(target(split=split), MONTHS, END)
    assert (first.at, first.test) == (datetime(2026, 1, 1), (datetime(2026, 1, 1),))
    assert first.train[-1] == datetime(2025, 11, 1)
    assert second.train[-1] == datetime(2026, 1, 1)


def test_listed_training_dates_are_kept():
    split = Split(train=[MONTHS[2], MONTHS[0]], test=[datetime(2026, 4, 1)])
    (found,) = origins(target(split=split), MONTHS, END)
    assert found.train == (MONTHS[0], MONTHS[2])


@pytest.mark.parametrize(
    "split",
    [
        pytest.param(Split(test=[datetime(2026, 6, 1)]), id="test-not-mature"),
        pytest.param(Split(test=[datetime(2026, 4, 2)]), id="test-not-in-grid"),
        pytest.param(
            Split(train=[datetime(2026, 3, 1)], test=[datetime(2026, 4, 1)]), id="train-too-late"
        ),
    ],
)
def test_a_date_whose_answer_comes_too_late_is_refused(split):
    with pytest.raises(ProjectError, match="not an as-of date whose answer is known"):
        origins(target(split=split), MONTHS, END)


def test_test_from_is_one_origin_for_all_that_follows():
    days = [datetime(2026, 1, 1) + number * DAY for number in range(180)]
    split = Split(test_from=datetime(2026, 4, 1))
    (found,) = origins(target(split=split, horizon_days=30), days, END)
    assert found.at == datetime(2026, 4, 1)
    assert (found.test[0], found.test[-1]) == (datetime(2026, 4, 1), datetime(2026, 6, 1))
    assert found.train[-1] == datetime(2026, 3, 2)


def test_dense_grids_are_tested_in_blocks_of_a_month():
    days = [datetime(2026, 1, 1) + number * DAY for number in range(180)]
    found = origins(target(horizon_days=10), days, END)
    assert [len(origin.test) for origin in found] == [30, 30, 30]
    assert all(origin.at == origin.test[0] for origin in found)


@given(
    start=st.integers(0, 400),
    step=st.sampled_from([1, 7, 14, 30]),
    count=st.integers(1, 60),
    horizon=st.integers(1, 120),
    grace=st.integers(0, 45),
    kind=st.sampled_from(["churn", "silence"]),
    wait=st.integers(0, 200),
)
def test_no_training_date_is_answered_after_its_origin(
    start, step, count, horizon, grace, kind, wait
):
    """Whatever the grid: train is answered by the origin, the origin is not after its tests."""
    dates = [datetime(2024, 1, 1) + (start + step * number) * DAY for number in range(count)]
    data_end = dates[-1] + wait * DAY
    asked = target(kind=kind, horizon_days=horizon, grace_days=grace)
    for origin in origins(asked, dates, data_end):
        assert origin.train
        assert max(origin.train) + known_after(asked) <= origin.at <= min(origin.test)
        assert max(origin.test) + known_after(asked) <= data_end


def test_newest_is_the_last_date_or_the_last_month():
    assert newest(MONTHS) == (MONTHS[-1],)
    days = [datetime(2026, 1, 1) + number * DAY for number in range(50)]
    assert newest(days) == tuple(days[-30:])


def test_customers_are_never_on_both_sides(rng):
    customer = rng.integers(0, 80, 400)
    event = (customer % 5 == 0).astype(float)
    folds = list(customer_folds(event, customer, 4))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(400))
    for train, test in folds:
        assert not set(customer[train]) & set(customer[test])
        assert len(train) + len(test) == 400
        events = {who for who in customer[test] if who % 5 == 0}
        assert len(events) == 4  # 16 customers with the event, dealt evenly
