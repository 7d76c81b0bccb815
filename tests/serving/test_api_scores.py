"""`/v1/customers/{id}/scores`: the shape of the specification, ETags, reasons, no score."""

from jsonschema import Draft202012Validator
from small_service import AS_OF, fit, frame

SHAPE = [
    "customer_id", "external_ids", "target", "status", "probability", "score", "band", "percentile",
    "horizon_days", "horizon_end", "renewal_date", "renewal_in_horizon", "mrr",
    "expected_revenue_at_risk", "change", "reasons", "model", "features_as_of", "scored_at",
]  # fmt: skip


def schema_of(client, name: str) -> Draft202012Validator:
    document = client.get("/openapi.json").json()
    return Draft202012Validator(document | {"$ref": f"#/components/schemas/{name}"})


class TestOneScore:
    def test_it_has_the_fields_of_the_specification_in_its_order(self, client):
        assert list(client.get("/v1/customers/c_001/scores/churn").json()) == SHAPE

    def test_it_is_valid_under_its_own_schema(self, client):
        schema = schema_of(client, "Score")
        for target in ("churn", "upsell"):
            schema.validate(client.get(f"/v1/customers/c_001/scores/{target}").json())

    def test_money_is_a_decimal_string_and_the_product_of_probability_mrr_and_a_year(self, client):
        score = client.get("/v1/customers/c_001/scores/churn").json()
        assert score["mrr"] == {"amount": "77.50", "currency": "USD"}
        expected = f"{score['probability'] * 77.5 * 12:.2f}"
        assert score["expected_revenue_at_risk"] == {"amount": expected, "currency": "USD"}

    def test_the_horizon_starts_at_the_moment_of_the_features(self, client):
        score = client.get("/v1/customers/c_001/scores/churn").json()
        assert score["features_as_of"] == "2026-11-22T00:00:00Z"
        assert score["horizon_end"] == "2027-02-20"  # 90 days, as in the specification's example

    def test_change_is_now_minus_the_run_before(self, client):
        score = client.get("/v1/customers/c_001/scores/churn").json()
        assert score["change"]["since"] == "2026-11-15"
        assert abs(score["change"]["probability"] - 0.07) < 1e-9
        assert client.get("/v1/customers/c_000/scores/churn").json()["change"] is None

    def test_a_target_that_wins_money_carries_a_gain(self, client):
        score = client.get("/v1/customers/c_001/scores/upsell").json()
        assert "expected_gain" in score
        assert "expected_revenue_at_risk" not in score

    def test_it_says_whether_a_contact_pays_where_the_project_names_terms(self, client):
        score = client.get("/v1/customers/c_002/scores/churn").json()
        profit = {"amount": "29.60", "currency": "USD"}
        assert score["contact"] == {"advised": True, "expected_profit": profit}
        schema_of(client, "Score").validate(score)

    def test_its_causes_add_up_to_it_where_the_model_tells_them(self, client):
        score = client.get("/v1/customers/c_002/scores/churn").json()
        assert set(score["causes"]) == {"voluntary", "involuntary"}
        assert sum(score["causes"].values()) == score["probability"]
        assert score["causes"]["involuntary"] == score["probability"] / 4
        schema_of(client, "Score").validate(score)
        assert "causes" not in client.get("/v1/customers/c_003/scores/churn").json()

    def test_it_says_how_long_the_customer_is_expected_to_stay_where_a_model_tells(self, client):
        score = client.get("/v1/customers/c_002/scores/churn").json()
        assert score["lifetime"] == {
            "expected_remaining_months": 31.26,
            "predicted_cltv": {"amount": "2871.50", "currency": "USD"},
            "model": {
                "name": "lifetime",
                "version": "4",
                "grade": "B",
                "trained_at": "2026-11-02T03:10:00Z",
            },
        }
        schema_of(client, "Score").validate(score)
        assert "lifetime" not in client.get("/v1/customers/c_003/scores/churn").json()
        assert "lifetime" not in client.get("/v1/customers/c_002/scores/upsell").json()
        listed = client.get("/v1/scores?target=churn&limit=500").json()["scores"]
        assert next(one for one in listed if "lifetime" in one)["lifetime"] == score["lifetime"]

    def test_it_is_what_the_registered_model_says(self, client):
        fitted = fit()
        published = fitted.probability(frame(60, seed=9))
        score = client.get("/v1/customers/c_007/scores/churn").json()
        assert abs(score["probability"] - published[7]) < 1e-9


class TestInclude:
    def test_reasons_that_were_not_stored_are_computed(self, client):
        reasons = client.get("/v1/customers/c_005/scores/churn").json()["reasons"]
        assert reasons
        assert all(reason["text"] and reason["evidence"]["feature"] for reason in reasons)

    def test_features_come_back_as_they_stood(self, client):
        url = "/v1/customers/c_000/scores/churn?include=features"
        row = frame(60, seed=9).iloc[0]
        features = client.get(url).json()["features"]
        assert features["seats_used_share"] is None  # missing stays null
        assert features["plan"] == row["plan"]
        assert features["tenure_days"] == row["tenure_days"]

    def test_only_what_is_named_is_included(self, client):
        score = client.get("/v1/customers/c_001/scores/churn?include=features").json()
        assert "reasons" not in score

    def test_an_unknown_part_is_refused(self, client):
        answer = client.get("/v1/customers/c_001/scores/churn?include=reasons,secrets")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/query/include"


