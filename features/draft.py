"""`retention init`: a first project file for a folder of tables, with its guesses marked."""

from pathlib import Path

from features.connection import connect
from features.draft_look import LookedAt, look_at_folder
from features.draft_rules import LABELS, customer_columns, sources_of
from features.draft_source import Draft, toml_value
from features.errors import SourceError
from features.tables import TABLES

_POSITIVE = ("yes", "1", "true", "churned", "left", "y", "attrited customer", "1.0")


def draft(folder: Path) -> str:
    """A commented project file for the CSV and Parquet files of a folder.

    The text loads with `load_project`; what is a guess is said in comments beside it.

    Raises
    ------
    SourceError
        When the folder holds no readable file, or none that names customers.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder")
    with connect() as con:
        files = look_at_folder(con, folder)
    if not files:
        raise SourceError(f"{folder} holds no CSV or Parquet file")
    customer = customer_columns(files)
    sources: list[Draft] = []
    skipped: list[str] = []
    for file in files:
        found = sources_of(file, customer)
        sources += found
        if not found:
            skipped.append(f"# {file.name}: not used ({_why_not(file, customer)})")
    sources = _consistent(sources, skipped)
    if not sources:
        raise SourceError(
            f"{folder}: no file has a column that names customers, such as customer_id"
        )
    return _assemble(folder, sources, skipped)


def _why_not(file: LookedAt, customer: dict[str, str]) -> str:
    if file.words & set(LABELS):
        return "it tells who left, which is the answer"
    return "no column with a date" if file.name in customer else "no column that names a customer"


def _consistent(sources: list[Draft], skipped: list[str]) -> list[Draft]:
    """One snapshot or a history, never both; customers from the log of orders where none is."""
    history = [s for s in sources if s.table != "snapshots"]
    snapshots = [s for s in sources if s.table == "snapshots"]
    if snapshots:
        skipped += [f"# {s.file.name}: could be {s.table}, not used here" for s in history]
        skipped += [f"# {s.file.name}: could be snapshots, not used here" for s in snapshots[1:]]
        return snapshots[:1]
    customers = [s for s in history if s.table == "customers"]
    skipped += [f"# {s.file.name}: could be customers too, not used here" for s in customers[1:]]
    history = [s for s in history if s.table != "customers" or s is customers[0]]
    logs = [s for s in history if s.table in {"orders", "usage", "subscriptions"}]
    if not customers and logs:
        history.insert(0, _first_rows(logs[0]))
    return history if any(s.table == "customers" for s in history) else []


def _first_rows(log: Draft) -> Draft:
    """Customers told by a log: each one's first row."""
    began = log.columns.get("starts_at") or log.columns.get("occurred_at")
    columns = {"customer_id": log.columns["customer_id"]}
    columns |= {"occurred_at": began} if began else {}
    kept = {k: v for k, v in log.settings.items() if k in {"date_format", "where"}}
    first = Draft("customers", log.file, columns, settings={"shape": "first"} | kept)
    if not began:
        key = "starts_at" if "starts_at" in log.expressions else "occurred_at"
        first.expressions["occurred_at"] = log.expressions[key]
    first.doubts.append("a customer begins with the first row")
    return first


def _assemble(folder: Path, sources: list[Draft], skipped: list[str]) -> str:
    """The whole text: head, sources, targets, what was left out."""
    tables = {source.table for source in sources}
    name = "".join(c if c.isalnum() else "_" for c in folder.resolve().name.lower()).strip("_")
    name = name if name[:1].isalpha() else f"project_{name}".strip("_")
    order = ["customers", *(t for t in TABLES if t != "customers")]
    ordered = sorted(sources, key=lambda source: order.index(source.table))
    head = [
        "# Drafted by `retention init`: look at lines marked guess, then run `retention check`.",
        f"name = {toml_value(name)}",
        f"revenue_model = {toml_value(_revenue_model(tables))} # guess",
        '# currency = "USD"',
        '# timezone = "UTC" # in which times without a zone are read',
        'data = "."',
    ]
    parts = ["\n".join(head), *(source.text() for source in ordered), _targets(tables, ordered)]
    if skipped:
        parts.append("\n".join(["# Files that are not used:", *sorted(set(skipped))]))
    return "\n\n".join(parts) + "\n"


def _revenue_model(tables: set[str]) -> str:
    if "subscriptions" in tables or "snapshots" in tables:
        return "subscription"
    return "consumption" if "orders" in tables else "freemium"


def _targets(tables: set[str], sources: list[Draft]) -> str:
    """A target that the tables allow."""
    if "snapshots" in tables:
        file = next(source.file for source in sources if source.table == "snapshots")
        label = next(c for c in file.find(*LABELS) if c.distinct == 2)
        positive = next((v for v in label.values if v.lower() in _POSITIVE), label.values[-1])
        lines = ["[targets.churn]", 'kind = "churn"', f"label = {toml_value(label.name)}"]
        return "\n".join(
            [*lines, f"positive = {toml_value(positive)} # guess: this value is who left"]
        )
    if "subscriptions" in tables:
        return '[targets.churn]\nkind = "churn"\nhorizon_days = 90\ngrace_days = 30'
    if "orders" in tables:
        return '[targets.churn]\nkind = "silence" # no order\nhorizon_days = 90'
    if "usage" in tables:
        return '[targets.inactivity]\nkind = "inactivity" # no use\nhorizon_days = 30'
    return "# guess: no table shows staying or leaving yet, so there is no target\n[targets]"
