"""What would change a score: it does when tried, and it is within reach."""

import time

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from features.declare import Feature
from models.counterfactual import LEAST_CHANGE
from models.fitted import Fitted
from models.levers import levers
from models.loaded import LoadedModel
from models.peers import peers_card
from models.portable import PortableModel

N = 1_500
FEATURES = (
    Feature(
        "active_days_28d", "usage", "days", "Days with any use.", "usage", 28,
        actionable=True, tables=("usage",),
    ),
    Feature(
        "active_days_prev_28d", "usage", "days", "Days with use before.", "usage", 28,
        tables=("usage",),
    ),
    Feature(
        "active_days_trend_28d", "usage", "ratio", "Active days against those before.",
        "usage_trend", actionable=True, tables=("usage",),
        compares=("active_days_prev_28d", "active_days_28d"),
    ),
    Feature(
        "days_past_due", "billing", "days", "Days past due.", "payment_trouble",
        actionable=True, tables=("subscriptions",),
    ),
    Feature(
        "oldest_open_ticket_days", "support", "days", "Age of the oldest open ticket; or null.",
        "tickets", actionable=True, tables=("tickets",),
    ),
    Feature("tenure_days", "lifecycle", "days", "Days as a customer.", "tenure"),
)  # fmt: skip


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(11)
    before = random.binomial(28, 0.6, N).astype(float)
    now = np.clip(before + random.integers(-8, 9, N), 0, 28).astype(float)
    waits = np.where(random.random(N) < 0.15, random.integers(1, 40, N), np.nan)
    return pd.DataFrame(
        {
            "active_days_28d": now,
            "active_days_prev_28d": before,
            "active_days_trend_28d": np.where(before > 0, now / np.maximum(before, 1), np.nan),
            "days_past_due": np.where(random.random(N) < 0.05, random.integers(1, 30, N), 0.0),
            "oldest_open_ticket_days": waits,
            "tenure_days": random.integers(1, 2_000, N).astype(float),
        }
    )


def fit(frame: pd.DataFrame, sign: float, kind: str) -> LoadedModel:
    random = np.random.default_rng(12)
    trouble = (
        3 * (frame["days_past_due"] > 0)
        + 1.5 * frame["oldest_open_ticket_days"].notna()
        - 0.3 * (frame["active_days_28d"] - 17)
        - 0.002 * (frame["tenure_days"] - 1_000)
    )
    y = (random.random(N) < 1 / (1 + np.exp(1.5 - sign * trouble))).astype(float)
    plain = Fitted.fit(frame, y, FEATURES).portable
    peers = peers_card(plain, plain.matrix(frame), np.arange(N))
    card = {**plain.card, "peers": peers, "target": {"kind": kind}}
    return LoadedModel("acme.x", 1, PortableModel(card, plain.ensemble))


@pytest.fixture(scope="module")
def churn(frame: pd.DataFrame) -> LoadedModel:
    return fit(frame, 1.0, "churn")


@pytest.fixture(scope="module")
def upsell(frame: pd.DataFrame) -> LoadedModel:
    return fit(frame, -1.0, "upsell")


def one(model: LoadedModel, **values: float | None) -> np.ndarray:
    calm = {
        "active_days_28d": 17.0,
        "active_days_prev_28d": 17.0,
        "active_days_trend_28d": 1.0,
        "days_past_due": 0.0,
        "oldest_open_ticket_days": None,
        "tenure_days": 1_000.0,
    }
    return model.matrix(pd.DataFrame([calm | values]).astype(float))[0]


def names(change: dict) -> set[str]:
    return {moved["feature"] for moved in change["features"]}


@pytest.mark.parametrize("kind", ["churn", "upsell"])
def test_every_change_gives_the_probability_it_states(kind, frame, request):
    model = request.getfixturevalue(kind)
    way = 1 if kind == "upsell" else -1
    places = {feature.name: i for i, feature in enumerate(model.features)}
    found = 0
    for row in model.matrix(frame)[:120]:
        now = model.probability(row[None, :])[0]
        changes = model.would_change(row)
        gains = [way * change["change"] for change in changes]
        assert gains == sorted(gains, reverse=True)
        assert len(changes) <= 3
        for change, gain in zip(changes, gains, strict=True):
            then = row.copy()
            for moved in change["features"]:
                at = places[moved["feature"]]
                assert model.features[at].actionable or change["basis"] == "own_past"
                came = None if np.isnan(row[at]) else row[at]
                assert moved["from"] == came
                then[at] = np.nan if moved["to"] is None else moved["to"]
            stated = change["probability"]
            assert model.probability(then[None, :])[0] == pytest.approx(stated, abs=1e-6)
            assert gain >= LEAST_CHANGE * now - 1e-6
            found += 1
    assert found > 50


