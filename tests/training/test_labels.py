from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.project import Target
from training.labels import mature
from training.outcomes import Rows, absence, churn, contraction, conversion, upsell

AS_OF = datetime(2026, 6, 1)
DAY = timedelta(days=1)
EPS = timedelta(microseconds=1)


def steps(*rows):
    """MRR steps from (customer, moment, mrr), (..., organic) or (..., organic, cause)."""
    columns = ["customer_id", "at", "mrr", "organic", "cause"]
    full = [(*row, *(0, "end")[len(row) - 3 :]) for row in rows]
    frame = pd.DataFrame(full, columns=columns)
    return frame.astype({"at": "datetime64[us]"}).sort_values(["customer_id", "at"])


def window(target, customer="c1", as_of=AS_OF):
    keys = pd.DataFrame({"customer_id": [customer], "as_of": [as_of]})
    return Rows.of(keys.astype({"as_of": "datetime64[us]"}), target)


def judge(kind, frame, target, customer="c1", as_of=AS_OF):
    rows = window(target, customer, as_of)
    if kind is churn:
        return churn(frame, rows, target)[0][0]
    return kind(frame, rows, target)[0] if kind is upsell else kind(frame, rows)[0]


CHURN = Target(kind="churn", horizon_days=30, grace_days=15)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        pytest.param(AS_OF, 1, id="at-as-of"),
        pytest.param(AS_OF + 30 * DAY - EPS, 1, id="last-moment"),
        pytest.param(AS_OF + 30 * DAY, 0, id="at-horizon"),
        pytest.param(AS_OF - EPS, np.nan, id="before"),
        pytest.param(None, 0, id="never"),
    ],
)
def test_churn_is_an_end_inside_the_window(end, expected):
    rows = [("c1", AS_OF - 90 * DAY, 50)] + ([("c1", end, 0)] if end else [])
    found = judge(churn, steps(*rows), CHURN)
    np.testing.assert_equal(found, expected)


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        pytest.param(15 * DAY, 1, id="at-grace"),
        pytest.param(15 * DAY - EPS, 0, id="just-inside"),
        pytest.param(16 * DAY, 1, id="after-grace"),
    ],
)
def test_churn_needs_the_grace_to_pass(back, expected):
    end = AS_OF + 10 * DAY
    rows = [("c1", AS_OF - 90 * DAY, 50), ("c1", end, 0), ("c1", end + back, 50)]
    assert judge(churn, steps(*rows), CHURN) == expected


def test_a_return_inside_the_grace_may_still_end_in_the_window():
    """Two short gaps, then a real end: one run that ends with the last."""
    moments = [(-90, 50), (2, 0), (5, 50), (8, 0), (10, 50), (20, 0)]
    rows = [("c1", AS_OF + day * DAY, mrr) for day, mrr in moments]
    assert judge(churn, steps(*rows), CHURN) == 1
    assert judge(churn, steps(*rows[:-1]), CHURN) == 0


def test_churn_begins_only_after_coverage_began():
    """Coverage that starts at `as_of` was not there just before."""
    assert np.isnan(judge(churn, steps(("c1", AS_OF, 50)), CHURN))
    assert judge(churn, steps(("c1", AS_OF - EPS, 50)), CHURN) == 0


def test_customers_do_not_run_into_each_other():
    frame = steps(
        ("a", AS_OF - 9 * DAY, 50),
        ("b", AS_OF - 9 * DAY, 50),
        ("b", AS_OF + DAY, 0),
        ("c", AS_OF + 3 * DAY, 50),
    )
    found = [judge(churn, frame, CHURN, who) for who in ("a", "b", "c", "unknown")]
    np.testing.assert_equal(found, [0, 1, np.nan, np.nan])


def test_worked_case_of_maturity():
    """`spec`: grace 60, horizon 93, data end 2026-11-22; the latest known as-of is 2026-06-22."""
    target = Target(kind="churn", horizon_days=93, grace_days=60)
    assert mature(datetime(2026, 6, 22), target, datetime(2026, 11, 22))
    assert not mature(datetime(2026, 6, 23), target, datetime(2026, 11, 22))


def test_grace_is_for_churn_only():
    target = Target(kind="upsell", horizon_days=93, grace_days=60)
    assert mature(datetime(2026, 8, 21), target, datetime(2026, 11, 22))
    assert not mature(datetime(2026, 8, 22), target, datetime(2026, 11, 22))


def test_renewal_example_of_the_tables():
    """A paid period of 30 days, as-of day 25, horizon 6, grace 15: known on day 46."""
    target = Target(kind="churn", horizon_days=6, grace_days=15)
    bought = datetime(2022, 3, 1)
    as_of = bought + 25 * DAY
    gone = [("c1", bought, 1), ("c1", bought + 30 * DAY, 0)]
    back = ("c1", bought + 45 * DAY, 1)
    assert judge(churn, steps(*gone), target, as_of=as_of) == 1
    assert judge(churn, steps(*gone, back), target, as_of=as_of) == 1
    early = ("c1", bought + 45 * DAY - EPS, 1)
    assert judge(churn, steps(*gone, early), target, as_of=as_of) == 0
    assert mature(as_of, target, bought + 46 * DAY)
    assert not mature(as_of, target, bought + 46 * DAY - EPS)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(AS_OF, 0, id="at-as-of"),
        pytest.param(AS_OF + 30 * DAY - EPS, 0, id="last-moment"),
        pytest.param(AS_OF + 30 * DAY, 1, id="at-horizon"),
        pytest.param(AS_OF - EPS, 1, id="before"),
    ],
)
def test_silence_is_no_order_in_the_window(at, expected):
    orders = pd.DataFrame({"customer_id": ["c1", "c2"], "occurred_at": [at, AS_OF]})
    target = Target(kind="silence", horizon_days=30)
    assert judge(absence, orders.astype({"occurred_at": "datetime64[us]"}), target) == expected


