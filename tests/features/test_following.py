"""Figures that follow from others agree with them, by the code that built them."""

import subprocess
import sys

import numpy as np
import pytest

from features.catalogue import CATALOGUE
from features.declare import DERIVED
from features.following import Following

NAMES = [
    "active_days_28d", "active_days_prev_28d", "active_days_trend_28d", "active_users_28d",
    "seats", "seats_used_share_28d", "usage_events_7d", "usage_events_28d", "usage_pace_7d_28d",
    "mrr", "mrr_per_active_day_28d", "days_past_due",
]  # fmt: skip
AT = {name: i for i, name in enumerate(NAMES)}


def row(**values: float) -> np.ndarray:
    filled = dict.fromkeys(NAMES, np.nan) | values
    return np.array([[filled[name] for name in NAMES]])


def test_ratios_of_columns_follow_and_facts_do_not() -> None:
    follow = {NAMES[at] for at in Following(NAMES).positions}
    assert follow == {name for name in NAMES if "trend" in name or "share" in name} | {
        "usage_pace_7d_28d",
        "mrr_per_active_day_28d",
    }


def test_what_follows_is_computed_from_what_moved_and_what_stayed() -> None:
    matrix = row(
        active_days_28d=20, active_days_prev_28d=10, active_days_trend_28d=0.4,
        active_users_28d=31, seats=62, seats_used_share_28d=0.1,
        usage_events_7d=0, usage_events_28d=40, usage_pace_7d_28d=0,
        mrr=500, mrr_per_active_day_28d=125, days_past_due=3,
    )  # fmt: skip
    moved = np.zeros(matrix.shape, dtype=bool)
    moved[0, [AT["active_days_28d"], AT["active_users_28d"]]] = True
    Following(NAMES).settle(matrix, moved)
    assert matrix[0, AT["active_days_trend_28d"]] == 2
    assert matrix[0, AT["seats_used_share_28d"]] == 0.5
    assert matrix[0, AT["mrr_per_active_day_28d"]] == 25
    assert matrix[0, AT["usage_pace_7d_28d"]] == 0  # of nothing that moved
    assert matrix[0, AT["days_past_due"]] == 3


def test_rows_where_nothing_moved_stay_as_they_are() -> None:
    matrix = np.concatenate([row(active_users_28d=5, seats=10, seats_used_share_28d=0.9)] * 2)
    moved = np.zeros(matrix.shape, dtype=bool)
    moved[1, AT["active_users_28d"]] = True
    Following(NAMES).settle(matrix, moved)
    np.testing.assert_array_equal(matrix[:, AT["seats_used_share_28d"]], [0.9, 0.5])


def test_a_ratio_without_its_parts_is_a_figure_of_its_own() -> None:
    lacking = [name for name in NAMES if name != "seats"]
    positions = Following(lacking).positions
    assert lacking.index("seats_used_share_28d") not in positions


RATIOS = [n for n in DERIVED if CATALOGUE[n].unit in ("ratio", "share")]


@pytest.mark.parametrize("name", RATIOS)
def test_all_ratios_of_the_catalogue_follow(name: str) -> None:
    """But those told by the state as they are: nothing else says what they are made of."""
    names = [*CATALOGUE]
    assert (names.index(name) in Following(names).positions) == (name != "price_rise_share")


def test_the_catalogue_is_known_to_whoever_asks_first() -> None:
    """A service that only reads scores has built nothing before."""
    code = (
        "from features.following import Following;"
        "print(*Following(['active_users_28d', 'seats', 'seats_used_share_28d']).positions)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["2"]
