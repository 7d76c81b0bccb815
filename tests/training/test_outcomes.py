"""Edges of the kinds of target: falls of MRR, products, pauses, causes, days of a time zone."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.days import days_later, micros
from features.project import Target
from training.labels import known_after, mature
from training.outcomes import Rows, churn, contraction, cross_sell

AS_OF = datetime(2026, 6, 1)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EPS = timedelta(microseconds=1)
BEFORE = (AS_OF - 90 * DAY, 1000)


def steps(*rows):
    """MRR steps of one customer from (moment, mrr) or (moment, mrr, cause)."""
    full = [("c1", *row, *("end",)[len(row) - 2 :]) for row in rows]
    frame = pd.DataFrame(full, columns=["customer_id", "at", "mrr", "cause"])
    return frame.astype({"at": "datetime64[us]"})


def rows_of(target, as_of=AS_OF):
    keys = pd.DataFrame({"customer_id": ["c1"], "as_of": [as_of]})
    return Rows.of(keys.astype({"as_of": "datetime64[us]"}), target)


SHRINK = Target(kind="contraction", horizon_days=30)


class TestContraction:
    """`spec`: covered; MRR falls but stays above zero."""

    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            pytest.param([(AS_OF, 999)], 1, id="any-less-at-as-of"),
            pytest.param([(AS_OF + 30 * DAY - EPS, 900)], 1, id="last-moment"),
            pytest.param([(AS_OF + 30 * DAY, 900)], 0, id="at-horizon"),
            pytest.param([(AS_OF - EPS, 900)], 0, id="before"),
            pytest.param([(AS_OF + DAY, 1200), (AS_OF + 2 * DAY, 1000)], 0, id="back-to-where"),
            pytest.param([(AS_OF + DAY, 1200), (AS_OF + 2 * DAY, 999)], 1, id="below-where"),
            pytest.param([(AS_OF + DAY, 900), (AS_OF + 2 * DAY, 1500)], 1, id="for-a-day"),
            pytest.param([(AS_OF + DAY, 0)], 0, id="to-zero-is-churn"),
            pytest.param([(AS_OF + DAY, 900), (AS_OF + 2 * DAY, 0)], 0, id="less-then-gone"),
            pytest.param([(AS_OF + DAY, 900), (AS_OF + 30 * DAY, 0)], 1, id="gone-at-horizon"),
            pytest.param([], 0, id="nothing"),
        ],
    )
    def test_falls_and_stays_above_zero(self, rows, expected):
        assert contraction(steps(BEFORE, *rows), rows_of(SHRINK))[0] == expected

    @pytest.mark.parametrize(
        ("gap", "expected"),
        [
            pytest.param(HOUR, 1, id="an-hour"),
            pytest.param(24 * HOUR, 1, id="a-day"),
            pytest.param(24 * HOUR + EPS, 0, id="longer"),
        ],
    )
    def test_cancel_and_create_within_a_day_is_a_change(self, gap, expected):
        gone = AS_OF + DAY
        rows = [BEFORE, (gone, 0), (gone + gap, 600)]
        assert contraction(steps(*rows), rows_of(SHRINK))[0] == expected
        dearer = [BEFORE, (gone, 0), (gone + gap, 1600)]
        assert contraction(steps(*dearer), rows_of(SHRINK))[0] == 0

    def test_what_comes_after_the_window_does_not_tell(self):
        end = AS_OF + 30 * DAY
        rows = [BEFORE, (AS_OF + DAY, 900), (end - HOUR, 0), (end, 600)]
        assert contraction(steps(*rows), rows_of(SHRINK))[0] == 0

    def test_needs_coverage_at_as_of(self):
        assert np.isnan(contraction(steps((AS_OF, 1000)), rows_of(SHRINK))[0])
        gone = steps(BEFORE, (AS_OF - EPS, 0))
        assert np.isnan(contraction(gone, rows_of(SHRINK))[0])


ADD_ON = Target(kind="cross_sell", product="x", product_in="usage", horizon_days=30)


def uses(*moments, needs_coverage=True):
    at = pd.Series(list(moments), dtype="datetime64[us]")
    frame = pd.DataFrame({"customer_id": "c1", "occurred_at": at})
    return frame.assign(needs_coverage=needs_coverage)


class TestCrossSell:
    """`spec`: covered, lacks the product; first paid use of it in the window."""

    @pytest.mark.parametrize(
        ("at", "expected"),
        [
            pytest.param(AS_OF, 1, id="at-as-of"),
            pytest.param(AS_OF + 30 * DAY - EPS, 1, id="last-moment"),
            pytest.param(AS_OF + 30 * DAY, 0, id="at-horizon"),
            pytest.param(AS_OF - EPS, np.nan, id="had-it"),
        ],
    )
    @pytest.mark.parametrize("needs_coverage", [True, False])
    def test_the_first_one_is_in_the_window(self, at, expected, needs_coverage):
        found = cross_sell(steps(BEFORE), uses(at, needs_coverage=needs_coverage), rows_of(ADD_ON))
        np.testing.assert_equal(found[0], expected)

    def test_a_use_counts_while_it_is_paid_for(self):
        left = steps(BEFORE, (AS_OF + DAY, 0), (AS_OF + 9 * DAY, 50))
        for day, paid in ((1, 0), (8, 0), (9, 1)):
            at = AS_OF + day * DAY
            assert cross_sell(left, uses(at), rows_of(ADD_ON))[0] == paid
            assert cross_sell(left, uses(at, needs_coverage=False), rows_of(ADD_ON))[0] == 1

    def test_an_unpaid_use_may_be_followed_by_a_paid_one(self):
        left = steps(BEFORE, (AS_OF + DAY, 0), (AS_OF + 9 * DAY, 50))
        both = uses(AS_OF + 2 * DAY, AS_OF + 10 * DAY)
        assert cross_sell(left, both, rows_of(ADD_ON))[0] == 1

    def test_nobody_buys_and_nobody_pays(self):
        assert cross_sell(steps(BEFORE), uses(), rows_of(ADD_ON))[0] == 0
        assert np.isnan(cross_sell(steps((AS_OF, 50)), uses(AS_OF), rows_of(ADD_ON))[0])


PAUSED = Target(kind="churn", horizon_days=30, grace_days=15, pause_days=60)


class TestPauses:
    """A pause ends coverage; whether that is churn is known when no pause may last longer."""

    @pytest.mark.parametrize(
        ("cause", "back", "expected"),
        [
            pytest.param("pause", 15 * DAY, 0, id="a-pause-longer-than-the-grace"),
            pytest.param("pause", 60 * DAY - EPS, 0, id="just-in-time"),
            pytest.param("pause", 60 * DAY, 1, id="too-late"),
            pytest.param("pause", None, 1, id="never"),
            pytest.param("end", 15 * DAY - EPS, 0, id="an-end-within-the-grace"),
            pytest.param("end", 15 * DAY, 1, id="an-end-has-the-grace-only"),
        ],
    )
    def test_how_long_coverage_may_be_away(self, cause, back, expected):
        gone = AS_OF + 10 * DAY
        rows = [BEFORE, (gone, 0, cause)] + ([(gone + back, 1000)] if back else [])
        assert churn(steps(*rows), rows_of(PAUSED), PAUSED)[0][0] == expected

    def test_the_answer_is_known_when_the_longest_wait_is_over(self):
        assert known_after(PAUSED) == 90 * DAY
        assert known_after(PAUSED.model_copy(update={"pause_days": 0})) == 45 * DAY
        assert known_after(PAUSED.model_copy(update={"pause_days": None})) == 45 * DAY

    def test_a_pause_has_the_grace_at_least(self):
        target = PAUSED.model_copy(update={"pause_days": 0})
        rows = [BEFORE, (AS_OF + DAY, 0, "pause"), (AS_OF + 10 * DAY, 1000)]
        assert churn(steps(*rows), rows_of(target), target)[0][0] == 0


class TestReturns:
    """One run of coverage through every return in time; a new one after."""

    def test_a_return_after_the_grace_begins_again(self):
        target = Target(kind="churn", horizon_days=30, grace_days=15)
        rows = [BEFORE, (AS_OF - 40 * DAY, 0), (AS_OF - 20 * DAY, 1000), (AS_OF + DAY, 0)]
        assert churn(steps(*rows), rows_of(target), target)[0][0] == 1
        earlier = rows_of(target, AS_OF - 50 * DAY)
        assert churn(steps(*rows), earlier, target)[0][0] == 1
        between = rows_of(target, AS_OF - 30 * DAY)
        assert np.isnan(churn(steps(*rows), between, target)[0][0])


@pytest.mark.parametrize(
    ("cause", "unpaid"), [("involuntary", True), ("end", False), ("pause", False)]
)
def test_the_cause_is_that_of_the_end(cause, unpaid):
    target = Target(kind="churn", horizon_days=30, grace_days=15)
    gap = [(AS_OF + DAY, 0, "involuntary"), (AS_OF + 2 * DAY, 1000, "recovered")]
    frame = steps(BEFORE, *gap, (AS_OF + 9 * DAY, 0, cause))
    event, involuntary = churn(frame, rows_of(target), target)
    assert (event[0], involuntary[0]) == (1, unpaid)
    later = steps(BEFORE, (AS_OF + 30 * DAY, 0, cause))
    assert churn(later, rows_of(target), target)[1].tolist() == [False]


class TestDaysOfAZone:
    """Berlin sets its clocks forward on 29 March 2026 and back on 25 October."""

    SPRING = datetime(2026, 3, 27, 23)  # midnight of the 28th

    def test_days_later_keep_the_time_of_the_day(self):
        start = micros(pd.DatetimeIndex([self.SPRING]))
        found = days_later(start, 3, "Europe/Berlin").astype("datetime64[us]")
        assert pd.Timestamp(found[0]) == datetime(2026, 3, 30, 22)
        back = days_later(found.astype(np.int64), -3, "Europe/Berlin")
        np.testing.assert_array_equal(back, start)

    def test_the_horizon_ends_at_a_midnight(self):
        target = Target(kind="churn", horizon_days=3, grace_days=0).in_zone("Europe/Berlin")
        end = datetime(2026, 3, 30, 22)
        for at, expected in ((end, 0), (end - EPS, 1)):
            frame = steps((self.SPRING - DAY, 10), (at, 0))
            assert churn(frame, rows_of(target, self.SPRING), target)[0][0] == expected

    def test_and_the_answer_is_known_at_one(self):
        target = Target(kind="churn", horizon_days=2, grace_days=1).in_zone("Europe/Berlin")
        end = datetime(2026, 3, 30, 22)
        assert mature(self.SPRING, target, end)
        assert not mature(self.SPRING, target, end - EPS)
        autumn = datetime(2026, 10, 23, 22)
        assert not mature(autumn, target, autumn + 3 * DAY)
        assert mature(autumn, target, autumn + 3 * DAY + HOUR)

    def test_a_gap_of_the_grace_is_measured_in_days(self):
        target = Target(kind="churn", horizon_days=9, grace_days=3).in_zone("Europe/Berlin")
        gone = self.SPRING
        for back, expected in ((datetime(2026, 3, 30, 22), 1), (datetime(2026, 3, 30, 21), 0)):
            frame = steps((gone - 9 * DAY, 10), (gone, 0), (back, 10))
            assert churn(frame, rows_of(target, gone), target)[0][0] == expected
