"""Which moments are scored, and who is due at each: calendar grids, anchors, ladders."""

from collections.abc import Sequence
from datetime import datetime

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.days import Ints, days_later, micros
from features.engine import Tables, tables_for, to_frame
from features.errors import UnfitDataError
from features.grid import microseconds
from features.history import Versions
from features.project import AsOf, Target
from features.staging import Staged

WARM_UP_DAYS = (
    180  # history before the first as-of of a grid that names no start, the longest window
)
WARM_UP_SHARE = 0.25  # but no more than so much of all there is
_RUNNING = ("active", "past_due", "trialing", "paused")
_STEP = {"day": "D", "week": "W-MON", "month": "MS"}


def as_of_dates(staged: Staged, target: Target) -> list[datetime]:
    """Every moment of the target's grid, oldest first, up to and with `data_end`, mature or not.

    A grid that names no start begins 180 days, or a quarter of the history, after the first fact,
    whichever is earlier; borders of days, weeks and months are those of the project's time zone,
    the moments are UTC.
    """
    when, end = target.as_of, pd.Timestamp(staged.data_end)
    utc, zone = staged.project.utc, staged.project.timezone
    named = {utc(m) for m in (*when.dates, *target.split.train, *target.split.test)}
    if when.dates:
        return sorted(moment for moment in named if pd.Timestamp(moment) <= end)
    start = pd.Timestamp(utc(when.start)) if when.start else _warmed_up(staged, when)
    last = min(end, pd.Timestamp(utc(when.end))) if when.end else end
    grid = pd.date_range(
        start.tz_localize("UTC").tz_convert(zone).normalize(),
        last.tz_localize("UTC").tz_convert(zone),
        freq=_STEP[step(when)],
    )
    moments = {m.tz_convert("UTC").tz_localize(None).to_pydatetime() for m in grid}
    moments |= named
    return sorted(moment for moment in moments if start <= pd.Timestamp(moment) <= end)


def step(when: AsOf) -> str:
    """How far apart the moments are; anchored targets are looked at daily unless they say."""
    if when.anchor is not None and "every" not in when.model_fields_set:
        return "day"
    return when.every


def _warmed_up(staged: Staged, when: AsOf) -> pd.Timestamp:
    """The first moment with enough history before it; an anchor brings its own."""
    first = first_fact(staged)
    if when.anchor is not None:
        return first
    history = pd.Timestamp(staged.data_end) - first
    return first + min(pd.Timedelta(days=WARM_UP_DAYS), WARM_UP_SHARE * history)


def first_fact(staged: Staged) -> pd.Timestamp:
    """The oldest dated fact; the customers table only when there is no other."""
    periods = {name: first for name, (first, _) in staged.periods.items()}
    facts = [first for name, first in periods.items() if name not in ("customers", "plans")]
    return pd.Timestamp(min(facts or periods.values()))


def pairs_at(staged: Staged, target: Target, dates: Sequence[datetime]) -> pd.DataFrame:
    """The (customer, as-of) pairs to look at; columns `customer_id` and `as_of`, sorted by as-of.

    Calendar targets take every customer known before the date, anchored ones only those due.
    """
    tables = tables_for(staged)
    moments = pd.DatetimeIndex(np.array(sorted(set(dates)), dtype="datetime64[us]"))
    if target.as_of.anchor == "term_end":
        rows = _terms(tables["subscriptions"], target.as_of)
        return _before_end(rows, target.as_of, moments, staged.project.timezone)
    if target.as_of.anchor is not None:
        table = tables[target.as_of.anchor]
        return _anchored(table, target.as_of, moments, staged.project.timezone)
    rows = _customers(tables)
    seen = np.searchsorted(microseconds(moments), rows["seen"].to_numpy(), side="right")
    parts = [
        pd.DataFrame({"customer_id": rows["customer_id"].to_numpy()[seen <= k], "as_of": moment})
        for k, moment in enumerate(moments)
    ]
    none = pd.DataFrame({"customer_id": pd.Series(dtype="str"), "as_of": moments[:0]})
    return pd.concat(parts or [none], ignore_index=True)


def due(staged: Staged, target: Target, as_of: datetime) -> set[str] | None:
    """Who is due at a moment; None for calendar targets, where everybody is."""
    if target.as_of.anchor is None:
        return None
    return set(pairs_at(staged, target, [as_of])["customer_id"])


def _customers(tables: Tables) -> pd.DataFrame:
    """Each customer, sorted, with the microsecond it was first seen and known (0 when undated)."""
    table = tables["customers"]
    clocks = [c for c in ("occurred_at", "known_at") if c in table.columns]
    rows = to_frame(table.select("customer_id", *clocks))
    rows["seen"] = 0
    for clock in clocks:
        moment = microseconds(rows[clock].fillna(pd.Timestamp(0)))
        rows["seen"] = np.maximum(rows["seen"], moment)
    first = rows.groupby("customer_id", sort=True)["seen"].min()
    return pd.DataFrame({"customer_id": first.index, "seen": first.to_numpy()})


def _anchored(table: ir.Table, when: AsOf, moments: pd.DatetimeIndex, zone: str) -> pd.DataFrame:
    """Customers whose newest anchor, so many days on, falls into the step that ends at a moment."""
    starts, as_of = _due(_starts(table, when), when, moments, zone)
    return _pairs(starts["customer_id"].to_numpy(), as_of)


