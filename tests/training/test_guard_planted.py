"""Leaks planted in a simulated company and in real data: each fails the training that meets it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from imblearn.combine import SMOTEENN
from sklearn.metrics import roc_auc_score

from features.attributes import ends
from features.built import Built
from features.errors import LeakError
from features.frames import frame
from features.project import load_project
from features.staging import Staged, stage
from training.guard import Guard
from training.readiness import plan
from training.recipe import DEFAULT, fit
from training.sample import Dataset
from training.splits import customer_folds
from training.train import train

ATTRIBUTES = 'attributes = ["industry", "employees"'


@pytest.fixture(scope="module")
def firm(tmp_path_factory) -> Path:
    """A simulated company; do not write to it."""
    from simulation.company import simulate

    folder = tmp_path_factory.mktemp("firm")
    simulate(folder, customers=1200, months=14, seed=11)
    return folder


@pytest.fixture(scope="module")
def planted(firm, tmp_path_factory) -> Callable[..., Staged]:
    """A function that stages a copy of the company, its customers and project file changed."""

    def make(
        change: Callable[[pd.DataFrame, pd.Series], pd.DataFrame] | None = None,
        columns: str = "",
        extra: str = "",
        before: str = "",
    ) -> Staged:
        folder = tmp_path_factory.mktemp("planted") / "company"
        shutil.copytree(firm, folder, ignore=shutil.ignore_patterns(".retention", "truth*"))
        file = folder / "retention.toml"
        toml = file.read_text(encoding="utf-8").split("[targets.upsell]")[0]
        toml = toml.replace(ATTRIBUTES, ATTRIBUTES + columns)
        assert columns in toml
        name = 'name = "company"'
        file.write_text(toml.replace(name, f"{before}\n{name}") + extra, encoding="utf-8")
        if change is not None:
            left = ends(stage(load_project(firm)))
            customers = pd.read_parquet(folder / "customers.parquet")
            change(customers, left).to_parquet(folder / "customers.parquet", index=False)
        return stage(load_project(folder))

    return make


def guarded(staged: Staged, target: str = "churn") -> Guard:
    """A guard that has looked at a training before it learns anything."""
    built = frame(staged, target)
    data = Dataset(staged, staged.project.target(target), built)
    data_end = None if data.is_snapshot else staged.data_end
    guard = Guard(staged, target, built)
    guard.before(data, plan(data, data_end, 50), data_end)
    return guard


def refused(staged: Staged, registry, **options) -> LeakError:
    """The error of a training that must not succeed."""
    with pytest.raises(LeakError) as caught:
        train(staged.project, staged, "churn", registry=registry, **options)
    assert "\n" not in str(caught.value)
    assert any(row[2] == "failed" for row in caught.value.rows)
    return caught.value


@pytest.fixture(scope="module")
def honest(planted) -> Staged:
    """The company as it is."""
    return planted()


def test_an_honest_company_passes(honest):
    checks = guarded(honest).checks
    assert [(one.name, one.state) for one in checks] == [
        ("rows", "passed"),
        ("outcome", "passed"),
        ("columns", "passed"),
        ("future", "passed"),
    ]
    assert "of 300 rows are the same without what came later" in checks[-1].proof


class TestFutureRows:
    """A company's own feature that looks past its moment."""

    CHEAT = '''
from datetime import datetime

from features.declare import measure


@measure(windows=(28, 90), unit="uses", reason="cheat")
def uses_of_the_faithful(usage):
    """Uses of customers who are still there later."""
    later = usage.filter(usage.occurred_at >= datetime(2026, 7, 1))
    return usage.customer_id.isin(later.customer_id)


@measure(windows=(28,), unit="uses", reason="honest")
def honest_uses(usage):
    """Uses of any kind."""
    return usage.event.notnull()
'''

    def test_it_is_named_with_both_values(self, planted, registry, firm):
        own = firm.parent / "cheat.py"
        own.write_text(self.CHEAT, encoding="utf-8")
        staged = planted(before=f'features = ["{own}"]')
        said = str(refused(staged, registry))
        assert "feature 'uses_of_the_faithful_28d' changes with facts from its as-of on" in said
        assert "'uses_of_the_faithful_90d'" in said
        assert "from what was known before" in said
        assert "honest_uses" not in said

    def test_a_frame_that_was_tampered_with_is_found_too(self, honest):
        staged = honest
        built = frame(staged, "churn")
        features = built.features.copy()
        features["usage_events_28d"] += np.arange(len(features)) % 10 == 0
        data = Dataset(staged, staged.project.target("churn"), replace(built, features=features))
        guard = Guard(staged, "churn", built)
        with pytest.raises(LeakError, match="feature 'usage_events_28d' changes"):
            guard.before(data, plan(data, staged.data_end, 50), staged.data_end)


