"""Every fault of the list on a broken copy of real data: one clear line, and no row lost.

CDNOW's log (whitespace, dates as 19970131) and the learning platform's students, purchases and
questions are copied, broken, and staged.
"""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from features.errors import SourceError
from features.project import load_project
from features.staging import Staged, stage

Break = Callable[[list[str]], list[str]]
SHOP = """
name = "shop"
revenue_model = "consumption"
[sources.customers]
file = "CDNOW_master.txt.gz"
delimiter = "whitespace"
shape = "first"
date_format = "%Y%m%d"
columns = { occurred_at = "date" }
[sources.orders]
file = "CDNOW_master.txt.gz"
delimiter = "whitespace"
date_format = "%Y%m%d"
columns = { occurred_at = "date", amount = "dollar_value", quantity = "number_of_cds" }
[targets.lapse]
kind = "silence"
"""
SCHOOL = """
name = "school"
revenue_model = "freemium"
[sources.customers]
file = "365_student_info.csv.gz"
columns = { customer_id = "student_id", occurred_at = "date_registered" }
[sources.tickets]
file = "365_student_hub_questions*.csv.gz"
columns = { customer_id = "student_id", ticket_id = "hub_question_id", \
occurred_at = "date_question_asked" }
constants = { change = "opened" }
[sources.surveys]
file = "365_course_ratings.csv.gz"
columns = { customer_id = "student_id", occurred_at = "date_rated", score = "course_rating" }
constants = { kind = "csat" }
[targets]
"""
STUDENTS, QUESTIONS, RATINGS = (
    "365_student_info.csv.gz",
    "365_student_hub_questions.csv.gz",
    "365_course_ratings.csv.gz",
)
LOG = "CDNOW_master.txt.gz"


@pytest.fixture
def real(shared: Path, tmp_path: Path) -> Path:
    """A folder with copies of the real files, to be broken."""
    for name in (STUDENTS, QUESTIONS, RATINGS):
        shutil.copy(shared / "data" / "learning_365" / name, tmp_path)
    with gzip.open(shared / "data" / "cdnow" / LOG, "rt") as log:
        lines = log.readlines()[:12_001]  # whole customers do not matter here
    write_lines(tmp_path / LOG, lines)
    return tmp_path


