"""Survival of whole companies: the panel's ends, curves against Kaplan-Meier and the truth."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter

from features.errors import UnfitDataError, UnknownTargetError
from features.frames import frame
from features.project import load_project
from features.staging import Staged, stage
from models.curve import HORIZONS, kaplan_meier
from models.lifetime import registered_curve
from simulation.company import simulate
from training.labels import labels
from training.lifetime import Learned, Proof, grade_of, learn, prove, register
from training.lifetime_orders import Orders, prove_orders
from training.lifetime_panel import Ends, Panel, lifetime_target, panel_frame
from training.lifetime_report import churn_per_month, customers_at, lifetimes
from training.lifetime_summary import sentences, tables
from training.promotion import modelled, promote, rollback, version_rows

AT = (90, 180, 365)


@dataclass(frozen=True)
class Company:
    """A company with its panel, and a hazard learned from all of it."""

    staged: Staged
    panel: Panel
    ends: Ends
    learned: Learned


def made(staged: Staged) -> Company:
    name = lifetime_target(staged.project)
    panel = Panel(staged, staged.project.target(name), panel_frame(staged, name))
    learned = learn(panel, staged.data_end)
    assert learned is not None
    return Company(staged, panel, panel.ends(staged.data_end), learned)


@pytest.fixture(scope="module")
def savings(example) -> Company:
    """The savings contracts."""
    return made(example("eu_savings_contracts"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Company:
    """1,000 customers over 24 months, by the features of three families."""
    folder = tmp_path_factory.mktemp("lifetimes") / "company"
    simulate(folder, customers=1000, months=24, seed=7, workers=1)
    path = folder / "retention.toml"
    head, rest = path.read_text(encoding="utf-8").split("[targets.churn]\n")
    churn = rest.split("[targets.")[0]
    few = 'features = ["lifecycle", "billing", "usage"]\n'
    path.write_text(f"{head}[targets.churn]\n{few}{churn}", encoding="utf-8")
    return made(stage(load_project(folder)))


def test_ends_agree_with_the_labels(simulated):
    """The same timeline: who left within the target's horizon is who has the event."""
    company, target = simulated, simulated.panel.target
    rows = np.flatnonzero(company.ends.observed >= target.horizon_days)
    built = frame(company.staged, "churn").take(company.panel.data.rows[rows])
    y = labels(company.staged, target, built.keys, built.state, company.staged.data_end)
    days = company.ends.days[rows]
    known = ~np.isnan(y.to_numpy())
    assert known.sum() > 3000
    assert y[known].mean() > 0.03
    assert ((days < target.horizon_days) == (y == 1))[known].all()
    assert (np.isnan(days) == ~known).all()


def test_nothing_after_a_moment_is_known_at_it(simulated):
    """Ends within the grace before it are open still, and no as-of date after it teaches."""
    panel, moment = simulated.panel, datetime(2026, 3, 1)
    ends = panel.ends(moment)
    finite = np.isfinite(ends.days)
    assert finite.any()
    ended = panel.as_of[finite] + pd.to_timedelta(ends.days[finite], unit="D")
    assert ended.max() < pd.Timestamp(moment) - pd.Timedelta(days=panel.wait_days)
    rows = panel.known(ends, moment)
    assert panel.as_of.iloc[rows].max() <= pd.Timestamp(moment) - pd.Timedelta(days=60)


@pytest.mark.parametrize(
    ("name", "cohort_tolerance", "tolerance"),
    [
        # The level shifts with the calendar, which no feature tells: a cohort of many years is
        # fitted to the mean of its years. A smaller one is noise: its standard error is .02.
        pytest.param("savings", 0.045, 0.02, id="savings"),
        # Of 60 to 500 customers, each there at up to 19 dates: one standard error of a quarter's
        # 60 customers at .7 is .06.
        pytest.param("simulated", 0.07, 0.025, id="simulated"),
    ],
)
def test_curves_by_cohort_are_those_of_kaplan_meier(request, name, cohort_tolerance, tolerance):
    """Expected curves of each cohort's rows against lifelines, weighted and one by one."""
    company: Company = request.getfixturevalue(name)
    rows, ends = company.learned.rows, company.ends
    cohort = company.panel.cohort[rows]
    drawn = np.random.default_rng(1).permutation(len(rows))[:4000]
    curve = company.learned.curve(company.panel.data.frame.iloc[rows[drawn]])
    survival = curve.survival(AT)
    found = []
    for one in np.unique(cohort):
        mine = rows[cohort == one]
        customers = company.panel.data.keys["customer_id"].iloc[mine].nunique()
        if customers < 60 or ends.observed[mine].max() < 365:
            continue
        days, observed = ends.days[mine], ends.observed[mine]
        other = KaplanMeierFitter().fit(np.minimum(days, observed), days < observed)
        there = other.survival_function_at_times(np.array(AT) - 1e-6).to_numpy()
        assert kaplan_meier(days, observed, AT) == pytest.approx(there, abs=1e-9)
        expected = survival[cohort[drawn] == one].mean(axis=0)
        if customers >= 1000 or name == "simulated":
            assert expected == pytest.approx(there, abs=cohort_tolerance), one
        found.append((len(mine), *np.abs(expected - there)))
    assert len(found) >= 3
    weight, *gaps = np.array(found).T
    assert (np.array(gaps) @ weight / weight.sum() < tolerance).all()


