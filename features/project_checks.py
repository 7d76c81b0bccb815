"""What a project file can get wrong beyond its types: one line with the key and the choice."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from features.project_kinds import check_anchor, check_kind
from features.tables import TABLES

if TYPE_CHECKING:
    from features.project import Project, Source, Target

_REFERENCE = re.compile(r"\$\{\w+\}")
_SECRET = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)
PERIOD_COLUMNS = ("starts_at", "ends_at")
LIFETIME = "lifetime"  # the name under which a project's model of lifetimes is registered


_SPARK = re.compile(r"local\[(\*|[1-9]\d*)\]|spark://[^\s/:]+:\d+(,[^\s/:]+:\d+)*")


def check_engine(name: str) -> str:
    """The engine's name as it came; ValueError when no engine is called so."""
    if name != "duckdb" and not _SPARK.fullmatch(name):
        raise ValueError(
            "allowed are 'duckdb', 'local[2]' (Spark on so many cores of this machine) and"
            " 'spark://host:port' (a cluster)"
        )
    return name


def choice(came: str, allowed: Iterable[str]) -> str:
    """`allowed are a, b; did you mean 'a'?`, the nearest where one is near."""
    names = list(allowed)
    near = difflib.get_close_matches(came, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"allowed are {', '.join(names)}{hint}"


def check_project(project: "Project") -> None:
    """Hold the parts of a project against each other; ValueError with the first fault."""
    _check_zone(project.timezone)
    for name, connection in project.connections.items():
        check_url(f"connections.{name}.url", connection.url)
    for table, sources in project.sources.items():
        if table not in TABLES:
            raise ValueError(f"sources.{table} is not a table; {choice(table, TABLES)}")
        if not sources:
            raise ValueError(f"sources.{table} is empty; give it a file or leave it out")
        for position, source in enumerate(sources):
            number = f"[{position}]" if len(sources) > 1 else ""
            _check_origin(f"sources.{table}{number}", source, project.connections)
            _check_source(f"sources.{table}{number}", table, source)
    if not {"customers", "snapshots"} & set(project.sources):
        raise ValueError(
            "sources.customers is missing: a project needs customers and a table that shows"
            " staying or leaving (subscriptions, orders, usage), or snapshots with a label"
        )
    for name, target in project.targets.items():
        if name == LIFETIME:
            raise ValueError(f"targets.{name}: that name is taken by the model of lifetimes")
        _check_target(f"targets.{name}", target, project)
        _check_split(f"targets.{name}.split", target)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"timezone: {name!r} is not an IANA time zone such as 'Europe/Berlin'{hint}"
        ) from None


def _check_origin(key: str, source: "Source", connections: Mapping[str, object]) -> None:
    """One place that the rows come from, and whole: a file, inputs or a connection."""
    given = [name for name in ("file", "inputs", "connection") if getattr(source, name)]
    if len(given) != 1:
        came = " and ".join(given) or "none of them"
        raise ValueError(f"{key}: give it file, or inputs with query, or connection; got {came}")
    (origin,) = given
    if source.connection is not None and source.connection not in connections:
        known = choice(source.connection, connections) if connections else "none is declared"
        raise ValueError(f"{key}.connection: no [connections.{source.connection}]; {known}")
    if source.connection is not None and (source.relation is None) == (source.query is None):
        raise ValueError(f"{key}: a connection needs either relation or query")
    if source.relation is not None and source.connection is None:
        raise ValueError(f"{key}.relation: is for a connection; got {origin}")
    if source.inputs and source.query is None:
        raise ValueError(f"{key}: inputs need a query that joins them")
    if source.query is not None and origin == "file":
        raise ValueError(f"{key}.query: is for inputs or a connection; got file")
    if source.loaded_at is not None and source.connection is None:
        raise ValueError(
            f"{key}.loaded_at: is for a connection; files are read again when their content changed"
        )


