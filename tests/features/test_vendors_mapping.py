"""Mappings as files: what a project may say of them, and queries over several files."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from features.connection import connect
from features.errors import ProjectError, SourceError
from features.project import load_project
from features.sources_macros import define_macros
from features.staging import Staged, stage
from features.vendors import vendors

Write = Callable[..., Path]
HEAD = 'name = "acme"\nrevenue_model = "subscription"\n'
CUSTOMERS = '[sources.customers]\nfile = "customers.csv"\n'
PEOPLE = "customer_id,occurred_at\nc1,2024-01-01\nc2,2024-01-02\n"
JOINED = """
[sources.subscriptions]
inputs = { sub = "sub.csv", item = "item.csv" }
query = '''
SELECT sub.id AS subscription_id, sub.customer AS customer_id, sub.since AS occurred_at,
  'active' AS status, item.price::DECIMAL(18, 2) / 100 AS unit_amount
FROM sub JOIN item ON item.sub = sub.id  -- one row per item
'''
"""
SUB = "id,customer,since\ns1,c1,2024-02-01\ns2,c2,2024-02-02\n"
ITEM = "sub,price\ns1,1250\ns2,900\n"


def rows(staged: Staged, name: str, *columns: str) -> list[list[object]]:
    frame = pd.read_parquet(staged.tables[name])[list(columns)]
    return sorted(frame.astype(object).where(frame.notna(), None).to_numpy().tolist(), key=str)


class TestQuery:
    def test_files_are_joined_by_a_query(self, write_project: Write) -> None:
        path = write_project(HEAD + CUSTOMERS + JOINED, customers=PEOPLE, sub=SUB, item=ITEM)
        staged = stage(load_project(path))
        found = rows(staged, "subscriptions", "subscription_id", "unit_amount")
        assert [[name, float(amount)] for name, amount in found] == [["s1", 12.5], ["s2", 9.0]]
        count = staged.counts["subscriptions"]
        assert (count.rows_in, count.used) == (2, 2)

    def test_lines_of_an_input_that_are_no_rows_are_counted(self, write_project: Write) -> None:
        toml = HEAD + CUSTOMERS + JOINED + "[limits]\nquarantine_share = 0.5\n"
        broken = ITEM + "s3,1,2,3\n"
        staged = stage(load_project(write_project(toml, customers=PEOPLE, sub=SUB, item=broken)))
        count = staged.counts["subscriptions"]
        assert (count.rows_in, count.used, count.quarantined) == (3, 2, 1)
        assert any("number of values" in one.text for one in staged.findings)

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("SELECT nothing FROM sub", "nothing"),
            ("SELECT * FROM elsewhere", "elsewhere"),
            ("SELEKT 1", "syntax error"),
        ],
    )
    def test_a_query_that_fails_is_one_line(
        self, write_project: Write, query: str, says: str
    ) -> None:
        toml = f'{HEAD}{CUSTOMERS}[sources.usage]\ninputs.sub = "sub.csv"\nquery = "{query}"\n'
        with pytest.raises(SourceError, match=rf"sources\.usage: sub\.csv: .*{says}") as caught:
            stage(load_project(write_project(toml, customers=PEOPLE, sub=SUB)))
        assert "\n" not in str(caught.value)

    def test_an_optional_input_is_empty_and_missing_columns_are_null(
        self, write_project: Write
    ) -> None:
        toml = f"""{HEAD}{CUSTOMERS}
[sources.usage]
query = '''
SELECT sub.customer AS customer_id, since AS occurred_at, coalesce(extra.name, sub.label, 'none')
  AS event FROM sub LEFT JOIN extra ON extra.id = sub.id
'''
[sources.usage.inputs]
sub = {{ file = "sub.csv", columns = ["id", "label"] }}
extra = {{ file = "extra.csv", columns = ["id", "name"], optional = true }}
"""
        path = write_project(toml, customers=PEOPLE, sub=SUB)
        assert rows(stage(load_project(path)), "usage", "event") == [["none"], ["none"]]
        (path.parent / "extra.csv").write_text("id,name\ns1,login\n", encoding="utf-8")
        assert rows(stage(load_project(path)), "usage", "event") == [["login"], ["none"]]
        path.write_text(path.read_text().replace(", optional = true", ""), encoding="utf-8")
        (path.parent / "extra.csv").unlink()
        with pytest.raises(SourceError, match=r"no such file 'extra\.csv'"):
            stage(load_project(path))

    def test_parquet_and_nested_json_are_inputs(self, write_project: Write, tmp_path: Path) -> None:
        toml = f"""{HEAD}{CUSTOMERS}