def test_peers_set_the_limits_of_what_is_asked(churn, frame):
    low, high = np.percentile(frame["active_days_28d"], [10, 90])
    asked = [
        moved["to"]
        for row in churn.matrix(frame)[:200]
        for change in churn.would_change(row)
        for moved in change["features"]
        if change["basis"] == "peers" and moved["feature"] == "active_days_28d"
    ]
    assert asked
    assert low <= min(asked) <= max(asked) <= high


def test_use_that_fell_is_asked_back_with_its_trend(churn):
    row = one(churn, active_days_28d=8.0, active_days_prev_28d=24.0, active_days_trend_28d=1 / 3)
    (change,) = churn.would_change(row)
    assert change["basis"] == "own_past"
    assert change["features"] == [
        {"feature": "active_days_28d", "from": 8.0, "to": 24.0},
        {"feature": "active_days_trend_28d", "from": pytest.approx(1 / 3), "to": 1.0},
    ]
    now = churn.probability(row[None, :])[0]
    assert change["text"] == (
        "Days with any use: 24 days instead of 8 days, as in the 28 days before, and 1 figure that"
        f" goes with it: the probability would be {change['probability']:.0%} instead of {now:.0%}"
    )


USE = (
    "active_days_7d", "active_days_28d", "active_days_prev_28d", "active_days_90d",
    "active_days_trend_28d", "days_since_last_use", "usage_events_28d",
    "usage_events_prev_28d", "usage_events_trend_28d", "usage_per_active_day_28d",
    "usage_quantity_28d", "seats", "quantity_per_seat_28d",
)  # fmt: skip
FELL = (0.0, 2.0, 24.0, 30.0, 2 / 24, 20.0, 6.0, 72.0, 6 / 72, 3.0, 150.0, 10.0, 15.0)


def of_use(*, is_quantity: bool, has_peers: bool = True) -> tuple[LoadedModel, np.ndarray]:
    """A model that reads the days, or the quantity per seat, and a customer who uses it less."""
    random = np.random.default_rng(3)
    now = random.integers(0, 29, N).astype(float)
    past = random.integers(1, 29, N).astype(float)
    seats = random.integers(1, 20, N).astype(float) if is_quantity else np.full(N, 10.0)
    quantity = random.integers(0, 4_000, N).astype(float) if is_quantity else 60 * now
    columns = [
        np.minimum(now, 7), now, past, now + past, now / past, 28 - now, 3 * now, 3 * past,
        now / past, np.where(now > 0, 3.0, np.nan), quantity, seats, quantity / seats,
    ]  # fmt: skip
    harm = 2 - quantity / seats / 50 if is_quantity else 3 - 0.3 * now
    y = (random.random(N) < 1 / (1 + np.exp(-harm))).astype(float)
    frame = pd.DataFrame(dict(zip(USE, columns, strict=True)))
    plain = Fitted.fit(frame, y, [CATALOGUE[name] for name in USE]).portable
    peers = peers_card(plain, plain.matrix(frame), np.arange(N)) if has_peers else None
    model = LoadedModel("acme.x", 1, PortableModel(plain.card | {"peers": peers}, plain.ensemble))
    return model, model.matrix(pd.DataFrame([FELL], columns=USE))[0]


def test_what_is_only_in_proportion_is_not_told_as_the_past():
    """The score hangs on the quantity, of which nobody knows how much it was: 72 uses are told."""
    model, row = of_use(is_quantity=True, has_peers=False)
    (change,) = model.would_change(row)
    carried = {"usage_quantity_28d": 1800.0, "quantity_per_seat_28d": 180.0}
    to = {moved["feature"]: moved["to"] for moved in change["features"]}
    assert carried.items() <= to.items()
    measured = (
        "Uses of the product in the last 28 days: 72 events instead of 6 events",
        "Days with any use in the last 28 days: 24 days instead of 2 days",
    )
    subject, _, rest = change["text"].partition(", as in the 28 days before, and 8 figures that")
    assert subject in measured
    assert rest.startswith(" go with it: the probability would be ")


def test_a_past_that_is_worse_among_peers_is_not_asked_back():
    """Peers who do better use it less, so more use of before is no improvement."""
    model, row = of_use(is_quantity=False)
    peers = model.card["peers"]
    groups = [{**one, "low": one["high"], "high": one["low"]} for one in peers["groups"]]
    card = {**model.card, "peers": {**peers, "groups": groups}}
    turned = LoadedModel("acme.x", 1, PortableModel(card, model.portable.ensemble))
    assert [change["basis"] for change in model.would_change(row)] == ["own_past"]
    assert "own_past" not in [change["basis"] for change in turned.would_change(row)]


