"""Which ends are the event of a churn target that names reasons."""

import pandas as pd
import pytest

from features.errors import ProjectError
from features.frames import frame
from features.project import load_project
from features.staging import stage
from training.labels import labels

TOML = """
name = "savings"
revenue_model = "contract"
data_end = 2026-04-01
[sources.customers]
file = "people.csv"
static = ["age"]
[sources.subscriptions]
file = "contracts.csv"
shape = "periods"
[targets.surrender]
kind = "churn"
horizon_days = 31
grace_days = 0
end_reasons = ["surrender"]
as_of.dates = [2026-02-01, 2026-03-01]
"""
CONTRACTS = """customer_id,subscription_id,starts_at,ends_at,end_reason
first_day,a,2025-01-01,2026-03-01,surrender
died,b,2025-01-01,2026-03-10,claim
unsaid,c,2025-01-01,2026-03-10,
stays,d,2025-01-01,,
next_year,e,2025-01-01,2026-04-01,surrender
before,f,2025-01-01,2026-02-10,surrender
both,g,2025-01-01,2026-03-05,claim
both,h,2025-01-01,2026-03-20,surrender
returns,i,2025-01-01,2026-03-02,surrender
returns,j,2026-03-20,,
"""
PEOPLE = "customer_id,age\n" + "".join(
    f"{name},40\n" for name in dict.fromkeys(row.split(",")[0] for row in CONTRACTS.split()[1:])
)


@pytest.fixture
def staged(write_project):
    def make(toml: str = TOML):
        return stage(load_project(write_project(toml, people=PEOPLE, contracts=CONTRACTS)))

    return make


def answers(staged, as_of: str) -> dict[str, float]:
    built = frame(staged, "surrender")
    found = labels(
        staged, staged.project.target("surrender"), built.keys, built.state, staged.data_end
    )
    at = built.keys["as_of"] == pd.Timestamp(as_of)
    return dict(zip(built.keys["customer_id"][at], found[at], strict=True))


def test_only_an_end_for_a_named_reason_is_the_event(staged):
    """The window is half-open; a customer of two contracts has left with the last of them."""
    found = answers(staged(), "2026-03-01")
    assert pd.isna(found.pop("before"))
    assert found == {
        "first_day": 1,
        "died": 0,
        "unsaid": 0,
        "stays": 0,
        "next_year": 0,
        "both": 1,
        "returns": 1,
    }


def test_without_reasons_every_end_is(staged):
    found = answers(staged(TOML.replace('end_reasons = ["surrender"]\n', "")), "2026-03-01")
    assert [name for name, event in sorted(found.items()) if event == 1] == [
        "both",
        "died",
        "first_day",
        "returns",
        "unsaid",
    ]


def test_no_change_before_the_end_tells_its_reason(staged):
    rows = pd.read_parquet(staged().tables["subscriptions"])
    assert rows.loc[rows["status"] == "active", "end_reason"].isna().all()
    assert rows.loc[rows["status"] == "expired", "end_reason"].notna().sum() == 6


def test_reasons_are_for_churn(write_project):
    toml = TOML.replace('kind = "churn"', 'kind = "upsell"')
    with pytest.raises(ProjectError, match=r"targets.surrender.end_reasons is for kind 'churn'"):
        load_project(write_project(toml))
