"""`POST /v1/scores:batchGet` and `POST /v1/predictions`."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_service import (
    AS_OF,
    CUSTOMERS,
    build,
    customer_id,
    fit,
    frame,
    open_client,
    register,
    score,
    wait_until,
)

from features.project import load_project
from models.registry import Registry
from serving.store import Store


def batch(client, **body):
    return client.post("/v1/scores:batchGet", json=body)


def predict(client, rows, **more):
    return client.post("/v1/predictions", json={"target": "churn", "rows": rows, **more})


def features_of(client, who: str) -> dict:
    url = f"/v1/customers/{who}/scores/churn?include=features"
    return client.get(url).json()["features"]


class TestBatchGet:
    def test_answers_come_in_the_order_asked(self, client):
        asked = [customer_id(i) for i in (7, 3, 59, 3)]
        answer = batch(client, ids=asked, target="churn")
        assert answer.status_code == 200
        assert [result["id"] for result in answer.json()["results"]] == asked

    def test_each_is_the_same_as_asked_alone(self, client):
        results = batch(client, ids=["c_001", "c_005"]).json()["results"]
        for result in results:
            alone = client.get(f"/v1/customers/{result['id']}/scores").json()
            assert result["scores"] == alone["scores"]

    def test_one_that_fails_makes_207_and_says_why(self, client):
        answer = batch(client, ids=["c_001", "nobody"], target="churn")
        assert answer.status_code == 207
        good, bad = answer.json()["results"]
        assert (good["status"], bad["status"]) == (200, 404)
        assert bad["problem"]["code"] == "customer_not_found"
        assert bad["problem"]["request_id"] == answer.headers["x-request-id"]

    def test_ids_of_other_systems_are_found(self, client):
        answer = batch(client, external_ids=["salesforce:0010003"], target="churn")
        result = answer.json()["results"][0]
        assert (result["id"], result["customer_id"]) == ("salesforce:0010003", "c_003")

    def test_an_id_that_two_customers_share_is_a_conflict(self, client):
        answer = batch(client, external_ids=["billing:b1", "billing:b2"])
        assert [result["status"] for result in answer.json()["results"]] == [409, 200]

    def test_a_thousand_ids_are_answered_and_one_more_is_not(self, client):
        ids = [customer_id(i % CUSTOMERS) for i in range(1000)]
        assert len(batch(client, ids=ids, target="churn").json()["results"]) == 1000
        answer = batch(client, ids=[*ids, "c_001"])
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/ids")

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, ""),
            ({"ids": ["a"], "external_ids": ["s:1"]}, ""),
            ({"ids": []}, "/ids"),
            ({"ids": [1]}, "/ids/0"),
            ({"ids": "c_001"}, "/ids"),
            ({"external_ids": ["nosystem"]}, "/external_ids/0"),
            ({"ids": ["a"], "target": "x"}, "/target"),
            ({"ids": ["a"], "fields": ["b"]}, "/fields"),
            ({"ids": ["a"], "include": ["history"]}, "/include/0"),
        ],
    )
    def test_what_cannot_be_used_is_422_with_its_place(self, client, body, pointer):
        answer = batch(client, **body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer


class TestPredictions:
    def test_all_features_give_the_probability_of_the_scoring_run(self, client):
        for who in ("c_000", "c_007", "c_031"):
            published = client.get(f"/v1/customers/{who}/scores/churn").json()
            made = predict(client, [{"features": features_of(client, who)}]).json()
            assert abs(made["predictions"][0]["probability"] - published["probability"]) < 1e-9
            assert made["model"] == published["model"]

    def test_a_customer_gives_its_stored_features(self, client):
        published = client.get("/v1/customers/c_007/scores/churn").json()
        made = predict(client, [{"customer_id": "c_007"}]).json()["predictions"][0]
        assert abs(made["probability"] - published["probability"]) < 1e-9
        assert (made["score"], made["band"]) == (published["score"], published["band"])

    def test_overrides_change_only_what_they_name(self, client):
        features = features_of(client, "c_007") | {"active_days_28d": 0, "plan": "team"}
        changed = {"customer_id": "c_007", "features": {"active_days_28d": 0, "plan": "team"}}
        one, other = predict(client, [{"features": features}, changed]).json()["predictions"]
        assert one["probability"] == other["probability"]

    def test_rows_do_not_depend_on_each_other(self, client):
        rows = [{"customer_id": customer_id(i)} for i in range(40)]
        together = [p["probability"] for p in predict(client, rows).json()["predictions"]]
        alone = [predict(client, [r]).json()["predictions"][0]["probability"] for r in rows]
        assert together == pytest.approx(alone, abs=1e-12)

    def test_it_is_the_fitted_models_number(self, client):
        rows = frame(200, seed=21)
        sent = [
            {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
            for row in rows.to_dict("records")
        ]
        made = predict(client, [{"features": row} for row in sent]).json()["predictions"]
        found = [prediction["probability"] for prediction in made]
        assert found == pytest.approx(fit().probability(rows), abs=1e-9)

    def test_a_category_the_model_never_saw_is_like_none(self, client):
        features = features_of(client, "c_007")
        rows = [{"features": features | {"plan": plan}} for plan in ("never seen", None)]
        one, other = predict(client, rows).json()["predictions"]
        assert one["probability"] == other["probability"]

    def test_reasons_are_given_when_asked(self, client):
        made = predict(client, [{"customer_id": "c_007"}], include=["reasons"]).json()
        assert made["predictions"][0]["reasons"]
        assert "reasons" not in predict(client, [{"customer_id": "c_007"}]).json()["predictions"][0]

    @pytest.mark.parametrize(
        ("row", "pointer"),
        [
            ({"features": {}}, "/rows/0/features/active_days_28d"),
            ({"customer_id": "c_007", "features": {"logins": 1}}, "/rows/0/features/logins"),
            ({"customer_id": "c_007", "features": {"plan": 3}}, "/rows/0/features/plan"),
            ({"customer_id": "c_007", "features": {"a/b~": 3}}, "/rows/0/features/a~1b~0"),
            (
                {"customer_id": "c_007", "features": {"tenure_days": "x"}},
                "/rows/0/features/tenure_days",
            ),
            (
                {"customer_id": "c_007", "features": {"tenure_days": [1]}},
                "/rows/0/features/tenure_days",
            ),
            ({"customer_id": "nobody"}, "/rows/0/customer_id"),
            ({"customer_id": "c_059"}, "/rows/0/customer_id"),
            ({"customer_id": 7}, "/rows/0/customer_id"),
            ({"customer_id": "c_007", "feature": {}}, "/rows/0/feature"),
        ],
    )
    def test_what_cannot_be_used_is_422_with_its_place(self, client, row, pointer):
        answer = predict(client, [row])
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer

    def test_two_hundred_rows_and_no_more(self, client):
        row = {"customer_id": "c_007"}
        assert predict(client, [row] * 200).status_code == 200
        assert predict(client, [row] * 201).json()["errors"][0]["pointer"] == "/rows"

    def test_a_target_without_a_champion_is_404_and_an_unknown_one_422(self, client):
        answer = predict(client, [{"features": {}}], target="conversion")
        assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
        assert predict(client, [{}], target="x").json()["errors"][0]["pointer"] == "/target"

    @settings(max_examples=40, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["active_days_28d", "plan", "seats_used_share", "x"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        )
    )
    def test_any_override_is_answered_or_refused_never_broken(self, client, features):
        text = json.dumps(
            {"target": "churn", "rows": [{"customer_id": "c_007", "features": features}]}
        )
        headers = {"Content-Type": "application/json"}
        answer = client.post("/v1/predictions", content=text, headers=headers)
        assert answer.status_code in (200, 422)


class TestNewChampion:
    def test_it_is_picked_up_without_a_restart(self, tmp_path):
        settings_ = build(tmp_path, runs=1)
        project = load_project(settings_.project)
        with open_client(settings_) as client:
            assert predict(client, [{"customer_id": "c_007"}]).json()["model"]["version"] == "1"
            features = features_of(client, "c_007")
            register(Registry.for_project(project), "churn", seed=5)
            row = [{"features": features}]
            wait_until(lambda: predict(client, row).json()["model"]["version"] == "2")
            made = predict(client, row).json()["predictions"][0]["probability"]
            expected = fit(seed=5).probability(frame(CUSTOMERS, seed=9).iloc[[7]])[0]
            assert abs(made - expected) < 1e-9
            self._stored_rows_of_the_old_version_are_refused(client)
            score(Store.for_project(project), AS_OF, {"churn": 2, "upsell": 1})
            assert predict(client, [{"customer_id": "c_007"}]).status_code == 200

    def _stored_rows_of_the_old_version_are_refused(self, client):
        answer = predict(client, [{"customer_id": "c_007"}])
        assert (answer.status_code, answer.json()["code"]) == (422, "model_changed")
        stored = client.get("/v1/customers/c_005/scores/churn").json()
        assert stored["model"]["version"] == "1"  # still explained by the version that made it
        assert stored["reasons"]
