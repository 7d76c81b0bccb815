"""The example projects of one row per customer on their real data: rows, rates, splits, columns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from features.frames import frame
from features.project import load_project
from features.staging import Staged
from training.readiness import plan
from training.sample import Dataset

FOLDERS = {
    "bank_churn_modelling": "bank_churn_modelling",
    "iranian_churn": "iranian_churn",
    "powerco_clients": "powerco_clients",
    "smobile_churn": "smobile_churn",
    "bank_marketing": "bank_marketing",
    "gym_churn": "gym_churn",
    "bank_churners": "bank_churners",
    "telco_eprofits": "telco_ibm",
    "eu_savings_contracts": "eu_savings_contracts",
}
FILES = {
    "iranian_churn": "Customer_Churn.csv.gz",
    "powerco_clients": "client_data.csv.gz",
    "bank_marketing": "bank-additional-full.csv.gz",
    "telco_eprofits": "Telco-Customer-Churn.csv.gz",
}
Example = Callable[[str], Staged]
Raw = Callable[[str], pd.DataFrame]


@pytest.fixture
def raw(shared: Path) -> Raw:
    """The file of an example as pandas reads it."""

    def read(name: str) -> pd.DataFrame:
        parted_by = ";" if name == "bank_marketing" else ","
        return pd.read_csv(shared / "data" / FOLDERS[name] / FILES[name], sep=parted_by)

    return read


def dataset(staged: Staged, target: str) -> Dataset:
    return Dataset(staged, staged.project.target(target), frame(staged, target))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_data_folder_is_relative_to_the_file(root: Path, name: str) -> None:
    project = load_project(root / "examples" / f"{name}.toml")
    assert (project.name, project.data) == (name, f"../../shared/data/{FOLDERS[name]}")


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_is_lost_and_nothing_is_bad(example: Example, name: str) -> None:
    for count in example(name).counts.values():
        assert (count.rows_in, count.filtered, count.quarantined) == (count.used, 0, 0)
    assert example(name).findings == ()


@pytest.mark.parametrize(
    ("name", "target", "train", "test"),
    [
        # README: 10,000 at .204.
        pytest.param(
            "bank_churn_modelling", "churn", (10000, 0.2037), (10000, 0.2037), id="bank-churn"
        ),
        # README: 3,150 at .157.
        pytest.param("iranian_churn", "churn", (3150, 0.1571), (3150, 0.1571), id="iranian"),
        # README: 14,606 at .097.
        pytest.param("powerco_clients", "churn", (14606, 0.0972), (14606, 0.0972), id="powerco"),
        # README: a training sample of 27,300 at one half, 30,000 of the company at .02 ...
        pytest.param("smobile_churn", "churn", (27300, 0.5), (30000, 0.02), id="smobile"),
        # ... and 11,700 test rows drawn as the training sample was.
        pytest.param("smobile_churn", "churn_balanced", (27300, 0.5), (11700, 0.5), id="balanced"),
        # README: 41,188 at .113.
        pytest.param("bank_marketing", "deposit", (41188, 0.1127), (41188, 0.1127), id="deposit"),
        # README: the last 20 % of the calls at .308.
        pytest.param("bank_marketing", "deposit_later", (32950, 0.0637), (8238, 0.3083), id="late"),
        # README: 4,000 at .265.
        pytest.param("gym_churn", "churn", (4000, 0.2653), (4000, 0.2653), id="gym"),
        # README: 10,127 at .161.
        pytest.param("bank_churners", "churn", (10127, 0.1607), (10127, 0.1607), id="cards"),
        # README: 7,043 at .2654 before the split.
        pytest.param("telco_eprofits", "churn", (4930, 0.2627), (2113, 0.2717), id="eprofits"),
        # README: 14,724 at .055; an end on 2007-01-01 lies in the year, that of 2008-01-01 not.
        pytest.param(
            "eu_savings_contracts", "surrender", (40934, 0.1520), (15216, 0.0858), id="savings"
        ),
    ],
)
def test_rows_and_rates_of_a_protocol(
    example: Example,
    name: str,
    target: str,
    train: tuple[int, float],
    test: tuple[int, float],
) -> None:
    staged = example(name)
    data = dataset(staged, target)
    found = plan(data, None if data.is_snapshot else staged.data_end, 50)
    assert found.missing is None
    for counted, (rows, rate) in ((found.train, train), (found.test, test)):
        assert counted is not None
        assert counted["rows"] == rows
        assert counted["rate"] == pytest.approx(rate, abs=6e-5)


@pytest.mark.parametrize(
    ("name", "target", "kept_out"),
    [
        pytest.param(
            "bank_churn_modelling", "churn", {"RowNumber", "Surname"}, id="who-it-is-tells-nothing"
        ),
        pytest.param("iranian_churn", "churn", {"Customer Value"}, id="value-is-no-feature"),
        pytest.param("bank_marketing", "deposit", {"duration"}, id="known-after-the-call"),
        pytest.param(
            "bank_churners",
            "churn",
            {
                "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_"
                f"Dependent_count_Education_Level_Months_Inactive_12_mon_{number}"
                for number in (1, 2)
            },
            id="outputs-of-a-model",
        ),
    ],
)
def test_columns_that_know_or_name_too_much_are_kept_out(
    example: Example, name: str, target: str, kept_out: set[str]
) -> None:
    staged = example(name)
    (unused,) = staged.unused.values()
    assert set(unused) == kept_out
    names = {feature.name for feature in dataset(staged, target).catalogue}
    assert not names & {column.lower().replace(" ", "_") for column in kept_out}


def test_economic_indices_of_the_end_are_kept_out(example: Example) -> None:
    staged = example("eu_savings_contracts")
    (unused,) = staged.unused.values()
    assert {column for column in unused if "relvar" not in column} == {"premium.frequency"}
    assert sum("relvar" in column for column in unused) == 20


@pytest.mark.parametrize("year", range(2001, 2008))
def test_surrenders_of_each_year(example: Example, shared: Path, year: int) -> None:
    """In force before New Year's Day and surrendered from then on before the next."""
    staged = example("eu_savings_contracts")
    file = shared / "data" / "eu_savings_contracts" / "eusavingULnoPS.parquet"
    contracts = pd.read_parquet(file)
    start, end = pd.Timestamp(year, 1, 1), pd.Timestamp(year + 1, 1, 1)
    ends = pd.to_datetime(contracts["termination.date"])
    holds = (pd.to_datetime(contracts["issue.date"]) < start) & (ends >= start)
    left = holds & (ends < end) & (contracts["lapse.reason"] == "Surrender")
    data = dataset(staged, "surrender")
    rows, y = data.labelled([start.to_pydatetime()], staged.data_end)
    assert (len(rows), y.sum()) == (holds.sum(), left.sum())


