"""A scoring run from staged tables to a published list: complete, replayable, in money's order."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.build import build
from features.errors import ModelNotFoundError
from features.project import Bands, Money, Target, load_project
from features.staging import stage
from models.fitted import Fitted
from serving import scoring, target_run
from serving.contacts import Contacts
from serving.entries import Listing, Scored, scored_entries
from serving.gains import first_paid, increases, median_increase
from serving.people import customer_rows, external_ids
from serving.queries import Reader
from serving.records import Filters
from serving.scoring import RunSummary, score
from serving.store import Store

IDS = {"salesforce": "0018d", "hubspot": "7"}
EVERYONE = Filters("churn", status=None)


class Run:
    """A published run and what it was made from."""

    def __init__(self, modelled, store: Store, summary: RunSummary) -> None:
        self.modelled, self.store, self.summary = modelled, store, summary
        self.reader = Reader(store, modelled.project.name)
        self.project, self.registry = modelled.project, modelled.registry

    def list(self, **filters):
        return list(self.reader.iter_scores(Filters(**{"target": "churn"} | filters)))


def run_on(modelled, store: Store, **how) -> RunSummary:
    return score(modelled.project, modelled.staged, store=store, registry=modelled.registry, **how)


@pytest.fixture(scope="module")
def run(modelled, new_url) -> Iterator[Run]:
    """Two runs, a week apart; the newer one is current."""
    with closing(Store(new_url())) as store:
        store.migrate()
        run_on(modelled, store, as_of=modelled.staged.data_end - timedelta(days=7))
        yield Run(modelled, store, run_on(modelled, store))


@pytest.fixture
def file_store(tmp_path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store:
        store.migrate()
        yield store


class TestEverybody:
    def test_each_customer_has_an_entry_per_target(self, run):
        customers = pd.read_parquet(run.modelled.staged.tables["customers"])["customer_id"].unique()
        for target in run.project.targets:
            entries = run.list(target=target, status=None)
            assert sorted(e.customer.customer_id for e in entries) == sorted(customers)

    def test_the_summary_counts_what_was_published(self, run):
        for one in run.summary.targets:
            entries = run.list(target=one.target, status=None)
            assert one.scored == sum(e.status == "scored" for e in entries)
            reasons = Counter(e.not_scored_reason for e in entries if e.status == "not_scored")
            assert one.not_scored == dict(reasons)
            assert one.bands == dict(Counter(e.band for e in entries if e.band))
        assert run.reader.current_run().counts == run.summary.as_json()

    def test_who_left_is_not_scored(self, run):
        state = build(
            run.modelled.staged,
            pd.DataFrame(
                {
                    "customer_id": [s.customer.customer_id for s in run.list(status=None)],
                    "as_of": run.modelled.staged.data_end,
                }
            ),
        )
        left = state.keys["customer_id"][state.state["ever_covered"] & ~state.state["covered"]]
        assert len(left) > 5
        for who in left:
            entry = run.reader.score_of(who, "churn")
            assert (entry.status, entry.probability) == ("not_scored", None)
            assert entry.not_scored_reason in ("already_churned", "objection_recorded")
            assert run.reader.row(who, "churn") is None

    def test_without_a_champion_nobody_is_scored(self, run):
        entries = run.list(target="conversion", status=None)
        assert {e.status for e in entries} == {"not_scored"}
        assert "no_model" in {e.not_scored_reason for e in entries}
        model = run.reader.models()["conversion"]
        assert (model.name, model.version, model.grade) == (None, None, None)

    def test_the_run_says_what_it_saw(self, run):
        current = run.reader.current_run()
        assert current.as_of == current.data_end == run.modelled.staged.data_end
        assert current.usage_to == run.modelled.staged.periods["usage"][1]
        model = run.reader.models()["churn"]
        assert (model.name, model.version, model.grade) == ("company.churn", 1, "A")
        assert model.trained_at.isoformat() == "2026-10-01T03:10:00"
        assert model.horizon_days == run.project.target("churn").horizon_days


class TestReplay:
    def test_stored_rows_give_the_stored_probability(self, run):
        for target in ("churn", "upsell"):
            entries = run.list(target=target)
            stated = run.reader.models()[target]
            rows = run.reader.rows([e.customer.customer_id for e in entries], target)
            model = run.registry.load(stated.name, stated.version)
            matrix = np.stack([rows[e.customer.customer_id] for e in entries])
            published = np.array([e.probability for e in entries])
            assert len(published) > 50
            assert np.abs(model.probability(matrix) - published).max() <= 1e-9

    def test_one_customer_built_alone_gives_the_stored_row(self, run):
        entry = run.list()[0]
        who = entry.customer.customer_id
        pair = pd.DataFrame({"customer_id": [who], "as_of": [run.summary.as_of]})
        model = run.registry.champion("company.churn")
        alone = model.matrix(build(run.modelled.staged, pair).features)
        np.testing.assert_array_equal(alone[0], run.reader.row(who, "churn"))
        assert abs(model.probability(alone)[0] - entry.probability) <= 1e-9

    def test_blocks_of_customers_change_nothing(self, run, modelled, file_store, monkeypatch):
        monkeypatch.setattr(scoring, "BLOCK", 170)
        run_on(modelled, file_store)
        again = Reader(file_store, "company").iter_scores(EVERYONE)

        def essence(entry):
            return (entry.customer, entry.probability, entry.rank, entry.not_scored_reason)

        assert list(map(essence, again)) == list(map(essence, run.list(status=None)))


class TestMoney:
    def test_revenue_at_risk_is_probability_times_value_times_twelve(self, run):
        for entry in run.list():
            exact = Decimal(entry.probability) * entry.value_per_month * 12
            assert abs(entry.expected_amount - exact) < Decimal("0.00001")
            assert entry.expected_kind == "revenue_at_risk"
            assert entry.value_per_month == entry.customer.mrr

    def test_the_list_is_in_the_order_of_money(self, run):
        amounts = [entry.expected_amount for entry in run.list()]
        assert amounts == sorted(amounts, reverse=True)
        assert [entry.rank for entry in run.list()] == list(range(1, len(amounts) + 1))

    def test_a_gain_is_probability_times_the_median_increase_times_twelve(self, run):
        staged, target = run.modelled.staged, run.project.target("upsell")
        increase = median_increase(staged, target, run.summary.as_of)
        assert increase > 0
        for entry in run.list(target="upsell"):
            assert entry.expected_kind == "gain"
            assert float(entry.expected_amount) == pytest.approx(entry.probability * increase * 12)

    def test_bands_and_percentiles_follow_the_probability(self, run):
        entries, bands = run.list(), run.project.bands
        probabilities = [entry.probability for entry in entries]
        for entry in entries:
            high, medium = entry.probability >= bands.high, entry.probability >= bands.medium
            assert entry.band == ("high" if high else "medium" if medium else "low")
            lower = sum(p < entry.probability for p in probabilities)
            assert entry.percentile == 100 * lower // len(probabilities)

    def test_renewals_within_the_horizon(self, run):
        horizon = timedelta(days=run.project.target("churn").horizon_days)
        seen = set()
        for entry in run.list():
            renewal, as_of = entry.customer.renewal_at, run.summary.as_of
            expected = None if renewal is None else as_of <= renewal < as_of + horizon
            assert entry.renewal_in_horizon is expected
            seen.add(expected)
        assert {True, False} <= seen

    def test_the_horizon_is_half_open(self, modelled):
        day, as_of = timedelta(days=1), modelled.staged.data_end
        one = target_run.TargetRun(
            modelled.project, modelled.staged, "churn", modelled.registry, as_of=as_of, due=None
        )
        end = as_of + one.target.horizon_days * day
        renewals = [as_of - day, as_of, end - day, end, None]
        state = pd.DataFrame({"renewal_at": pd.Series(renewals, dtype="datetime64[us]")})
        assert one._renews(state) == [False, True, True, False, None]

    def test_the_published_example(self):
        """spec/revenue.md: A .82 x 90, B .35 x 2,400, C .61 x 500; the order is B, C, A."""
        entries = ranked([0.82, 0.35, 0.61], [90.0, 2400.0, 500.0])
        assert [e["expected_micro"] / 12e6 for e in entries] == [73.8, 840.0, 305.0]
        assert [e["rank"] for e in entries] == [3, 1, 2]

    def test_without_amounts_probability_leads(self):
        entries = ranked([0.2, 0.7, 0.5, 0.01], [np.nan, np.nan, np.nan, 0.0])
        assert [e["rank"] for e in entries] == [4, 2, 3, 1]
        assert [e["expected_reason"] for e in entries] == ["no_amounts"] * 3 + [None]
        assert [e["value_micro"] for e in entries] == [None, None, None, 0]

    def test_an_edge_belongs_to_the_higher_band(self):
        entries = ranked([0.6, 0.3, 0.2999], [1.0, 1.0, 1.0])
        assert [e["band"] for e in entries] == ["high", "medium", "low"]


class TestContacts:
    """Value 12 months at a margin of 80 %, 30 % of contacted leavers stay, a contact costs 100."""

    TERMS = Money(contact_cost=100, success_rate=0.3)

    def test_the_best_list_holds_who_pays_within_the_capacity(self):
        terms = self.TERMS.model_copy(update={"capacity": 2})
        entries = ranked([0.5, 0.9, 0.1, 0.5], [90.0, 200.0, 100.0, 2400.0], terms)
        assert [e["contact"] for e in entries] == [False, True, False, True]
        assert entries[0]["contact_profit_micro"] == 29_600_000  # .5 x .3 x 864 - 100, pays too
        assert entries[2]["contact_profit_micro"] == -71_200_000

    def test_nothing_is_said_of_an_unknown_value_or_without_terms(self):
        (entry,) = ranked([0.5], [np.nan], self.TERMS)
        assert (entry["contact"], entry["contact_profit_micro"]) == (None, None)
        (entry,) = ranked([0.5], [90.0], Money(contact_cost=100))
        assert (entry["contact"], entry["contact_profit_micro"]) == (None, None)


def ranked(probability: list[float], value: list[float], money: Money | None = None) -> list[dict]:
    p, worth = np.array(probability), np.array(value)
    who = [f"c{place}" for place in range(len(p))]
    scored = Scored(who, p, worth, p * worth * 12, [None] * len(p), np.zeros(len(p), bool))
    bands = Bands(medium=0.3, high=0.6)
    listing = Listing(bands, "revenue_at_risk", "no_amounts", None, {})
    contacts = Contacts.by(money or Money(), p, worth)
    return list(scored_entries(scored, listing, {}, contacts))


class TestReasons:
    def test_the_top_of_the_list_has_them_stored(self, modelled, file_store, monkeypatch):
        monkeypatch.setattr(target_run, "EXPLAINED", 10)
        monkeypatch.setattr(target_run, "_CHUNK", 4)
        run_on(modelled, file_store)
        reader = Reader(file_store, "company")
        entries = list(reader.iter_scores(Filters("churn")))
        assert [entry.reasons is not None for entry in entries] == [e.rank <= 10 for e in entries]
        model = modelled.registry.champion("company.churn")
        for entry in (entries[0], entries[9]):
            row = reader.row(entry.customer.customer_id, "churn")
            assert entry.reasons == model.explain(row[None, :], top=3)[0]


class TestChange:
    def test_each_score_knows_the_one_before(self, run):
        first = run.reader.runs()[1]
        before = {
            e.customer.customer_id: e for e in run.reader.iter_scores(EVERYONE, run_id=first.id)
        }
        known = 0
        for entry in run.list():
            old = before.get(entry.customer.customer_id)
            if old is not None and old.status == "scored":
                known += 1
                assert entry.previous_probability == old.probability
                assert (entry.previous_band, entry.previous_as_of) == (old.band, first.as_of)
            else:
                assert (entry.previous_probability, entry.previous_as_of) == (None, None)
        assert known > 50

    def test_a_failing_run_leaves_the_one_before(self, modelled, file_store):
        done = run_on(modelled, file_store)
        steps: list[str] = []

        def stop(text: str) -> None:
            steps.append(text)
            if text.startswith("writing the list of upsell"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_on(modelled, file_store, progress=stop)
        assert any("explaining churn" in step for step in steps)
        reader = Reader(file_store, "company")
        assert reader.current_run().id == done.run_id
        assert len(reader.runs()) == 1


SNAPSHOT = """
name = "telco"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.csv"
columns = { customer_id = "id", mrr = "charge" }
attributes = ["tenure", "plan"]
static = ["tenure", "plan"]
[targets.churn]
kind = "churn"
label = "left"
positive = "Yes"
"""


class TestSnapshots:
    @pytest.fixture
    def telco(self, write_project, open_registry):
        """Forty customers without dates, ten of whom left."""
        lines = [
            f"t{n:02},{n},{'ab'[n % 2]},{20 + n}.50,{'Yes' if n < 10 else 'No'}" for n in range(40)
        ]
        text = "\n".join(["id,tenure,plan,charge,left", *lines])
        project = load_project(write_project(SNAPSHOT, snapshots=text + "\n"))
        staged, registry = stage(project), open_registry(project)
        built = build(staged, pd.DataFrame({"customer_id": [], "as_of": []}))
        answers = (built.state["left"] == "Yes").to_numpy(dtype=float)
        settings = {"n_estimators": 5, "min_child_samples": 2}
        fitted = Fitted.fit(built.features, answers, built.catalogue, settings)
        version = registry.log("telco.churn", fitted, {"grade": "B"}, params={}, metrics={})
        registry.promote("telco.churn", version)
        return project, staged, registry

    def folds(self, project, customers) -> Path:
        folder = project.outputs / "oof"
        folder.mkdir()
        frame = pd.DataFrame({"customer_id": customers})
        frame["probability"] = np.linspace(0.01, 0.99, len(frame))
        frame.to_parquet(folder / "churn-1.parquet")
        return folder

    def test_published_scores_are_out_of_fold(self, telco, file_store):
        project, staged, registry = telco
        self.folds(project, [f"t{n:02}" for n in range(39)])
        summary = score(project, staged, store=file_store, registry=registry)
        reader = Reader(file_store, "telco")
        assert (summary.as_of, reader.current_run().as_of) == (None, None)
        entries = list(reader.iter_scores(Filters("churn")))
        assert len(entries) == 30
        found = {e.customer.customer_id: e for e in entries}
        expected = np.linspace(0.01, 0.99, 39)
        assert found["t20"].probability == expected[20]
        assert found["t20"].out_of_fold is True
        assert found["t20"].customer.mrr == Decimal("40.5")
        unseen = registry.champion("telco.churn").probability(reader.row("t39", "churn")[None, :])
        assert (found["t39"].probability, found["t39"].out_of_fold) == (unseen[0], False)

    def test_rows_that_left_are_not_scored(self, telco, file_store):
        project, staged, registry = telco
        self.folds(project, [f"t{n:02}" for n in range(40)])
        summary = score(project, staged, store=file_store, registry=registry)
        assert summary.targets[0].not_scored == {"already_churned": 10}
        left = Reader(file_store, "telco").score_of("t03", "churn")
        assert (left.not_scored_reason, left.probability) == ("already_churned", None)

    def test_a_model_never_flatters_what_it_learned_from(self, telco, file_store):
        project, staged, registry = telco
        with pytest.raises(ModelNotFoundError, match=r"out-of-fold scores .* train again"):
            score(project, staged, store=file_store, registry=registry)
        assert Reader(file_store, "telco").current_run() is None


class TestGains:
    STEPS = pd.DataFrame(
        [  # customer, mrr, running organic
            ("a", 100, 100),
            ("a", 150, 150),  # +50 of its own
            ("a", 180, 150),  # a price rise
            ("a", 184, 154),  # below 5 %
            ("a", 0, -30),
            ("b", 60, 60),
            ("b", 0, 0),
            ("b", 90, 90),  # a return, no increase
            ("b", 120, 110),  # 20 of 30 are its own
        ],
        columns=["customer_id", "mrr", "organic"],
    )

    def test_increases_are_what_customers_decided_themselves(self):
        target = Target(kind="upsell", min_increase=0.05)
        assert increases(self.STEPS, target).tolist() == [50, 20]

    def test_a_conversion_is_worth_the_first_payment(self):
        assert first_paid(self.STEPS).tolist() == [100, 60]

    def test_no_subscriptions_no_gain(self, telco_free):
        assert median_increase(telco_free, Target(kind="upsell"), None) is None

    @pytest.fixture
    def telco_free(self, write_project):
        text = "id,tenure,plan,charge,left\na,1,x,2,No\n"
        return stage(load_project(write_project(SNAPSHOT, snapshots=text)))


class TestCustomers:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (None, {}),
            (np.nan, {}),
            ("", {}),
            (
                '{"salesforce": "0018d", "hubspot": 77, "x": null}',
                {"salesforce": "0018d", "hubspot": "77"},
            ),
            ("salesforce:0018d; hubspot: 7", IDS),
            ("salesforce:a:b,", {"salesforce": "a:b"}),
            ("0018d", {"external": "0018d"}),
            ("{broken", {"external": "{broken"}),
            ({"crm": 5}, {"crm": "5"}),
        ],
    )
    def test_external_ids_are_read_by_system(self, given, expected):
        assert external_ids(given) == expected

    def test_what_a_project_does_not_have_is_null(self, modelled):
        keys = pd.DataFrame({"customer_id": ["a"], "as_of": [pd.NaT]})
        (row,) = customer_rows(keys, pd.DataFrame({"mrr": [np.nan]}), modelled.project)
        assert row["mrr_micro"] is None
        assert (row["name"], row["renewal_at"], row["external_ids"]) == (None, None, {})
        assert row["currency"] == modelled.project.currency
