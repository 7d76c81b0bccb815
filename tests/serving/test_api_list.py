"""`GET /v1/scores`: filters, order, and a walk that holds while runs come and go."""

import pytest
from pydantic import SecretStr
from small_service import AS_OF, CUSTOMERS, open_client, score

from features.project import load_project
from serving.queries import Reader
from serving.store import Store

SCORED = CUSTOMERS - 3


def rows(client, **params):
    return client.get("/v1/scores", params={"target": "churn", "limit": 500, **params})


def ids(answer):
    return [row["customer_id"] for row in answer.json()["scores"]]


def walk(client, **params):
    """Every row of every page."""
    seen, cursor = [], None
    while True:
        extra = {"cursor": cursor} if cursor else {}
        body = client.get("/v1/scores", params={"target": "churn", **params, **extra}).json()
        seen += [row["customer_id"] for row in body["scores"]]
        cursor = body["next_cursor"]
        if cursor is None:
            return seen


class TestFilters:
    def test_the_list_holds_every_scored_customer_by_money(self, client):
        amounts = [
            float(row["expected_revenue_at_risk"]["amount"])
            for row in rows(client).json()["scores"]
        ]
        assert len(amounts) == SCORED
        assert amounts == sorted(amounts, reverse=True)

    @pytest.mark.parametrize(
        ("params", "holds"),
        [
            ({"band": "medium"}, lambda row: row["band"] == "medium"),
            ({"band": "high,low"}, lambda row: row["band"] in ("high", "low")),
            ({"min_probability": 0.4}, lambda row: row["probability"] >= 0.4),
            ({"renewal_before": "2027-01-01"}, lambda row: row["renewal_date"] < "2027-01-01"),
        ],
    )
    def test_a_filter_keeps_what_it_says(self, client, params, holds):
        everything = rows(client).json()["scores"]
        kept = rows(client, **params).json()["scores"]
        dated = [row for row in everything if "renewal_before" not in params or row["renewal_date"]]
        assert 0 < len(kept) < len(everything)
        assert kept == [row for row in dated if holds(row)]

    def test_owner_segment_and_plan_combine(self, client):
        found = ids(rows(client, owner="ana", segment="small", plan="basic"))
        assert found
        assert all(int(i[2:]) % 3 == 0 and (int(i[2:]) // 2) % 3 == 0 for i in found)
        assert ids(rows(client, owner="ana", segment="mid", plan="basic")) == []

    def test_changed_since_compares_with_the_run_that_was_current_then(self, client):
        assert len(ids(rows(client, changed_since="2026-01-01T00:00:00Z"))) == SCORED
        assert ids(rows(client, changed_since="2100-01-01T00:00:00Z")) == []

    @pytest.mark.parametrize(
        ("params", "pointer"),
        [
            ({"band": "purple"}, "/query/band"),
            ({"min_probability": "1.5"}, "/query/min_probability"),
            ({"min_probability": "nan"}, "/query/min_probability"),
            ({"limit": 501}, "/query/limit"),
            ({"limit": 0}, "/query/limit"),
            ({"sort": "name"}, "/query/sort"),
            ({"sort": "-expected_gain"}, "/query/sort"),
            ({"renewal_before": "soon"}, "/query/renewal_before"),
            ({"changed_since": "9999-99-99"}, "/query/changed_since"),
            ({"owner": "a\x00"}, "/query/owner"),
        ],
    )
    def test_a_value_that_cannot_be_used_is_422_with_its_place(self, client, params, pointer):
        answer = rows(client, **params)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer

    def test_the_target_is_needed_and_must_exist(self, client):
        assert client.get("/v1/scores").json()["errors"][0]["pointer"] == "/query/target"
        assert rows(client, target="nothing").status_code == 404

    def test_unknown_and_repeated_parameters_are_400(self, client):
        answer = client.get("/v1/scores?target=churn&bandd=high")
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
        answer = client.get("/v1/scores?target=churn&target=upsell")
        assert (answer.status_code, answer.json()["code"]) == (400, "repeated_parameter")


class TestOrder:
    @pytest.mark.parametrize("sort", ["-probability", "probability"])
    def test_by_probability(self, client, sort):
        found = [row["probability"] for row in rows(client, sort=sort).json()["scores"]]
        assert found == sorted(found, reverse=sort.startswith("-"))

    def test_renewals_come_soonest_first_and_unknown_ones_last(self, client):
        found = [row["renewal_date"] for row in rows(client, sort="renewal_date").json()["scores"]]
        known = [day for day in found if day]
        assert found == sorted(known) + [None] * (len(found) - len(known))

    def test_upsell_sorts_by_its_gain(self, client):
        found = rows(client, target="upsell").json()["scores"]
        gains = [float(row["expected_gain"]["amount"]) for row in found]
        assert gains == sorted(gains, reverse=True)


class TestWalk:
    @pytest.mark.parametrize("sort", ["-revenue_at_risk", "-probability", "renewal_date", "mrr"])
    def test_pages_of_seven_see_everybody_once(self, client, sort):
        assert walk(client, limit=7, sort=sort) == ids(rows(client, sort=sort))

    def test_the_size_of_a_page_may_change_on_the_way(self, client):
        first = rows(client, limit=5).json()
        second = rows(client, limit=500, cursor=first["next_cursor"])
        assert len(second.json()["scores"]) == SCORED - 5

    def test_other_filters_are_a_mismatch(self, client):
        cursor = rows(client, limit=5).json()["next_cursor"]
        for params in ({"band": "low"}, {"sort": "mrr"}, {"target": "upsell"}):
            answer = rows(client, limit=5, cursor=cursor, **params)
            assert (answer.status_code, answer.json()["code"]) == (400, "cursor_mismatch")

    def test_a_changed_cursor_is_refused(self, client):
        cursor = rows(client, limit=5).json()["next_cursor"]
        flipped = ("A" if cursor[0] != "A" else "B") + cursor[1:]
        for bad in (flipped, cursor[:-4], "x", "é", "=" * 20, "A" * 5000):
            answer = rows(client, limit=5, cursor=bad)
            assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


class TestRunsComeAndGo:
    def test_a_walk_stays_in_its_run_while_another_lands(self, own_service):
        with open_client(own_service) as client:
            before = ids(rows(client))
            first = rows(client, limit=10).json()
            project = load_project(own_service.project)
            score(Store.for_project(project), AS_OF, {"churn": 1, "upsell": 1}, drift=0.2)
            rest = ids(rows(client, cursor=first["next_cursor"]))
            assert [row["customer_id"] for row in first["scores"]] + rest == before
            assert rows(client, limit=1).json()["run"]["id"] != first["run"]["id"]

    def test_a_cursor_of_a_run_that_was_pruned_is_410(self, own_service):
        with open_client(own_service) as client:
            cursor = rows(client, limit=10).json()["next_cursor"]
            store = Store.for_project(load_project(own_service.project))
            run_id = Reader(store, "acme").current_run_id()
            for _ in range(14):
                score(store, AS_OF, {"churn": 1})
            assert Reader(store, "acme").run(run_id) is None
            answer = rows(client, limit=10, cursor=cursor)
            assert (answer.status_code, answer.json()["code"]) == (410, "run_gone")

    def test_a_cursor_outlives_the_process(self, own_service):
        with open_client(own_service) as client:
            cursor = rows(client, limit=10).json()["next_cursor"]
        with open_client(own_service) as client:
            assert len(ids(rows(client, cursor=cursor))) == SCORED - 10

    def test_a_secret_of_the_settings_is_used(self, own_service):
        with open_client(own_service) as client:
            cursor = rows(client, limit=10).json()["next_cursor"]
        secret = SecretStr("a long and random secret")
        other = own_service.model_copy(update={"cursor_secret": secret})
        with open_client(other) as client:
            assert rows(client, cursor=cursor).status_code == 400