[sources.usage]
inputs = {{ event = "events.json", who = "who.parquet" }}
query = '''
SELECT who.customer AS customer_id, event.at AS occurred_at, pick(event.detail, '$.kind.name')
  AS event FROM event JOIN who ON who.number = event.number::INTEGER
'''
"""
        pd.DataFrame({"number": [1, 2], "customer": ["c1", "c2"]}).to_parquet(
            tmp_path / "who.parquet"
        )
        events = [
            {"number": 1, "at": "2024-02-01", "detail": {"kind": {"name": "login"}}},
            {"number": 2, "at": "2024-02-02"},
        ]
        (tmp_path / "events.json").write_text(json.dumps({"data": events}), encoding="utf-8")
        staged = stage(load_project(write_project(toml, customers=PEOPLE)))
        assert rows(staged, "usage", "customer_id", "event") == [["c1", "login"], ["c2", None]]

    def test_an_input_is_a_file_or_a_table(self, write_project: Write) -> None:
        toml = f"{HEAD}{CUSTOMERS}[sources.usage]\nquery = 'FROM a'\n[sources.usage.inputs.a]\n"
        for given in ('file = "a.csv"\nrelation = "a"\n', 'connection = "shop"\n'):
            with pytest.raises(ProjectError, match="either file, or connection with relation"):
                load_project(write_project(toml + given, customers=PEOPLE))

    def test_an_unknown_setting_of_an_input_names_the_choice(self, write_project: Write) -> None:
        toml = f"{HEAD}{CUSTOMERS}[sources.usage]\nquery = 'FROM a'\n[sources.usage.inputs.a]\n"
        with pytest.raises(ProjectError, match=r"allowed are file, .*did you mean 'file'"):
            load_project(write_project(toml + 'fil = "a.csv"\n', customers=PEOPLE))


MINE = """
about = "Our own biller"
[parameters]
since = "begun"
[inputs.member]
files = ["members", "member"]
[inputs.fee]
files = ["fee*"]
columns = ["id", "amount"]
optional = true
[views.priced]
inputs = ["member", "fee"]
query = "SELECT member.*, fee.amount FROM member LEFT JOIN fee ON fee.id = member.fee"
[[sources.customers]]
inputs = ["member"]
query = "SELECT person AS customer_id, {since} AS occurred_at FROM member"
[[sources.subscriptions]]
inputs = ["priced"]
query = '''
SELECT number AS subscription_id, person AS customer_id, {since} AS occurred_at,
  'active' AS status, money(amount, {project_currency}) AS unit_amount FROM priced
'''
[[sources.usage]]
inputs = ["visit"]
query = "SELECT person AS customer_id, happened AS occurred_at FROM visit"
[inputs.visit]
files = ["visits"]
"""
MEMBERS = "number,person,begun,fee,changed\nm1,p1,2024-01-01,f1,2024-01-05\n"


class TestMapping:
    def test_a_mapping_of_ones_own_is_a_file(self, write_project: Write, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
        path = write_project(HEAD + 'source = "mine.toml"\n', MEMBERS=MEMBERS, fees="id,amount\n")
        project = load_project(path)
        assert set(project.sources) == {"customers", "subscriptions"}  # there are no visits
        (tmp_path / "fees2.csv").write_text("id,amount\nf1,1250\n", encoding="utf-8")
        yen = path.read_text() + 'currency = "JPY"\n'
        path.write_text(yen + '[vendors."mine.toml"]\nsince = "changed"\n', encoding="utf-8")
        staged = stage(load_project(path))
        ((occurred, amount),) = rows(staged, "subscriptions", "occurred_at", "unit_amount")
        assert (str(occurred)[:10], float(amount)) == ("2024-01-05", 1250.0)

    def test_what_the_project_adds_comes_after(self, write_project: Write, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
        own = '[sources.usage]\nfile = "logins.csv"\n[sources.customers]\nfile = "more.csv"\n'
        logins = "customer_id,occurred_at\np1,2024-02-01\n"
        more = "customer_id,occurred_at\np9,2024-02-01\n"
        toml = HEAD + 'source = "mine.toml"\n' + own
        staged = stage(load_project(write_project(toml, members=MEMBERS, logins=logins, more=more)))
        assert rows(staged, "customers", "customer_id") == [["p1"], ["p9"]]
        assert staged.counts["usage"].used == 1

    def test_a_folder_of_parts_is_an_input(self, write_project: Write, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
        folder = tmp_path / "members"
        folder.mkdir()
        for number in (1, 2):
            part = pd.DataFrame({"person": [f"p{number}"], "begun": ["2024-01-01"], "fee": [None]})
            part.assign(number=f"m{number}").to_parquet(folder / f"part-{number}.parquet")
        staged = stage(load_project(write_project(HEAD + 'source = "mine.toml"\n')))
        assert rows(staged, "customers", "customer_id") == [["p1"], ["p2"]]

    @pytest.mark.parametrize(
        ("toml", "says"),
        [
            ('source = "strip"', r"'strip' is not a vendor; allowed are .*did you mean 'stripe'\?"),
            ('source = ["stripe", "stripe"]', "'stripe' is named twice"),
            ("source = 5", "5 is neither a vendor nor a list of vendors"),
            ('source = "gone.toml"', r"cannot read gone\.toml"),
            ('source = "stripe"', "no customers in .*looked for customer, .*holds retention"),
            ('source = "stripe"\nvendors.recurly.x = "y"', r"vendors\.recurly is not in source"),
            (
                'source = "subscription_periods"\nvendors.subscription_periods.amont = "y"',
                r"'amont' is no setting; .*did you mean 'amount'\?",
            ),
            (
                'source = "subscription_periods"\nvendors.subscription_periods.amount = 5',
                r"subscription_periods\.amount: expected a text; got 5",
            ),
        ],
    )
    def test_a_mistake_is_one_line(self, write_project: Write, toml: str, says: str) -> None:
        with pytest.raises(ProjectError, match=says) as caught:
            load_project(write_project(HEAD + toml + "\n"))
        assert "\n" not in str(caught.value)
        assert str(caught.value).count("retention.toml:") == 1

    @pytest.mark.parametrize(
        ("broken", "says"),
        [
            (MINE.replace("[inputs.fee]", "[inptus.fee]"), "did you mean 'inputs'"),
            (MINE.replace('"priced"]', '"prised"]'), "'prised'; allowed are .*'priced'"),
            ("about = ", "not valid TOML"),
        ],
    )
    def test_a_mistake_in_a_mapping_is_one_line(
        self, write_project: Write, tmp_path: Path, broken: str, says: str
    ) -> None:
        (tmp_path / "mine.toml").write_text(broken, encoding="utf-8")
        with pytest.raises(ProjectError, match=rf"mine\.toml.*{says}"):
            load_project(write_project(HEAD + 'source = "mine.toml"\n', members=MEMBERS))

    def test_without_a_target_there_is_nothing_to_run(
        self, write_project: Write, tmp_path: Path
    ) -> None:
        (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
        project = load_project(write_project(HEAD + 'source = "mine.toml"\n', members=MEMBERS))
        with pytest.raises(ProjectError, match=r"nothing to predict yet: .*\[targets\.churn\]"):
            project.with_targets()

    def test_vendors_are_files(self) -> None:
        assert {"stripe", "stripe_api", "recurly", "subscription_periods"} <= set(vendors())
        assert {"salesforce", "hubspot"} <= set(vendors())


def test_the_mapping_of_the_documents_stages(
    write_project: Write, root: Path, tmp_path: Path
) -> None:
    page = (root / "docs" / "sources.md").read_text(encoding="utf-8")
    abos, tarife, mapping = (part.partition("\n")[2] for part in page.split("```")[1::2])
    (tmp_path / "biller.toml").write_text(mapping, encoding="utf-8")
    toml = HEAD + 'source = "biller.toml"\n'
    staged = stage(load_project(write_project(toml, abos=abos, tarife=tarife)))
    found = rows(staged, "subscriptions", "subscription_id", "status", "known_at", "unit_amount")
    shown = [[name, status, f"{known:%m-%d}", float(price)] for name, status, known, price in found]
    assert shown == [
        ["A-1", "active", "02-01", 9.9],
        ["A-1", "canceled", "05-10", 9.9],
        ["A-2", "active", "02-15", 99.0],
    ]
    assert rows(staged, "customers", "customer_id") == [["K-7"], ["K-8"]]
    assert all(source in page for source in (f"`{name}`" for name in vendors()))


@pytest.mark.parametrize(
    ("came", "currency", "decimal"),
    [
        ("1234", "usd", "12.34"),
        ("-5", "eur", "-0.05"),
        ("1234", "Jpy", "1234"),
        ("1234", "bhd", "1.234"),
        ("12.345", "usd", "0.12345"),
        ("999999999999999", "vnd", "999999999999999"),
        ("1234", None, "12.34"),
    ],
)
def test_money_is_exact(came: str, currency: str | None, decimal: str) -> None:
    with connect() as con:
        define_macros(con)
        row = con.execute("SELECT money(?, ?)", [came, currency]).fetchone()
    assert Decimal(row[0]) == Decimal(decimal)


@pytest.mark.parametrize(
    "came",
    [
        "1704103200",
        "1704103200000",
        "2024-01-01T10:00:00Z",
        "2024-01-01 11:00:00+01",
        "2024-01-01 10:00",
    ],
)
def test_times_are_utc(came: str) -> None:
    with connect() as con:
        define_macros(con)
        row = con.execute("SELECT utc(?), utc('soon')", [came]).fetchone()
    assert row == ("2024-01-01T10:00:00.000000Z", "soon")
