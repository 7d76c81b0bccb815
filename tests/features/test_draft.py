"""`retention init`: a draft that loads, and that stages the tables it was drafted from."""

from pathlib import Path

import pytest

from features.draft import draft
from features.draft_look import words_of
from features.errors import SourceError
from features.project import Project, load_project
from features.staging import Staged, stage


def loaded(text: str, folder: Path, data: Path) -> Project:
    path = folder / "retention.toml"
    path.write_text(text, encoding="utf-8")
    return load_project(path, data)


def drafted(folder: Path, scratch: Path) -> Staged:
    return stage(loaded(draft(folder), scratch, folder))


@pytest.mark.parametrize("name", ["customerID", "Customer ID", "customer_id", "CUSTOMER-ID"])
def test_words_of_a_name(name: str) -> None:
    assert words_of(name) == {"customer", "id"}


def test_a_snapshot(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "telco_ibm"
    text = draft(folder)
    project = loaded(text, tmp_path, folder)
    (source,) = project.sources["snapshots"]
    assert source.columns == {"customer_id": "customerID", "mrr": "MonthlyCharges"}
    assert "Churn" not in source.attributes
    assert len(source.attributes) == 19
    target = project.target("churn")
    assert (target.label, target.positive) == ("Churn", "Yes")
    assert stage(project).counts["snapshots"].used == 7043
    assert "# interconnect_contract.csv.gz: could be customers, not used here" in text


def test_a_purchase_log_among_other_tables(shared: Path, tmp_path: Path) -> None:
    result = drafted(shared / "data" / "learning_365", tmp_path)
    used = {name: count.used for name, count in result.counts.items()}
    assert used == {
        "customers": 23603,
        "subscriptions": 2030,
        "surveys": 1719,
        "tickets": 588,
        "usage": 43661 + 22453 + 43074,
    }
    assert all(count.quarantined == 0 for count in result.counts.values())
    (periods,) = result.project.sources["subscriptions"]
    assert periods.shape == "periods"
    assert "WHEN 'Quarterly' THEN 91" in periods.expressions["ends_at"]
    assert result.project.target("churn").kind == "churn"


def test_months_of_joining_and_leaving(shared: Path, tmp_path: Path) -> None:
    result = drafted(shared / "data" / "airline_loyalty", tmp_path)
    (periods,) = result.project.sources["subscriptions"]
    assert '"Enrollment Year", "Enrollment Month"' in periods.expressions["starts_at"]
    assert '"Cancellation Year", "Cancellation Month"' in periods.expressions["ends_at"]
    assert result.rows["subscriptions"] == 12641
    assert result.counts["usage"].used == 271992


def test_a_log_of_orders_parted_by_blanks(shared: Path, tmp_path: Path) -> None:
    result = drafted(shared / "data" / "cdnow", tmp_path)
    assert result.counts["customers"].used == 23570
    assert result.counts["orders"].used == 69659
    assert result.project.revenue_model == "consumption"
    assert result.project.target("churn").kind == "silence"


def test_canonical_tables_need_no_mapping(company: Path, tmp_path: Path) -> None:
    result = drafted(company, tmp_path)
    given = tmp_path / "given"
    given.mkdir()
    toml = (company / "retention.toml").read_text(encoding="utf-8")
    by_hand = stage(loaded(toml, given, company))
    assert result.rows == by_hand.rows
    assert all(
        not source.columns for sources in result.project.sources.values() for source in sources
    )


class TestSmallFolders:
    def write(self, folder: Path, **files: str) -> Path:
        data = folder / "My data-1"
        data.mkdir()
        for name, text in files.items():
            (data / f"{name}.csv").write_text(text)
        return data

    def test_a_log_of_uses_tells_who_the_customers_are(self, tmp_path: Path) -> None:
        data = self.write(tmp_path, clicks="userId,ts,action\nu1,2024-01-01,a\nu1,2024-01-02,b\n")
        result = drafted(data, tmp_path)
        assert result.project.name == "my_data_1"
        assert result.rows == {"customers": 1, "usage": 2}
        (source,) = result.project.sources["usage"]
        assert source.columns == {"customer_id": "userId", "occurred_at": "ts", "event": "action"}
        assert result.project.target("inactivity").kind == "inactivity"

    def test_orders_with_a_price_and_a_quantity(self, tmp_path: Path) -> None:
        head = "client_no,order_date,quantity,price\n"
        data = self.write(tmp_path, sales=head + "1,2024-01-01,2,3\n,2024-01-02,-1,3\n")
        result = drafted(data, tmp_path)
        (source,) = result.project.sources["orders"]
        assert source.expressions["amount"] == '"quantity" * "price"'
        assert source.where == '"client_no" IS NOT NULL'
        assert result.counts["orders"].filtered == 1

    def test_guesses_are_marked(self, tmp_path: Path) -> None:
        rows = "user_id,ts,seen\nu1,2024-01-01,2024-02-01\n"
        text = draft(self.write(tmp_path, log=rows + "u1,2024-01-02,2024-02-01\n"))
        assert "# guess: ts is occurred_at; other dates are seen" in text
        assert "# guess: every row is one kind of use, called 'log'" in text

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="holds no CSV or Parquet file"):
            draft(self.write(tmp_path))

    def test_nobody_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="no file has a column that names customers"):
            draft(self.write(tmp_path, prices="sku,price\na,1\n"))

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="no such folder"):
            draft(tmp_path / "none")


def test_dates_that_are_not_iso_make_a_history_of_subscriptions(
    shared: Path, tmp_path: Path
) -> None:
    """A file of 500 accounts with a flag of who left is no snapshot when it has a date."""
    result = drafted(shared / "data" / "ravenstack_saas", tmp_path)
    used = {name: count.used for name, count in result.counts.items()}
    assert used == {"customers": 500, "subscriptions": 5000, "tickets": 2000}
    (periods,) = result.project.sources["subscriptions"]
    assert (periods.columns["starts_at"], periods.columns["ends_at"]) == ("start_date", "end_date")
    assert periods.date_format == "%d-%m-%Y"
    (accounts,) = result.project.sources["customers"]
    assert "churn_flag" not in accounts.static
    assert [str(day.date()) for day in result.periods["tickets"]] == ["2023-01-02", "2024-12-31"]


@pytest.mark.parametrize(
    ("days", "written", "doubt"),
    [
        (["13/02/2024", "01/12/2024"], "%d/%m/%Y", False),
        (["02/13/2024", "12/01/2024"], "%m/%d/%Y", False),
        (["02/03/2024", "12/01/2024"], "%d/%m/%Y", True),
        (["13.02.2024 10:00", "01.12.2024 11:30"], "%d.%m.%Y %H:%M", False),
        (["20240213", "20241201"], "%Y%m%d", False),
    ],
)
def test_how_dates_are_written(tmp_path: Path, days: list[str], written: str, doubt: bool) -> None:
    rows = "".join(f"c1,{day},3\n" for day in days)
    (tmp_path / "orders.csv").write_text(f"customer_id,day,amount\n{rows}", encoding="utf-8")
    text = draft(tmp_path)
    assert f'date_format = "{written}"' in text
    assert ("day may have day and month the other way round" in text) == doubt
    assert stage(loaded(text, tmp_path, tmp_path)).counts["orders"].used == 2