def test_a_claim_competes_with_a_surrender(savings):
    """README: 195 contracts ended by a claim, which is no answer to the question asked."""
    panel, ends = savings.panel, savings.ends
    last = panel.data.keys.assign(cause=ends.cause, days=ends.days).groupby("customer_id").last()
    ended = last[np.isfinite(last["days"])]
    assert 100 < (ended["cause"] == "other").sum() <= 195
    assert savings.learned.model.causes_ == ("voluntary", "other")
    curve = savings.learned.curve(panel.data.frame.iloc[savings.learned.rows[:500]])
    left = curve.incidence(AT)
    assert sum(left.values()) == pytest.approx(1 - curve.survival(AT), abs=1e-12)
    assert left["other"].mean() < 0.1 * left["voluntary"].mean()


def test_probabilities_are_near_the_truth(simulated):
    """`truth` has P(leaves within 90 days | state): overall, in rank, and by cause."""
    folder = simulated.staged.project.folder / "truth"
    truth = pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
    curve = simulated.learned.curve(simulated.panel.data.frame)
    keys = simulated.panel.data.keys.assign(
        p=1 - curve.survival([90])[:, 0], involuntary=curve.incidence([90])["involuntary"][:, 0]
    )
    known = keys.merge(truth, on=["customer_id", "as_of"]).dropna(subset=["churn"])
    assert len(known) > 5000
    assert known["p"].mean() == pytest.approx(known["churn"].mean(), abs=0.012)
    assert known["involuntary"].mean() == pytest.approx(
        known["churn_involuntary"].mean(), abs=0.005
    )
    assert known["p"].rank().corr(known["churn"].rank()) > 0.7


@pytest.fixture(scope="module")
def proofs(simulated) -> list[Proof]:
    return prove(simulated.panel, simulated.staged.data_end)


def test_later_time_proves_the_curves(proofs):
    assert [proof.days for proof in proofs] == [90, 180, 365]
    assert [f"{proof.origin:%Y-%m}" for proof in proofs] == ["2026-07", "2026-04", "2025-10"]
    for proof in proofs:
        assert proof.left > 10
        spread = np.sqrt(proof.stayed * (1 - proof.stayed) / proof.customers)
        assert proof.expected == pytest.approx(proof.stayed, abs=3 * spread)
        assert proof.brier <= proof.brier_constant  # the same where few had left by then
    assert proofs[0].brier < proofs[0].brier_constant
    assert grade_of(proofs) in {"B", "C"}
    assert grade_of([]) == "U"
    assert grade_of([replace(one, fallback="constant") for one in proofs]) == "U"


def test_a_registered_hazard_gives_the_same_curves(simulated, proofs, registry):
    company = simulated
    name = f"{company.staged.project.name}.lifetime"
    asked = (company.staged.project, company.staged, "churn", company.panel, company.learned)
    version = register(*asked, proofs, registry)
    assert register(*asked, proofs, registry) == version  # the same data are not registered twice
    target = company.panel.target.model_copy(update={"horizon_days": 77})
    other = company.staged.project.model_copy(update={"targets": {"churn": target}})
    changed = (other, replace(company.staged, project=other), *asked[2:])
    assert register(*changed, proofs, registry) == version + 1
    loaded = registry.load(name, version)
    some = company.panel.data.frame.iloc[company.learned.rows[:200]]
    curve = registered_curve(loaded, some)
    assert curve.survival(AT) == pytest.approx(company.learned.curve(some).survival(AT), abs=1e-9)
    promoted = grade_of(proofs) == "B"
    assert (registry.champion_version(name) == version + 1) == promoted
    actions = [(one.version, one.action) for one in registry.decisions(name)]
    expected = "promoted" if promoted else "refused"
    assert actions == [(version, expected), (version + 1, expected)]
    project = company.staged.project
    assert modelled(registry, project) == [*project.targets, "lifetime"]
    for one in (version, version + 1):
        promote(registry, project, "lifetime", one, reason="to compare", force=True)
    rollback(registry, project, "lifetime")
    assert registry.champion_version(name) == version
    newest, _ = version_rows(registry, project, "lifetime")
    assert (newest["decision"], newest["grade"]) == ("rolled back from", grade_of(proofs))


