"""From files of any shape to canonical Parquet: mapping, types, clocks, periods, rows added up."""

import gzip
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ProjectError, SourceError
from features.project import load_project
from features.staging import Staged, open_staged, stage

HEAD = """
name = "shop"
revenue_model = "consumption"
limits.quarantine_share = 0.5
[targets.lapse]
kind = "silence"
[sources.customers]
file = "customers.csv"
[sources.orders]
file = "orders.csv"
"""
CUSTOMERS = "customer_id,occurred_at\nc1,2024-01-01\nc2,2024-01-02\n"
ORDERS = "customer_id,occurred_at,amount\nc1,2024-02-01,10\n"
Write = Callable[..., Path]


def staged(path: Path, data: Path | None = None) -> Staged:
    return stage(load_project(path, data))


def rows(result: Staged, table: str) -> list[tuple[object, ...]]:
    frame = pd.read_parquet(result.tables[table])
    frame = frame.astype(object).where(frame.notna(), None)
    return sorted(frame.itertuples(index=False, name=None), key=str)


def add_up(result: Staged) -> bool:
    counts = result.counts.values()
    return all(c.rows_in == c.used + c.filtered + c.quarantined for c in counts)


class TestTypes:
    def test_canonical_columns_have_the_declared_types(self, write_project: Write) -> None:
        usage = '[sources.usage]\nfile = "usage.csv"\n'
        result = staged(
            write_project(
                HEAD + usage,
                customers=CUSTOMERS,
                orders="customer_id,occurred_at,amount,is_return\nc1,2024-02-01,10.5,no\n",
                usage="customer_id,occurred_at,event\nc1,2024-02-01 09:30:00,login\n",
            )
        )
        schema = pq.read_schema(result.tables["orders"])
        assert schema.field("customer_id").type in {pa.string(), pa.large_string()}
        assert schema.field("occurred_at").type == pa.timestamp("us")
        assert schema.field("known_at").type == pa.timestamp("us")
        assert schema.field("amount").type == pa.decimal128(18, 6)
        assert schema.field("is_return").type == pa.bool_()
        assert rows(result, "usage") == [
            ("c1", datetime(2024, 2, 1, 9, 30), datetime(2024, 2, 1, 9, 30), "login")
        ]

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("2024-02-01", datetime(2024, 2, 1)),
            ("2024-02-01 10:20:30", datetime(2024, 2, 1, 10, 20, 30)),
            ("2024-02-01T10:20:30.25", datetime(2024, 2, 1, 10, 20, 30, 250000)),
            ("2024-02-01T10:20:30Z", datetime(2024, 2, 1, 10, 20, 30)),
            ("2024-02-01T10:20:30+02:00", datetime(2024, 2, 1, 8, 20, 30)),
        ],
    )
    def test_moments_of_text(self, write_project: Write, written: str, read: datetime) -> None:
        orders = f"customer_id,occurred_at\nc1,{written}\n"
        result = staged(write_project(HEAD, customers=CUSTOMERS, orders=orders))
        assert rows(result, "orders")[0][1] == read

    def test_naive_times_are_read_in_the_time_zone_of_the_project(
        self, write_project: Write
    ) -> None:
        path = write_project(
            'timezone = "Europe/Berlin"' + HEAD,
            customers=CUSTOMERS,
            orders="customer_id,occurred_at\nc1,2024-07-01\nc1,2024-07-01T00:00:00Z\n",
        )
        result = staged(path)
        moments = sorted(str(row[1]) for row in rows(result, "orders"))
        assert moments == ["2024-06-30 22:00:00", "2024-07-01 00:00:00"]
        # The newest fact is 02:00 on 1 July in Berlin; the midnight after it is 22:00 UTC.
        assert result.data_end == datetime(2024, 7, 1, 22)

    def test_ids_keep_their_zeros_and_lose_a_false_fraction(
        self, write_project: Write, tmp_path: Path
    ) -> None:
        frame = pd.DataFrame(
            {"customer_id": [7.0, None], "occurred_at": pd.to_datetime(["2024-01-01"] * 2)}
        )
        frame.to_parquet(tmp_path / "orders.parquet")
        toml = HEAD.replace("orders.csv", "orders.parquet") + "where = 'customer_id IS NOT NULL'\n"
        customers = "customer_id\n7\n007\n"
        result = staged(write_project(toml, customers=customers))
        assert [row[0] for row in rows(result, "customers")] == ["007", "7"]
        assert [row[0] for row in rows(result, "orders")] == ["7"]

    def test_a_date_format(self, write_project: Write) -> None:
        result = staged(
            write_project(
                HEAD + 'date_format = "%d/%m/%Y"\n',
                customers=CUSTOMERS,
                orders="customer_id,occurred_at\nc1,03/02/2024\n",
            )
        )
        assert rows(result, "orders")[0][1] == datetime(2024, 2, 3)


