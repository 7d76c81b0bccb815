"""Every way of reducing a window against plain Python, on random rows, some late, in any zone."""

import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.declare import EVER, MEASURES, Reduce, measure
from features.engine import tables_of
from features.grid import Grid
from features.windows import compute_windows

UTC = ZoneInfo("UTC")
WINDOWS = (7, 28, EVER)
DAY_KINDS: tuple[Reduce, ...] = (
    "days",
    "streak",
    "longest_streak",
    "gap_mean",
    "gap_sd",
    "gap_max",
)
NAMES = ["a", "b", "c"]
Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def measures() -> Iterator[None]:
    """One measure per kind, on the table of uses."""
    before = dict(MEASURES)
    for kind in DAY_KINDS:

        def of_days(usage):
            return usage.day

        of_days.__name__ = f"try_{kind}"
        measure(reduce=kind, windows=WINDOWS, unit="days", reason="test")(of_days)

    @measure(reduce="latest", unit="value", reason="test")
    def try_latest(usage):
        return usage.quantity

    @measure(reduce="first", unit="days", reason="test")
    def try_first(usage):
        return usage.quantity > 0

    @measure(reduce="last", unit="days", reason="test")
    def try_last(usage):
        return usage.quantity > 0

    @measure(windows=WINDOWS, unit="events", reason="test")
    def try_count(usage):
        return usage.occurred_at.notnull()

    @measure(reduce="distinct", windows=WINDOWS, unit="kinds", reason="test")
    def try_distinct(usage):
        return usage.event

    @measure(reduce="top_share", windows=WINDOWS, unit="share", reason="test")
    def try_top_share(usage):
        return usage.event

    yield
    MEASURES.clear()
    MEASURES.update(before)


def random_rows(seed: int, zone: ZoneInfo, around: datetime) -> list[Row]:
    """Uses over 60 days, crowded on few days and near midnights, a fifth of them told late."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(int(rng.integers(0, 40))):
        day = around - timedelta(days=int(rng.integers(0, 60)))
        wall = day.replace(tzinfo=zone) + timedelta(minutes=int(rng.choice([-1, 0, 1, 300, 900])))
        at = wall.astimezone(UTC).replace(tzinfo=None)
        late = timedelta(days=int(rng.integers(1, 40)) if rng.random() < 0.2 else 0)
        rows.append(
            {
                "customer_id": str(rng.choice(NAMES)),
                "occurred_at": at,
                "known_at": at + late,
                "event": str(rng.choice(["x", "y", "z"])),
                "quantity": Decimal(int(rng.integers(-5, 5))) / 4 if rng.random() < 0.8 else None,
            }
        )
    return rows


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def seen(rows: list[Row], who: str, as_of: datetime, window: int, zone: ZoneInfo) -> list[Row]:
    """Rows of a window of so many local days, as known at `as_of`."""
    start = local(as_of, zone) - timedelta(days=window or 10_000)
    return [
        row
        for row in rows
        if row["customer_id"] == who
        and row["occurred_at"] < as_of
        and row["known_at"] < as_of
        and local(row["occurred_at"], zone) >= start
    ]


def days_of(rows: list[Row], zone: ZoneInfo) -> list[date]:
    return sorted({local(row["occurred_at"], zone).date() for row in rows})


def runs(days: list[date]) -> list[list[date]]:
    found: list[list[date]] = []
    for day in days:
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return found


def last_value(rows: list[Row]) -> float | None:
    """Ties go to what was known last, then to the greatest."""
    valued = [r for r in rows if r["quantity"] is not None]
    valued.sort(key=lambda r: (r["occurred_at"], r["known_at"], r["quantity"]))
    return float(valued[-1]["quantity"]) if valued else None


def meant(kind: str, rows: list[Row], as_of: datetime, zone: ZoneInfo) -> float | None:
    days = days_of(rows, zone)
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    yesterday = local(as_of, zone).date() - timedelta(days=1)
    positive = [
        (as_of - row["occurred_at"]) / timedelta(days=1)
        for row in rows
        if (row["quantity"] or 0) > 0
    ]
    values: dict[str, float | None] = {
        "days": len(days),
        "streak": sum(len(run) for run in runs(days) if run[-1] >= yesterday),
        "longest_streak": max((len(run) for run in runs(days)), default=0),
        "gap_mean": statistics.fmean(gaps) if gaps else None,
        "gap_sd": statistics.stdev(gaps) if len(gaps) > 1 else None,
        "gap_max": max(gaps, default=None),
        "count": len(rows),
        "distinct": len({row["event"] for row in rows}),
        "top_share": max(Counter(row["event"] for row in rows).values()) / len(rows)
        if rows
        else None,
        "latest": last_value(rows),
        "first": max(positive, default=None),
        "last": min(positive, default=None),
    }
    return values[kind]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    name=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo"]),
    hour=st.sampled_from([0, 0, 13]),
    wanted_days=st.sampled_from([WINDOWS, (7,)]),  # without EVER, old rows matter to moments only
)
def test_every_reduction_equals_plain_python(
    seed: int, name: str, hour: int, wanted_days: tuple[int, ...]
) -> None:
    zone = ZoneInfo(name)
    around = datetime(2018, 4, 10)  # clocks change in Berlin (March) and Sao Paulo (February)
    walls = [around - timedelta(days=d) for d in (25, 14, 0)]
    as_ofs = [
        (w + timedelta(hours=hour)).replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
        for w in walls
    ]
    rows = random_rows(seed, zone, around)
    columns = ["customer_id", "occurred_at", "known_at", "event", "quantity"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.astype({"occurred_at": "datetime64[us]", "known_at": "datetime64[us]"})
    tables = tables_of({"usage": frame.astype({"customer_id": "str", "event": "str"})})
    grid = Grid.of([pd.Timestamp(m) for m in as_ofs], WINDOWS, name)
    kinds = [*DAY_KINDS, "count", "distinct", "top_share"]
    wanted = {f"try_{kind}": {(0, w) for w in wanted_days} for kind in kinds}
    wanted |= {f"try_{kind}": {(0, EVER)} for kind in ("latest", "first", "last")}
    customer = np.repeat(np.arange(len(NAMES)), len(as_ofs))
    as_of = np.tile(np.arange(len(as_ofs)), len(NAMES))
    found = compute_windows(tables, wanted, grid, pa.array(NAMES), customer, as_of)
    for (measured, (_, window)), values in found.items():
        for place, (who, when) in enumerate(zip(customer, as_of, strict=True)):
            visible = seen(rows, NAMES[who], as_ofs[when], window, zone)
            value = meant(measured.removeprefix("try_"), visible, as_ofs[when], zone)
            said = f"{measured} of {window} days, {NAMES[who]} at {as_ofs[when]} in {name}"
            assert values[place] == pytest.approx(
                np.nan if value is None else value, nan_ok=True
            ), said


def test_a_window_over_a_change_of_clocks_holds_whole_days() -> None:
    grid = Grid.of([pd.Timestamp("2018-03-31 22:00")], [7, 28], "Europe/Berlin")
    starts = [str(edge) for edge in grid.edges.astype("datetime64[us]").astype("datetime64[m]")]
    assert starts == ["2018-03-03T23:00", "2018-03-24T23:00", "2018-03-31T22:00"]
    assert grid.days_whole