def test_the_drawn_rows_are_those_of_scikit_learn(example: Example, raw: Raw) -> None:
    """The published split: `train_test_split` of the table as it was read, seed 42."""
    table = raw("telco_eprofits")
    drawn = train_test_split(table, test_size=0.3, random_state=42)
    data = dataset(example("telco_eprofits"), "churn")
    for part, (rows, y) in zip(drawn, data.parts(), strict=True):
        assert set(data.keys["customer_id"].iloc[rows]) == set(part["customerID"])
        assert y.sum() == (part["Churn"] == "Yes").sum()


def test_the_last_calls_of_the_file_are_the_test(example: Example, raw: Raw) -> None:
    table = raw("bank_marketing")
    data = dataset(example("bank_marketing"), "deposit_later")
    (before, _), (after, y) = data.parts()
    last_to_train = data.keys["customer_id"].iloc[before].astype(int).max()
    assert last_to_train + 1 == data.keys["customer_id"].iloc[after].astype(int).min() == 32951
    assert y.sum() == (table["y"].iloc[32950:] == "yes").sum()


def test_never_called_before_is_no_number_of_days(example: Example, raw: Raw) -> None:
    data = dataset(example("bank_marketing"), "deposit")
    assert data.frame["pdays"].isna().sum() == (raw("bank_marketing")["pdays"] == 999).sum()
    assert data.frame["pdays"].max() < 999


def test_rows_that_repeat_another_count_as_one_customer(example: Example, raw: Raw) -> None:
    """300 rows repeat one before; those alike but for value or label are kept together too."""
    table = raw("iranian_churn")
    assert table.duplicated().sum() == 300
    data = dataset(example("iranian_churn"), "churn")
    assert len(np.unique(data.customer)) == 2836
    table["group"] = data.customer[np.argsort(data.keys["customer_id"].astype(int))]
    assert (table.groupby([*table.columns[:-1]])["group"].nunique() == 1).all()


def test_contract_dates_are_days_from_the_day_of_the_snapshot(example: Example, raw: Raw) -> None:
    table = raw("powerco_clients").set_index("id")
    data = dataset(example("powerco_clients"), "churn")
    day, who = pd.Timestamp("2016-01-01"), data.keys["customer_id"]
    dates = {
        "days_since_start": ("date_activ", 1),
        "days_until_end": ("date_end", -1),
        "days_since_change": ("date_modif_prod", 1),
        "days_since_renewal": ("date_renewal", 1),
    }
    for feature, (column, sign) in dates.items():
        days = sign * (day - pd.to_datetime(table[column]).loc[who]).dt.days
        np.testing.assert_array_equal(data.frame[feature], days)
    assert (data.frame["days_until_end"] >= 0).all()
