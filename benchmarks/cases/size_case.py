"""Made-up customers at many dates, as the build writes its frames."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from features.built import Built
from features.declare import Feature
from models.portable import sigmoid

NUMBERS, KINDS = 95, 5
SLICES = 25  # dates that train; one more tests
PART = 200_000  # rows made up at once


def catalogue() -> tuple[Feature, ...]:
    """A hundred features, five of them categories, one of those of many values."""
    numbers = [
        Feature(f"n_{i}", "usage", "events", f"Number {i}.", f"n_{i}") for i in range(NUMBERS)
    ]
    kinds = [
        Feature(f"k_{i}", "profile", "kind", f"Kind {i}.", f"k_{i}", kind="category")
        for i in range(KINDS)
    ]
    return (*numbers, *kinds)


def parts(customers: int) -> Iterator[Built]:
    """Every customer at every date; what drives leaving wanders a little from date to date."""
    random = np.random.default_rng(0)
    weights = np.zeros(NUMBERS)
    weights[:12] = 0.5 * random.normal(size=12)
    kinds = [np.array([f"{i}-{j}" for j in range(300 if i == 0 else 6)]) for i in range(KINDS)]
    effects = [0.4 * random.normal(size=len(names)) for names in kinds]
    for date in pd.date_range("2024-01-01", periods=SLICES + 1, freq="30D"):
        weights[:12] += 0.04 * random.normal(size=12)
        for start in range(0, customers, PART):
            who = np.arange(start, min(start + PART, customers))
            yield part(who, date, weights, kinds, effects)


def part(
    who: np.ndarray,
    date: pd.Timestamp,
    weights: np.ndarray,
    kinds: list[np.ndarray],
    effects: list[np.ndarray],
) -> Built:
    """Some customers at a date: half of what a number says is the customer's own and stays."""
    own = np.random.default_rng([1, int(who[0])])
    now = np.random.default_rng([2, int(who[0]), int(date.value // 10**9)])
    numbers = np.sqrt(0.5) * (
        own.standard_normal((NUMBERS, len(who))) + now.standard_normal((NUMBERS, len(who)))
    )
    codes = [own.integers(0, len(names), len(who)) for names in kinds]
    odds = -3.2 + weights @ numbers + 0.5 * numbers[0] * numbers[1] - 0.4 * (numbers[2] > 1)
    odds += sum(effect[code] for effect, code in zip(effects, codes, strict=True))
    left = now.random(len(who)) < sigmoid(odds)
    numbers[::10][now.random((NUMBERS // 10 + 1, len(who))) < 0.1] = np.nan
    columns = {f"n_{i}": values for i, values in enumerate(numbers)}
    columns |= {
        f"k_{i}": names[code].astype(object)
        for i, (names, code) in enumerate(zip(kinds, codes, strict=True))
    }
    ids = np.char.add("c", who.astype(str)).astype(object)
    keys = pd.DataFrame({"customer_id": ids, "as_of": date.as_unit("us")})
    return Built(keys, pd.DataFrame(columns), state_of(left), catalogue())


def state_of(left: np.ndarray) -> pd.DataFrame:
    """The label, and the columns that a state has, as wide as those of a real one."""
    moments = ("first_seen_at", "last_fact_at", "first_paid_at", "last_order_at")
    moments += ("last_activity_at", "coverage_started_at", "renewal_at")
    state = pd.DataFrame({m: pd.Timestamp("2023-01-01") for m in moments}, index=range(len(left)))
    state[["mrr", "value_per_month"]] = 10.0
    flags = ["covered", "ever_covered", "ever_subscribed", "trialing", "paused", "end_announced"]
    state[[*flags, "objected"]] = False
    for text in ("plan_id", "segment", "owner_id", "name", "country", "currency", "external_ids"):
        state[text] = "one"
    state["left"] = np.where(left, "yes", "no")
    return state
