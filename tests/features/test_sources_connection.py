"""Tables of a connection: exact types, read in pieces, only what is new, and no secret in sight."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import psycopg
import pytest

from features.errors import ProjectError, SourceError
from features.project import load_project
from features.staging import Staged, stage

Write = Callable[..., Path]
_numbers = count(1)
TOML = """
name = "shop"
revenue_model = "consumption"
limits.quarantine_share = 0.5
[connections.shop]
url = "{url}"
[targets.lapse]
kind = "silence"
[sources.customers]
connection = "shop"
query = "SELECT id AS customer_id, since AS occurred_at FROM people"
[sources.orders]
connection = "shop"
relation = "{orders}"
loaded_at = "loaded"
columns = {{ customer_id = "who", occurred_at = "at", order_id = "id" }}
where = "state <> 'draft'"
"""
PEOPLE = [("007", "2024-01-01"), ('b, "q"', "2024-01-02"), ("c3", "2024-01-03")]
ORDERS = [
    (1, "007", "2024-02-01 10:00:00+02", "19.90", "paid", "2024-02-01 12:00:00"),
    (2, 'b, "q"', "2024-02-01 09:00:00+00", "0.1000001", "paid", "2024-02-01 12:00:00"),
    (3, "c3", "2024-02-01 23:30:00-05", "1234567890.12", "draft", "2024-02-01 12:00:00"),
    (4, "nobody", "2024-02-01 00:00:00+00", "5", "paid", "2024-02-01 12:00:00"),
]
MORE = [(5, "c3", "2024-02-02 08:00:00+00", "7.25", "paid", "2024-02-02 12:00:00")]


class Database:
    """A place with the tables `people` and `sales.orders` (or `orders`) that tests write to."""

    def __init__(self, url: str, run: Callable[..., object], mark: str, orders: str) -> None:
        self.url, self.run, self.mark, self.orders = url, run, mark, orders

    def insert(self, rows: list[tuple[object, ...]]) -> None:
        for row in rows:
            self.run(f"INSERT INTO {self.orders} VALUES ({', '.join([self.mark] * 6)})", row)


def fill(database: Database, moment: str, money: str) -> Database:
    database.run("CREATE TABLE people (id TEXT, since DATE)")
    for row in PEOPLE:
        database.run(f"INSERT INTO people VALUES ({database.mark}, {database.mark})", row)
    database.run(
        f'CREATE TABLE {database.orders} (id BIGINT, who TEXT, "at" {moment}, amount {money},'
        " state TEXT, loaded TIMESTAMP)"
    )
    database.insert(ORDERS)
    return database


@contextmanager
def postgres_database(folder: Path) -> Iterator[Database]:
    name = f"shop{next(_numbers)}"
    server = f"postgresql://retention@/{{}}?host={folder}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(server.format(name), autocommit=True) as con:
        con.execute("CREATE SCHEMA sales")
        yield fill(
            Database(server.format(name), con.execute, "%s", "sales.orders"),
            "TIMESTAMPTZ",
            "NUMERIC",
        )


KINDS = [
    "sqlite",
    "duckdb",
    pytest.param("postgres", marks=pytest.mark.postgres),
    # Ibis 12 reads an option that pandas 3 deprecates.
    pytest.param("any", marks=pytest.mark.filterwarnings("ignore:The 'future.infer_string'")),
]


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """Each kind of database, with the same rows.

    "any" stands for the backends that nothing here knows: Ibis's SQLite under another scheme.
    """
    if request.param == "postgres":
        with postgres_database(request.getfixturevalue("postgres")) as made:
            yield made
    elif request.param in {"sqlite", "any"}:
        monkeypatch.setattr(ibis, "any", ibis.sqlite, raising=False)
        con = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
        url = "shop.db" if request.param == "sqlite" else f"any://{tmp_path}/shop.db"
        yield fill(Database(url, con.execute, "?", "orders"), "TEXT", "TEXT")
        con.close()
    else:
        file = str(tmp_path / "shop.duckdb")

        def run(sql: str, row: tuple[object, ...] = ()) -> None:
            with duckdb.connect(file) as con:
                con.execute(sql, row or None)

        run("CREATE SCHEMA sales")
        made = Database(f"duckdb://{file}", run, "?", "sales.orders")
        yield fill(made, "TIMESTAMPTZ", "DECIMAL(24, 7)")


def orders_of(result: Staged) -> list[tuple[object, ...]]:
    frame = pd.read_parquet(result.tables["orders"]).sort_values("order_id")
    columns = ["order_id", "customer_id", "occurred_at", "amount"]
    return list(frame[columns].itertuples(index=False, name=None))


def staged(write: Write, database: Database) -> Staged:
    return stage(load_project(write(TOML.format(url=database.url, orders=database.orders))))


FIRST = [
    ("1", "007", datetime(2024, 2, 1, 8), Decimal("19.900000")),
    ("2", 'b, "q"', datetime(2024, 2, 1, 9), Decimal("0.100000")),
]


def test_rows_have_the_types_of_their_table(write_project: Write, database: Database) -> None:
    result = staged(write_project, database)
    assert orders_of(result) == FIRST
    count = result.counts["orders"]
    assert (count.rows_in, count.used, count.filtered, count.quarantined) == (4, 2, 1, 1)
    assert [(one.column, one.code) for one in result.findings] == [
        ("customer_id", "unknown_customer")
    ]
    assert sorted(pd.read_parquet(result.tables["customers"])["customer_id"]) == [
        "007", 'b, "q"', "c3",
    ]  # fmt: skip


def landed(result: Staged) -> dict[str, int]:
    folder = result.project.outputs / "landed"
    return {f.name: len(pd.read_parquet(f)) for f in folder.glob("*-0000*.parquet")}


def test_only_newer_rows_are_read_again(write_project: Write, database: Database) -> None:
    staged(write_project, database)
    database.insert(MORE)
    again = staged(write_project, database)
    assert orders_of(again) == [*FIRST, ("5", "c3", datetime(2024, 2, 2, 8), Decimal("7.250000"))]
    assert sorted(landed(again).values()) == [1, 3, 4], "one new order, the people, four orders"
    assert len(list(again.tables["orders"].glob("*.parquet"))) == 2
    assert staged(write_project, database) == again


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET amount = '20', loaded = '2024-02-03 00:00:00' WHERE id = 1",
        "DELETE FROM {} WHERE id = 1",
        "INSERT INTO {} VALUES (6, '007', '2024-02-01 00:00:00+00', '1', 'paid', '2024-01-01')",
        "INSERT INTO {} VALUES (6, '007', '2024-02-01 00:00:00+00', '1', 'paid', NULL)",
    ],
    ids=["changed", "deleted", "loaded-with-an-old-time", "loaded-without-a-time"],
)
def test_a_table_that_did_not_only_grow_is_read_whole(
    write_project: Write, database: Database, change: str
) -> None:
    staged(write_project, database)
    database.run(change.format(database.orders))
    database.insert(MORE)
    again = staged(write_project, database)
    fresh = stage(load_project(again.project.path), afresh=True)
    assert orders_of(again) == orders_of(fresh)
    assert again.counts == fresh.counts
    assert again.fingerprint == fresh.fingerprint
    assert len(orders_of(again)) != 3 or orders_of(again)[0][3] == 20


class TestSecrets:
    def test_one_in_clear_is_refused(self, write_project: Write) -> None:
        path = write_project(TOML.format(url="postgres://me:hunter2@db/shop", orders="orders"))
        with pytest.raises(ProjectError) as caught:
            load_project(path)
        assert str(caught.value) == (
            f"{path}: connections.shop.url: holds a secret in clear; write ${{NAME}} in its place"
            " and set NAME in the environment"
        )

    @pytest.mark.parametrize(
        "url", ["postgres://db/shop?password=hunter2", "x://db?api_key=1", "x://db?Token=${A}b"]
    )
    def test_nor_among_the_settings(self, write_project: Write, url: str) -> None:
        with pytest.raises(ProjectError, match="holds a secret in clear") as caught:
            load_project(write_project(TOML.format(url=url, orders="orders")))
        assert "hunter2" not in str(caught.value)

    def test_one_that_is_not_set_is_named(self, write_project: Write) -> None:
        url = "postgres://me:${SHOP_PASSWORD}@db/shop"
        with pytest.raises(SourceError) as caught:
            stage(load_project(write_project(TOML.format(url=url, orders="orders"))))
        assert str(caught.value) == (
            "connections.shop.url: SHOP_PASSWORD is not set in the environment (and 1 more)"
        )

    @pytest.mark.parametrize(
        "url", ["postgres://me:${SHOP_PASSWORD}@127.0.0.1:9/shop?connect_timeout=3", "${SHOP_URL}"]
    )
    def test_an_error_never_shows_it(
        self, write_project: Write, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        monkeypatch.setenv("SHOP_PASSWORD", "hunter2/@ü")
        monkeypatch.setenv("SHOP_URL", "nosuch://me:hunter2@db/shop")
        with pytest.raises(SourceError) as caught:
            stage(load_project(write_project(TOML.format(url=url, orders="orders"))))
        assert "hunter2" not in "\n".join([str(caught.value), *caught.value.lines])
        assert str(caught.value).startswith("sources.customers: shop: query: cannot be read")
        assert "\n" not in str(caught.value)

    @pytest.mark.postgres
    def test_it_reaches_the_server(
        self, write_project: Write, postgres: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with postgres_database(postgres) as database:
            monkeypatch.setenv("SHOP_URL", database.url)
            path = write_project(TOML.format(url="${SHOP_URL}", orders=database.orders))
            result = stage(load_project(path))
            assert orders_of(result) == FIRST
            kept = [f for f in result.project.outputs.rglob("*") if f.is_file()]
            assert not [f for f in kept if database.url.encode() in f.read_bytes()]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("connection = \"shop\"\nrelation", "relation"), "give it file, or inputs with query, or"),
        (("connection = \"shop\"\nrelation", "connection = \"sop\"\nrelation"),
         "no [connections.sop]; allowed are shop; did you mean 'shop'?"),
        (("relation = \"orders\"\n", ""), "a connection needs either relation or query"),
        (("relation = \"orders\"", "relation = \"orders\"\nfile = \"a.csv\""),
         "got file and connection"),
        (("loaded_at", "loadedat"), "no such setting"),
        (("connection = \"shop\"\nrelation = \"orders\"", "file = \"orders.csv\""),
         "loaded_at: is for a connection; files are read again when their content changed"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(write_project: Write, change: tuple[str, str], says: str) -> None:
    toml = TOML.format(url="shop.db", orders="orders")
    assert change[0] in toml
    with pytest.raises(ProjectError) as caught:
        load_project(write_project(toml.replace(*change)))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("url", "orders", "says"),
    [
        ("none.db", "orders", "no such file"),
        ("shop.db", "ordrs", "ordrs"),
        ("shop.xlsx", "orders", "is neither a URL such as"),
    ],
)
def test_what_is_not_there(
    write_project: Write, tmp_path: Path, url: str, orders: str, says: str
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as con:
        con.execute("CREATE TABLE people (id TEXT, since TEXT)")
    con.close()
    with pytest.raises(SourceError) as caught:
        stage(load_project(write_project(TOML.format(url=url, orders=orders))))
    assert any(says in line for line in caught.value.lines)


@pytest.mark.parametrize(
    ("scheme", "package", "says"),
    [
        ("mysql", "MySQLdb", "'ibis-framework[mysql]'"),
        ("clickhouse", "clickhouse_connect", "'ibis-framework[clickhouse]'"),
        ("snowflake", "snowflake", "'ibis-framework[snowflake]'"),
        ("postgresql", "psycopg", "'ibis-framework[postgres]'"),
    ],
)
def test_a_backend_whose_package_is_missing(
    write_project: Write, monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, says: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"ibis.backends.{scheme.removesuffix('ql')}", raising=False)
    url = f"{scheme}://me@127.0.0.1:9/shop"
    with pytest.raises(SourceError) as caught:
        stage(load_project(write_project(TOML.format(url=url, orders="orders"))))
    assert "\n" not in str(caught.value)
    assert f"connections.shop.url: {scheme}:// needs a package that is" in str(caught.value)
    assert package in str(caught.value)
    assert f"`pip install {says}`" in str(caught.value)


@pytest.mark.postgres
def test_a_large_table_is_read_in_pieces(
    write_project: Write, postgres: Path, tmp_path: Path
) -> None:
    """A child reads 180 MB; its memory stays far below what they take at once."""
    with postgres_database(postgres) as database:
        database.run(
            "INSERT INTO sales.orders SELECT 10 + n, '007', '2024-02-01 00:00:00+00', n / 7.0,"
            " repeat('x', 500), '2024-02-02' FROM generate_series(1, 360000) n"
        )
        path = write_project(TOML.format(url=database.url, orders=database.orders))
        child = (
            "import resource, sys\nfrom features.project import load_project\n"
            "from features.sources_connection import land_connection\n"
            "from features.sources_landed import Landing\nfrom features.connection import connect\n"
            "from pathlib import Path\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "with connect() as con:\n"
            "    con.execute(\"SET memory_limit = '100MB'\")\n"
            "    landed = land_connection(con, load_project(sys.argv[1]), 'orders', 0,"
            " Landing(Path(sys.argv[2])))\n"
            "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", child, path, tmp_path / "landed"],
            capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert int(done.stdout) < 450, "MB; the rows are 180 MB as text, twice that as objects"
