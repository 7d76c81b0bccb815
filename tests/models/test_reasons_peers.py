"""Peers: quantiles checked against the rows, groups of many only, reasons relative to them."""

import json

import numpy as np
import pandas as pd
import pytest

from features.declare import Feature
from models.fitted import Fitted
from models.loaded import LoadedModel
from models.peers import PERCENTS, Peers, peers_card
from models.portable import PortableModel

N = 1_400
CATALOGUE = (
    Feature(
        "interval_months",
        "lifecycle",
        "months",
        "Months between two payments of the plan.",
        "term",
    ),
    Feature("segment", "profile", "segment", "The segment.", "segment", kind="category"),
    Feature("active_days_28d", "usage", "days", "Days with any use.", "usage", actionable=True),
    Feature("open_tickets", "support", "tickets", "Open tickets.", "tickets", actionable=True),
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Who pays yearly uses it less and stays; `tiny` is a segment of few."""
    random = np.random.default_rng(5)
    yearly = random.random(N) < 0.4
    return pd.DataFrame(
        {
            "interval_months": np.where(yearly, 12.0, 1.0),
            "segment": random.choice(["small", "mid", "tiny"], N, p=[0.6, 0.35, 0.05]),
            "active_days_28d": random.binomial(28, np.where(yearly, 0.2, 0.6)).astype(float),
            "open_tickets": random.poisson(0.05, N).astype(float),
        }
    )


@pytest.fixture(scope="module")
def model(frame: pd.DataFrame) -> PortableModel:
    """Leaving falls with use among peers, and is rare among who pays yearly."""
    random = np.random.default_rng(6)
    usual = np.where(frame["interval_months"] == 12, 6, 17)
    odds = -1.5 - 0.4 * (frame["active_days_28d"] - usual) + 2 * frame["open_tickets"]
    odds -= 1.5 * (frame["interval_months"] == 12)
    y = (random.random(N) < 1 / (1 + np.exp(-odds))).astype(float)
    fitted = Fitted.fit(frame, y, CATALOGUE)
    plain = fitted.portable
    card = peers_card(plain, plain.matrix(frame), np.arange(N))
    return PortableModel({**plain.card, "peers": card}, plain.ensemble)


@pytest.fixture(scope="module")
def loaded(model: PortableModel) -> LoadedModel:
    return LoadedModel("acme.churn", 1, model)


def row(**values: float | str) -> pd.DataFrame:
    usual = {"interval_months": 1.0, "segment": "small", "active_days_28d": 17.0}
    return pd.DataFrame([usual | {"open_tickets": 0.0} | values])


def test_groups_go_from_wide_to_narrow_and_hold_many_customers(model, frame):
    groups = model.card["peers"]["groups"]
    by_name = {group["name"]: group["customers"] for group in groups}
    yearly = frame["interval_months"] == 12
    assert by_name == {
        "all customers": N,
        "paying monthly": int((~yearly).sum()),
        "paying yearly": int(yearly.sum()),
        "paying monthly, small": int((~yearly & (frame["segment"] == "small")).sum()),
        "paying monthly, mid": int((~yearly & (frame["segment"] == "mid")).sum()),
        "paying yearly, small": int((yearly & (frame["segment"] == "small")).sum()),
    }
    assert min(by_name.values()) >= 200
    json.dumps(model.card["peers"], allow_nan=False)


def test_quantiles_are_those_of_the_rows(model, frame):
    group = next(g for g in model.card["peers"]["groups"] if g["name"] == "paying yearly, small")
    rows = (frame["interval_months"] == 12) & (frame["segment"] == "small")
    expected = np.percentile(frame.loc[rows, "active_days_28d"], PERCENTS)
    assert group["quantiles"][2] == pytest.approx(expected)
    assert group["quantiles"][1] is None  # a category has none


def test_customers_are_counted_and_not_rows(model, frame):
    matrix = model.matrix(frame)
    assert peers_card(model, matrix, np.arange(N) // 8) is None
    order = np.argsort(frame["interval_months"].to_numpy(), kind="stable")
    card = peers_card(model, matrix[order], np.arange(N) // 3)
    assert [group["name"] for group in card["groups"]] == [
        "all customers",
        "paying monthly",
        "paying monthly, small",
    ]


def test_who_belongs_to_no_small_group_is_compared_with_a_wider_one(model):
    peers = Peers(model.card)
    rows = pd.concat([row(), row(segment="tiny"), row(interval_months=24.0), row(segment="new")])
    names = [peers.groups[place]["name"] for place in peers.place(model.matrix(rows))]
    monthly = "paying monthly"
    assert names == ["paying monthly, small", monthly, "all customers", monthly]


def test_base_is_the_mean_of_the_contributions_of_the_peers(model, frame):
    matrix = model.matrix(frame)
    group = next(g for g in model.card["peers"]["groups"] if g["name"] == "paying yearly")
    mine = model.contributions(matrix)[(frame["interval_months"] == 12).to_numpy(), :-1]
    assert group["base"] == pytest.approx(mine.mean(axis=0), abs=1e-5)


def test_what_all_peers_have_is_no_reason(loaded):
    """Monthly customers are far likelier to leave than yearly ones; among them it says nothing."""
    reasons = loaded.explain(loaded.matrix(row(active_days_28d=11.0)))[0]
    assert reasons[0]["code"] == "usage_low"
    assert not any("same for its peers" in reason["text"] for reason in reasons)
    parts = loaded._model.contributions(loaded.matrix(row()))[0]
    assert parts[0] > 0.2


def test_who_is_like_its_peers_is_told_what_raises_all_of_them(loaded):
    """A list without a word on why would be worse; it says that it is shared."""
    raising, *rest = loaded.explain(loaded.matrix(row(active_days_28d=17.0)))[0]
    assert raising["code"].startswith("term")
    assert raising["direction"] == "raises_risk"
    assert raising["contribution"] > 0
    assert raising["text"].endswith("; it is the same for its peers")
    assert not [reason for reason in rest if reason["direction"] == "raises_risk"]


def test_evidence_tells_of_the_peers_and_the_text_where_it_is_telling(loaded, frame):
    first = loaded.explain(loaded.matrix(row(active_days_28d=11.0)))[0][0]
    peers = frame[(frame["interval_months"] == 1) & (frame["segment"] == "small")]
    below = (peers["active_days_28d"] < 11).mean() * 100
    evidence = first["evidence"]
    assert evidence["peer_median"] == peers["active_days_28d"].median()
    assert evidence["peer_group"] == "paying monthly, small"
    assert evidence["percentile"] % 5 == 0
    assert abs(evidence["percentile"] - below) <= 5
    assert first["text"] == "Days with any use: 11 days; usual among peers: 17 days"
    assert first["code"] == "usage_low"
    near = loaded.explain(loaded.matrix(row(active_days_28d=16.0)))[0]
    assert not any("usual among peers" in reason["text"] for reason in near)


def test_a_card_of_before_has_reasons_without_peers(model, frame):
    card = {key: value for key, value in model.card.items() if key != "peers"}
    old = LoadedModel("acme.churn", 1, PortableModel(card, model.ensemble))
    reasons = old.explain(old.matrix(frame[:50]))
    assert all(set(one["evidence"]) == {"feature", "value"} for many in reasons for one in many)
    assert old.would_change(old.matrix(frame[:1])[0]) == []