def offers_at(staged: Staged, target: Target, dates: Sequence[datetime]) -> pd.DataFrame:
    """What the anchor of each due pair offers: `customer_id`, `as_of`, `product`, once each.

    Of several that one moment anchors for a customer, the first by name.
    """
    when, column = target.as_of, str(target.product_from)
    moments = pd.DatetimeIndex(np.array(sorted(set(dates)), dtype="datetime64[us]"))
    starts = _starts(tables_for(staged)[str(when.anchor_table)], when, column)
    starts, as_of = _due(starts, when, moments, staged.project.timezone)
    offers = pd.DataFrame(
        {"customer_id": starts["customer_id"], "as_of": as_of, "product": starts[column]}
    )
    offers = offers.dropna().sort_values([*offers], ignore_index=True)
    return offers.drop_duplicates(["customer_id", "as_of"], ignore_index=True)


def _due(
    starts: pd.DataFrame, when: AsOf, moments: pd.DatetimeIndex, zone: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """The starts that make a customer due, and at which moment."""
    at = days_later(micros(starts["occurred_at"]), when.after_days, zone)
    place, inside = _steps_of(at, when, moments, zone)
    as_of = moments.to_numpy()[place]
    seen = starts[["occurred_at", "known_at"]].max(axis=1)
    following = _next_seen(starts.assign(seen=seen))
    newest = np.isnat(following) | (following >= as_of)
    known = starts["known_at"].to_numpy() < as_of
    keep = inside & newest & known & starts["anchors"].to_numpy(bool)
    return starts[keep], as_of[keep]


def _before_end(
    rows: pd.DataFrame, when: AsOf, moments: pd.DatetimeIndex, zone: str
) -> pd.DataFrame:
    """Customers with a term whose end, as known at a moment, is a rung after the step up to it."""
    entity = rows["subscription_id"].factorize()[0].astype(np.int64)
    row, start, stop = Versions.of(rows, entity, micros(moments)).spans()
    held = rows.iloc[row]
    runs = held["status"].isin(_RUNNING) & held["current_period_end"].notna() & held["anchors"]
    held, start, stop = held[runs], start[runs], stop[runs]
    end, who = micros(held["current_period_end"]), held["customer_id"].to_numpy()
    found = [_pairs(who[:0], moments.to_numpy()[:0])]
    for days in when.ladder_days:
        place, inside = _steps_of(days_later(end, -days, zone), when, moments, zone)
        due_now = inside & (place >= start) & (place < stop)
        found.append(_pairs(who[due_now], moments.to_numpy()[place[due_now]]))
    every = pd.concat(found)
    return _pairs(every["customer_id"].to_numpy(), every["as_of"].to_numpy())


def _steps_of(
    at: Ints, when: AsOf, moments: pd.DatetimeIndex, zone: str
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The moment whose step, which ends at it, holds each `at`; and whether one does.

    A step is a day, week or month long, whatever the moment before: one date asked for alone has
    the same customers as in the grid.
    """
    one = {"day": pd.DateOffset(days=1), "week": pd.DateOffset(weeks=1)}
    back = one.get(step(when), pd.DateOffset(months=1))
    opens = (moments.tz_localize("UTC").tz_convert(zone) - back).tz_convert(None)
    place = np.searchsorted(micros(moments), at, side="left")
    inside = place < len(moments)
    place = np.minimum(place, len(moments) - 1)
    return place, inside & (at > micros(opens)[place])


def _pairs(customer: np.ndarray, as_of: np.ndarray) -> pd.DataFrame:
    """Pairs once each, sorted by as-of."""
    pairs = pd.DataFrame({"customer_id": customer, "as_of": as_of})
    return pairs.drop_duplicates().sort_values(["as_of", "customer_id"], ignore_index=True)


def _next_seen(starts: pd.DataFrame) -> np.ndarray:
    """When a later start of the same customer was first seen; NaT when there is none."""
    key = ["customer_id", "occurred_at"]
    seen = starts.groupby(key)["seen"].min()[::-1]
    following = seen.groupby(level=0).cummin()[::-1].groupby(level=0).shift(-1)
    return following.reindex(pd.MultiIndex.from_frame(starts[key])).to_numpy()


def _starts(table: ir.Table, when: AsOf, *more: str) -> pd.DataFrame:
    """Every start of the anchor table (of a customer, a subscription, an order), in time order."""
    columns = ["customer_id", "occurred_at", "known_at", "anchors", *more]
    if when.anchor == "subscriptions":
        columns.append("subscription_id")
    rows = to_frame(_marked(table, when).select(columns)).dropna(subset=["occurred_at"])
    order = ["customer_id", "occurred_at", "known_at", "anchors"]
    rows = rows.sort_values(order, kind="stable", ignore_index=True)
    once = {"customers": "customer_id", "subscriptions": "subscription_id"}.get(when.anchor or "")
    return rows if once is None else rows.drop_duplicates(once, ignore_index=True)


def _terms(table: ir.Table, when: AsOf) -> pd.DataFrame:
    """The history of every subscription with the end of its term.

    Raises
    ------
    UnfitDataError
        The subscriptions have no `current_period_end`.
    """
    if "current_period_end" not in table.columns:
        raise UnfitDataError(
            "anchor = 'term_end' needs current_period_end of subscriptions, which is not mapped"
        )
    columns = ["subscription_id", "customer_id", "occurred_at", "known_at", "status"]
    rows = to_frame(_marked(table, when).select(*columns, "current_period_end", "anchors"))
    order = ["subscription_id", "occurred_at", "known_at", "status"]
    return rows.sort_values(order, kind="stable", ignore_index=True)


def _marked(table: ir.Table, when: AsOf) -> ir.Table:
    """The rows with a flag `anchors` for those that the project lets anchor."""
    if when.where is None:
        return table.mutate(anchors=True)
    query = f"SELECT *, coalesce(({when.where}), false) AS anchors FROM anchor_rows"
    view = table.alias("anchor_rows")
    return view.sql(query, dialect="duckdb")  # other engines get it in their own words