class TestMapping:
    def test_columns_constants_expressions_and_a_filter(self, write_project: Write) -> None:
        toml = HEAD + (
            'columns = { customer_id = "who", occurred_at = "day" }\n'
            'constants = { product = "book" }\n'
            'expressions = { amount = "pieces * price", is_return = "ref LIKE \'C%\'" }\n'
            "where = \"who <> 'test'\"\n"
        )
        orders = "who,day,pieces,price,ref\nc1,2024-02-01,2,1.25,7\ntest,2024-02-01,1,1,C8\n"
        result = staged(write_project(toml, customers=CUSTOMERS, orders=orders))
        moment = datetime(2024, 2, 1)
        assert rows(result, "orders") == [
            ("c1", moment, moment, Decimal("2.500000"), "book", False)
        ]
        assert result.counts["orders"].filtered == 1
        assert add_up(result)

    def test_a_misprint_in_a_column_of_an_expression_is_quarantined(
        self, write_project: Write
    ) -> None:
        lines = "".join(f"c1,2024-02-{day:02},{day}\n" for day in range(1, 20))
        toml = HEAD + 'expressions = { amount = "price * 2" }\n'
        orders = f"customer_id,occurred_at,price\n{lines}c1,2024-02-20,abc\n"
        result = staged(write_project(toml, customers=CUSTOMERS, orders=orders))
        assert result.counts["orders"].used == 19
        (finding,) = result.findings
        assert finding.text == (
            "warning: orders.price: 1 row with a value that is not a number, e.g. c1; left out"
            " of purchase features, silence targets and value from orders"
        )

    def test_a_row_whose_filter_cannot_be_read_is_not_filtered(self, write_project: Write) -> None:
        lines = "".join(f"c1,2024-02-{day:02},{day}\n" for day in range(1, 20))
        toml = HEAD + "where = 'price + 1 > 10'\n"
        orders = f"customer_id,occurred_at,price\n{lines}c1,2024-02-20,abc\nc1,2024-02-20,\n"
        count = staged(write_project(toml, customers=CUSTOMERS, orders=orders)).counts["orders"]
        assert (count.used, count.filtered, count.quarantined) == (10, 10, 1)

    def test_month_facts_are_dated_by_an_expression(self, write_project: Write) -> None:
        toml = HEAD + 'expressions = { occurred_at = "last_day(make_date(Year, Month, 1))" }\n'
        orders = "customer_id,Year,Month\nc1,2024,2\n"
        result = staged(write_project(toml, customers=CUSTOMERS, orders=orders))
        assert rows(result, "orders")[0][1] == datetime(2024, 2, 29)

    def test_columns_that_are_not_used_are_listed(self, write_project: Write) -> None:
        orders = "customer_id,occurred_at,color\nc1,2024-02-01,red\n"
        result = staged(write_project(HEAD, customers=CUSTOMERS, orders=orders))
        assert result.unused == {"orders.csv": ("color",)}

    def test_attributes_are_numbers_only_when_every_value_is_one(
        self, write_project: Write
    ) -> None:
        toml = HEAD.replace(
            '"customers.csv"\n', '"customers.csv"\nattributes = ["age", "zip", "size"]\n'
        )
        head = "customer_id,occurred_at,age,zip,size\n"
        customers = head + "c1,2024-01-01,30,01234,4\nc2,2024-01-01, ,5,big\n"
        result = staged(write_project(toml, customers=customers, orders=ORDERS))
        frame = pd.read_parquet(result.tables["customers"])
        assert frame["age"].dtype == "float64"
        assert frame["age"].isna().tolist() == [False, True]
        assert frame["zip"].tolist() == ["01234", "5"]
        assert frame["size"].tolist() == ["4", "big"]

    def test_a_log_tells_who_the_customers_are(self, write_project: Write) -> None:
        toml = HEAD.replace('"customers.csv"\n', '"orders.csv"\nshape = "first"\n')
        orders = "customer_id,occurred_at\nb,2024-02-03\na,2024-02-02\nb,2024-02-01\n"
        result = staged(write_project(toml, orders=orders))
        assert sorted((row[0], row[1]) for row in rows(result, "customers")) == [
            ("a", datetime(2024, 2, 2)),
            ("b", datetime(2024, 2, 1)),
        ]
        assert result.counts["customers"].filtered == 1

    def test_deduplicate_drops_repeats_and_counts_them(self, write_project: Write) -> None:
        line = "c1,2024-02-01\n"
        result = staged(
            write_project(
                HEAD + "deduplicate = true\n",
                customers=CUSTOMERS,
                orders=f"customer_id,occurred_at\n{line}{line}",
            )
        )
        assert (result.counts["orders"].used, result.counts["orders"].filtered) == (1, 1)
        assert result.findings == ()

    def test_late_facts_keep_both_clocks(self, write_project: Write) -> None:
        orders = "customer_id,occurred_at,known_at\nc1,2024-02-01,2024-02-05\nc1,2024-02-02,\n"
        result = staged(write_project(HEAD, customers=CUSTOMERS, orders=orders))
        known = [row[2] for row in rows(result, "orders")]
        assert sorted(map(str, known)) == ["2024-02-02 00:00:00", "2024-02-05 00:00:00"]
        assert result.data_end == datetime(2024, 2, 6)


