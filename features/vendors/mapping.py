"""Mapping files: what `source` of a project file stands for.

A vendor is a mapping file: `NAME.toml` here, or a file of the company's own that `source` names by
its path. It has `[inputs.X]` (which files to look for, which columns the queries may name),
`[parameters]` (what `[vendors.NAME]` of the project file may set) and `[[sources.TABLE]]` as in a
project file, except that `inputs` lists names.
"""

import tomllib
from pathlib import Path
from typing import Any

from features.errors import ProjectError
from features.project_checks import choice
from features.vendors.files import find_input, is_there
from features.vendors.merging import merged_customers
from features.vendors.parameters import Settings, settings_of
from features.vendors.views import with_views

FOLDER = Path(__file__).parent
_SECTIONS = ("about", "base", "linked", "parameters", "inputs", "views", "sources")


def vendors() -> list[str]:
    """Names of the mappings that come with the package."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def expand(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    """The settings of a project file with the sources of the vendors that `source` names.

    Parameters
    ----------
    raw : dict
        As read from TOML; `source` and `vendors` are taken out.
    path : Path
        Of the project file.

    Raises
    ------
    ProjectError
        An unknown vendor or parameter, or a vendor whose customers are not in the data folder.
    """
    try:
        return _expand(raw, path.parent)
    except ProjectError as error:
        raise ProjectError(f"{path}: {error}") from None


def _expand(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    names = _names(raw["source"])
    settings = raw.get("vendors", {})
    for name in settings:
        if name not in names:
            raise ProjectError(f"vendors.{name} is not in source; {choice(name, names)}")
    data = (folder / str(raw.get("data", "."))).resolve()
    by_table: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        mapping = _load(name, folder)
        chosen = settings_of(name, mapping.get("parameters", {}), settings.get(name, {}), raw)
        _hold_linked(name, mapping, chosen, names)
        for table, entries in _sources(name, mapping, chosen, data).items():
            by_table.setdefault(table, []).extend(entries)
    if len(names) > 1 and len(by_table.get("customers", [])) > 1:
        by_table["customers"] = [merged_customers(by_table["customers"])]
    for table, entries in raw.get("sources", {}).items():
        by_table.setdefault(table, []).extend(entries if isinstance(entries, list) else [entries])
    rest = {key: value for key, value in raw.items() if key not in {"source", "vendors"}}
    return rest | {"sources": by_table}


def _names(source: Any) -> list[str]:
    names = [source] if isinstance(source, str) else source
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ProjectError(f"source: {source!r} is neither a vendor nor a list of vendors")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ProjectError(f"source: {repeated!r} is named twice")
    return names


def _load(name: str, folder: Path) -> dict[str, Any]:
    """A mapping of the package, or of the company where the name ends in .toml."""
    file = folder / name if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in vendors():
        raise ProjectError(
            f"source: {name!r} is not a vendor; {choice(name, vendors())};"
            " or the path of a mapping file of your own (NAME.toml)"
        )
    try:
        mapping = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProjectError(f"source: cannot read {name}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"source: {name} is not valid TOML: {error}") from None
    for section in mapping:
        if section not in _SECTIONS:
            raise ProjectError(f"{name}: {section!r} is no section; {choice(section, _SECTIONS)}")
    if "base" not in mapping:
        return mapping
    base = _load(mapping["base"], folder)
    return base | mapping | {"views": base.get("views", {}) | mapping.get("views", {})}


def _hold_linked(name: str, mapping: dict[str, Any], chosen: Settings, names: list[str]) -> None:
    """A CRM beside a biller must say where it keeps the biller's id of a customer."""
    parameter = mapping.get("linked")
    if parameter and len(names) > 1 and not chosen.given(parameter):
        others = ", ".join(other for other in names if other != name)
        raise ProjectError(
            f"vendors.{name}.{parameter} is missing: the column in which {name} keeps the customer"
            f" id of {others}"
        )


def _sources(
    name: str, mapping: dict[str, Any], chosen: Settings, data: Path
) -> dict[str, list[dict[str, Any]]]:
    """The sources of a mapping whose files are there."""
    declared = mapping.get("inputs", {})
    found = {key: find_input(data, one, key, chosen) for key, one in declared.items()}
    by_table: dict[str, list[dict[str, Any]]] = {}
    for table, entries in mapping.get("sources", {}).items():
        for entry in entries if isinstance(entries, list) else [entries]:
            filled = with_views(f"{name}: sources.{table}", chosen.fill(entry), mapping, chosen)
            needs = filled.pop("needs", filled["inputs"])
            inputs = {key: found[key] for key in filled["inputs"]}
            if all(is_there(one) or one["optional"] for one in inputs.values()) and any(
                key not in found or is_there(found[key]) for key in needs
            ):
                by_table.setdefault(table, []).append(filled | {"inputs": inputs})
    if "customers" in mapping.get("sources", {}) and "customers" not in by_table:
        needed = [one for one in declared.values() if not one.get("optional")]
        looked = ", ".join(file for one in needed for file in one["files"])
        there = ", ".join(sorted(f.name for f in data.iterdir())[:12]) if data.is_dir() else ""
        raise ProjectError(
            f"source: {name}: no customers in {data}: looked for {looked};"
            f" the folder holds {there or 'nothing'}"
        )
    return by_table