def check_url(key: str, url: str) -> None:
    """Refuse a secret in clear; the text never shows it."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    secrets = [user.partition(":")[2]] if ":" in user else []
    secrets += [value for name, value in parse_qsl(parts.query) if _SECRET.search(name)]
    if any(not _REFERENCE.fullmatch(secret) for secret in secrets):
        raise ValueError(
            f"{key}: holds a secret in clear; write ${{NAME}} in its place and set NAME in the"
            " environment"
        )


def _check_source(key: str, table: str, source: "Source") -> None:
    if source.shape == "periods" and table != "subscriptions":
        raise ValueError(f"{key}.shape: 'periods' is for subscriptions only")
    if source.shape == "first" and table != "customers":
        raise ValueError(f"{key}.shape: 'first' is for customers only")
    if source.delimiter not in {None, "whitespace"} and len(source.delimiter or "") != 1:
        raise ValueError(
            f"{key}.delimiter: {source.delimiter!r} is neither one character nor 'whitespace'"
        )
    allowed = mappable(table, source)
    seen: dict[str, str] = {}
    for kind in ("columns", "constants", "expressions"):
        for name in getattr(source, kind):
            if name not in allowed:
                raise ValueError(
                    f"{key}.{kind}: {name!r} is not a column of {table}; {choice(name, allowed)}"
                )
            if name in seen:
                raise ValueError(f"{key}: {name!r} is under both {seen[name]} and {kind}")
            seen[name] = kind


def mappable(table: str, source: "Source") -> list[str]:
    """Columns that a source of a table may give."""
    names = list(TABLES[table].names)
    if source.shape == "periods":
        names = [*PERIOD_COLUMNS, *(name for name in names if name != "occurred_at")]
    return list(dict.fromkeys([*names, *source.attributes, *source.static]))


def _check_target(key: str, target: "Target", project: "Project") -> None:
    check_anchor(f"{key}.as_of", target.as_of, project)
    check_kind(key, target, project)
    if target.label is None:
        if "customers" not in project.sources:
            raise ValueError(
                f"{key}.label is missing: snapshots need the column that says who left,"
                " and its value for those (positive)"
            )
        return
    if "snapshots" not in project.sources:
        raise ValueError(f"{key}.label is for snapshots, and sources.snapshots is missing")
    if target.positive is None:
        raise ValueError(f"{key}.positive is missing: the value of {target.label!r} of who left")
    for source in project.sources["snapshots"]:
        if target.label in (*source.attributes, *source.static):
            raise ValueError(
                f"{key}.label: {target.label!r} is also an attribute, so the model would see the"
                " answer"
            )


_OF_SNAPSHOTS = ("train_sample", "test_sample", "test_share", "seed", "group_duplicates")


def _check_split(key: str, target: "Target") -> None:
    """A split is by time, or of a snapshot by sample or by share."""
    split = target.split
    given = split.model_fields_set & {*_OF_SNAPSHOTS}
    if given and target.label is None:
        raise ValueError(f"{key}.{min(given)} is for snapshots only")
    if (split.train_sample is None) != (split.test_sample is None):
        raise ValueError(f"{key} needs both train_sample and test_sample")
    if split.train_sample is not None and split.train_sample == split.test_sample:
        raise ValueError(f"{key}: train_sample and test_sample are both {split.train_sample!r}")
    if split.train_sample is not None and split.test_share is not None:
        raise ValueError(f"{key}: give either train_sample and test_sample or test_share")
    if split.population_rate is not None and split.train_sample is None:
        raise ValueError(f"{key}.population_rate is for a train_sample, which is missing")
    by_row = split.train_sample is not None or split.test_share is not None
    if by_row and (split.train or split.test or split.test_from is not None):
        raise ValueError(f"{key}: give either moments or rows to train and test on")
    if split.seed is not None and split.test_share is None:
        raise ValueError(f"{key}.seed is for test_share, which is missing")
    if split.recalibrate_every is not None and (split.test_share is None or split.seed is not None):
        raise ValueError(f"{key}.recalibrate_every needs test_share without a seed")


def settings_at(sections: Mapping[str, Any], location: tuple[Any, ...]) -> list[str]:
    """Names of the settings that stand beside a misspelt one."""
    path = ".".join("*" if isinstance(part, int) else str(part) for part in location[:-1])
    parts = path.split(".") if path else []
    if parts[:1] in (["connections"], ["sources"], ["targets"]) and len(parts) > 1:
        parts[1] = "*"
    if parts[3:4] == ["inputs"] and len(parts) > 4:
        parts[4] = "*"
    section = sections.get(".".join(parts))
    return [name for name in section.model_fields if name != "path"] if section else []
