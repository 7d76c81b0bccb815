"""What was read from a source, kept as Parquet by its content, so that it is read only once."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

FORMAT = 1
_INDEX = "index.json"


class Landing:
    """A folder of Parquet files named by what they were read from.

    A file is there whole or not at all: it is written aside, and its description, written last,
    makes it count. What a killed run left is swept away by the next.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._index: dict[str, list[Any]] = _read(folder / _INDEX) or {}
        self._used: set[str] = set()
        self._fresh: set[str] = set()

    def digest(self, file: Path) -> str:
        """The hash of a file's content; not read again while its size and time are the same."""
        status = file.stat()
        mark = [status.st_size, status.st_mtime_ns]
        known = self._index.get(str(file))
        if known is None or known[:2] != mark:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()[:32]
            self._index[str(file)] = [*mark, found]
        return str(self._index[str(file)][2])

    def path(self, key: str) -> Path:
        """Where the rows of a key are."""
        return self.folder / f"{key}.parquet"

    def rejects(self, key: str) -> Path:
        """Where the lines of a key are that are no rows."""
        return self.folder / f"{key}.rejects.parquet"

    def described(self, key: str) -> dict[str, Any] | None:
        """What is said of a key; None where it did not land."""
        self._used.add(key)
        found: dict[str, Any] | None = _read(self.folder / f"{key}.json")
        return found

    def land(self, key: str, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """The description of a key; `write(path)` makes its rows unless they are there."""
        described = self.described(key)
        if described is None:
            self._fresh.add(key)
            described = write(self.path(key))
            _write(self.folder / f"{key}.json", described)
        return described

    def forget(self, keys: Iterable[str]) -> None:
        """Take away what is said of some keys, so that they count no more."""
        for key in keys:
            (self.folder / f"{key}.json").unlink(missing_ok=True)

    def undo(self) -> None:
        """Forget what landed in this run."""
        self.forget(self._fresh)

    def keep_index(self) -> None:
        """Remember the hashes of the files that were asked for."""
        _write(self.folder / _INDEX, self._index)

    def sweep(self) -> None:
        """Remove what this run did not ask for."""
        for file in self.folder.iterdir():
            if file.is_dir():
                shutil.rmtree(file)
            elif file.name != _INDEX and file.name.partition(".")[0] not in self._used:
                file.unlink()
        self.keep_index()


def key_of(*parts: object) -> str:
    """A name that changes with any of its parts."""
    text = json.dumps([FORMAT, *map(str, parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write(file: Path, content: Any) -> None:
    """Put a whole JSON file in its place."""
    aside = file.with_suffix(".new")
    aside.write_text(json.dumps(content), encoding="utf-8")
    aside.replace(file)