def test_the_report_tells_of_every_customer(simulated):
    """As of a past moment, so nothing later is used and nothing is registered."""
    moment = datetime(2026, 6, 1)
    found = lifetimes(simulated.staged, as_of=moment)
    rows, summary = found.customers, found.summary
    assert len(rows) == len(customers_at(simulated.staged, "churn", moment)) == summary["customers"]
    assert rows["customer_id"].is_unique
    stays = rows[[f"p_stay_{days}" for days in HORIZONS]].to_numpy()
    assert (np.diff(stays, axis=1) <= 0).all()
    left = rows["p_leave_voluntary_365"] + rows["p_leave_involuntary_365"]
    assert left.to_numpy() == pytest.approx(1 - rows["p_stay_365"].to_numpy(), abs=3e-6)
    assert rows["expected_remaining_months"].between(0, 120).all()
    assert summary["predicted_cltv"]["USD"] == pytest.approx(rows["predicted_cltv"].sum())
    ratio = summary["ratio_formula"]
    assert ratio["cltv"] == pytest.approx(ratio["arpa"] * 0.8 / ratio["churn"])
    assert {proof["origin"] < "2026-06-01" for proof in summary["proofs"]} == {True}
    assert json.loads(json.dumps(summary)) == summary
    assert len(list(tables(summary))) == 3
    assert any("the ratio formula gives" in line for line in sentences(summary))
    *_, last = sentences(summary | {"version": 3, "model": summary["model"] | {"grade": "B"}})
    assert last.endswith("grade B, version 3: the next `retention score` publishes what it expects")


def test_churn_of_the_ratio_formula_is_counted_by_month(simulated):
    """Five pay in May; one leaves for good, one leaves and is back at the month's end."""
    rows = [(f"c{i}", "2026-01-01", 10, "new") for i in range(5)]
    rows += [("c0", "2026-05-10", 0, "end"), ("c1", "2026-05-03", 0, "end")]
    rows += [("c1", "2026-05-20", 10, "new")]
    steps = pd.DataFrame(rows, columns=["customer_id", "at", "mrr", "cause"])
    steps["at"] = pd.to_datetime(steps["at"])
    steps = steps.sort_values(["customer_id", "at"], ignore_index=True)
    project = simulated.staged.project
    assert churn_per_month(steps, datetime(2026, 6, 14), project, 1) == pytest.approx(0.2)
    assert churn_per_month(steps, datetime(2026, 6, 14), project, 2) == pytest.approx(0.1)
    assert churn_per_month(steps, datetime(2025, 6, 14), project) is None


class TestShop:
    """Consumption: no contract, so orders are expected."""

    @pytest.fixture
    def found(self, shop):
        return lifetimes(shop(400))

    def test_each_customer_gets_expected_orders_and_worth(self, found):
        rows, summary = found.customers, found.summary
        orders = rows[[f"expected_orders_{days}" for days in HORIZONS]].to_numpy()
        assert (np.diff(orders, axis=1) > 0).all()
        assert rows["p_alive"].between(0, 1).all()
        # Each order is worth 10, of which 80 % are left; a day of two counts once and is worth 20.
        per_day = rows["predicted_cltv"] / rows["expected_orders_365"]
        assert per_day.median() == pytest.approx(8, abs=0.01)
        assert per_day.between(7.99, 16).all()
        assert summary["predicted_cltv"]["USD"] == pytest.approx(rows["predicted_cltv"].sum())
        assert len(list(tables(summary))) == 2
        assert any("in the next 12 months" in line for line in sentences(summary))

    def test_held_out_orders_come_as_expected(self, found):
        """Paces never change in this shop, so nobody leaves; chance alone is 3 % of the sum."""
        (proof, *_) = found.summary["proofs"]
        assert proof["days"] == 90
        assert proof["expected"] == pytest.approx(proof["orders"], rel=0.1)
        assert proof["error"] < 1.1 * proof["bg_nbd_error"]