class TestFiles:
    def test_a_glob_of_gzipped_parts(self, write_project: Write, tmp_path: Path) -> None:
        for part in (1, 2):
            text = f"customer_id,occurred_at\nc{part},2024-02-0{part}\n"
            (tmp_path / f"orders-{part}.csv.gz").write_bytes(gzip.compress(text.encode()))
        path = write_project(HEAD.replace("orders.csv", "orders-*.csv.gz"), customers=CUSTOMERS)
        assert [row[0] for row in rows(staged(path), "orders")] == ["c1", "c2"]

    def test_several_sources_of_one_table(self, write_project: Write) -> None:
        toml = HEAD.replace("[sources.orders]", "[[sources.orders]]")
        toml += 'constants = { product = "a" }\n[[sources.orders]]\nfile = "more.csv"\n'
        result = staged(write_project(toml, customers=CUSTOMERS, orders=ORDERS, more=ORDERS))
        assert {row[-1] for row in rows(result, "orders")} == {"a", None}
        assert result.counts["orders"].rows_in == 2

    def test_values_parted_by_blanks(self, write_project: Write, tmp_path: Path) -> None:
        text = " customer_id  occurred_at amount\n c1 20240201   3\n c1  20240202\n"
        (tmp_path / "orders.txt.gz").write_bytes(gzip.compress(text.encode()))
        toml = HEAD.replace("orders.csv", "orders.txt.gz")
        toml += 'delimiter = "whitespace"\ndate_format = "%Y%m%d"\n'
        result = staged(write_project(toml, customers=CUSTOMERS))
        moment = datetime(2024, 2, 1)
        assert rows(result, "orders") == [("c1", moment, moment, Decimal(3))]
        assert result.counts["orders"].quarantined == 1

    def test_semicolons_a_byte_order_mark_and_quoted_line_breaks(
        self, write_project: Write
    ) -> None:
        orders = '\ufeffcustomer_id;occurred_at;product\nc1;2024-02-01;"a;\nb"\n'
        result = staged(write_project(HEAD, customers=CUSTOMERS, orders=orders))
        assert rows(result, "orders")[0][3] == "a;\nb"

    def test_canonical_parquet_needs_only_the_file(self, write_project: Write) -> None:
        first = staged(write_project(HEAD, customers=CUSTOMERS, orders=ORDERS))
        toml = HEAD.replace("customers.csv", str(first.tables["customers"]))
        toml = toml.replace("orders.csv", str(first.tables["orders"])).replace('"shop"', '"again"')
        again = staged(write_project(toml))
        assert rows(again, "orders") == rows(first, "orders")
        assert again.fingerprint == first.fingerprint

    def test_the_order_of_rows_does_not_change_the_fingerprint(self, write_project: Write) -> None:
        head, *lines = (ORDERS + "c2,2024-02-02,4\n").splitlines(keepends=True)
        prints = set()
        for text in (head + "".join(lines), head + "".join(reversed(lines))):
            path = write_project(HEAD, customers=CUSTOMERS, orders=text)
            prints.add(staged(path).fingerprint)
        other = write_project(HEAD, customers=CUSTOMERS, orders=ORDERS)
        assert len(prints) == 1
        assert staged(other).fingerprint not in prints

    def test_another_data_folder(self, write_project: Write, tmp_path: Path) -> None:
        path = write_project(HEAD)
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        (folder / "customers.csv").write_text(CUSTOMERS)
        (folder / "orders.csv").write_text(ORDERS)
        assert staged(path, folder).rows == {"customers": 2, "orders": 1}


