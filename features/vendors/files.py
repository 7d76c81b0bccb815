"""Which file of a data folder is an input of a mapping."""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

SUFFIXES = (  # in the order in which one is taken
    *(".parquet", ".pq", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
    *(".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
)


def find_input(data: Path, declared: Mapping[str, Any], chosen: str | None) -> dict[str, Any]:
    """An input of a query: `file` (None: there is none), `columns`, `optional`.

    Parameters
    ----------
    data : Path
        The data folder.
    declared : Mapping
        `files`: names, in order of preference, in any case; `*` stands for anything, and any suffix
        that can be read is meant where none is given. A folder of such files is one too.
    chosen : str or None
        What the project file says instead.
    """
    file = chosen
    if file is None:
        file = next((f for name in declared["files"] if (f := _named(data, name))), None)
    return {
        "file": file,
        "columns": list(declared.get("columns", [])),
        "optional": bool(declared.get("optional", False)),
    }


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