def read_lines(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return lines.readlines()


def write_lines(file: Path, lines: list[str], encoding: str = "utf-8") -> None:
    with gzip.open(file, "wt", compresslevel=1, encoding=encoding, newline="") as out:
        out.writelines(lines)


def edit(file: Path, breaks: Break) -> None:
    write_lines(file, breaks(read_lines(file)))


def run(folder: Path, toml: str, *, limit: float = 0.9) -> Staged:
    """Stage with a generous limit; every count adds up."""
    path = folder / "retention.toml"
    path.write_text(f"limits.quarantine_share = {limit}\n" + toml, encoding="utf-8")
    result = stage(load_project(path))
    for table, count in result.counts.items():
        assert count.rows_in == count.used + count.filtered + count.quarantined
        assert result.rows[table] == count.used
        file = result.project.outputs / "quarantine" / f"{table}.parquet"
        aside = len(pd.read_parquet(file)) if file.is_file() else 0
        assert aside == count.quarantined
    return result


def refused(folder: Path, toml: str) -> str:
    """The one line that a run stops with."""
    with pytest.raises(SourceError) as caught:
        run(folder, toml, limit=0.01)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lines_of(result: Staged, table: str) -> list[str]:
    return [one.text for one in result.findings if one.table == table]


def rows_of(file: Path) -> int:
    return len(read_lines(file)) - 1


def test_the_copies_are_sound(real: Path) -> None:
    assert lines_of(run(real, SCHOOL), "tickets") == []
    assert [one.code for one in run(real, SHOP).findings] == ["repeats"]


class TestTruncated:
    def test_a_compressed_file(self, real: Path) -> None:
        whole = (real / LOG).read_bytes()
        (real / LOG).write_bytes(whole[: len(whole) // 2])
        line = refused(real, SHOP)
        assert line.startswith("sources.customers: cannot read CDNOW_master.txt.gz: ")

    def test_a_parquet_file(self, real: Path, shared: Path) -> None:
        name = "online_retail_2009_2010.parquet"
        whole = (shared / "data" / "online_retail_2009_2010" / name).read_bytes()
        (real / name).write_bytes(whole[: len(whole) // 2])
        toml = SHOP.replace(LOG, name).replace('delimiter = "whitespace"\n', "")
        line = refused(real, toml)
        assert line.startswith(f"sources.customers: cannot read {name}: ")

    def test_a_text_that_ends_in_the_middle_of_a_line(self, real: Path) -> None:
        edit(real / QUESTIONS, lambda lines: [*lines[:-1], lines[-1][:4]])
        result = run(real, SCHOOL)
        last = rows_of(real / QUESTIONS) + 1
        (line,) = lines_of(result, "tickets")
        assert line == (
            f"warning: tickets: 1 row without the header's number of values, e.g. line {last};"
            " left out of support features"
        )


def test_wrong_encoding(real: Path) -> None:
    lines = read_lines(real / STUDENTS)
    lines[5] = re.sub(r",[A-Z]{2},", ",Côte d'Ivoire,", lines[5])
    write_lines(real / STUDENTS, lines, encoding="cp1252")
    toml = SCHOOL.replace('"date_registered" }', '"date_registered", country = "student_country" }')
    line = refused(real, toml)
    assert line.startswith("sources.customers: cannot read 365_student_info.csv.gz")
    assert "utf-8" in line


DATES = [
    pytest.param(lambda y, m, d: f"{d}.{m}.{y}", "", id="mixed"),
    pytest.param(lambda y, m, d: f"{y}-{d}-{m}", "swapped", id="swapped"),
]


@pytest.mark.parametrize(("other", "says"), DATES)
def test_dates_of_another_format_half_way(
    real: Path, other: Callable[[str, str, str], str], says: str
) -> None:
    """Those that cannot be read are set aside; of the swapped it is said what they are."""

    def half(lines: list[str]) -> list[str]:
        middle = len(lines) // 2
        swap = [
            re.sub(r"(\d{4})-(\d\d)-(\d\d)", lambda m: other(*m.groups()), line)
            for line in lines[middle:]
        ]
        return lines[:middle] + swap

    edit(real / QUESTIONS, half)
    result = run(real, SCHOOL)
    (line, *rest) = lines_of(result, "tickets")
    count = result.counts["tickets"].quarantined
    assert f"{count} rows with a value that is not a date" in line
    assert ("day and month swapped" in line) == bool(says)
    assert not rest
    assert 0 < count <= rows_of(real / QUESTIONS) // 2 + 1


def test_swapped_day_and_month_that_are_all_dates(real: Path) -> None:
    """Only days up to the 12th are left when whoever exported dropped what could not be one."""

    def swap(lines: list[str]) -> list[str]:
        swapped = [re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1-\3-\2", line) for line in lines[1:]]
        return lines[:1] + [one for one in swapped if not re.search(r"-(1[3-9]|[23]\d)-", one)]

    edit(real / QUESTIONS, swap)
    days = run(real, SCHOOL)
    (line,) = lines_of(days, "tickets")
    n = days.counts["tickets"].used
    assert line.startswith(
        f"warning: tickets.occurred_at: {n} rows none of which is after the 12th of a month: day"
        " and month may be swapped, e.g. 2022-"
    )


class TestExportedTwice:
    def test_with_a_key(self, real: Path) -> None:
        n = rows_of(real / QUESTIONS)
        shutil.copy(real / QUESTIONS, real / QUESTIONS.replace(".csv", "_again.csv"))
        result = run(real, SCHOOL)
        count = result.counts["tickets"]
        assert (count.rows_in, count.used, count.quarantined) == (2 * n, n, n)
        (line,) = lines_of(result, "tickets")
        assert line.startswith(
            f"warning: tickets.ticket_id: {n} rows with a key that came before, e.g. "
        )

    def test_without_a_key(self, real: Path) -> None:
        before = run(real, SHOP).findings[0].count
        edit(real / LOG, lambda lines: lines + lines[1:])
        result = run(real, SHOP)
        (line,) = lines_of(result, "orders")
        n = 12_000 + before
        assert f"orders: {n} rows exactly like another row, kept (deduplicate = true" in line
        toml = SHOP.replace("[targets", "deduplicate = true\n[targets")
        assert run(real, toml).counts["orders"].filtered == n


def test_orphaned_facts(real: Path) -> None:
    """The newest fifth of the students is missing."""
    edit(real / STUDENTS, lambda lines: lines[: len(lines) * 4 // 5])
    result = run(real, SCHOOL)
    (line,) = lines_of(result, "tickets")
    count = result.counts["tickets"].quarantined
    assert re.match(
        rf"warning: tickets.customer_id: {count} rows with a customer that is not in customers,"
        r" e.g. (\d+, ){2}\d+; left out of support features",
        line,
    )
    assert refused(real, SCHOOL).startswith(("tickets.customer_id", "surveys.customer_id"))


def test_ids_with_leading_zeros(real: Path) -> None:
    """One system pads its ids, the other does not."""
    edit(real / QUESTIONS, lambda lines: lines[:1] + [_padded(line) for line in lines[1:]])
    header = read_lines(real / QUESTIONS)[0]
    assert "student_id" in header
    result = run(real, SCHOOL, limit=1)
    n = rows_of(real / QUESTIONS)
    (line, *_) = lines_of(result, "tickets")
    assert f"{n} rows with a customer that is not in customers" in line
    assert f"({n:,} would be there without leading zeros)" in line


def _padded(line: str) -> str:
    key, student, *rest = line.split(",")
    return ",".join([key, student.zfill(12), *rest])


def test_ids_with_leading_zeros_in_all_tables_are_kept(real: Path) -> None:
    edit(real / QUESTIONS, lambda lines: lines[:1] + [_padded(line) for line in lines[1:]])
    edit(
        real / STUDENTS,
        lambda lines: (
            lines[:1] + [re.sub(r"^(\d+)", lambda m: m[1].zfill(12), x) for x in lines[1:]]
        ),
    )
    result = run(real, SCHOOL.replace(SCHOOL[SCHOOL.index("[sources.surveys") :], "[targets]\n"))
    assert result.findings == ()
    assert pd.read_parquet(result.tables["tickets"])["customer_id"].str.len().unique() == [12]


def test_currency_missing(shared: Path, tmp_path: Path) -> None:
    """Every third invoice of the billing export has lost its currency."""
    seeds = shared / "data" / "vendor_exports" / "stripe_seeds"
    invoices = pd.read_csv(seeds / "invoice_data.csv", dtype=str)
    invoices.loc[::3, "currency"] = None
    invoices.to_csv(tmp_path / "invoices.csv", index=False)
    toml = (
        'name = "billing"\nrevenue_model = "subscription"\n[sources.customers]\n'
        'file = "invoices.csv"\nshape = "first"\ncolumns.occurred_at = "period_start"\n'
        "[sources.invoices]\n"
        'file = "invoices.csv"\ncolumns = { invoice_id = "id", amount = "total",'
        ' occurred_at = "period_start" }\n[targets]\n'
    )
    result = run(tmp_path, toml, limit=1)
    (shown,) = [one for one in lines_of(result, "invoices") if "currency" in one]
    staged = pd.read_parquet(result.tables["invoices"])
    n = int(staged["currency"].isna().sum())
    assert 0 < n < len(staged)
    examples = ", ".join(sorted(staged.loc[staged["currency"].isna(), "invoice_id"])[:3])
    rows = "row" if n == 1 else "rows"
    assert shown == (
        f"warning: invoices.currency: {n} {rows} without a currency where others have one, e.g."
        f" {examples} (read as USD, the project's); counted in billing features"
    )


class TestClock:
    def test_in_the_future_of_the_data(self, real: Path) -> None:
        """Three questions of 2099 move no end of the data, and are set aside."""
        end = run(real, SCHOOL).data_end
        edit(real / QUESTIONS, lambda lines: lines[:1] + _year(lines[1:4], "2099") + lines[4:])
        result = run(real, SCHOOL, limit=0.01)
        assert result.data_end == end
        (line,) = lines_of(result, "tickets")
        assert line.startswith("warning: tickets.occurred_at: 3 rows at or after data_end, e.g. ")

    def test_moments_that_no_calendar_has(self, tmp_path: Path) -> None:
        """Infinity, and a year of five digits, of a typed source; 9999 is a date far away."""
        with duckdb.connect() as con:
            con.execute(
                "COPY (SELECT 'c1' AS customer_id, CASE i WHEN 3 THEN TIMESTAMP 'infinity' WHEN 4"
                " THEN TIMESTAMP '20240-01-01' WHEN 5 THEN TIMESTAMP '9999-12-31 10:00:00' ELSE"
                " TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR END AS occurred_at FROM range(500)"
                f" t(i)) TO '{tmp_path / 'orders.parquet'}'"
            )
        (tmp_path / "customers.csv").write_text("customer_id\nc1\n", encoding="utf-8")
        toml = (
            'name = "x"\nrevenue_model = "consumption"\n[sources.customers]\n'
            'file = "customers.csv"\n[sources.orders]\nfile = "orders.parquet"\n[targets]\n'
        )
        result = run(tmp_path, toml, limit=0.01)
        assert f"{result.data_end:%Y-%m-%d}" == "2024-01-22"
        said = [re.sub(r" with a value.*", "", line) for line in lines_of(result, "orders")]
        assert said[0] == "warning: orders.occurred_at: 2 rows"
        assert said[1].startswith("warning: orders.occurred_at: 1 row at or after data_end")

    def test_after_the_end_that_the_project_names(self, real: Path) -> None:
        result = run(real, "data_end = 2022-06-01\n" + SCHOOL, limit=1)
        (line,) = lines_of(result, "tickets")
        days = [re.search(r"\d{4}-\d\d-\d\d", one)[0] for one in read_lines(real / QUESTIONS)[1:]]
        late = sum(day >= "2022-06-01" for day in days)
        assert line.startswith(f"warning: tickets.occurred_at: {late} rows at or after data_end")


def _year(lines: list[str], year: str) -> list[str]:
    return [re.sub(r"\d{4}(-\d\d-\d\d)", year + r"\1", line) for line in lines]


def test_a_column_that_changed_its_type_half_way(real: Path) -> None:
    def half(lines: list[str]) -> list[str]:
        middle = len(lines) // 2
        return lines[:middle] + [re.sub(r"\S+(\s*)$", r"USD\1", line) for line in lines[middle:]]

    edit(real / LOG, half)
    result = run(real, SHOP)
    n = result.counts["orders"].quarantined
    assert n == 6_001
    (line, *_) = lines_of(result, "orders")
    assert f"orders.amount: {n} rows with a value that is not a number ('USD'), e.g. " in line
    assert refused(real, SHOP).startswith(f"orders.amount: {n} rows with a value that is not a")


class TestEnormous:
    @pytest.mark.parametrize(("amount", "says"), [("9999999.99", "1,000 times"), ("1e15", "too")])
    def test_amount(self, real: Path, amount: str, says: str) -> None:
        """One that is a number stays and is told; one that no column holds is set aside."""
        edit(
            real / LOG,
            lambda lines: [
                *lines[:100], re.sub(r"\S+(\s*)$", amount + r"\1", lines[100]), *lines[101:]
            ],
        )  # fmt: skip
        result = run(real, SHOP, limit=0.01)
        (line,) = [one for one in lines_of(result, "orders") if "orders.amount" in one]
        customer = read_lines(real / LOG)[100].split()[0]
        assert line.startswith("warning: orders.amount: 1 row ")
        assert f"('{amount}'), e.g. {customer}" in line
        assert says in line
        assert result.counts["orders"].quarantined == (amount == "1e15")


class TestEmptyToday:
    def test_only_a_header(self, real: Path) -> None:
        edit(real / QUESTIONS, lambda lines: lines[:1])
        result = run(real, SCHOOL, limit=0.01)
        assert lines_of(result, "tickets") == ["warning: tickets: 0 rows left; no support features"]

    def test_no_byte(self, real: Path) -> None:
        write_lines(real / QUESTIONS, [])
        assert refused(real, SCHOOL) == (
            "sources.tickets: 365_student_hub_questions.csv.gz is empty: it has no header line"
        )

    def test_a_table_that_the_target_needs(self, real: Path) -> None:
        edit(real / LOG, lambda lines: lines[:1])
        assert refused(real, SHOP) == (
            "customers: 0 rows left; blocks every feature and score of these customers (and 1 more)"
        )

    def test_a_parquet_without_rows(self, real: Path) -> None:
        with duckdb.connect() as con:
            con.execute(
                f"COPY (SELECT 'a' AS customer_id, now()::TIMESTAMP AS occurred_at WHERE FALSE)"
                f" TO '{real / 'touches.parquet'}'"
            )
        toml = SCHOOL.replace("[targets]", '[sources.touches]\nfile = "touches.parquet"\n[targets]')
        assert lines_of(run(real, toml), "touches") == [
            "warning: touches: 0 rows left; no contact features"
        ]
