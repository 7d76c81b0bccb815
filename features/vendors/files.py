"""Which file of a data folder is an input of a mapping."""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from features.vendors.parameters import Settings

SUFFIXES = (  # in the order in which one is taken
    *(".parquet", ".pq", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
    *(".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
)


def find_input(
    data: Path, declared: Mapping[str, Any], name: str, chosen: Settings
) -> dict[str, Any]:
    """An input of a query: `file`, or `connection` with its relations, `columns` and `optional`.

    Parameters
    ----------
    data : Path
        The data folder.
    declared : Mapping
        `files`: names, in order of preference, in any case; `*` stands for anything, and any suffix
        that can be read is meant where none is given. A folder of such files is one too.
    name : str
        Of the input.
    chosen : Settings
        What the project file says instead; with a connection, a table of such a name is read.
    """
    given = {
        "columns": list(declared.get("columns", [])),
        "optional": bool(declared.get("optional", False)),
        "as_text": True,
    }
    if chosen.connection is not None:
        return given | _relations(declared, name, chosen)
    file = chosen.file(name)
    if file is None:
        file = next((f for one in declared["files"] if (f := _named(data, one))), None)
    return given | {"file": file}


def _relations(declared: Mapping[str, Any], name: str, chosen: Settings) -> dict[str, Any]:
    """The table of a connection that the project names, or those that the mapping looks for."""
    told = chosen.file(name)
    names = [told] if told else [one for one in declared["files"] if "*" not in one]
    if not names:
        return {"file": None}
    relation, *alternatives = map(chosen.relation, names)
    return {
        "connection": chosen.connection,
        "relation": relation,
        "alternatives": alternatives,
    }


def is_there(one: Mapping[str, Any]) -> bool:
    """Whether an input was found; what a connection holds is not known before it is read."""
    return one.get("file") is not None or one.get("relation") is not None


def _named(data: Path, name: str) -> str | None:
    """The file, glob or folder in `data` that has a name; with `*`, all files that match."""
    if not data.is_dir():
        return None
    entries = sorted(data.iterdir())
    for suffix in ("",) if "." in name else SUFFIXES:
        wanted = (name + suffix).lower()
        files = [e.name for e in entries if e.is_file() and fnmatch(e.name.lower(), wanted)]
        if files:
            return name + suffix if "*" in name else files[0]
        folders = [e for e in entries if e.is_dir() and fnmatch(e.name.lower(), name.lower())]
        if any(any(folder.glob("*" + suffix)) for folder in folders):
            return f"{folders[0].name}/*{suffix}"
    return None