class TestNotScored:
    def test_it_is_an_answer_with_a_reason(self, client):
        answer = client.get("/v1/customers/c_059/scores/churn")
        assert answer.status_code == 200
        assert answer.json()["status"] == "not_scored"
        assert answer.json()["reason"] == "already_churned"
        schema_of(client, "NotScored").validate(answer.json())

    def test_a_target_without_a_model_says_so(self, client):
        assert client.get("/v1/customers/c_001/scores/conversion").json()["reason"] == "no_model"

    def test_all_targets_come_in_the_order_of_the_project(self, client):
        body = client.get("/v1/customers/c_059/scores").json()
        assert [score["target"] for score in body["scores"]] == ["churn", "upsell", "conversion"]

    def test_there_is_nothing_to_explain(self, client):
        answer = client.get("/v1/customers/c_059/scores/churn/explanation")
        assert answer.status_code == 404


class TestUnknown:
    def test_an_unknown_customer_is_404(self, client):
        for path in ("scores", "scores/churn", "scores/churn/explanation"):
            answer = client.get(f"/v1/customers/nobody/{path}")
            assert answer.status_code == 404
            assert answer.json()["code"] == "customer_not_found"

    def test_an_unknown_target_is_404_and_names_those_there_are(self, client):
        answer = client.get("/v1/customers/c_001/scores/chrun")
        assert answer.json()["code"] == "target_not_found"
        assert "churn" in answer.json()["detail"]

    def test_ids_of_any_kind_are_only_ids(self, client):
        for nasty in ("%00", "c%27--", "%F0%9F%92%A9", "a" * 3000, "..%2F..%2Fetc"):
            assert client.get(f"/v1/customers/{nasty}/scores/churn").status_code == 404


class TestCaching:
    def test_an_etag_is_strong_and_gives_304(self, client):
        first = client.get("/v1/customers/c_001/scores/churn")
        tag = first.headers["etag"]
        assert tag.startswith('"')
        again = client.get("/v1/customers/c_001/scores/churn", headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)

    def test_other_bytes_have_another_etag(self, client):
        plain = client.get("/v1/customers/c_001/scores/churn").headers["etag"]
        other = client.get("/v1/customers/c_001/scores/churn?include=features").headers["etag"]
        assert plain != other
        headers = {"If-None-Match": other}
        assert client.get("/v1/customers/c_001/scores/churn", headers=headers).status_code == 200

    def test_a_list_of_tags_and_a_star_match(self, client):
        tag = client.get("/v1/customers/c_001/scores/churn").headers["etag"]
        for held in ("*", f'"old", W/{tag}'):
            headers = {"If-None-Match": held}
            assert (
                client.get("/v1/customers/c_001/scores/churn", headers=headers).status_code == 304
            )


class TestExplanation:
    def test_it_holds_reasons_what_can_be_done_and_the_features(self, client):
        body = client.get("/v1/customers/c_001/scores/churn/explanation").json()
        schema_of(client, "Explanation").validate(body)
        assert [reason["code"] for reason in body["could_lower_risk"]] == ["use"]
        assert set(body["features"]) == set(frame(1).columns)
        assert body["features_as_of"] == f"{AS_OF.isoformat()}Z"

    def test_what_the_company_cannot_act_on_is_context(self, client):
        body = client.get("/v1/customers/c_001/scores/churn/explanation").json()
        assert all(not reason["controllable"] for reason in body["context"])
        shown = [*body["could_lower_risk"], *body["context"]]
        raising = [one for one in body["reasons"] if one["direction"] == "raises_risk"]
        assert all(reason in shown for reason in raising)

    def test_reasons_computed_on_request_stand_beside_peers(self, client):
        body = client.get("/v1/customers/c_005/scores/churn/explanation").json()
        schema_of(client, "Explanation").validate(body)
        numbers = [r["evidence"] for r in body["reasons"] if type(r["evidence"]["value"]) is float]
        assert numbers
        assert all(one["peer_group"] == "all customers" for one in numbers)

    def test_what_would_change_the_score_does_when_it_is_predicted(self, client):
        """The change that is told, posted as a prediction, gives the probability that is told."""
        told = 0
        for place in range(60):
            url = f"/v1/customers/c_{place:03d}/scores/churn/explanation"
            answer = client.get(url)
            if answer.status_code == 404:  # not scored
                continue
            body = answer.json()
            assert (body["would_change_reason"] is None) == bool(body["would_change"])
            for change in body["would_change"]:
                features = {moved["feature"]: moved["to"] for moved in change["features"]}
                row = {"customer_id": body["customer_id"], "features": features}
                asked = {"target": "churn", "rows": [row]}
                answer = client.post("/v1/predictions", json=asked).json()
                assert abs(answer["predictions"][0]["probability"] - change["probability"]) < 1e-6
                assert change["probability"] < body["probability"]
                told += 1
        assert told