UPSELL = Target(kind="upsell", horizon_days=30, min_increase=0.05)
BEFORE = ("c1", AS_OF - 90 * DAY, 1000, 0)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([("c1", AS_OF, 1050, 50)], 1, id="five-percent-at-as-of"),
        pytest.param([("c1", AS_OF + DAY, 1049, 49)], 0, id="less-than-five-percent"),
        pytest.param([("c1", AS_OF + 30 * DAY, 2000, 1000)], 0, id="at-horizon"),
        pytest.param([("c1", AS_OF + DAY, 2000, 0)], 0, id="price-rise"),
        pytest.param([("c1", AS_OF + DAY, 1100, 30)], 0, id="price-rise-and-a-seat"),
        pytest.param([("c1", AS_OF + DAY, 1010, 300)], 0, id="seats-but-a-new-discount"),
        pytest.param(
            [("c1", AS_OF + DAY, 1200, 200), ("c1", AS_OF + 2 * DAY, 0, 200)], 1, id="moment"
        ),
        pytest.param([], 0, id="nothing"),
    ],
)
def test_upsell_is_more_by_plan_quantity_or_add_on(rows, expected):
    assert judge(upsell, steps(BEFORE, *rows), UPSELL) == expected


def test_upsell_without_a_least_increase_still_needs_one():
    target = Target(kind="upsell", horizon_days=30, min_increase=0.0)
    assert judge(upsell, steps(BEFORE, ("c1", AS_OF, 1200, 0)), target) == 0
    assert judge(upsell, steps(BEFORE, ("c1", AS_OF, 1001, 1)), target) == 1


def test_upsell_needs_mrr_before():
    assert np.isnan(judge(upsell, steps(("c1", AS_OF, 1000, 1000)), UPSELL))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(AS_OF, 1, id="at-as-of"),
        pytest.param(AS_OF + 30 * DAY - EPS, 1, id="last-moment"),
        pytest.param(AS_OF + 30 * DAY, 0, id="at-horizon"),
        pytest.param(AS_OF - EPS, np.nan, id="before"),
    ],
)
def test_conversion_is_the_first_paid_start(first, expected):
    target = Target(kind="conversion", horizon_days=30)
    frame = steps(("c1", AS_OF - 200 * DAY, 0), ("c1", first, 10), ("c2", AS_OF, 10))
    np.testing.assert_equal(judge(conversion, frame, target), expected)
    assert judge(conversion, frame, target, "never paid") == 0


def test_contraction_stays_above_zero():
    target = Target(kind="contraction", horizon_days=30)
    less = ("c1", AS_OF + DAY, 900)
    assert judge(contraction, steps(BEFORE, less), target) == 1
    assert judge(contraction, steps(BEFORE, less, ("c1", AS_OF + 2 * DAY, 0)), target) == 0
    assert judge(contraction, steps(BEFORE, ("c1", AS_OF + DAY, 1000)), target) == 0


def test_many_random_rows_agree_with_a_loop(rng):
    """Sorted arrays against one customer at a time."""
    n = 400
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 30, n).astype(str),
            "at": AS_OF + pd.to_timedelta(rng.integers(-100, 100, n), unit="D"),
            "mrr": rng.choice([0, 0, 50, 80], n),
            "cause": "end",
        }
    ).drop_duplicates(["customer_id", "at"])
    frame = frame.astype({"at": "datetime64[us]"}).sort_values(["customer_id", "at"])
    customer = pd.Series(rng.integers(0, 32, 200).astype(str))
    as_of = pd.Series(AS_OF + pd.to_timedelta(rng.integers(-60, 60, 200), unit="D"))
    keys = pd.DataFrame({"customer_id": customer, "as_of": as_of.astype("datetime64[us]")})
    found, _ = churn(frame, Rows.of(keys, CHURN), CHURN)
    expected = [_by_hand(frame, *row) for row in zip(customer, as_of, strict=True)]
    np.testing.assert_array_equal(found, expected)
    assert {0.0, 1.0} <= set(found)


def _by_hand(frame, customer, as_of):
    own = frame[frame["customer_id"] == customer]
    ends, start = [], None
    for at, mrr in zip(own["at"], own["mrr"], strict=True):
        if mrr > 0 and start is None:
            start = at
            if ends and start < ends[-1][1] + 15 * DAY:
                start = ends.pop()[0]
        elif mrr == 0 and start is not None:
            ends.append((start, at))
            start = None
    if start is not None:
        ends.append((start, pd.Timestamp.max))
    for begun, end in ends:
        if begun < as_of <= end:
            return float(end < as_of + 30 * DAY)
    return np.nan
