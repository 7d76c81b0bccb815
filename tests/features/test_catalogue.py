"""The catalogue: names, sentences, what a company's tables allow, names nobody registered."""

import re
from datetime import datetime

import pandas as pd
import pytest
from random_company import company, frames_of
from test_oracle import grid_pairs, project

from features.build import build_from
from features.catalogue import CATALOGUE, available
from features.declare import EVER, MEASURES, Feature
from features.engine import tables_of
from features.errors import UnknownFeatureError

AS_OF = datetime(2023, 7, 1)
ROWS = company(1, [AS_OF])
TABLES = tables_of(frames_of(ROWS))
PAIRS = grid_pairs(["c0", "c1"], [AS_OF])


def test_a_full_company_has_at_least_sixty_features() -> None:
    assert len(available(TABLES, project())) == len(CATALOGUE) >= 60


def test_names_say_quantity_unit_and_window() -> None:
    for name, feature in CATALOGUE.items():
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", name)
        window = re.search(r"_(\d+)d$", name)
        if window and "_pace_" not in name and "_prev_" not in name and feature.window_days:
            assert feature.window_days == int(window.group(1)), name
        if feature.window_days:
            assert name.endswith("d"), f"{name} has a window that its name does not say"


def test_every_window_of_a_measure_is_a_feature() -> None:
    for measure in MEASURES.values():
        for days in measure.windows:
            feature = CATALOGUE[f"{measure.name}_{days}d" if days else f"{measure.name}_ever"]
            assert feature.window_days == (days or None)
            assert feature.tables == (measure.table,)
            assert ("ever" if days == EVER else f"{days} days") in feature.meaning


@pytest.mark.parametrize("feature", CATALOGUE.values(), ids=lambda feature: feature.name)
def test_every_sentence_can_be_said(feature: Feature) -> None:
    assert feature.meaning.endswith(".")
    assert feature.reason
    assert feature.unit
    assert set(feature.compares or ()) <= set(CATALOGUE)
    value = "gold" if feature.kind == "category" else 3.5
    if feature.says is not None:
        said = feature.says.format(value=value, before=2.0, now=1.0, moved="fell")
        assert "{" not in said
        assert said != feature.says or "{" not in feature.says


def test_a_card_gives_the_feature_back() -> None:
    for feature in CATALOGUE.values():
        assert Feature.from_card(feature.as_card()) == feature


def test_missing_tables_and_columns_take_their_features_away() -> None:
    frames = frames_of(ROWS)
    usage = frames["usage"].drop(columns=["user_id", "quantity"])
    found = available(tables_of({"customers": frames["customers"], "usage": usage}), project())
    assert "usage_events_28d" in found
    assert {f.family for f in found.values()} == {"usage", "lifecycle", "profile"}
    assert not {"active_users_28d", "usage_quantity_28d", "seats_used_share_28d"} & set(found)


def test_names_and_families_narrow_a_build_without_changing_a_value() -> None:
    every = build_from(TABLES, project(), PAIRS)
    some = build_from(TABLES, project(), PAIRS, names=["usage", "mrr"])
    assert "mrr" in some.features
    assert {f.family for f in some.catalogue} == {"usage", "billing"}
    assert [f.name for f in some.catalogue] == list(some.features.columns)
    pd.testing.assert_frame_equal(some.features, every.features[list(some.features.columns)])


def test_an_unknown_name_says_what_is_registered() -> None:
    with pytest.raises(UnknownFeatureError, match=r"unknown features \['logins_28d'\].*mrr"):
        build_from(TABLES, project(), PAIRS, names=["logins_28d", "mrr"])