PERIODS = """
name = "club"
revenue_model = "membership"
[targets.churn]
kind = "churn"
[sources.customers]
file = "customers.csv"
[sources.subscriptions]
file = "periods.csv"
shape = "periods"
constants = { plan_id = "gold" }
"""


class TestPeriods:
    def changes(self, write_project: Write, periods: str, toml: str = PERIODS) -> Staged:
        return staged(write_project(toml, customers=CUSTOMERS, periods=periods))

    def seen(self, result: Staged) -> list[tuple[str, ...]]:
        frame = pd.read_parquet(result.tables["subscriptions"])
        frame = frame.sort_values(["subscription_id", "occurred_at"])
        columns = ["subscription_id", "status", "occurred_at", "known_at"]
        shown = frame[columns].astype(str).to_numpy().tolist()
        return [tuple(value.removesuffix(" 00:00:00") for value in row) for row in shown]

    def test_a_period_becomes_two_changes(self, write_project: Write) -> None:
        result = self.changes(
            write_project,
            "subscription_id,customer_id,starts_at,ends_at\ns1,c1,2024-01-01,2024-03-01\n"
            "s2,c2,2024-01-02,\ns3,c2,2024-04-01,\n",
        )
        assert self.seen(result) == [
            ("s1", "active", "2024-01-01", "2024-01-01"),
            ("s1", "expired", "2024-03-01", "2024-03-01"),
            ("s2", "active", "2024-01-02", "2024-01-02"),
            ("s3", "active", "2024-04-01", "2024-04-01"),
        ]
        assert result.counts["subscriptions"].used == 3
        assert add_up(result)

    def test_an_end_is_known_when_it_was_asked_for(self, write_project: Write) -> None:
        result = self.changes(
            write_project,
            "subscription_id,customer_id,starts_at,ends_at,cancel_requested_at\n"
            "s1,c1,2024-01-01,2024-12-31,2024-02-10\n",
        )
        assert self.seen(result) == [
            ("s1", "active", "2024-01-01", "2024-01-01"),
            ("s1", "canceled", "2024-12-31", "2024-02-10"),
        ]
        frame = pd.read_parquet(result.tables["subscriptions"])
        asked = frame.set_index("status")["cancel_requested_at"]
        assert pd.isna(asked["active"])  # not known when it began
        assert asked["canceled"] == pd.Timestamp("2024-02-10")
        assert result.data_end == datetime(2024, 2, 11)

    def test_a_purchase_log_becomes_paid_periods(self, write_project: Write) -> None:
        toml = PERIODS.replace('constants = { plan_id = "gold" }\n', "") + (
            'columns = { subscription_id = "id", starts_at = "bought", plan_id = "plan" }\n'
            "expressions = { ends_at = \"bought + CASE plan WHEN 'Monthly' THEN 30"
            " WHEN 'Quarterly' THEN 91 ELSE 365 END\" }\n"
        )
        log = (
            "id,customer_id,plan,bought\n1,c1,Monthly,2024-01-01\n2,c1,Quarterly,2024-02-01\n"
            "3,c2,Annual,2024-05-20\n"
        )
        result = self.changes(write_project, log, toml)
        assert [row[1:3] for row in self.seen(result)] == [
            ("active", "2024-01-01"),
            ("expired", "2024-01-31"),
            ("active", "2024-02-01"),
            ("expired", "2024-05-02"),
            ("active", "2024-05-20"),
        ]
        assert result.data_end == datetime(2024, 5, 21)
        assert result.notes == (
            "subscriptions: 1 periods run beyond data_end; their end is not known yet",
        )

    def test_a_subscription_that_goes_on_does_not_end(self, write_project: Write) -> None:
        result = self.changes(
            write_project,
            "subscription_id,customer_id,starts_at,ends_at\ns1,c1,2024-01-01,2024-02-01\n"
            "s1,c1,2024-02-01,2024-03-01\ns2,c2,2024-06-01,\n",
        )
        assert [row[1:3] for row in self.seen(result)][:3] == [
            ("active", "2024-01-01"),
            ("active", "2024-02-01"),
            ("expired", "2024-03-01"),
        ]

    def test_the_term_end_is_there_only_when_mapped(self, write_project: Write) -> None:
        result = self.changes(
            write_project, "subscription_id,customer_id,starts_at,ends_at\ns1,c1,2024-01-01,\n"
        )
        assert "current_period_end" not in pd.read_parquet(result.tables["subscriptions"]).columns


