"""The project file: what it accepts, and one line naming file, key and choice for every mistake."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from features.errors import ProjectError, UnknownTargetError
from features.project import load_project

Write = Callable[..., Path]
TOML = """
name = "shop"
revenue_model = "consumption"
[sources.customers]
file = "customers.csv"
[sources.orders]
file = "orders.csv"
[targets.lapse]
kind = "silence"
"""
SNAPSHOT = """
name = "bank"
revenue_model = "subscription"
[sources.snapshots]
file = "people.csv"
[targets.churn]
kind = "churn"
label = "Exited"
positive = "1"
"""
CUSTOMER_COLUMNS = (
    "customer_id, occurred_at, known_at, name, segment, country, currency, owner_id, parent_id,"
    " acquisition_channel, email, external_ids, objected_at"
)
TARGET_SETTINGS = (
    "kind, horizon_days, grace_days, pause_days, end_reasons, active_days, min_increase,"
    " min_age_days, product, product_from, product_in, audience, label, positive, where, as_of,"
    " split, features"
)


class TestAccepted:
    def test_defaults(self, write_project: Write, tmp_path: Path) -> None:
        project = load_project(write_project(TOML))
        assert (project.currency, project.timezone, project.data_end) == ("USD", "UTC", None)
        assert project.data_folder == tmp_path
        assert project.outputs == tmp_path / ".retention" / "shop"
        target = project.target("lapse")
        assert (target.horizon_days, target.grace_days, target.active_days) == (90, 30, 365)
        assert project.model_name("lapse") == "shop.lapse"

    def test_a_folder_stands_for_its_project_file(
        self, write_project: Write, tmp_path: Path
    ) -> None:
        write_project(TOML)
        assert load_project(tmp_path).name == "shop"

    def test_another_data_folder(self, write_project: Write, tmp_path: Path) -> None:
        path = write_project('data = "tables"\n' + TOML)
        assert load_project(path).data_folder == tmp_path / "tables"
        assert load_project(path, tmp_path / "other").data_folder == tmp_path / "other"

    def test_one_source_or_several(self, write_project: Write) -> None:
        toml = TOML.replace("[sources.orders]", "[[sources.orders]]")
        assert len(load_project(write_project(toml)).sources["orders"]) == 1

    def test_a_date_is_its_midnight(self, write_project: Write) -> None:
        project = load_project(write_project("data_end = 2024-02-01\n" + TOML))
        assert project.data_end == datetime(2024, 2, 1)

    def test_moments_are_read_in_the_time_zone_of_the_project(self, write_project: Write) -> None:
        project = load_project(write_project('timezone = "America/New_York"\n' + TOML))
        assert project.utc(datetime(2024, 7, 1)) == datetime(2024, 7, 1, 4)
        assert project.utc(datetime(2024, 7, 1, tzinfo=UTC)) == datetime(2024, 7, 1)
        two_east = timezone(timedelta(hours=2))
        assert project.utc(datetime(2024, 7, 1, tzinfo=two_east)) == datetime(2024, 6, 30, 22)

    def test_a_target_that_is_not_declared(self, write_project: Write) -> None:
        with pytest.raises(UnknownTargetError, match=r"unknown target 'churn'.*\['lapse'\]"):
            load_project(write_project(TOML)).target("churn")


MISTAKES = [
    pytest.param(
        TOML.replace("consumption", "retail"),
        "revenue_model: Input should be 'subscription', 'membership', 'freemium', 'contract' or"
        " 'consumption'; got 'retail'",
        id="value",
    ),
    pytest.param(
        TOML + "horizon_day = 30\n",
        f"targets.lapse.horizon_day: no such setting; allowed are {TARGET_SETTINGS};"
        " did you mean 'horizon_days'?",
        id="setting-of-a-target",
    ),
    pytest.param(
        TOML + 'as_of.evry = "day"\n',
        "targets.lapse.as_of.evry: no such setting; allowed are every, start, end, dates, anchor,"
        " after_days, ladder_days, where; did you mean 'every'?",
        id="setting-of-as-of",
    ),
    pytest.param(
        TOML.replace("targets.lapse", "targets.lifetime"),
        "targets.lifetime: that name is taken by the model of lifetimes",
        id="name-of-a-target",
    ),
    pytest.param(
        TOML + "horizon_days = 0\n",
        "targets.lapse.horizon_days: Input should be greater than 0; got 0",
        id="range",
    ),
    pytest.param(
        TOML.replace("sources.orders", "sources.oders"),
        "sources.oders is not a table; allowed are customers, plans, subscriptions, invoices,"
        " payments, orders, usage, tickets, surveys, touches, treatments, costs, fx_rates,"
        " snapshots; did you mean 'orders'?",
        id="table",
    ),
    pytest.param(
        TOML.replace('"customers.csv"\n', '"customers.csv"\ncolumns = { nam = "Name" }\n'),
        f"sources.customers.columns: 'nam' is not a column of customers; allowed are"
        f" {CUSTOMER_COLUMNS}; did you mean 'name'?",
        id="column",
    ),
    pytest.param(
        TOML.replace('"customers.csv"\n', '"customers.csv"\nconstants = { Xy = 1 }\n'),
        "sources.customers.constants: 'Xy' is not a column of customers; allowed are"
        f" {CUSTOMER_COLUMNS}",
        id="constant",
    ),
    pytest.param(
        TOML.replace('"customers.csv"\n', '"customers.csv"\nexpressions = { Xy = "1" }\n'),
        "sources.customers.expressions: 'Xy' is not a column of customers; allowed are"
        f" {CUSTOMER_COLUMNS}",
        id="expression",
    ),
    pytest.param(
        TOML.replace(
            '"customers.csv"\n',
            '"customers.csv"\ncolumns = { name = "Name" }\nconstants = { name = "x" }\n',
        ),
        "sources.customers: 'name' is under both columns and constants",
        id="twice",
    ),
    pytest.param(
        'timezone = "Europe/Berln"\n' + TOML,
        "timezone: 'Europe/Berln' is not an IANA time zone such as 'Europe/Berlin'; did you mean"
        " 'Europe/Berlin'?",
        id="time-zone",
    ),
    pytest.param(
        TOML.replace("sources.customers", "sources.usage"),
        "sources.customers is missing: a project needs customers and a table that shows staying"
        " or leaving (subscriptions, orders, usage), or snapshots with a label",
        id="no-customers",
    ),
    pytest.param(
        TOML.replace('"customers.csv"\n', '"customers.csv"\nshape = "periods"\n'),
        "sources.customers.shape: 'periods' is for subscriptions only",
        id="shape",
    ),
    pytest.param(
        TOML.replace('"customers.csv"\n', '"customers.csv"\ndelimiter = ";;"\n'),
        "sources.customers.delimiter: ';;' is neither one character nor 'whitespace'",
        id="delimiter",
    ),
    pytest.param(
        TOML + 'as_of.anchor = "subscriptions"\n',
        "targets.lapse.as_of.anchor: 'subscriptions' has no source",
        id="anchor",
    ),
    pytest.param(
        TOML + 'as_of.anchor = "term_end"\n',
        "targets.lapse.as_of.anchor: 'term_end' has no source; it needs sources.subscriptions",
        id="ladder-without-terms",
    ),
    pytest.param(
        TOML + "as_of.ladder_days = [7]\n",
        "targets.lapse.as_of.ladder_days is for anchor = 'term_end', not None",
        id="ladder-without-anchor",
    ),
    pytest.param(
        TOML + 'product = "x"\n',
        "targets.lapse.product is for kind 'cross_sell', not 'silence'",
        id="setting-of-another-kind",
    ),
    pytest.param(
        TOML + '[targets.more]\nkind = "cross_sell"\n',
        "targets.more.product is missing: the plan, product or event that is sold",
        id="product",
    ),
    pytest.param(
        TOML + '[targets.more]\nkind = "cross_sell"\nproduct = "x"\nproduct_from = "y"\n',
        "targets.more: give either product or product_from",
        id="two-products",
    ),
    pytest.param(
        TOML + '[targets.more]\nkind = "cross_sell"\nproduct_from = "product"\n',
        "targets.more.product_from: no column 'product'; it needs as_of.anchor",
        id="offer-without-an-anchor",
    ),
    pytest.param(
        TOML + '[targets.more]\nkind = "cross_sell"\nproduct_from = "campaign"\n'
        'as_of.anchor = "orders"\n',
        "targets.more.product_from: no column 'campaign'; anchor = 'orders' has customer_id,"
        " occurred_at, known_at, order_id, amount, currency, quantity, product, is_return",
        id="offer-that-the-anchor-lacks",
    ),
    pytest.param(
        TOML + '[targets.more]\nkind = "cross_sell"\nproduct = "x"\nproduct_in = "usage"\n',
        "targets.more.product_in: 'usage' has no source",
        id="table-of-the-product",
    ),
    pytest.param(
        TOML.replace("[targets.l", "[sources.usage]\nfile = 'u.csv'\n[targets.l")
        + '[targets.more]\nkind = "cross_sell"\nproduct = "x"\n',
        "targets.more.product_in is missing: 'x' may be looked for in orders (product), usage"
        " (event)",
        id="which-table-of-the-product",
    ),
    pytest.param(
        TOML + 'label = "Exited"\n',
        "targets.lapse.label is for snapshots, and sources.snapshots is missing",
        id="label-without-snapshots",
    ),
    pytest.param(
        SNAPSHOT.replace('label = "Exited"\n', ""),
        "targets.churn.label is missing: snapshots need the column that says who left, and its"
        " value for those (positive)",
        id="snapshots-without-label",
    ),
    pytest.param(
        SNAPSHOT.replace('positive = "1"\n', ""),
        "targets.churn.positive is missing: the value of 'Exited' of who left",
        id="no-positive",
    ),
    pytest.param(
        SNAPSHOT.replace('"people.csv"\n', '"people.csv"\nattributes = ["Exited"]\n'),
        "targets.churn.label: 'Exited' is also an attribute, so the model would see the answer",
        id="label-as-attribute",
    ),
    pytest.param(
        TOML + "[bands]\nmedium = 0.7\n",
        "bands: medium (0.7) must be below high (0.6)",
        id="bands",
    ),
]


@pytest.mark.parametrize(("toml", "says"), MISTAKES)
def test_a_mistake_is_one_line(write_project: Write, toml: str, says: str) -> None:
    path = write_project(toml)
    with pytest.raises(ProjectError) as caught:
        load_project(path)
    assert str(caught.value) == f"{path}: {says}"


def test_further_mistakes_are_counted(write_project: Write) -> None:
    path = write_project("[targets.lapse]\n")
    with pytest.raises(ProjectError, match=r"name: Field required \(and 3 more\)$"):
        load_project(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no such project file; `retention init DIR` drafts"):
        load_project(tmp_path)


def test_text_that_is_not_toml(write_project: Write) -> None:
    with pytest.raises(ProjectError, match="not valid TOML"):
        load_project(write_project("name ="))