def test_cdnow_orders_are_expected_as_well_as_by_bg_nbd(example):
    """39 weeks held out as of 1997-09-30, all customers; README: 19,684 orders came."""
    staged = example("cdnow")
    panel = Panel(staged, staged.project.target("churn"), panel_frame(staged, "churn"))
    orders = Orders(staged, panel)
    (proof,) = prove_orders(panel, orders, staged.data_end, lambda _: None, (273,))
    assert (proof.customers, f"{proof.origin:%Y-%m-%d}") == (23_570, "1997-09-30")
    assert proof.orders == pytest.approx(19_684, rel=0.01)  # the as-of day itself is of the future
    assert abs(proof.expected / proof.orders - 1) < abs(proof.bg_nbd / proof.orders - 1)
    assert proof.error < 1.02 * proof.bg_nbd_error


ZONED = """
name = "shop"
revenue_model = "consumption"
timezone = "America/Los_Angeles"
data_end = 2026-06-01
[sources.customers]
file = "customers.csv"
columns = { customer_id = "customer_id", occurred_at = "since" }
[sources.orders]
file = "orders.csv"
[targets.churn]
kind = "silence"
horizon_days = 30
features = ["lifecycle"]
as_of = { dates = [2026-01-01] }
"""


def test_days_of_orders_are_those_of_the_project_s_time_zone(write_project):
    """Around midnights in Los Angeles, in the midst of days in UTC; clocks change in March."""
    edges = ["2026-01-01", "2026-01-31", "2026-03-02", "2026-04-01"]
    lines = [
        f"a,{pd.Timestamp(edge) + pd.Timedelta(hours=hours):%Y-%m-%d %H:%M:%S},10"
        for edge in edges
        for hours in (-1, 0, 4)  # the day before, and twice the same day
    ]
    orders = "\n".join(["customer_id,occurred_at,amount", *lines])
    tables = {"customers": "customer_id,since\na,2025-06-01", "orders": orders}
    staged = stage(load_project(write_project(ZONED, **tables)))
    panel = Panel(staged, staged.project.target("churn"), panel_frame(staged, "churn"))
    counts, observed = Orders(staged, panel).by_period(panel.data.keys, staged.data_end)
    assert counts[0, :4].tolist() == [2, 2, 2, 1]
    assert observed.tolist() == [151]
    past = Orders(staged, panel).history(staged.data_end)
    assert past.mul([1, 7, 7]).round(6).loc["a"].tolist() == [7, 91, 151]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ('kind = "upsell"', "declares churn (upsell)"),
        (
            'kind = "churn"\nlabel = "left"\npositive = "1"',
            "declares churn (a label of a snapshot)",
        ),
    ],
)
def test_a_project_that_tells_no_leaving_says_so(write_project, kind, said):
    toml = f"""
name = "small"
revenue_model = "subscription"
[sources.snapshots]
file = "snapshots.csv"
columns = {{ customer_id = "id" }}
[targets.churn]
{kind}
"""
    if "upsell" in kind:
        toml = toml.replace("snapshots", "subscriptions") + "[sources.customers]\nfile = 'c.csv'\n"
    project = load_project(write_project(toml, snapshots="id,left\na,1\n"))
    with pytest.raises(UnfitDataError) as caught:
        lifetime_target(project)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_company_too_young_says_what_is_missing(shop):
    staged = shop(30, as_of='{ every = "day", start = 2025-12-20 }')
    with pytest.raises(UnfitDataError, match="has no as-of date 30 days before 2026-01-01"):
        lifetimes(staged)


def test_the_verb_prints_the_sums_and_writes_the_customers(shop, tmp_path):
    path = shop(120).project.path
    command = [sys.executable, "-m", "retention", "lifetime", str(path)]
    rows = tmp_path / "lifetimes.csv"
    ran = subprocess.run([*command, "--json", "--csv", str(rows)], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert len(pd.read_csv(rows)) == summary["customers"] > 50


def test_a_target_that_is_not_there_is_named(shop):
    with pytest.raises(UnknownTargetError, match="unknown target 'upsell'"):
        lifetime_target(shop(30).project, "upsell")