def spoilt(customers: pd.DataFrame, left: pd.Series) -> pd.DataFrame:
    """Columns as exports of today have them, dated at the sign-up, and one with its own clock."""
    draw = np.random.default_rng(5)
    gone = customers["customer_id"].isin(left.index).to_numpy()
    some = customers["customer_id"].isin(left.index[::2])
    words = draw.integers(0, 4, len(customers)) * 2 + gone
    found = customers.assign(
        comment=np.where(some, "too dear", None),
        seat=np.where(gone, None, "A"),
        index=5 * gone + draw.normal(size=len(customers)),
        state=np.array(list("qwertyui"))[words],
        tier=np.where(some, "gone", draw.choice(["a", "b"], len(customers))),
        churn_score=draw.integers(0, 7, len(customers)),
        farewell=None,
    )
    late = found.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    late = late.loc[late.index.intersection(left.index)].reset_index()
    day = late["customer_id"].map(left) + pd.Timedelta(hours=1)
    late = late.assign(occurred_at=day, known_at=day, farewell="goodbye")
    return pd.concat([found, late], ignore_index=True)


LISTED = "".join(
    f', "{name}"'
    for name in ("comment", "seat", "index", "state", "tier", "churn_score", "farewell")
)


@pytest.fixture(scope="module")
def error(planted, registry) -> LeakError:
    """How a training on the spoilt company fails."""
    limits = '[limits]\noutcome_columns = ["industry"]\n'
    return refused(planted(spoilt, LISTED, limits), registry)


class TestColumnWrittenBecauseOfTheOutcome:
    """Each is named with its proof, honest columns are not, and the training fails."""

    @pytest.mark.parametrize(
        ("column", "proof"),
        [
            # Missing it has an AUC far below .95: those who leave later have it already.
            pytest.param("comment", "filled for", id="filled for some of those who left"),
            pytest.param("seat", "empty for", id="emptied when they go"),
            pytest.param("index", "its value alone has an AUC of", id="label in disguise"),
            pytest.param("state", "the rate of its categories alone has", id="constant by class"),
            pytest.param("farewell", "written because of the outcome: filled for", id="its clock"),
            pytest.param("industry", "declared an outcome column", id="declared"),
        ],
    )
    def test_it_is_named_with_its_proof(self, error, column, proof):
        said = f"customers.{column}: {proof}"
        assert said in str(error)
        assert any(said in row[3] for row in error.rows if row[1:3] == ("outcome", "failed"))

    def test_the_clock_gives_an_example(self, error):
        assert "first when the end was known (such as" in str(error)

    def test_honest_columns_are_not_named(self, error):
        assert "customers.employees" not in str(error)
        assert "customers.segment" not in str(error)

    def test_excluded_they_do_no_harm_and_a_name_or_a_pure_category_only_warns(self, planted):
        barred = '"comment", "seat", "index", "state", "farewell"'
        guard = guarded(planted(spoilt, LISTED, before=f"exclude = [{barred}]"))
        assert [one.state for one in guard.checks] == ["passed", "warning", "passed", "passed"]
        assert "customers.churn_score: its name ('churn')" in guard.warnings[0]
        assert "customers of the category 'gone' had the event" in guard.warnings[0]


