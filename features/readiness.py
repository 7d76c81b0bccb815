"""What the tables of a company hold, and which features that allows: for the readiness report."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from duckdb import DuckDBPyConnection

from features.catalogue import OPTIONAL, available, catalogue
from features.checks import BLOCKS
from features.connection import connect
from features.declare import DERIVED, MEASURES, Measure
from features.engine import Tables, open_tables
from features.snapshot import is_snapshot
from features.sources_raw import literal, quote
from features.staging import Staged
from features.tables import TABLES
from features.windows import asked_by

Json = dict[str, Any]
NOT_FAULTS = {"repeats", "empty"}  # findings that put no row aside


def table_readiness(staged: Staged) -> list[Json]:
    """Rows, period, newest fact, key, coverage and quarantined rows of every canonical table.

    Tables that the project does not map come last, with what that costs.
    """
    with connect() as con:
        everybody = _customers(con, staged)
        found = [_table(con, staged, name, everybody) for name in staged.tables]
    snapshot = "snapshots" in staged.tables
    absent = [name for name in TABLES if name not in staged.tables and name != "snapshots"]
    return found + ([] if snapshot else [_missing(name) for name in absent])


def _missing(name: str) -> Json:
    return {
        "name": name,
        "state": "missing",
        "details": f"not mapped: no {BLOCKS[name]}",
        "columns": [],
        "faults": [],
    }


def _customers(con: DuckDBPyConnection, staged: Staged) -> int:
    """How many customers there are."""
    who = "customers" if "customers" in staged.tables else "snapshots"
    return int(_row(con, f"count(DISTINCT customer_id) FROM {_rows(staged, who)}")[0])


def _table(con: DuckDBPyConnection, staged: Staged, name: str, everybody: int) -> Json:
    declared, count = TABLES[name], staged.counts[name]
    shown = con.execute(f"DESCRIBE FROM {_rows(staged, name)}").fetchall()
    kinds = {str(row[0]): str(row[1]) for row in shown}
    parts = [f"count({quote(column)})" for column in kinds]
    parts += ["count(DISTINCT customer_id)" if declared.has_customer else "NULL"]
    parts += ["max(known_at)" if "known_at" in kinds else "NULL"]
    rows, *filled, customers, newest = _row(
        con, f"count(*), {', '.join(parts)} FROM {_rows(staged, name)}"
    )
    period = staged.periods.get(name)
    faults = [one for one in staged.findings if one.table == name]
    state = "empty" if not rows else "warning" if faults else "ok"
    return {
        "name": name,
        "state": state,
        "rows": rows,
        "rows_in": count.rows_in,
        "used": count.used,
        "filtered": count.filtered,
        "quarantined": count.quarantined,
        "first": period[0].isoformat() if period else None,
        "last": period[1].isoformat() if period else None,
        "newest": newest.isoformat() if newest else None,
        "key": list(declared.key),
        "customers": customers,
        "coverage": customers / everybody if customers is not None and everybody else None,
        "columns": [
            {"name": column, "type": kinds[column], "filled": n / rows if rows else None}
            for column, n in zip(kinds, filled, strict=True)
        ],
        "faults": [
            one.as_json() | {"examples": list(one.examples), "aside": one.code not in NOT_FAULTS}
            for one in faults
        ],
    }


def _rows(staged: Staged, name: str) -> str:
    return f"read_parquet({literal(staged.tables[name])})"


def _row(con: DuckDBPyConnection, selected: str) -> tuple[Any, ...]:
    return con.execute(f"SELECT {selected}").fetchone() or ()


def family_readiness(staged: Staged) -> list[Json]:
    """Per feature family what is available, and what the rest lacks."""
    tables = open_tables(staged.tables)
    usable = available(tables, staged.project)
    if is_snapshot(tables):
        usable = {n: f for n, f in usable.items() if "snapshots" in f.tables}
    known = catalogue() | usable
    families = dict.fromkeys(feature.family for feature in known.values())
    return [_family(tables, family, known, usable) for family in families]


def _family(tables: Tables, family: str, known: Json, usable: Json) -> Json:
    mine = [name for name, feature in known.items() if feature.family == family]
    there = [name for name in mine if name in usable]
    lacking = {name: _lacks(name, tables) for name in mine if name not in usable}
    if is_snapshot(tables):
        reasons = [{"needs": "a history (a snapshot has no windows)", "features": len(lacking)}]
    else:
        counted = Counter(one for needs in lacking.values() for one in needs)
        reasons = [{"needs": need, "features": n} for need, n in counted.most_common()]
    state = "available" if not lacking else "partly" if there else "missing"
    return {
        "name": family,
        "state": state,
        "available": len(there),
        "features": len(mine),
        "needs": reasons if lacking else [],
        "names": there,
        "lacking": {name: list(needs) for name, needs in lacking.items()},
    }


def _lacks(name: str, tables: Tables) -> tuple[str, ...]:
    """The tables, or the columns of those there are, that a feature needs and a company lacks."""
    found: list[str] = []
    if name in DERIVED:
        windows, columns = asked_by(DERIVED[name])
        for measure in sorted({measure for measure, _ in windows}):
            found += _measure_lacks(MEASURES[measure], tables)
        found += [table for table in DERIVED[name].feature.tables if table not in tables]
        found += [
            table if table not in tables else f"{table}.{column}"
            for table, column in (OPTIONAL[c] for c in sorted(columns) if c in OPTIONAL)
            if not tables.has(table, (column,))
        ]
    else:
        for measure_ in MEASURES.values():
            if name in {feature.name for feature in measure_.features()}:
                found += _measure_lacks(measure_, tables)
    return tuple(dict.fromkeys(found))


def _measure_lacks(measure: Measure, tables: Tables) -> Iterator[str]:
    if measure.table not in tables:
        yield measure.table
        return
    yield from (
        f"{measure.table}.{c}" for c in measure.needs if not tables.has(measure.table, (c,))
    )