class TestSnapshots:
    TOML = (
        'name = "bank"\nrevenue_model = "subscription"\n[sources.snapshots]\nfile = "people.csv"\n'
        'attributes = ["total"]\n'
        '[targets.churn]\nkind = "churn"\nlabel = "Exited"\npositive = "1"\n'
    )

    def test_labels_and_attributes_under_their_own_names(self, write_project: Write) -> None:
        people = "customer_id,total,Exited\na,10.5,1\nb, ,0\n"
        result = staged(write_project(self.TOML, people=people))
        assert rows(result, "snapshots") == [("a", 10.5, "1"), ("b", None, "0")]

    def test_there_is_no_end_of_the_data(self, write_project: Write) -> None:
        people = "customer_id,total,Exited\na,10.5,1\n"
        result = staged(write_project(self.TOML, people=people))
        assert result.known_until is None
        with pytest.raises(SourceError, match="hold no dates"):
            _ = result.data_end


class TestOpenStaged:
    def test_what_was_staged_comes_back_the_same(self, write_project: Write) -> None:
        path = write_project(HEAD, customers=CUSTOMERS, orders=ORDERS)
        result = staged(path)
        assert open_staged(load_project(path)) == result

    def test_nothing_staged(self, write_project: Write) -> None:
        project = load_project(write_project(HEAD))
        with pytest.raises(ProjectError, match="run `retention check` first"):
            open_staged(project)

    def test_sources_that_were_changed_since(self, write_project: Write) -> None:
        staged(write_project(HEAD, customers=CUSTOMERS, orders=ORDERS))
        project = load_project(write_project(HEAD + "where = 'amount > 3'\n"))
        with pytest.raises(ProjectError, match="changed since they were staged"):
            open_staged(project)

    def test_a_failed_check_leaves_the_staged_tables(self, write_project: Write) -> None:
        path = write_project(HEAD, customers=CUSTOMERS, orders=ORDERS)
        before = staged(path)
        write_project(HEAD, customers=CUSTOMERS, orders="customer_id,occurred_at\nc1,never\n")
        with pytest.raises(SourceError, match=r"orders\.occurred_at"):
            staged(path)
        assert open_staged(load_project(path)) == before
        assert not list(before.project.outputs.glob(".staging-*"))
