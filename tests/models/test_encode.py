"""The encoder: category codes, missing and unseen values, refusals."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from features.declare import Feature
from features.errors import UnfitDataError, UnknownFeatureError
from models.encode import Encoder, feature_of

USES = Feature("uses", "usage", "events", "Uses.", "usage")
PLAN = Feature("plan", "profile", "plan", "Plan.", "plan", kind="category", tables=("plans",))


def frame(uses, plan):
    return pd.DataFrame({"plan": pd.Series(plan, dtype=object), "uses": uses})


def test_columns_come_in_catalogue_order_with_codes_by_frequency():
    rows = frame([1.0, np.nan, 3.0, 4.0], ["b", "a", "b", None])
    encoder = Encoder(min_count=1).fit(rows, [USES, PLAN])
    assert encoder.categorical == (1,)
    assert encoder.codes == {"plan": {"b": 0, "a": 1}}
    expected = [[1, 0], [np.nan, 1], [3, 0], [4, np.nan]]
    assert np.array_equal(encoder.transform(rows), expected, equal_nan=True)


def test_unseen_and_rare_values_have_no_code():
    rows = frame([0.0] * 12, ["common"] * 10 + ["rare"] * 2)
    encoder = Encoder(min_count=3).fit(rows, [USES, PLAN])
    seen = encoder.transform(frame([0.0] * 4, ["common", "rare", "never seen", ""]))
    assert np.array_equal(seen[:, 1], [0, np.nan, np.nan, np.nan], equal_nan=True)


def test_a_column_of_many_values_keeps_the_most_frequent():
    values = [f"v{i:03d}" for i in range(200) for _ in range(10)] + ["v150"] * 5
    encoder = Encoder().fit(frame([0.0] * len(values), values), [USES, PLAN])
    codes = encoder.codes["plan"]
    assert len(codes) == 50
    assert codes["v150"] == 0


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_text_columns_of_any_kind_give_the_same_codes(dtype):
    rows = frame([1.0] * 4, ["x", None, "y", "x"])
    encoder = Encoder(min_count=1).fit(rows, [USES, PLAN])
    other = rows.astype({"plan": dtype})
    assert np.array_equal(encoder.transform(other), encoder.transform(rows), equal_nan=True)


@pytest.mark.parametrize(
    "uses",
    [
        pytest.param([1, 2], id="int"),
        pytest.param([True, False], id="bool"),
        pytest.param(pd.array([1.5, None], dtype="Float64"), id="nullable"),
        pytest.param(pd.Series([Decimal("1.5"), None], dtype=object), id="decimal"),
        pytest.param(pd.Series([None, None], dtype=object), id="all-null"),
    ],
)
def test_numbers_of_any_kind_are_read(uses):
    rows = frame(uses, ["x", "x"])
    encoded = Encoder(min_count=1).fit(rows, [USES, PLAN]).transform(rows)
    plain = [np.nan if pd.isna(v) else float(v) for v in uses]
    assert np.array_equal(encoded[:, 0], plain, equal_nan=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (frame([1.0, np.inf], ["x", "x"]), "'uses' holds an infinite value in row 1"),
        (frame(["one", "2"], ["x", "x"]), "'uses' must hold numbers; came 'one'"),
        (frame([1.0, 2.0], ["x", 7]), "'plan' must hold text; came 7"),
    ],
)
def test_wrong_values_are_named(rows, message):
    encoder = Encoder(min_count=1).fit(frame([1.0, 2.0], ["x", "x"]), [USES, PLAN])
    with pytest.raises(UnfitDataError, match=message):
        encoder.transform(rows)


def test_a_missing_column_is_an_unknown_feature():
    with pytest.raises(UnknownFeatureError, match=r"\['uses'\]"):
        Encoder().fit(pd.DataFrame({"plan": ["x"]}), [USES, PLAN])


def test_the_card_entry_is_plain_json_and_gives_the_declaration_back():
    rows = frame([1.0, 5.0, np.nan], ["x", "x", "x"])
    card = Encoder(min_count=1).fit(rows, [USES, PLAN]).card()
    again = json.loads(json.dumps(card, allow_nan=False))
    assert [feature_of(entry) for entry in again] == [USES, PLAN]
    assert [entry["typical"] for entry in again] == [3.0, None]
    assert [entry["codes"] for entry in again] == [None, {"x": 0}]
