"""What customers without a contract will still buy: expected orders, beside BG/NBD."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.built import Built
from features.days import DAY, Ints, days_later, micros, wall_clock
from features.errors import UnfitDataError
from features.facts import Facts
from features.staging import Staged
from models.bgnbd import BgNbd
from models.curve import EDGES, HORIZONS, YEAR
from models.encode import Encoder
from models.orders import OrderRates
from models.periods import PERIOD
from training.lifetime_panel import Panel
from training.outcomes import Floats
from training.timeline import Timeline

WEEK = 7
PROVEN = (90, 180, 365)
PANEL_ROWS = 150_000
Progress = Callable[[str], None]
Json = dict[str, Any]


class Orders:
    """Days with an order of every customer, as known at any moment; returns are none.

    Days are those of the project's time zone, in which as-of dates begin.
    """

    def __init__(self, staged: Staged, panel: Panel) -> None:
        self._facts, self._zone = Facts(staged, panel.target), panel.target.zone
        self._lines: dict[datetime, tuple[pd.DataFrame, Timeline]] = {}

    def _known(self, moment: datetime) -> tuple[pd.DataFrame, Timeline]:
        if moment not in self._lines:
            rows = self._facts.events(moment)
            at = wall_clock(micros(rows["occurred_at"]), self._zone)
            days = pd.DataFrame({"customer_id": rows["customer_id"], "day": at // DAY})
            days = days.drop_duplicates(ignore_index=True)
            days = days[(days["day"] * DAY < self._wall(moment)).to_numpy()].reset_index(drop=True)
            line = Timeline(days["customer_id"], days["day"].to_numpy() * DAY)
            self._lines[moment] = days, line
        return self._lines[moment]

    def _wall(self, moment: datetime) -> int:
        """What the clocks show at a moment, in microseconds."""
        return int(wall_clock(micros(pd.DatetimeIndex([moment])), self._zone)[0])

    def between(self, customer: pd.Series, at: Ints, low: int, high: int, moment: datetime) -> Ints:
        """Order days of each customer from `low` to `high` (exclusive) days after moments `at`.

        By what was known at `moment`; days below zero are before.
        """
        line, start = self._known(moment)[1], wall_clock(at, self._zone)
        return line.before(customer, start + high * DAY) - line.before(customer, start + low * DAY)

    def by_period(self, keys: pd.DataFrame, moment: datetime) -> tuple[Floats, Floats]:
        """Order days in each period after the as-of date, (n, 12), and the days observed, (n,)."""
        at = micros(keys["as_of"])
        columns = [
            self.between(keys["customer_id"], at, low, high, moment)
            for low, high in pairwise(EDGES)
        ]
        observed = (self._wall(moment) - wall_clock(at, self._zone)) / DAY
        return np.column_stack(columns).astype(float), np.maximum(observed, 0.0)

    def history(self, moment: datetime) -> pd.DataFrame:
        """What BG/NBD reads, in weeks, by customer: `repeats`, `recency`, `age`."""
        days = self._known(moment)[0]
        found = days.groupby("customer_id")["day"].agg(["min", "max", "count"])
        # The moment is exclusive: the last day that is known is the one before it.
        last = self._wall(moment) // DAY - 1
        age = (last - found["min"]).clip(lower=0) / WEEK
        recency = (found["max"] - found["min"]) / WEEK
        return pd.DataFrame({"repeats": found["count"] - 1, "recency": recency, "age": age})


@dataclass(frozen=True)
class Learned:
    """Order rates with the encoder of their features, and BG/NBD on the same knowledge."""

    encoder: Encoder
    model: OrderRates
    classic: BgNbd | None

    def expected(self, frame: pd.DataFrame, days: Any) -> Floats:
        """Orders within so many days, (n, len(days))."""
        matrix = self.encoder.transform(frame.assign(**{PERIOD.name: 0.0}))[:, :-1]
        return self.model.expected(matrix, days)

    def classic_expected(self, history: pd.DataFrame, days: Any) -> Floats:
        """The same by BG/NBD; NaN without it."""
        if self.classic is None:
            return np.full((len(history), len(days)), np.nan)
        x, t, age = (history[one] for one in ("repeats", "recency", "age"))
        columns = [self.classic.expected_orders(x, t, age, day / WEEK) for day in days]
        return np.column_stack(columns)


def learn_orders(panel: Panel, orders: Orders, moment: datetime) -> Learned | None:
    """Order rates from what was known at a moment; None where no period had been observed."""
    counts, observed = orders.by_period(panel.data.keys, moment)
    rows = np.flatnonzero(observed >= EDGES[1])
    if not len(rows):
        return None
    if len(rows) > PANEL_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:PANEL_ROWS])
    frame = panel.data.frame.iloc[rows].assign(**{PERIOD.name: 0.0})
    encoder = Encoder().fit(frame, [*panel.data.catalogue, PERIOD])
    model = OrderRates(categorical=encoder.categorical)
    model.fit(encoder.transform(frame)[:, :-1], counts[rows], observed[rows])
    past = orders.history(moment)
    try:
        classic = BgNbd.fit(past["repeats"], past["recency"], past["age"])
    except UnfitDataError:
        classic = None
    return Learned(encoder, model, classic)


@dataclass(frozen=True)
class OrdersProof:
    """Expected orders of one held-out date against those that came.

    Attributes
    ----------
    days, origin, customers
        The horizon, the as-of date and its customers; learned from what was known then.
    orders, expected, bg_nbd : float
        Sums over the customers.
    error, bg_nbd_error : float
        Root mean squared errors per customer.
    """

    days: int
    origin: datetime
    customers: int
    orders: float
    expected: float
    bg_nbd: float
    error: float
    bg_nbd_error: float

    def as_json(self) -> Json:
        """Plain JSON; NaN is null."""
        plain = asdict(self) | {"origin": self.origin.isoformat()}
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in plain.items()}


def prove_orders(
    panel: Panel,
    orders: Orders,
    moment: datetime,
    say: Progress,
    horizons: Sequence[int] = PROVEN,
) -> list[OrdersProof]:
    """Hold expected orders to later time, each horizon at the newest date that allows it."""
    found = []
    start, end = micros(panel.as_of), micros(pd.DatetimeIndex([moment]))[0]
    for days in horizons:
        known = days_later(start, days, panel.target.zone) <= end
        if not known.any():
            continue
        origin: datetime = panel.as_of[known].max().to_pydatetime()
        say(f"{days} days, as of {origin:%Y-%m-%d}")
        learned = learn_orders(panel, orders, origin)
        if learned is None:
            continue
        test = np.flatnonzero((panel.as_of == origin).to_numpy())
        keys = panel.data.keys.iloc[test]
        came = orders.between(keys["customer_id"], start[test], 0, days, moment).astype(float)
        ours = learned.expected(panel.data.frame.iloc[test], [days])[:, 0]
        past = _of(orders.history(origin), keys["customer_id"])
        classic = learned.classic_expected(past, [days])[:, 0]
        errors = [float(np.sqrt(np.mean((p - came) ** 2))) for p in (ours, classic)]
        sums = [float(one.sum()) for one in (came, ours, classic)]
        found.append(OrdersProof(days, origin, len(test), *sums, *errors))
    return found


def _of(history: pd.DataFrame, customer: pd.Series) -> pd.DataFrame:
    """The past of some customers; who has no order yet has just come."""
    return history.reindex(customer.to_numpy()).fillna(0.0)


def orders_report(
    staged: Staged, name: str, panel: Panel, now: Built, moment: datetime, say: Progress
) -> tuple[pd.DataFrame, Json]:
    """Expected orders and their worth per customer, and the summary.

    Raises
    ------
    UnfitDataError
        No as-of date has 30 days after it.
    """
    orders = Orders(staged, panel)
    proofs = prove_orders(panel, orders, moment, say)
    say("learning from all that is known")
    learned = learn_orders(panel, orders, moment)
    if learned is None:
        raise UnfitDataError(f"target {name!r} has no as-of date 30 days before {moment:%Y-%m-%d}")
    past = _of(orders.history(moment), now.keys["customer_id"])
    expected = learned.expected(now.table, HORIZONS)
    rows = {"customer_id": now.keys["customer_id"].to_numpy()}
    rows |= {f"expected_orders_{d}": expected[:, i].round(4) for i, d in enumerate(HORIZONS)}
    if learned.classic is not None:
        alive = learned.classic.p_alive(past["repeats"], past["recency"], past["age"])
        rows["p_alive"] = alive.round(6)
    worth = _worth(staged, learned, orders, now, moment)
    rows |= {"predicted_cltv": worth.round(2), "currency": now.state["currency"].to_numpy()}
    customers = pd.DataFrame(rows)
    classic = learned.classic_expected(past, HORIZONS).sum(axis=0)
    totals = customers["predicted_cltv"].groupby(customers["currency"]).sum(min_count=1).dropna()
    return customers, {
        "target": name,
        "as_of": moment.isoformat(),
        "customers": len(customers),
        "expected_orders": _sums(expected.sum(axis=0)),
        "bg_nbd_orders": _sums(classic),
        "bg_nbd": None if learned.classic is None else asdict(learned.classic),
        "predicted_cltv": {str(one): round(float(v), 2) for one, v in totals.items()},
        "cap_months": 12,
        "gross_margin": float(staged.project.money.gross_margin),
        "discount_rate": float(staged.project.money.discount_rate),
        "proofs": [proof.as_json() for proof in proofs],
    }


def _sums(values: npt.NDArray[np.float64]) -> dict[str, float | None]:
    return {
        str(days): None if np.isnan(value) else round(float(value), 1)
        for days, value in zip(HORIZONS, values, strict=True)
    }


def _worth(
    staged: Staged, learned: Learned, orders: Orders, now: Built, moment: datetime
) -> Floats:
    """Orders of the next 365 days x the customer's own mean value x margin, discounted.

    The mean is that of the last 365 days, of all customers for who ordered nothing in them.
    """
    money, end = staged.project.money, micros(now.keys["as_of"])
    count = orders.between(now.keys["customer_id"], end, -YEAR, 0, moment)
    spent = now.state["value_per_month"].to_numpy(dtype=np.float64) * 12
    overall = np.nansum(spent) / max(count[~np.isnan(spent)].sum(), 1)
    each = np.where(count > 0, spent / np.maximum(count, 1), overall)
    each = np.where(np.isnan(spent), np.nan, each)
    per_period = np.diff(learned.expected(now.table, EDGES), axis=1)
    weight = (1 + float(money.discount_rate)) ** (-np.asarray(EDGES[:-1]) / YEAR)
    return np.asarray((per_period @ weight) * each * float(money.gross_margin))
