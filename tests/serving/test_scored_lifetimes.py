"""Remaining lifetimes of a scoring run: those that the lifetime champion tells, or none."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import retention_jobs
from features.build import build
from features.built import Built
from models.fitted import Fitted
from models.lifetime import HAZARD, remaining
from models.periods import Terms
from serving.export import write_csv
from serving.lifetimes import Lifetimes
from serving.queries import Reader
from serving.records import Filters, Score
from serving.scoring import RunSummary, score
from serving.store import Store

NAME = "company.lifetime"
SETTINGS = {"n_estimators": 20, "linear_weight": 0.25}


@pytest.fixture(scope="module")
def everyone(modelled) -> Built:
    """All customers at the end of the data."""
    customers = pd.read_parquet(modelled.staged.tables["customers"])["customer_id"].unique()
    pairs = pd.DataFrame({"customer_id": customers, "as_of": modelled.staged.data_end})
    return build(modelled.staged, pairs)


def register(modelled, everyone: Built, *extra: str) -> int:
    """Promote a small hazard of made-up answers, that asks for `extra` features too."""
    random = np.random.default_rng(11)
    catalogue = [*everyone.catalogue]
    catalogue += [replace(catalogue[0], name=name, kind="number") for name in extra]
    terms = Terms.of([feature.name for feature in catalogue]).features
    n = len(everyone)
    added = {one.name: random.uniform(0, 365, n) for one in terms} | dict.fromkeys(extra, 1.0)
    answers = (random.random(n) < 0.1).astype(float)
    frame = everyone.features.assign(**added)
    fitted = Fitted.fit(frame, answers, [*catalogue, *terms], SETTINGS)
    card = {"asks": HAZARD, "known_periods": 9, "target": {"name": "churn"}, "grade": "B"}
    card["trained_at"] = "2026-10-02T03:10:00Z"
    version = modelled.registry.log(NAME, fitted, card, params={}, metrics={})
    modelled.registry.promote(NAME, version)
    return version


class Run:
    """A run with its own store."""

    def __init__(self, modelled, store: Store) -> None:
        store.migrate()
        self.store = store
        self.summary: RunSummary = score(
            modelled.project, modelled.staged, store=store, registry=modelled.registry
        )
        self.reader = Reader(store, "company")

    def scored(self, target: str = "churn") -> list[Score]:
        return list(self.reader.iter_scores(Filters(target)))


@pytest.fixture(scope="module")
def run(modelled, everyone, tmp_path_factory) -> Iterator[Run]:
    register(modelled, everyone)
    path = tmp_path_factory.mktemp("lifetimes") / "store.db"
    with closing(Store(f"sqlite:///{path}")) as store:
        yield Run(modelled, store)


def test_each_customer_has_what_the_champion_expects(run, modelled, everyone):
    model = modelled.registry.champion(NAME)
    value = everyone.state["value_per_month"].to_numpy(dtype=float)
    expected = remaining(model, everyone.features, value, modelled.project.money)
    expected.index = pd.Index(everyone.keys["customer_id"])
    found = run.scored()
    assert len(found) > 50
    for one in found:
        months, worth = expected.loc[one.customer.customer_id]
        assert one.remaining_months == pytest.approx(months, abs=1e-9)
        assert float(one.lifetime_value) == pytest.approx(worth, abs=1e-6)  # whole millionths
    assert len({one.remaining_months for one in found}) > 50


def test_the_run_keeps_the_version_and_other_targets_have_none(run):
    told = run.reader.current_run().lifetime_model("churn")
    assert told == {"version": 1, "grade": "B", "trained_at": "2026-10-02T03:10:00Z"}
    assert run.reader.current_run().lifetime_model("upsell") is None
    assert {one.remaining_months for one in run.scored("upsell")} == {None}
    assert [one.remark for one in run.summary.targets] == [None] * 3


def test_a_champion_speaks_for_the_target_it_was_learned_from_only(run, modelled):
    project, registry = modelled.project, modelled.registry
    targets = project.targets | {"quits": project.targets["churn"]}
    more = project.model_copy(update={"targets": targets})
    assert Lifetimes.of(more, "churn", registry).record()["version"] == 1
    assert Lifetimes.of(more, "quits", registry).record() is None


def test_the_file_has_them(run, tmp_path):
    write_csv(run.store, "company", tmp_path / "list.csv")
    rows = pd.read_csv(tmp_path / "list.csv").query("target == 'churn'").set_index("customer_id")
    for one in run.scored():
        row = rows.loc[one.customer.customer_id]
        assert row["expected_remaining_months"] == round(one.remaining_months, 2)
        assert row["predicted_cltv"] == pytest.approx(float(one.lifetime_value), abs=0.0051)


def test_a_champion_that_does_not_fit_the_build_is_left_out_in_one_line(
    run, modelled, everyone, tmp_path, capsys
):
    version = register(modelled, everyone, "never_built_28d")
    try:
        retention_jobs.score(modelled.staged, csv=tmp_path / "list.csv")
    finally:
        modelled.registry.promote(NAME, 1)
    rows = pd.read_csv(tmp_path / "list.csv").query("target == 'churn'")
    assert len(rows) == len(run.scored())
    assert rows[["expected_remaining_months", "predicted_cltv"]].isna().all(axis=None)
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"no lifetimes are published: {NAME} version {version} asks for ['never_built_28d'],"
        " which the build does not have; run `retention lifetime` again"
    )