def test_what_follows_is_not_told_as_usual_among_peers():
    """The quantity is that of peers; divided by the seats of this one it is nobody's."""
    model, row = of_use(is_quantity=True)
    row[USE.index("seats")], row[USE.index("quantity_per_seat_28d")] = 4.0, 37.5
    (change,) = model.would_change(row)
    to = {moved["feature"]: moved["to"] for moved in change["features"]}
    assert to["quantity_per_seat_28d"] == to["usage_quantity_28d"] / 4
    assert change["text"].startswith(
        f"Quantity used in the last 28 days: {to['usage_quantity_28d']:,.0f} instead of 150, as is"
        " usual among peers who do better, and "
    )


def test_the_past_agrees_with_itself():
    """The other windows of what is asked back, and the last use, go with it."""
    model, row = of_use(is_quantity=False, has_peers=False)
    (change,) = model.would_change(row)
    assert change["basis"] == "own_past"
    assert {moved["feature"]: moved["to"] for moved in change["features"]} == {
        "active_days_7d": 6.0,  # a quarter of 24
        "active_days_28d": 24.0,
        "active_days_90d": 52.0,  # 22 more
        "active_days_trend_28d": 1.0,
        "days_since_last_use": pytest.approx(28 / 24),
        "usage_events_28d": 72.0,
        "usage_events_trend_28d": 1.0,
        "usage_quantity_28d": 1800.0,  # as much a use as now
        "quantity_per_seat_28d": 180.0,
    }


def test_a_bill_that_hardly_anybody_owes_is_to_be_paid(churn):
    change, *_ = churn.would_change(one(churn, days_past_due=12.0))
    assert change["features"] == [{"feature": "days_past_due", "from": 12.0, "to": 0.0}]
    assert change["basis"] == "peers"


def test_an_open_ticket_is_to_be_closed(churn):
    change, *_ = churn.would_change(one(churn, oldest_open_ticket_days=20.0))
    moved = {"feature": "oldest_open_ticket_days", "from": 20.0, "to": None}
    assert change["features"] == [moved]
    assert "not known" not in change["text"]


def test_what_cannot_be_changed_is_not_asked_for(churn):
    """A new customer at high risk who has nothing to mend."""
    row = one(churn, tenure_days=5.0, active_days_28d=28.0, active_days_prev_28d=28.0)
    assert churn.would_change(row) == []


def test_what_ever_happened_is_not_undone():
    """Three payments failed of late and five ever: of late none may come to fail, never fewer."""
    random = np.random.default_rng(5)
    late = random.integers(0, 5, N).astype(float)
    ever = late + random.integers(0, 3, N)
    names = ("failed_payments_90d", "failed_payments_ever")
    frame = pd.DataFrame(dict(zip(names, (late, ever), strict=True)))
    y = (random.random(N) < 1 / (1 + np.exp(3 - late - ever))).astype(float)
    plain = Fitted.fit(frame, y, [CATALOGUE[name] for name in names]).portable
    card = plain.card | {"peers": peers_card(plain, plain.matrix(frame), np.arange(N))}
    model = LoadedModel("acme.x", 1, PortableModel(card, plain.ensemble))
    (change,) = model.would_change(model.matrix(pd.DataFrame([(3.0, 5.0)], columns=names))[0])
    assert [moved["feature"] for moved in change["features"]] == ["failed_payments_90d"]


def test_levers_join_what_moves_together():
    features = [*CATALOGUE.values()]
    by_name = {
        features[i].name: number for number, lever in enumerate(levers(features)) for i in lever
    }
    assert by_name["active_days_28d"] == by_name["active_days_trend_28d"]
    assert by_name["active_days_28d"] == by_name["mrr_per_active_day_28d"]  # divided by use
    assert by_name["open_tickets"] == by_name["tickets_opened_28d"]
    assert by_name["days_past_due"] == by_name["failed_payments_90d"]
    assert by_name["days_past_due"] != by_name["active_days_28d"]
    assert "tenure_days" not in by_name


def test_a_customer_is_explained_within_ten_milliseconds(churn, frame):
    """Reasons and what would change it, the best of several rounds: others use the machine too."""
    rows = churn.matrix(frame)[:20]
    seconds = []
    for _ in range(5):
        start = time.process_time()
        for row in rows:
            churn.explain(row[None, :])
            churn.would_change(row)
        seconds.append((time.process_time() - start) / len(rows))
    assert min(seconds) < 0.010
