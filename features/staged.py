"""The staged tables of a project: where they are, and the account of how they came about."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from features.checks import Finding, RowCount
from features.errors import ProjectError, SourceError
from features.project import Project

FORMAT = 2


@dataclass(frozen=True)
class Staged:
    """The canonical tables of a project on disk, with the account of how they came about."""

    project: Project
    tables: dict[str, Path]  # a Parquet file each, a folder of them where there are several parts
    counts: dict[str, RowCount]
    findings: tuple[Finding, ...]
    fingerprint: str
    known_until: datetime | None  # None: no table has a date
    periods: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # first, last fact
    rows: dict[str, int] = field(default_factory=dict)  # of the staged file
    unused: dict[str, tuple[str, ...]] = field(default_factory=dict)  # file -> columns
    notes: tuple[str, ...] = ()

    @property
    def data_end(self) -> datetime:
        """Exclusive end of what is known, naive UTC.

        Raises
        ------
        SourceError
            When no table of the project has a date (a snapshot).
        """
        if self.known_until is None:
            raise SourceError("the sources hold no dates, so there is no data_end")
        return self.known_until


def place_of(project: Project) -> Path:
    """Where the staged tables of a project are."""
    return project.outputs / "staged"


def glob_of(path: Path) -> str:
    """The Parquet files of a staged table, for readers that take no folder."""
    return str(path / "*.parquet") if path.is_dir() else str(path)


def signature(project: Project) -> str:
    """Changes when the part of a project that staging reads changes."""
    parts = project.model_dump_json(
        include={"connections", "sources", "timezone", "data_end", "currency", "limits"}
    )
    labels = sorted(t.label for t in project.targets.values() if t.label is not None)
    text = json.dumps([FORMAT, parts, labels, str(project.data_folder)])
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(staged: Staged) -> dict[str, Any]:
    """Plain JSON, without where it is."""
    return {
        "signature": signature(staged.project),
        "fingerprint": staged.fingerprint,
        "known_until": staged.known_until.isoformat() if staged.known_until else None,
        "tables": {
            n: str(p.relative_to(place_of(staged.project))) for n, p in staged.tables.items()
        },
        "counts": {name: asdict(count) for name, count in staged.counts.items()},
        "findings": [one.as_json() for one in staged.findings],
        "periods": {n: [m.isoformat() for m in p] for n, p in staged.periods.items()},
        "rows": staged.rows,
        "unused": {name: list(columns) for name, columns in staged.unused.items()},
        "notes": list(staged.notes),
    }


def open_staged(project: Project) -> Staged:
    """The tables as they were last staged.

    Raises
    ------
    ProjectError
        When they were not, or the project's sources were changed since.
    """
    file = place_of(project) / "staged.json"
    if not file.is_file():
        raise ProjectError(f"{project.path}: nothing is staged yet; run `retention check` first")
    raw = json.loads(file.read_text(encoding="utf-8"))
    if raw.get("signature") != signature(project):
        raise ProjectError(
            f"{project.path}: the sources were changed since they were staged;"
            " run `retention check` again"
        )
    return Staged(
        project=project,
        tables={name: file.parent / path for name, path in raw["tables"].items()},
        counts={name: RowCount(**count) for name, count in raw["counts"].items()},
        findings=tuple(Finding.from_json(one) for one in raw["findings"]),
        fingerprint=raw["fingerprint"],
        known_until=datetime.fromisoformat(raw["known_until"]) if raw["known_until"] else None,
        periods={
            name: (datetime.fromisoformat(first), datetime.fromisoformat(last))
            for name, (first, last) in raw["periods"].items()
        },
        rows=raw["rows"],
        unused={name: tuple(columns) for name, columns in raw["unused"].items()},
        notes=tuple(raw["notes"]),
    )
