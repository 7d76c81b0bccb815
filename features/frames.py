"""Feature frames of all as-of dates of a target, kept as Parquet until their inputs change."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.build import build
from features.built import Built
from features.clock import as_of_dates, pairs_at
from features.declare import Feature
from features.engine import open_tables
from features.own import own_code
from features.project import Project, Target
from features.snapshot import is_snapshot
from features.staging import Staged
from features.state_products import product_columns

FORMAT = 1
_PARTS = ("keys", "features", "state")


def frame(
    staged: Staged, target_name: str, *, progress: Callable[[str], None] | None = None
) -> Built:
    """Every pair of the target's as-of dates, read back when it was built from the same inputs.

    Raises
    ------
    UnknownTargetError
        A target that the project does not declare.
    """
    project = staged.project
    target = project.target(target_name)
    if is_snapshot(open_tables(staged.tables)):
        return build(staged, pd.DataFrame(), names=target.features or None)
    place = _place(project, staged, target)
    if place.exists():
        return _read(place)
    pairs = pairs_at(staged, target, as_of_dates(staged, target))
    built = build(staged, pairs, names=target.features or None, progress=progress)
    _write(built, place)
    return built


def _place(project: Project, staged: Staged, target: Target) -> Path:
    """Targets with the same moments and features share one frame."""
    recipe = {
        "format": FORMAT,
        "staged": staged.fingerprint,
        "as_of": target.as_of.model_dump(mode="json"),
        "split": target.split.model_dump(mode="json"),
        "features": target.features,
        "products": product_columns(project),
        "policy": project.revenue.model_dump(mode="json"),
        "barred": sorted({*project.exclude, *project.sensitive}),
        "timezone": project.timezone,
        "currency": project.currency,
        "code": [_code(), *own_code(project)],
    }
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return project.outputs / "frames" / f"{digest}.parquet"


def _code() -> str:
    """Fingerprint of this package: a changed feature is a changed frame."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _write(built: Built, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    parts = {part: getattr(built, part) for part in _PARTS}
    wide = pd.concat([df.add_prefix(f"{part}.") for part, df in parts.items()], axis=1)
    table = pa.Table.from_pandas(wide, preserve_index=False)
    cards = json.dumps([feature.as_card() for feature in built.catalogue])
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), b"catalogue": cards.encode()}
    )
    scratch = place.with_suffix(".part")
    pq.write_table(table, scratch)
    scratch.replace(place)


def _read(place: Path) -> Built:
    table = pq.read_table(place)
    cards = json.loads((table.schema.metadata or {})[b"catalogue"])
    wide = table.to_pandas()
    parts = []
    for part in _PARTS:
        columns = [c for c in wide.columns if c.startswith(f"{part}.")]
        parts.append(wide[columns].rename(columns=lambda c: c.partition(".")[2]))
    for item in parts:
        for column in item.select_dtypes(["object", "str"]).columns:
            item[column] = item[column].astype(object).where(item[column].notna(), None)
    keys, features, state = parts
    return Built(keys, features, state, tuple(Feature.from_card(card) for card in cards))