class TestRealData:
    """What the known data sets hold, or were made to hold."""

    def staged(self, example: str, data: Path, folder: Path, **changes: str) -> Staged:
        toml = (Path(__file__).parents[2] / "examples" / f"{example}.toml").read_text("utf-8")
        for old, new in changes.items():
            assert old in toml
            toml = toml.replace(old, new)
        (folder / "retention.toml").write_text(toml, encoding="utf-8")
        return stage(load_project(folder, data))

    def test_the_two_columns_of_bank_churners_are_both_named(self, shared, tmp_path, registry):
        data = shared / "data" / "bank_churners"
        header = pd.read_csv(data / "BankChurners.csv.gz", nrows=1).columns
        both = [name for name in header if name.startswith("Naive_Bayes")]
        listed = ", ".join(f'"{name}"' for name in both)
        staged = self.staged(
            "bank_churners", data, tmp_path, **{'"Customer_Age",': f'"Customer_Age", {listed},'}
        )
        error = refused(staged, registry)
        columns = next(row for row in error.rows if row[1] == "columns")
        assert len(both) == 2
        for name in both:
            assert f"feature '{name.lower()}': its value alone has an AUC of 1.000" in columns[3]
        assert "'total_trans_ct'" not in columns[3]

    def test_the_reasons_for_leaving_of_telco(self, shared, tmp_path, registry):
        """Beside the sample lies a file of what was recorded when customers left."""
        data = shared / "data" / "telco_ibm"
        customers = pd.read_csv(data / "Telco-Customer-Churn.csv.gz")
        status = pd.read_csv(data / "Telco_customer_churn_status.csv.gz")
        status = status.rename(columns={"Customer ID": "customerID"})
        merged = customers.merge(status[["customerID", "Churn Category", "Churn Score"]])
        merged.to_csv(tmp_path / "Telco-Customer-Churn.csv.gz", index=False)
        leaks = '"gender", "Churn Category", "Churn Score",'
        staged = self.staged("telco", tmp_path, tmp_path, **{'"gender",': leaks})
        said = str(refused(staged, registry))
        assert "feature 'churn_category': whether it is missing alone has an AUC of 1.000" in said
        assert "snapshots.Churn Category: filled for 1,869 customers" in said

    def test_resampling_before_the_split_on_telco(self, shared, tmp_path, registry):
        """SMOTE-ENN: an AUC of about .98 before the split, about .84 inside it; never accepted."""
        staged = self.staged("telco", shared / "data" / "telco_ibm", tmp_path)
        target = staged.project.target("churn")
        honest = Dataset(staged, target, frame(staged, "churn"))
        assert resampled_auc(honest, inside=True) == pytest.approx(0.84, abs=0.015)
        made = Dataset(staged, target, smote_enn(frame(staged, "churn"), honest))
        assert resampled_auc(made, inside=None) == pytest.approx(0.98, abs=0.015)
        for copied in (False, True):
            error = refused(
                staged, registry, prepare=lambda built, c=copied: smote_enn(built, honest, copy=c)
            )
            says = "rows are there twice" if copied else "rows are not an eligible customer"
            assert says in str(error)
            assert "before the split" in str(error)


def matrix(data: Dataset) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    rows, y = data.labelled(None, None)
    encoder = data.encoder(rows)
    return np.nan_to_num(data.sample(rows, y, encoder).X), y, encoder.categorical


def resampled_auc(data: Dataset, *, inside: bool | None) -> float:
    """Mean AUC over five folds of a plain LightGBM; resampled inside the training rows or not."""
    X, y, categorical = matrix(data)
    rows, _ = data.labelled(None, None)
    sample = replace(data.sample(rows, y, data.encoder(rows)), X=X)
    found = []
    for train_rows, test_rows in customer_folds(y, data.customer):
        part = sample.take(train_rows)
        if inside:
            X_more, y_more = SMOTEENN(random_state=0).fit_resample(part.X, part.y)
            part = replace(part, X=X_more, y=y_more)
        model = fit(part, DEFAULT, categorical)
        found.append(roc_auc_score(y[test_rows], model.decision_function(X[test_rows])))
    return float(np.mean(found))


def smote_enn(built: Built, data: Dataset, *, copy: bool = False) -> Built:
    """A built snapshot resampled; made-up rows have made-up customers, or those they came from."""
    X, y, _ = matrix(data)
    X_more, y_more = SMOTEENN(random_state=0).fit_resample(X, y)
    there = {row.tobytes(): number for number, row in reversed([*enumerate(X)])}
    source = np.array([there.get(row.tobytes(), -1) for row in X_more])
    if copy:
        near = np.arange(len(X_more)) % len(X)
        keys = built.keys.iloc[np.where(source < 0, near, source)].reset_index(drop=True)
    else:
        made = [f"made-up {n}" for n in range(len(X_more))]
        known = built.keys["customer_id"].to_numpy()[source]
        keys = pd.DataFrame({"customer_id": np.where(source < 0, made, known)})
        keys = keys.assign(as_of=built.keys["as_of"].iloc[0])
    encoder = data.encoder(np.arange(len(X)))
    columns = {}
    for number, feature in enumerate(built.catalogue):
        values = X_more[:, number]
        if feature.kind == "category":
            words = np.array([*encoder.codes[feature.name]], dtype=object)
            values = words[np.clip(np.rint(values), 0, len(words) - 1).astype(int)]
        columns[feature.name] = values
    state = built.state.iloc[np.maximum(source, 0)].reset_index(drop=True)
    state = state.assign(Churn=np.where(y_more == 1, "Yes", "No"))
    return Built(keys, pd.DataFrame(columns), state, built.catalogue)
