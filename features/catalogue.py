"""The catalogue: every registered feature, and which of them a company's tables allow."""

import re
from collections.abc import Sequence
from dataclasses import replace

import features.families  # noqa: F401  registers every family
from features.declare import DERIVED, EVER, MEASURES, Feature
from features.engine import Tables
from features.own import use_own
from features.project import Project
from features.windows import asked_by, available_measures


def catalogue() -> dict[str, Feature]:
    """Every registered feature by name, families together, in order of declaration."""
    found = [f for m in MEASURES.values() for f in m.features()]
    found += [_with_tables(name) for name in DERIVED]
    families = list(dict.fromkeys(feature.family for feature in found))
    found.sort(key=lambda feature: families.index(feature.family))
    return {feature.name: feature for feature in found}


def _with_tables(name: str) -> Feature:
    """A derived feature with what its windows imply: their tables, and how far it looks back."""
    item = DERIVED[name]
    windows = asked_by(item)[0]
    tables = {MEASURES[measure].table for measure, _ in windows} | set(item.feature.tables)
    ends = [end for _, (_, end) in windows]
    reach = max(ends) if ends and EVER not in ends else None
    return replace(item.feature, tables=tuple(sorted(tables)), reach_days=reach)


CATALOGUE: dict[str, Feature] = catalogue()  # those of the product


def available(tables: Tables, project: Project, wanted: Sequence[str] = ()) -> dict[str, Feature]:
    """The features that a company's tables allow, its own attributes included.

    `wanted` narrows them to those names or families; empty is all.
    """
    use_own(project)
    measures = available_measures(tables)
    found = {}
    for name, feature in catalogue().items():
        if name in DERIVED:
            windows, columns = asked_by(DERIVED[name])
            allowed = all(measure in measures for measure, _ in windows)
            allowed &= all(table in tables for table in feature.tables)
            allowed &= _has_columns(tables, columns)
        else:
            allowed = any(name in {f.name for f in m.features()} for m in measures.values())
        if allowed:
            found[name] = feature
    found |= {f.name: f for f in attribute_features(tables, project).values()}
    if not wanted:
        return found
    return {n: f for n, f in found.items() if n in wanted or f.family in wanted}


OPTIONAL = {  # state columns that need an optional column
    "segment": ("customers", "segment"),
    "country": ("customers", "country"),
    "acquisition_channel": ("customers", "acquisition_channel"),
    "plan_id": ("subscriptions", "plan_id"),
    "plan_tier": ("plans", "tier"),
    "auto_renew": ("subscriptions", "auto_renew"),
    "days_to_renewal": ("subscriptions", "current_period_end"),
    "survey_score": ("surveys", "score"),
}


def _has_columns(tables: Tables, columns: set[str]) -> bool:
    needed = [OPTIONAL[column] for column in columns if column in OPTIONAL]
    return all(tables.has(table, (column,)) for table, column in needed)


def attribute_features(tables: Tables, project: Project) -> dict[str, Feature]:
    """Source column -> feature, for the attributes that the project file maps by name."""
    found = {}
    for table in ("customers", "snapshots"):
        for column in _attributes(tables, project, table):
            kind = tables[table][column].type()
            is_number = kind.is_numeric() or kind.is_boolean()
            name = re.sub(r"\W+", "_", column.strip()).strip("_").lower()
            found[column] = Feature(
                name=f"attribute_{name}" if name in CATALOGUE else name,
                family="profile",
                unit="value",
                meaning=f"{column}, as the company records it.",
                reason=f"attribute_{name}",
                says=f"{column} is {{value:,.6g}}" if is_number else f"{column} is {{value}}",
                tables=(table,),
                kind="number" if is_number else "category",
            )
    return found


def _attributes(tables: Tables, project: Project, table: str) -> list[str]:
    if table not in tables:
        return []
    barred = {*project.exclude, *project.sensitive}
    listed = [c for s in project.sources.get(table, []) for c in (*s.attributes, *s.static)]
    return [c for c in dict.fromkeys(listed) if c not in barred and c in tables[table].columns]
