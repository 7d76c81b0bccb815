"""Billing exports by one line of the project file, against numbers counted in the raw files."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd
import psycopg
import pytest

from features.errors import SourceError
from features.project import Revenue, load_project
from features.revenue.ledger import MILLIONTH, mrr_steps
from features.staging import Staged, stage

Export = Callable[..., Staged]


@pytest.fixture
def export(shared: Path, tmp_path: Path) -> Export:
    """A function that stages a vendor's export with a project file of three lines."""

    def run(source: str, folder: str | Path, more: str = "") -> Staged:
        path = tmp_path / "retention.toml"
        toml = f'name = "acme"\nrevenue_model = "subscription"\nsource = "{source}"\n'
        path.write_text(toml + more, encoding="utf-8")
        where = folder if isinstance(folder, Path) else shared / "data" / "vendor_exports" / folder
        return stage(load_project(path, where))

    return run


@pytest.fixture(scope="module")
def seeds(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """The Stripe tables of the export, staged once."""
    path = tmp_path_factory.mktemp("seeds") / "retention.toml"
    path.write_text('name = "acme"\nrevenue_model = "subscription"\nsource = "stripe"\n', "utf-8")
    return stage(load_project(path, shared / "data" / "vendor_exports" / "stripe_seeds"))


@pytest.fixture
def raw(shared: Path) -> Callable[[str], pd.DataFrame]:
    """A function that reads a raw file as text."""

    def read(name: str) -> pd.DataFrame:
        file = shared / "data" / "vendor_exports" / name
        return pd.read_csv(file, dtype=str, keep_default_na=False)

    return read


@pytest.fixture
def stripe_copy(shared: Path, tmp_path: Path) -> Path:
    """A copy of the Stripe tables that a test may change."""
    folder = tmp_path / "stripe"
    seeds = shared / "data" / "vendor_exports" / "stripe_seeds"
    shutil.copytree(seeds, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder


def table(staged: Staged, name: str) -> pd.DataFrame:
    return pd.read_parquet(staged.tables[name])


def nothing_lost(staged: Staged) -> None:
    for count in staged.counts.values():
        assert count.rows_in == count.used + count.filtered + count.quarantined
        assert count.quarantined == 0
    assert [one.text for one in staged.findings if one.level == "error"] == []


def mrr_at(staged: Staged, moment: pd.Timestamp) -> dict[str, float]:
    """MRR of each customer after everything that happened until a moment."""
    plans = table(staged, "plans") if "plans" in staged.tables else None
    steps = mrr_steps(table(staged, "subscriptions"), Revenue(), plans)
    last = steps[steps["at"] <= moment].groupby("customer_id")["mrr"].last() / MILLIONTH
    return last[last > 0].to_dict()


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    pd.DataFrame(rows).to_csv(folder / name, index=False)


SUBSCRIPTION = {
    "id": "s1",
    "customer_id": "c1",
    "status": "active",
    "created": "2024-01-01 00:00:00",
    "start_date": "2024-01-01 00:00:00",
    "_fivetran_synced": "2024-06-01 00:00:00",
}
ITEM = {"id": "i1", "subscription_id": "s1", "plan_id": "p1", "quantity": 2, "created": ""}
PLAN = {"id": "p1", "amount": 1250, "currency": "usd", "interval": "month", "interval_count": 1}


@pytest.fixture
def small_stripe(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes Stripe tables of one customer; rows are told by table."""

    def build(**tables: list[dict[str, object]]) -> Path:
        folder = tmp_path / "small"
        folder.mkdir(exist_ok=True)
        given = {
            "customer": [{"id": "c1", "created": "2023-12-31 00:00:00"}],
            "plan": [PLAN | {"created": "2023-01-01 00:00:00"}],
            "subscription_item": [ITEM],
        }
        for name, rows in (given | tables).items():
            write(folder, f"{name}.csv", rows)
        return folder

    return build


def changes(staged: Staged) -> list[tuple[str, str, str, str]]:
    """Subscription, status, day it happened, day it was known."""
    rows = table(staged, "subscriptions").sort_values(["subscription_id", "occurred_at"])
    days = [rows[clock].dt.strftime("%m-%d") for clock in ("occurred_at", "known_at")]
    return list(zip(rows["subscription_id"], rows["status"], *days, strict=True))


class TestStripeTables:
    def test_every_table_of_the_export_is_staged_whole(
        self, seeds: Staged, raw: Callable[[str], pd.DataFrame]
    ) -> None:
        nothing_lost(seeds)
        people = set(raw("stripe_seeds/customer_data.csv")["id"])
        for name in ("subscription", "invoice", "charge"):
            people |= set(raw(f"stripe_seeds/{name}_data.csv")["customer_id"])
        assert set(table(seeds, "customers")["customer_id"]) == people
        prices = raw("stripe_seeds/price_data.csv")
        recurring = prices[prices["type"] == "recurring"]
        plans = raw("stripe_seeds/plan_data.csv")
        expected = dict(zip(plans["id"], plans["amount"].astype(float) / 100, strict=True))
        expected |= dict(
            zip(recurring["id"], recurring["unit_amount"].astype(float) / 100, strict=True)
        )
        staged_plans = table(seeds, "plans").set_index("plan_id")["unit_amount"].astype(float)
        assert staged_plans.to_dict() == expected

    def test_failed_payments_and_invoices_in_whole_units(
        self, seeds: Staged, raw: Callable[[str], pd.DataFrame]
    ) -> None:
        charges = raw("stripe_seeds/charge_data.csv")
        payments = table(seeds, "payments").set_index("payment_id")
        assert set(payments["status"]) == {"failed"}
        assert set(payments["failure_code"]) == {"card_declined"}
        amounts = dict(zip(charges["id"], charges["amount"].astype(float) / 100, strict=True))
        assert payments["amount"].astype(float).to_dict() == amounts
        invoices = raw("stripe_seeds/invoice_data.csv")
        assert len(table(seeds, "invoices")) == len(invoices)
        assert table(seeds, "invoices")["amount"].astype(float).tolist() == [10.0, 10.0]

    def test_a_refund_is_of_the_customer_who_was_charged(
        self, export: Export, raw: Callable[[str], pd.DataFrame], stripe_copy: Path
    ) -> None:
        refunds = raw("stripe_seeds/refund_data.csv")
        lone = export("stripe", stripe_copy)
        assert lone.counts["payments"].filtered == len(refunds)  # their charges are not there
        charges = raw("stripe_seeds/charge_data.csv")
        bought = pd.DataFrame(
            {
                "id": refunds["charge_id"],
                "customer_id": raw("stripe_seeds/customer_data.csv")["id"].head(len(refunds)),
                "created": "2021-02-01 00:00:00",
                "amount": refunds["amount"],
                "currency": "usd",
                "status": "succeeded",
            }
        )
        pd.concat([charges, bought]).to_csv(stripe_copy / "charge_data.csv", index=False)
        staged = export("stripe", stripe_copy)
        payments = table(staged, "payments")
        back = payments[payments["status"] == "refunded"].set_index("payment_id")
        who = dict(zip(refunds["id"], bought["customer_id"], strict=True))
        assert back["customer_id"].to_dict() == who
        assert back["amount"].astype(float).sum() == refunds["amount"].astype(float).sum() / 100
        assert (payments["status"] == "succeeded").sum() == len(bought)

    def test_an_end_is_known_when_it_was_asked_for(self, seeds: Staged) -> None:
        rows = table(seeds, "subscriptions").set_index(["subscription_id", "status"])
        asked = pd.Timestamp("2021-02-18 14:16:37")
        for name in ("sdgfs4536", "sfjytkyu876"):
            end = rows.loc[(name, "canceled")]
            assert end["known_at"] == end["cancel_requested_at"] == asked
            assert end["occurred_at"] == asked + pd.Timedelta(days=1)
            assert rows.loc[(name, "trialing"), "occurred_at"] == asked
        assert mrr_at(seeds, end["occurred_at"]) == {}  # trials were never paid

    def test_versions_count_from_when_they_were_synced(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        version = SUBSCRIPTION | {"quantity": 2, "_fivetran_start": "2024-01-01 00:00:00"}
        later = version | {"quantity": 5, "_fivetran_start": "2024-03-01 00:00:00"}
        late = later | {"status": "unpaid", "_fivetran_start": "2024-04-01 00:00:00"}
        staged = export("stripe", small_stripe(subscription_history=[late, version, later]))
        assert changes(staged) == [
            ("s1", "active", "01-01", "01-01"),
            ("s1", "active", "03-01", "03-01"),
            ("s1", "past_due", "04-01", "04-01"),
        ]
        assert mrr_at(staged, pd.Timestamp("2024-02-29")) == {"c1": 25.0}
        assert mrr_at(staged, pd.Timestamp("2024-03-01")) == {"c1": 62.5}

    def test_a_state_without_a_history_is_known_when_synced(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        row = SUBSCRIPTION | {"status": "past_due", "current_period_end": "2024-07-01 00:00:00"}
        staged = export("stripe", small_stripe(subscription=[row]))
        assert changes(staged) == [
            ("s1", "active", "01-01", "01-01"),
            ("s1", "past_due", "06-01", "06-01"),
        ]
        ends = table(staged, "subscriptions").sort_values("occurred_at")["current_period_end"]
        assert ends.isna().tolist() == [True, False]  # the present term was not known in January

    def test_a_trial_that_is_paid_and_a_scheduled_cancellation(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        row = SUBSCRIPTION | {
            "trial_start": "2024-01-01 00:00:00",
            "trial_end": "2024-01-15 00:00:00",
            "cancel_at_period_end": "true",
            "canceled_at": "2024-05-20 00:00:00",
            "current_period_end": "2024-06-15 00:00:00",
        }
        staged = export("stripe", small_stripe(subscription=[row]))
        assert changes(staged) == [
            ("s1", "trialing", "01-01", "01-01"),
            ("s1", "active", "01-15", "01-15"),
            ("s1", "active", "06-01", "06-01"),
            ("s1", "canceled", "06-15", "05-20"),
        ]
        assert mrr_at(staged, pd.Timestamp("2024-01-14")) == {}
        assert mrr_at(staged, pd.Timestamp("2024-06-14")) == {"c1": 25.0}
        assert mrr_at(staged, pd.Timestamp("2024-06-15")) == {}

    def test_a_failed_payment_ends_a_subscription_involuntarily(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        row = SUBSCRIPTION | {
            "status": "canceled",
            "ended_at": "2024-03-01 00:00:00",
            "canceled_at": "2024-03-01 00:00:00",
            "cancellation_details_reason": "payment_failed",
        }
        staged = export("stripe", small_stripe(subscription=[row]))
        steps = mrr_steps(table(staged, "subscriptions"), Revenue())
        assert steps["cause"].tolist() == ["new", "involuntary"]

    def test_items_add_up_and_a_discount_lowers_them(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        item = ITEM | {"created": "2024-01-01 00:00:00"}
        added = item | {
            "id": "i2",
            "plan_id": "p2",
            "quantity": 1,
            "created": "2024-02-01 00:00:00",
        }
        yearly = PLAN | {"id": "p2", "amount": 120_000, "interval": "year", "created": ""}
        staged = export(
            "stripe",
            small_stripe(
                subscription=[SUBSCRIPTION],
                subscription_item=[item, added],
                plan=[PLAN | {"created": "2023-01-01 00:00:00"}, yearly],
                coupon=[{"id": "k", "percent_off": 20, "duration": "forever"}],
                subscription_discount=[
                    {"subscription_id": "s1", "coupon_id": "k", "start": "2024-03-01 00:00:00"}
                ],
            ),
        )
        assert mrr_at(staged, pd.Timestamp("2024-01-31")) == {"c1": 25.0}
        assert mrr_at(staged, pd.Timestamp("2024-02-01")) == {"c1": 125.0}
        assert mrr_at(staged, pd.Timestamp("2024-03-01")) == {"c1": 100.0}

    def test_what_was_never_paid_is_filtered_and_an_unknown_status_is_named(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        never = SUBSCRIPTION | {"id": "s0", "status": "incomplete_expired"}
        odd = SUBSCRIPTION | {"id": "s9", "status": "frozen"}
        folder = small_stripe(subscription=[SUBSCRIPTION, never])
        assert export("stripe", folder).counts["subscriptions"].filtered == 1
        write(folder, "subscription.csv", [SUBSCRIPTION, odd])
        with pytest.raises(SourceError, match=r"subscriptions\.status: 1 row .*'frozen'"):
            export("stripe", folder)

    @pytest.mark.parametrize(
        ("currency", "amount"), [("usd", "12.34"), ("JPY", "1234"), ("kwd", "1.234")]
    )
    def test_minor_units_are_those_of_the_currency(
        self, export: Export, small_stripe: Callable[..., Path], currency: str, amount: str
    ) -> None:
        charge = {
            "id": "ch",
            "customer_id": "c1",
            "amount": 1234,
            "currency": currency,
            "status": "succeeded",
        }
        folder = small_stripe(charge=[charge | {"created": 1_704_067_200}])
        paid = table(export("stripe", folder), "payments").iloc[0]
        assert float(paid["amount"]) == float(amount)
        assert paid["currency"] == currency.upper()
        assert paid["occurred_at"] == pd.Timestamp("2024-01-01")

    def test_an_amount_that_is_none_is_named(
        self, export: Export, small_stripe: Callable[..., Path]
    ) -> None:
        charge = {"id": "ch", "customer_id": "c1", "amount": "ten", "currency": "usd"}
        folder = small_stripe(charge=[charge | {"created": "2024-01-01", "status": "failed"}])
        with pytest.raises(SourceError, match=r"payments\.amount: 1 row .*'ten'"):
            export("stripe", folder)


class TestOrigins:
    """The same tables as files of types, and in a database."""

    @pytest.fixture
    def typed(self, shared: Path) -> dict[str, pd.DataFrame]:
        """The Stripe tables as a warehouse has them: moments, numbers and flags."""
        frames = {}
        for file in (shared / "data" / "vendor_exports" / "stripe_seeds").glob("*_data.csv"):
            frame = pd.read_csv(file)
            for column in frame:
                if column in {"created", "_fivetran_synced", "start_date", "ended_at"}:
                    frame[column] = pd.to_datetime(frame[column])
            frames[file.stem.removesuffix("_data")] = frame
        return frames

    def test_parquet_with_types(
        self, export: Export, seeds: Staged, typed: dict[str, pd.DataFrame], tmp_path: Path
    ) -> None:
        folder = tmp_path / "typed"
        folder.mkdir()
        for name, frame in typed.items():
            frame.to_parquet(folder / f"{name}.parquet")
        assert export("stripe", folder).fingerprint == seeds.fingerprint

    @pytest.fixture(
        params=["duckdb", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
    )
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
        """A function that fills a database and gives the lines of the project file."""

        def put(tables: dict[str, pd.DataFrame]) -> str:
            if request.param == "duckdb":
                url = into_duckdb(tables, tmp_path / "shop.duckdb")
            elif request.param == "sqlite":
                url = into_sqlite(tables, tmp_path / "shop.sqlite")
            else:
                url = into_postgres(tables, request.getfixturevalue("postgres"))
            schema = "" if request.param == "sqlite" else 'schema = "billing"\n'
            shop = f'[connections.shop]\nurl = "{url}"\n'
            return f'{shop}[vendors.stripe]\nconnection = "shop"\n{schema}'

        return put

    def test_tables_of_a_connection(
        self,
        export: Export,
        seeds: Staged,
        typed: dict[str, pd.DataFrame],
        tmp_path: Path,
        place: Callable[..., str],
    ) -> None:
        more = place(typed)
        staged = export("stripe", tmp_path, more)
        nothing_lost(staged)
        assert staged.fingerprint == seeds.fingerprint
        more = more.replace('schema = "billing"\n', "") + 'schema = "nobody"\n'
        with pytest.raises(SourceError, match=r"customer: shop has no table 'nobody\.customer'"):
            export("stripe", tmp_path, more)

    def test_a_connection_that_has_some_of_them(
        self,
        export: Export,
        typed: dict[str, pd.DataFrame],
        tmp_path: Path,
        place: Callable[..., str],
    ) -> None:
        few = {"customers": typed["customer"], "charge": typed["charge"]}  # also by other names
        staged = export("stripe", tmp_path, place(few))
        nothing_lost(staged)
        assert staged.rows["subscriptions"] == 0
        folder = tmp_path / "files"
        folder.mkdir()
        for name, one in few.items():
            one.to_csv(folder / f"{name}.csv", index=False)
        of_files = export("stripe", folder)
        for name in ("customers", "payments"):
            pd.testing.assert_frame_equal(table(staged, name), table(of_files, name))

    def test_periods_of_a_database(self, export: Export, shared: Path, tmp_path: Path) -> None:
        file = shared / "data" / "vendor_exports" / "mrr_playbook" / "subscription_periods.csv"
        name = into_duckdb({"periods": pd.read_csv(file)}, tmp_path / "crm.duckdb")
        more = f'[connections.crm]\nurl = "{name}"\n[vendors.subscription_periods]\n'
        more += 'connection = "crm"\nschema = "billing"\n'
        staged = export("subscription_periods", tmp_path, more)
        of_files = export("subscription_periods", file.parent)
        nothing_lost(staged)
        assert staged.rows == of_files.rows
        for one in of_files.tables:
            pd.testing.assert_frame_equal(table(staged, one), table(of_files, one))


def into_duckdb(tables: dict[str, pd.DataFrame], file: Path) -> str:
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE SCHEMA billing")
        for name, one in tables.items():
            con.register("one", one)
            con.execute(f"CREATE TABLE billing.{name} AS SELECT * FROM one")
    return file.name


def into_sqlite(tables: dict[str, pd.DataFrame], file: Path) -> str:
    with closing(sqlite3.connect(file)) as con:
        for name, one in tables.items():
            one.to_sql(name, con, index=False)
    return file.name


def into_postgres(tables: dict[str, pd.DataFrame], folder: Path) -> str:
    """A schema as a replication tool leaves it: zoned moments, numbers without a scale, flags."""
    server = f"postgresql://retention@/postgres?host={folder}"
    with psycopg.connect(server, autocommit=True) as con:
        con.execute("DROP SCHEMA IF EXISTS billing CASCADE")
        con.execute("CREATE SCHEMA billing")
        for name, one in tables.items():
            kinds = ", ".join(f'"{column}" {postgres_type(one[column])}' for column in one)
            con.execute(f"CREATE TABLE billing.{name} ({kinds})")
            with con.cursor().copy(f"COPY billing.{name} FROM STDIN (FORMAT csv)") as rows:
                rows.write(one.to_csv(index=False, header=False))
    return server


def postgres_type(column: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "TIMESTAMPTZ"
    if pd.api.types.is_bool_dtype(column):
        return "BOOLEAN"
    if pd.api.types.is_integer_dtype(column):
        return "BIGINT"
    return "NUMERIC" if pd.api.types.is_numeric_dtype(column) else "TEXT"


class TestStripeObjects:
    def test_the_example_objects_are_staged(self, export: Export, shared: Path) -> None:
        staged = export("stripe_api", "stripe_fixtures")
        nothing_lost(staged)
        file = shared / "data" / "vendor_exports" / "stripe_fixtures" / "fixtures3.json"
        objects = json.loads(file.read_text(encoding="utf-8"))["resources"]
        assert table(staged, "customers")["customer_id"].tolist() == [objects["customer"]["id"]]
        subscription = table(staged, "subscriptions").iloc[0]
        assert subscription["subscription_id"] == objects["subscription"]["id"]
        assert subscription["status"] == "canceled"  # it ended the moment it began
        assert subscription["occurred_at"] == pd.Timestamp(1_234_567_890, unit="s")
        plan = table(staged, "plans").iloc[0]
        assert (plan["plan_id"], float(plan["unit_amount"])) == (objects["price"]["id"], 20.0)
        # a draft, and a charge and its refund of nobody
        assert staged.counts["invoices"].filtered == 1
        assert staged.counts["payments"].filtered == 2

    @pytest.mark.parametrize("shape", ["list", "array", "lines"])
    def test_pages_arrays_and_lines_are_the_same(
        self, export: Export, tmp_path: Path, shape: str
    ) -> None:
        objects = [
            {"object": "customer", "id": "c1", "created": 1_704_067_200, "name": "Ann"},
            {
                "object": "subscription",
                "id": "s1",
                "customer": {"id": "c1"},
                "status": "active",
                "created": 1_704_067_200,
                "start_date": 1_704_067_200,
                "items": {"data": [{"id": "i1", "quantity": 3, "price": {"id": "p1"}}]},
            },
            {
                "object": "price",
                "id": "p1",
                "created": 1_700_000_000,
                "currency": "eur",
                "unit_amount": 1000,
                "recurring": {"interval": "year", "interval_count": 1},
                "type": "recurring",
            },
        ]
        folder = tmp_path / "objects"
        folder.mkdir()
        text = {
            "list": json.dumps({"object": "list", "data": objects}, indent=1),
            "array": json.dumps(objects),
            "lines": "\n".join(json.dumps(one) for one in objects),
        }[shape]
        (folder / "dump.jsonl").write_text(text, encoding="utf-8")
        staged = export("stripe_api", folder)
        assert table(staged, "customers")["name"].tolist() == ["Ann"]
        assert mrr_at(staged, pd.Timestamp("2024-01-02")) == {"c1": 2.5}
        assert table(staged, "subscriptions")["currency"].tolist() == ["EUR"]


class TestRecurly:
    def test_every_table_of_the_export_is_staged_whole(
        self, export: Export, raw: Callable[[str], pd.DataFrame]
    ) -> None:
        staged = export("recurly", "recurly_seeds")
        nothing_lost(staged)
        accounts = raw("recurly_seeds/account_history_data.csv")
        assert set(table(staged, "customers")["customer_id"]) == set(accounts["id"])
        assert len(table(staged, "customers")) == len(accounts)
        invoices = raw("recurly_seeds/invoice_history_data.csv")
        total = table(staged, "invoices")["amount"].astype(float).sum()
        assert total == invoices["total"].astype(float).sum()
        bought = raw("recurly_seeds/transaction_data.csv")
        bought = bought[(bought["type"] == "purchase") & (bought["status"] == "success")]
        payments = table(staged, "payments")
        assert payments["payment_id"].tolist() == bought["id"].tolist()
        assert staged.counts["payments"].filtered == 4  # cards verified, and one voided

    def test_states_and_ends_of_subscriptions(
        self, export: Export, raw: Callable[[str], pd.DataFrame]
    ) -> None:
        staged = export("recurly", "recurly_seeds")
        rows = table(staged, "subscriptions").sort_values("occurred_at")
        versions = raw("recurly_seeds/subscription_history_data.csv")
        newest = versions.sort_values("updated_at").groupby("id").last()
        last = rows.groupby("subscription_id")["status"].last()
        shown = newest["state"].map({"active": "active", "expired": "canceled"})
        assert last[newest.index].to_dict() == shown.to_dict()
        ends = rows[rows["status"] == "canceled"].set_index("subscription_id")["occurred_at"]
        expired = newest[newest["state"] == "expired"]["expires_at"]
        assert ends.to_dict() == pd.to_datetime(expired).to_dict()
        running = newest[newest["state"] == "active"]
        by_account = running["subtotal"].astype(float).groupby(running["account_id"]).sum()
        assert mrr_at(staged, pd.Timestamp("2022-08-30")) == by_account.to_dict()
        versions_later = rows[(rows["status"] == "active") & (rows["known_at"] > "2022-01-01")]
        assert set(versions_later["known_at"]) == set(
            pd.to_datetime(versions[versions["updated_at"] > "2022"]["updated_at"])
        )

    def test_canceled_runs_to_its_end(self, export: Export, tmp_path: Path) -> None:
        folder = tmp_path / "recurly"
        folder.mkdir()
        write(folder, "account_history.csv", [{"id": "a", "created_at": "2024-01-01"}])
        version = {
            "id": "s",
            "account_id": "a",
            "plan_id": "p",
            "activated_at": "2024-01-05",
            "currency": "EUR",
            "unit_amount": 30.0,
            "quantity": 1,
        }
        asked = {"canceled_at": "2024-02-10", "expires_at": "2024-03-05"}
        write(
            folder,
            "subscription_history.csv",
            [
                version | {"state": "active", "updated_at": "2024-01-05"},
                version | {"state": "canceled", "updated_at": "2024-02-10"} | asked,
            ],
        )
        staged = export("recurly", folder)
        assert changes(staged) == [
            ("s", "active", "01-05", "01-05"),
            ("s", "active", "02-10", "02-10"),
            ("s", "canceled", "03-05", "02-10"),
        ]
        assert mrr_at(staged, pd.Timestamp("2024-03-04")) == {"a": 30.0}
        assert mrr_at(staged, pd.Timestamp("2024-03-05")) == {}


WAVE = """
[vendors.subscription_periods]
files.period = "raw_subscriptions.csv"
files.plan = "raw_subscription_items.csv"
files.customer = "raw_business.csv"
date_format = "%Y-%m-%d %H:%M:%S"
deduplicate = true
subscription_id = "id"
customer_id = "business_id"
starts_at = "created_at"
ends_at = "cancelled_at"
cancel_requested_at = "cancel_schedule_created_at"
plan = '''regexp_extract(subscription_plan, 'item_id\\D+(\\d+)', 1)'''
plan_id = "plan.unit_type"
amount = "plan.unit_price"
interval = "plan.billing_period_unit"
currency = '''regexp_extract(subscription_plan, 'currency_code\\W+(\\w+)', 1)'''
customer_since = "create_date || ' 00:00:00'"
customer_country = "country"
"""


class TestPeriods:
    def test_mrr_of_every_month_of_the_playbook(
        self, export: Export, raw: Callable[[str], pd.DataFrame]
    ) -> None:
        staged = export("subscription_periods", "mrr_playbook")
        nothing_lost(staged)
        periods = raw("mrr_playbook/subscription_periods.csv")
        starts, ends = (pd.to_datetime(periods[c]) for c in ("start_date", "end_date"))
        assert len(table(staged, "customers")) == periods["customer_id"].nunique() == 55
        last = mrr_at(staged, pd.Timestamp("2017-08-01"))
        movements = dict.fromkeys(("new", "lost", "back"), 0)
        for month in pd.date_range("2017-09-01", "2020-01-01", freq="MS"):
            runs = periods[(starts <= month) & (ends > month)]
            paid = runs["monthly_amount"].astype(float).groupby(runs["customer_id"]).sum()
            now = mrr_at(staged, month)
            assert now == paid.to_dict(), month
            before = set(periods[starts < month]["customer_id"])
            movements["new"] += len(set(now) - before)
            movements["back"] += len((set(now) - set(last)) & before)
            movements["lost"] += len(set(last) - set(now))
            last = now
        assert movements["new"] == 55
        steps = mrr_steps(table(staged, "subscriptions"), Revenue())
        was = steps.groupby("customer_id")["mrr"].shift(fill_value=0)
        returns = ((was == 0) & (steps["mrr"] > 0)).sum() - steps["customer_id"].nunique()
        assert returns == movements["back"] > 0
        assert ((was > 0) & (steps["mrr"] == 0)).sum() == movements["lost"]

    def test_prices_in_a_file_of_their_own_and_scheduled_ends(
        self, export: Export, raw: Callable[[str], pd.DataFrame]
    ) -> None:
        staged = export("subscription_periods", "wave_subscriptions", WAVE)
        nothing_lost(staged)
        rows = raw("wave_subscriptions/raw_subscriptions.csv").drop_duplicates()
        assert staged.counts["subscriptions"].filtered == 8  # rows that came twice
        started, ended, asked = (
            pd.to_datetime(rows[c], errors="coerce")
            for c in ("created_at", "cancelled_at", "cancel_schedule_created_at")
        )
        changes = table(staged, "subscriptions")
        ends = changes[changes["status"].isin(["canceled", "expired"])]
        known = asked.fillna(ended)[ended.notna()]
        known = known[known < pd.Timestamp("2024-06-04")]
        told = ends.set_index("subscription_id")["known_at"].sort_index()
        expected = pd.Series(known.to_numpy(), rows.loc[known.index, "id"]).sort_index()
        assert told.to_dict() == expected.to_dict()
        assert (ends["status"] == "canceled").sum() == asked[known.index].notna().sum()
        annual = rows["subscription_plan"].str.contains("'item_id': [34],")
        price = annual.map({True: 100 / 12, False: 10.0})
        for moment in pd.to_datetime(["2024-03-01", "2024-05-01", "2024-06-03"]):
            runs = (started <= moment) & ~(ended <= moment)
            now = mrr_at(staged, moment)
            assert len(now) == runs.sum()
            assert sum(now.values()) == pytest.approx(price[runs].sum(), abs=1e-3)
        currencies = changes.drop_duplicates("subscription_id")["currency"].value_counts()
        assert currencies["CAD"] == rows["subscription_plan"].str.contains("CAD").sum()
