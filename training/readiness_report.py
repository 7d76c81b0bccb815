"""The readiness report: what the data hold, what that allows, and what is missing by how much.

A plain JSON object, from which the command line prints its tables and a page is rendered.
"""

from collections.abc import Callable, Iterator, Mapping

from features.checks import Finding
from features.readiness import family_readiness, table_readiness
from features.staging import Staged
from training.readiness_targets import target_readiness
from training.report import Json

COLUMNS = ("Name", "step", "state", "column", "table", "details")
TARGET_COLUMNS = ("target", "verdict", "eligible", "events", "mature dates", "details")
_WORST = ("error", "unready", "thin", "ready")


def readiness(staged: Staged, progress: Callable[[str], None] | None = None) -> Json:
    """Tables, feature families, targets and columns of a project, and one flat list of it all.

    A target that cannot be judged says why, and stops nothing. Above three million facts, targets
    and columns are judged on whole customers drawn at random.

    Returns
    -------
    dict
        `project`, `verdict` (of the worst target), `data_end`, `tables`, `families`, `targets`,
        `columns`, `remarks` and `rows`: dicts with the keys of `COLUMNS`.
    """
    say = progress or (lambda _: None)
    say("tables")
    tables = table_readiness(staged)
    say("feature families")
    families = family_readiness(staged)
    targets, found = target_readiness(staged, say)
    columns = list(_columns(tables, found))
    unused = [f"{file}: not used: {', '.join(names)}" for file, names in staged.unused.items()]
    report: Json = {
        "project": staged.project.name,
        "verdict": next((w for w in _WORST if any(t["state"] == w for t in targets)), "no targets"),
        "data_end": staged.known_until.isoformat() if staged.known_until else None,
        "tables": tables,
        "families": families,
        "targets": targets,
        "columns": columns,
        "remarks": [*staged.notes, *unused],
    }
    return report | {"rows": [dict(zip(COLUMNS, row, strict=True)) for row in _flat(report)]}


def _columns(tables: list[Json], found: Mapping[str, list[Finding]]) -> Iterator[Json]:
    """Every column with its share filled and what the leak guard says of it, per target."""
    for table in tables:
        for column in table["columns"]:
            where = (table["name"], column["name"])
            mine = {
                target: one
                for target, all_found in found.items()
                for one in all_found
                if (one.table, one.column) == where
            }
            levels = {one.level for one in mine.values()}
            yield {
                "table": table["name"],
                "column": column["name"],
                "type": column["type"],
                "filled": column["filled"],
                "state": "error" if "error" in levels else "warning" if levels else "ok",
                "findings": [
                    one.as_json()
                    | {"target": target, "text": one.text.partition(": ")[2]}
                    | {"examples": list(one.examples)}
                    for target, one in mine.items()
                ],
            }


Row = tuple[str, str, str, str, str, str]


def _flat(report: Json) -> Iterator[Row]:
    """Everything under `COLUMNS`: tables, their faults, columns, families, targets."""
    for table in report["tables"]:
        name = table["name"]
        yield name, "table", table["state"], "", name, _of_table(table)
        for one in table["faults"]:
            step = "quarantine" if one["aside"] else "check"
            yield (
                f"{name}.{one['column']}".rstrip("."),
                step,
                one["level"],
                one["column"],
                name,
                (one["text"].partition(": ")[2]),
            )
    for column in report["columns"]:
        where = f"{column['table']}.{column['column']}"
        said = f"{share(column['filled'])} filled"
        yield where, "column", "ok", column["column"], column["table"], said
        for one in column["findings"]:
            said = f"{one['target']}: {one['text']}"
            yield where, "leak guard", one["level"], column["column"], column["table"], said
    for family in report["families"]:
        name, needs = family["name"], [one["needs"] for one in family["needs"]]
        lacking = [need for need in needs if " " not in need]
        said = f"{family['available']} of {family['features']} features"
        said += f"; lacks {', '.join(needs)}" if needs else ""
        tables = ", ".join(dict.fromkeys(need.partition(".")[0] for need in lacking))
        columns = ", ".join(need.partition(".")[2] for need in lacking if "." in need)
        yield name, "features", family["state"], columns, tables, said
    for target in report["targets"]:
        yield target["name"], "target", target["state"], "", "", target["details"]


def _of_table(table: Json) -> str:
    """Rows, period and coverage in a sentence."""
    if "rows_in" not in table:
        return str(table["details"])
    counts = f"{table['used']:,} used + {table['filtered']:,} filtered"
    counts += f" + {table['quarantined']:,} quarantined"
    parts = [f"{table['rows_in']:,} rows in = {counts}"]
    if table["first"]:
        parts.append(f"{table['first'][:10]} to {table['last'][:10]}")
    if table["coverage"] is not None:
        parts.append(f"{share(table['coverage'])} of customers")
    return "; ".join(parts)


def share(value: float | None) -> str:
    """A share in per cent; nearly all is not all."""
    if value is None:
        return "-"
    percent = f"{value:.0%}"
    if percent == "100%" and value < 1:
        return "over 99 %"
    return "under 1 %" if percent == "0%" and value > 0 else percent.replace("%", " %")


def target_rows(report: Json) -> Iterator[tuple[object, ...]]:
    """The verdicts, under `TARGET_COLUMNS`."""
    for one in report["targets"]:
        dates = f"{one['mature']} of {one['dates']}" if one.get("dates") else "-"
        counts = (one.get("eligible", "-"), one.get("events", "-"))
        yield one["name"], one["state"], *counts, dates, one["details"]


def shown(report: Json) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[object, ...]]]]:
    """The tables of the command line, each with its columns."""
    yield TARGET_COLUMNS, target_rows(report)
    yield COLUMNS, flat_rows(report)


def flat_rows(report: Json) -> Iterator[tuple[object, ...]]:
    """The flat list under `COLUMNS`, without columns that have nothing to say."""
    for row in report["rows"]:
        if row["step"] != "column" or row["state"] != "ok":
            yield tuple(row.values())
