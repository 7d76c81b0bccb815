"""Relations that a mapping makes of its inputs, for several of its queries."""

from collections.abc import Mapping
from typing import Any

from features.errors import ProjectError
from features.project_checks import choice
from features.vendors.parameters import Settings


def with_views(
    where: str, entry: Mapping[str, Any], mapping: Mapping[str, Any], chosen: Settings
) -> dict[str, Any]:
    """A source whose views stand before its query; `inputs` names files only.

    Raises
    ------
    ProjectError
        When `inputs` names neither a view nor an input of the mapping.
    """
    views, files = mapping.get("views", {}), mapping.get("inputs", {})
    needed: list[str] = []  # views, in an order in which each finds those that it reads
    inputs: list[str] = []

    def add(name: str) -> None:
        if name in views and name not in needed:
            for other in views[name].get("inputs", []):
                add(other)
            needed.append(name)
        elif name in files and name not in inputs:
            inputs.append(name)
        elif name not in views and name not in files:
            raise ProjectError(f"{where}.inputs: {name!r}; {choice(name, [*views, *files])}")

    for name in entry.get("inputs", []):
        add(name)
    query = str(entry["query"]).strip().rstrip(";")
    if needed:
        known = ", ".join(f"{name} AS (\n{chosen.fill(views[name])['query']}\n)" for name in needed)
        query = f"WITH {known} SELECT * FROM (\n{query}\n)"
    return dict(entry) | {"inputs": inputs, "query": query}
