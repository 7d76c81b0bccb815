"""Reasons: contributions are drops in probability, groups are spoken for by their leader."""

import numpy as np
import pandas as pd
import pytest

from models.loaded import LoadedModel
from models.portable import PortableModel, sigmoid


@pytest.fixture(scope="module")
def model(small_fitted):
    return LoadedModel("acme.churn", 1, small_fitted.portable)


@pytest.fixture(scope="module")
def matrix(model, small_frame):
    return model.matrix(small_frame)


class _Fixed(PortableModel):
    """A model whose contributions are given, for arithmetic that can be checked by hand."""

    def __init__(self, card, parts):
        super().__init__(card, None)
        self._parts = np.asarray([parts], dtype=float)

    def log_odds(self, matrix):  # noqa: ARG002
        return self._parts.sum(axis=1)

    def contributions(self, matrix):  # noqa: ARG002
        return np.column_stack([self._parts, np.zeros(1)])


def fixed(small_fitted, parts, values, **extra):
    card = small_fitted.card() | {"calibration": {"x": [-30, 30], "y": [-30, 30]}} | extra
    model = LoadedModel("acme.churn", 1, _Fixed(card, parts))
    return model.explain(np.asarray([values], dtype=float))[0]


def test_contribution_is_the_drop_in_probability_when_the_group_is_taken_out(small_fitted):
    """Groups: usage_trend +1 (0.8 + 0.3 - 0.1), plan -0.5, price +0.2."""
    found = fixed(small_fitted, [0.8, 0.3, -0.1, -0.5, 0.2, 0.0], [0.2, 10, 2, 0, 20, np.nan])
    p = sigmoid(np.asarray([0.7]))[0]
    trend, price, plan = found
    assert trend == {
        "code": "usage_trend_down",
        "direction": "raises_risk",
        "controllable": True,
        "text": "Active days fell from 10 to 2 in four weeks",
        "contribution": pytest.approx(p - sigmoid(np.asarray([-0.3]))[0], abs=1e-6),
        "evidence": {"feature": "active_days_trend_28d", "value": 0.2, "before": 10.0},
    }
    assert price["contribution"] == pytest.approx(p - sigmoid(np.asarray([0.5]))[0], abs=1e-6)
    assert (plan["direction"], plan["controllable"]) == ("lowers_risk", False)
    assert plan["contribution"] == pytest.approx(p - sigmoid(np.asarray([1.2]))[0], abs=1e-6)


def test_the_greatest_in_the_direction_of_the_group_speaks_for_it(small_fitted):
    falls = fixed(small_fitted, [-0.9, 0.2, 0.3, 0, 0, 0], [1.5, 4, 6, 0, 20, np.nan])
    assert [r["evidence"]["feature"] for r in falls] == ["active_days_trend_28d"]
    assert falls[0]["code"] == "usage_trend_up"
    rises = fixed(small_fitted, [-0.1, 0.2, 0.3, 0, 0, 0], [1.5, 4, 6, 0, 20, np.nan])
    assert [r["evidence"]["feature"] for r in rises] == ["active_days_28d"]


def test_an_upsell_is_a_chance_and_money_has_its_currency(small_fitted):
    parts, values = [0, 0, 0, -0.4, 0.5, 0], [1, 1, 1, np.nan, 2400, np.nan]
    target = {"target": {"kind": "upsell"}, "currency": "USD"}
    price, plan = fixed(small_fitted, parts, values, **target)
    assert price["direction"] == "raises_chance"
    assert price["code"] == "price_high"
    assert price["text"] == "Price per seat: 2,400 USD per month"
    assert plan["direction"] == "lowers_chance"
    assert (plan["code"], plan["text"]) == (
        "plan_unknown",
        "The plan: none that the model has learned",
    )
    assert plan["evidence"]["value"] is None


def test_a_move_of_less_than_a_hundredth_of_the_probability_is_no_reason(small_fitted):
    assert fixed(small_fitted, [0, 0, 0, 1e-3, -1e-3, 0], [1, 1, 1, 0, 20, np.nan]) == []


def test_the_end_of_a_term_follows_the_reasons(small_fitted):
    """Groups: usage_trend -0.2, plan +0.9, price +0.3; a plan's term is an occasion."""

    def told(plan, parts):
        card = small_fitted.card()
        features = [
            f | {"reason": plan if f["name"] == "plan" else f["reason"]} for f in card["features"]
        ]
        return [
            r["code"].rpartition("_")[0]
            for r in fixed(small_fitted, parts, [1, 1, 1, np.nan, 2400, np.nan], features=features)
        ]

    parts = [-0.2, 0, 0, 0.9, 0.3, 0]
    assert told("plan", parts) == ["plan", "price", "usage_trend"]
    assert told("renewal", parts) == ["price", "renewal", "usage_trend"]
    assert told("renewal", [-0.2, 0, 0, 0.9, 0, 0]) == ["renewal", "usage_trend"]  # the only one
    assert told("renewal", [0.5, 0, 0, -0.9, 0.3, 0]) == ["usage_trend", "price", "renewal"]


def test_real_rows_get_at_most_three_and_one_and_never_a_nan(model, matrix):
    probability = model.probability(matrix)
    for p, reasons in zip(probability, model.explain(matrix), strict=True):
        drops = [r["contribution"] for r in reasons]
        raising = [d for d in drops if d > 0]
        assert len(raising) <= 3
        assert raising == sorted(raising, reverse=True)
        assert len(drops) - len(raising) <= 1
        assert all(d < p for d in raising)
        assert "nan" not in str(reasons).lower()
    assert len(model.explain(matrix[:1], top=1)[0]) <= 2


def test_one_row_alone_has_the_reasons_it_has_in_a_batch(model, matrix):
    assert model.explain(matrix[7:8])[0] == model.explain(matrix)[7]


def test_no_rows_have_no_reasons(model, small_frame):
    assert model.explain(model.matrix(small_frame[:0])) == []


def test_the_customer_whose_use_fell_is_told_so(model):
    row = pd.DataFrame(
        {
            "active_days_trend_28d": [0.1],
            "active_days_prev_28d": [20.0],
            "active_days_28d": [2.0],
            "plan": ["pro"],
            "price": [20.0],
            "never_filled": [None],
        }
    )
    first = model.explain(model.matrix(row))[0][0]
    assert first["code"].startswith("usage_trend")
    assert first["contribution"] > 0.1
