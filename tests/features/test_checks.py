"""Every fault a source can have: its exact line, its rows set aside, and when it stops."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from features.errors import SourceError
from features.project import load_project
from features.staging import Staged, stage
from features.summary import remarks, table_rows

Write = Callable[..., Path]
TOML = """
name = "saas"
revenue_model = "subscription"
limits.quarantine_share = 0.9
[sources.customers]
file = "customers.csv"
[sources.subscriptions]
file = "subscriptions.csv"
[targets.churn]
kind = "churn"
"""
GOOD = {
    "customers": "customer_id,occurred_at\nc1,2024-01-01\nc2,2024-01-02\n",
    "subscriptions": (
        "subscription_id,customer_id,occurred_at,plan_id,status,unit_amount\n"
        "s1,c1,2024-01-01,basic,active,10\n"
    ),
    "usage": "customer_id,occurred_at,quantity\nc1,2024-01-05,1\n",
    "orders": "customer_id,occurred_at,amount\nc1,2024-01-05,1\n",
    "payments": (
        "payment_id,customer_id,occurred_at,status,amount\np1,c1,2024-01-05,succeeded,10\n"
    ),
    "tickets": "ticket_id,customer_id,occurred_at,change\nt1,c1,2024-01-05,opened\n",
}
USAGE = "left out of usage features"
SUBSCRIPTIONS = "left out of coverage, MRR, and churn, upsell and conversion of these customers"


def check(write: Write, toml: str = TOML, head: str = "", **tables: str) -> Staged:
    """Stage the good tables with some lines added, or replaced when they begin with a header."""
    for name in set(tables) - {"customers", "subscriptions"}:
        toml += f'[sources.{name}]\nfile = "{name}.csv"\n'
    texts = {name: GOOD[name] for name in {"customers", "subscriptions", *tables}}
    for name, lines in tables.items():
        header = GOOD[name].partition(",")[0]
        texts[name] = lines if lines.startswith(header) else GOOD[name] + lines
    return stage(load_project(write(head + toml, **texts)))


def reasons(result: Staged, table: str) -> list[str]:
    file = result.project.outputs / "quarantine" / f"{table}.parquet"
    return pd.read_parquet(file)["reason"].tolist()


FAULTS = [
    pytest.param(
        {"usage": "c1,2024-13-05,1\nc2,,1\nc2,05.01.2024,1\n"},
        [
            (
                "warning: usage.occurred_at: 2 rows with a value that is not a date (YYYY-MM-DD, a"
                " time may follow) ('2024-13-05', '05.01.2024'), e.g. c1, c2 (1 would be a date"
                f" with day and month swapped, others may be read wrongly); {USAGE}"
            ),
            f"warning: usage.occurred_at: 1 row without a value, e.g. c2; {USAGE}",
        ],
        id="dates",
    ),
    pytest.param(
        {"usage": "c1,2024-01-05,many\n"},
        [
            (
                "warning: usage.quantity: 1 row with a value that is not a number ('many'),"
                f" e.g. c1; {USAGE}"
            )
        ],
        id="number",
    ),
    pytest.param(
        {"usage": "c7,2024-01-05,1\nc8,2024-01-05,1\nc9,2024-01-05,1\nc6,2024-01-05,1\n"},
        [
            (
                "warning: usage.customer_id: 4 rows with a customer that is not in customers,"
                f" e.g. c7, c8, c9; {USAGE}"
            )
        ],
        id="orphans",
    ),
    pytest.param(
        {"subscriptions": "s1,c2,2024-01-01,basic,active,10\n"},
        [
            (
                "warning: subscriptions.subscription_id: 1 row with a key that came before,"
                f" e.g. s1; {SUBSCRIPTIONS}"
            )
        ],
        id="duplicate-key",
    ),
    pytest.param(
        {"subscriptions": "s2,c1,2024-01-02,basic,active,-10\n"},
        [
            (
                "warning: subscriptions.unit_amount: 1 row with a negative value, e.g. s2;"
                f" {SUBSCRIPTIONS}"
            )
        ],
        id="negative-price",
    ),
    pytest.param(
        {"subscriptions": "s2,c1,2024-01-02,basic,running,10\n"},
        [
            (
                "warning: subscriptions.status: 1 row with a value that is not allowed (allowed:"
                " trialing, active, past_due, paused, canceled, expired) ('running'), e.g. s2;"
                f" {SUBSCRIPTIONS}"
            )
        ],
        id="status",
    ),
    pytest.param(
        {"orders": "c1,2024-01-06,-5\n"},
        [
            (
                "warning: orders.amount: 1 row with a negative value that is not marked is_return,"
                " e.g. c1; left out of purchase features, silence targets and value from orders"
            )
        ],
        id="negative-order",
    ),
    pytest.param(
        {"payments": "p2,c1,2024-01-06,refunded,-5\np3,c1,2024-01-06,failed,-5\n"},
        [
            (
                "warning: payments.amount: 1 row with a negative value, e.g. p3; left out of"
                " payment features and involuntary churn"
            )
        ],
        id="negative-payment-but-not-refund",
    ),
    pytest.param(
        {"usage": "c1,2024-01-06\nc1,2024-01-06,1,1\n"},
        [
            (
                "warning: usage: 2 rows without the header's number of values, e.g. line 3, line 4;"
                f" {USAGE}"
            )
        ],
        id="malformed-lines",
    ),
    pytest.param(
        {"customers": ",2024-01-02\n"},
        [
            (
                "warning: customers.customer_id: 1 row without a value, e.g. row 3; left out of"
                " every feature and score of these customers"
            )
        ],
        id="no-id",
    ),
    pytest.param(
        {"usage": "c1,2024-01-05,1\nc1,2024-01-05,1\n"},
        [
            (
                "warning: usage: 2 rows exactly like another row, kept (deduplicate = true drops"
                " them), e.g. c1; counted in usage features"
            )
        ],
        id="repeats",
    ),
    pytest.param(
        {"tickets": "ticket_id,customer_id,occurred_at,change\n"},
        ["warning: tickets: 0 rows left; no support features"],
        id="empty",
    ),
]


@pytest.mark.parametrize(("tables", "lines"), FAULTS)
def test_a_fault_has_its_line_and_its_rows_are_set_aside(
    write_project: Write, tables: dict[str, str], lines: list[str]
) -> None:
    result = check(write_project, **tables)
    assert [one.text for one in result.findings] == lines
    ((table, _),) = tables.items()
    count = result.counts[table]
    bad = sum(one.count for one in result.findings if one.code != "repeats")
    assert count.quarantined == bad
    assert count.rows_in == count.used + count.filtered + count.quarantined
    assert result.rows[table] == count.used
    if bad:
        assert len(reasons(result, table)) == bad


class TestFuture:
    END = "data_end = 2024-02-01\n"

    def test_known_at_in_the_future_is_a_fault_everywhere(self, write_project: Write) -> None:
        lines = (
            "subscription_id,customer_id,occurred_at,known_at,plan_id,status\n"
            "s1,c1,2024-01-01,2024-01-01,a,active\ns2,c1,2024-01-01,2024-02-01,a,active\n"
        )
        result = check(write_project, head=self.END, subscriptions=lines)
        assert [one.text for one in result.findings] == [
            f"warning: subscriptions.known_at: 1 row at or after data_end, e.g. s2; {SUBSCRIPTIONS}"
        ]

    def test_an_announced_end_may_lie_in_the_future(self, write_project: Write) -> None:
        lines = (
            "subscription_id,customer_id,occurred_at,known_at,plan_id,status\n"
            "s1,c1,2024-05-01,2024-01-01,a,canceled\n"
        )
        assert check(write_project, head=self.END, subscriptions=lines).findings == ()

    def test_a_use_may_not(self, write_project: Write) -> None:
        lines = "customer_id,occurred_at,known_at\nc1,2024-05-01,2024-01-01\nc1,2024-01-01,\n"
        result = check(write_project, usage=lines)
        assert [one.text for one in result.findings] == [
            f"warning: usage.occurred_at: 1 row at or after data_end, e.g. c1; {USAGE}"
        ]

    def test_data_end_itself_is_the_future(self, write_project: Write) -> None:
        lines = "customer_id,occurred_at,known_at\nc1,2024-02-01,2024-01-01\nc1,2024-01-01,\n"
        result = check(write_project, head=self.END, usage=lines)
        assert reasons(result, "usage") == ["occurred_at: in_future"]

    def test_the_last_moment_before_data_end_is_no_fault(self, write_project: Write) -> None:
        lines = "c1,2024-01-31 23:59:59.999999,1\n"
        assert check(write_project, head=self.END, usage=lines).findings == ()


class TestStops:
    def stopped(self, write: Write, toml: str = TOML, **tables: str) -> SourceError:
        with pytest.raises(SourceError) as caught:
            check(write, toml, **tables)
        return caught.value

    def test_too_many_bad_rows(self, write_project: Write, tmp_path: Path) -> None:
        toml = TOML.replace("0.9", "0.4")
        error = self.stopped(write_project, toml, usage="c1,never,1\n")
        line = (
            "usage.occurred_at: 1 row with a value that is not a date (YYYY-MM-DD, a time may"
            " follow) ('never'), e.g. c1; blocks usage features: 50 % of usage is bad,"
            " limits.quarantine_share allows 40 %"
        )
        assert str(error) == line
        assert error.lines == (f"error: {line}",)
        assert (tmp_path / ".retention" / "saas" / "quarantine" / "usage.parquet").is_file()

    def test_the_share_of_the_limit_itself_passes(self, write_project: Write) -> None:
        toml = TOML.replace("0.9", "0.5")
        result = check(write_project, toml, usage="c1,never,1\n")
        assert [one.level for one in result.findings] == ["warning"]

    def test_an_empty_table_that_a_target_needs(self, write_project: Write) -> None:
        header = GOOD["subscriptions"].partition("\n")[0] + "\n"
        assert str(self.stopped(write_project, subscriptions=header)) == (
            "subscriptions: 0 rows left; blocks coverage, MRR, and churn, upsell and conversion"
            " of these customers"
        )

    def test_a_missing_table(self, write_project: Write) -> None:
        toml = TOML.replace('kind = "churn"', 'kind = "silence"')
        assert str(self.stopped(write_project, toml)) == (
            "sources.orders: missing, needed by targets.churn (kind silence)"
        )

    def test_a_missing_column_names_the_nearest(self, write_project: Write) -> None:
        usage = "customer_id,ocurred_at\nc1,2024-01-01\n"
        assert str(self.stopped(write_project, usage=usage)) == (
            "sources.usage: usage.csv: no column 'occurred_at' for usage.occurred_at; it has"
            " customer_id, ocurred_at; did you mean 'ocurred_at'?"
        )

    def test_a_column_that_is_mapped_wrongly(self, write_project: Write) -> None:
        toml = TOML + '[sources.usage]\nfile = "use.csv"\ncolumns = { quantity = "Minuts" }\n'
        with pytest.raises(SourceError) as caught:
            check_with(write_project, toml, use="customer_id,occurred_at,minutes\n")
        assert str(caught.value) == (
            "sources.usage: use.csv: no column 'Minuts' for usage.quantity; it has customer_id,"
            " occurred_at, minutes; did you mean 'minutes'?"
        )

    def test_a_column_of_a_wrong_type(self, write_project: Write, tmp_path: Path) -> None:
        frame = pd.DataFrame({"customer_id": ["c1"], "occurred_at": [1704067200]})
        frame.to_parquet(tmp_path / "usage.parquet")
        toml = TOML + '[sources.usage]\nfile = "usage.parquet"\n'
        with pytest.raises(SourceError) as caught:
            check_with(write_project, toml)
        assert str(caught.value) == (
            "sources.usage: usage.parquet: column 'occurred_at' for usage.occurred_at is BIGINT,"
            " expected a date or time (set date_format, or an expression such as"
            " to_timestamp(...))"
        )

    @pytest.mark.parametrize(
        ("setting", "says"),
        [
            ("expressions = { quantity = 'a +' }", "is not SQL"),
            ("expressions = { quantity = 'minutes * 2' }", "no column 'minutes'"),
            ("expressions = { quantity = 'nosuch(event)' }", "nosuch"),
            ("where = 'evnt = 1'", "did you mean 'event'?"),
            ("expressions = { quantity = 'CAST(event AS INTEGER)' }", "cannot be evaluated"),
        ],
    )
    def test_sql_that_cannot_be_used(self, write_project: Write, setting: str, says: str) -> None:
        toml = TOML + f'[sources.usage]\nfile = "use.csv"\n{setting}\n'
        with pytest.raises(SourceError) as caught:
            check_with(
                write_project, toml, use="customer_id,occurred_at,event\nc1,2024-01-01,login\n"
            )
        assert says in str(caught.value)
        assert str(caught.value).startswith("sources.usage:")
        assert "\n" not in str(caught.value)

    def test_every_missing_file_is_told_at_once(self, write_project: Write) -> None:
        toml = TOML.replace(".csv", ".parquet")
        with pytest.raises(SourceError) as caught:
            stage(load_project(write_project(toml)))
        assert "no such file 'customers.parquet'" in str(caught.value)
        assert str(caught.value).endswith("(and 1 more)")
        assert len(caught.value.lines) == 2

    def test_an_attribute_without_a_date(self, write_project: Write) -> None:
        toml = TOML.replace('"customers.csv"\n', '"customers.csv"\nattributes = ["size"]\n')
        with pytest.raises(SourceError) as caught:
            check(write_project, toml, customers="customer_id,size\nc1,3\n")
        assert str(caught.value) == (
            "sources.customers: customers.csv: attribute 'size' has no date; map occurred_at, or"
            " list it under static if it never changes"
        )
        toml = toml.replace("attributes", "static")
        check(write_project, toml, customers="customer_id,size\nc1,3\n")

    @pytest.mark.parametrize(
        ("text", "says"),
        [("", "is empty"), ("a,a\n1,2\n", "column 'a' twice"), ("a,\n1,2\n", "without a name")],
    )
    def test_a_header_that_is_none(self, write_project: Write, text: str, says: str) -> None:
        with pytest.raises(SourceError, match=says):
            check_with(write_project, TOML, customers=text)


def check_with(write: Write, toml: str, **tables: str) -> Staged:
    """Stage the good customers and subscriptions beside other files."""
    good = {name: GOOD[name] for name in ("customers", "subscriptions")}
    return stage(load_project(write(toml, **(good | tables))))


def test_repeats_of_a_large_table_are_estimated_from_whole_customers(
    write_project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.staging_report.REPEATS_LOOKED_AT", 200)
    ids = [f"c{number}" for number in range(3, 203)]
    customers = "".join(f"{one},2024-01-01\n" for one in ids)
    usage = "".join(f"{one},2024-01-05,1\n" * 2 for one in ids)
    result = check(write_project, customers=customers, usage=usage)
    (repeats,) = result.findings
    assert repeats.count % 3 == 0
    assert 130 < repeats.count < 270  # 200 are there
    assert result.notes == ("usage: repeats are estimated from one customer in 3",)


def test_quarantined_rows_keep_what_came(write_project: Write) -> None:
    result = check(write_project, usage="c1,never,1\nc1\n")
    file = result.project.outputs / "quarantine" / "usage.parquet"
    frame = pd.read_parquet(file).astype(object)
    frame = frame.where(frame.notna(), None)
    assert frame.to_dict("records") == [
        {
            "reason": "occurred_at: not_timestamp",
            "source_file": "usage.csv",
            "source_row": 2,
            "customer_id": "c1",
            "occurred_at": "never",
            "quantity": "1",
            "source_line": None,
        },
        {
            "reason": "line: not a row of 3 values",
            "source_file": "usage.csv",
            "source_row": 4,
            "customer_id": None,
            "occurred_at": None,
            "quantity": None,
            "source_line": "c1",
        },
    ]


def test_the_report_adds_up_line_by_line(write_project: Write) -> None:
    toml = TOML + '[sources.usage]\nfile = "use.csv"\nwhere = "quantity > 0"\n'
    use = "customer_id,occurred_at,quantity,note\nc1,2024-01-03,1,a\nc1,2024-01-09,1,b\nc1,x,2,c\n"
    result = check_with(write_project, toml, use=use + "c1,2024-01-04,0,d\n")
    assert list(table_rows(result)) == [
        ("customers", 2, 2, 0, 0),
        ("subscriptions", 1, 1, 0, 0),
        ("usage", 4, 2, 1, 1),
    ]
    assert list(remarks(result)) == [
        (
            "warning: usage.occurred_at: 1 row with a value that is not a date (YYYY-MM-DD, a time"
            " may follow) ('x'), e.g. c1; left out of usage features"
        ),
        "use.csv: not used: note",
    ]


def test_a_column_that_only_a_query_of_another_table_reads_is_used(write_project: Write) -> None:
    toml = TOML + (
        "[sources.usage]\n"
        'query = "SELECT customer_id, occurred_at, Weight AS quantity FROM plain"\n'
        'inputs = { plain = "subscriptions.csv" }\n'
    )
    rows = GOOD["subscriptions"].splitlines()
    lines = [rows[0] + ",Weight,Height", *(row + ",1,2" for row in rows[1:])]
    result = check_with(write_project, toml, subscriptions="\n".join(lines) + "\n")
    assert [line for line in remarks(result) if "not used" in line] == [
        "subscriptions.csv: not used: Height"
    ]
