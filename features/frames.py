"""Feature frames of all as-of dates of a target, kept as Parquet until their inputs change.

A frame of many rows is built and written some dates at a time, and its features stay on disk.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from features.stored import GROUP, Stored, to_series

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
    place, held = _place(project, staged, target), project.training.rows_in_memory
    if place.exists():
        return read_frame(place, held)
    if is_snapshot(open_tables(staged.tables)):
        built = build(staged, pd.DataFrame(), names=target.features or None)
        if len(built) <= held:
            return built
        write_frame([built], place)
        return read_frame(place, held)
    pairs = pairs_at(staged, target, as_of_dates(staged, target))
    parts = (
        build(staged, some, names=target.features or None, progress=progress)
        for some in _some_dates(pairs, held)
    )
    if len(pairs) <= held:
        built = next(parts)
        write_frame([built], place)
        return built
    write_frame(parts, place)
    return read_frame(place, held)


def _some_dates(pairs: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """The pairs in parts of so many rows, in their order; one empty part where there are none."""
    for start in range(0, max(len(pairs), 1), rows):
        yield pairs.iloc[start : start + rows]


def _place(project: Project, staged: Staged, target: Target) -> Path:
    """Targets with the same moments and features share one frame."""
    recipe = {
        "format": FORMAT,
        "staged": staged.fingerprint,
        "as_of": target.as_of.model_dump(mode="json"),
        "split": target.split.model_dump(mode="json"),
        "features": target.features,
        "labels": sorted({one.label for one in project.targets.values() if one.label}),
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


def write_frame(parts: Iterable[Built], place: Path) -> None:
    """Write builds of one catalogue below each other; the file is there whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = place.with_suffix(".part")
    writer: pq.ParquetWriter | None = None
    for built in parts:
        frames = {part: getattr(built, part) for part in _PARTS}
        wide = pd.concat([df.add_prefix(f"{part}.") for part, df in frames.items()], axis=1)
        table = pa.Table.from_pandas(wide, preserve_index=False)
        if writer is None:
            schema = pa.schema([_typed(field) for field in table.schema], table.schema.metadata)
            cards = json.dumps([feature.as_card() for feature in built.catalogue])
            schema = schema.with_metadata({**(schema.metadata or {}), b"catalogue": cards.encode()})
            writer = pq.ParquetWriter(scratch, schema)
        writer.write_table(table.cast(writer.schema), row_group_size=GROUP)
    if writer is not None:
        writer.close()
        scratch.replace(place)


def _typed(field: pa.Field) -> pa.Field:
    """A column without a value in the first part may have text in a later one."""
    return field.with_type(pa.string()) if pa.types.is_null(field.type) else field


def read_frame(place: Path, held: int) -> Built:
    """What was written; of more rows than are `held` in memory the features stay on disk."""
    file = pq.ParquetFile(place)
    schema = file.schema_arrow
    catalogue = tuple(map(Feature.from_card, json.loads(schema.metadata[b"catalogue"])))
    of = {part: [c for c in schema.names if c.startswith(f"{part}.")] for part in _PARTS}
    keys, state = (_frame(file, of[part]) for part in ("keys", "state"))
    if file.metadata.num_rows > held:
        features = Stored(place, {_own_name(c): c for c in of["features"]})
        return Built(keys, features, state, catalogue)
    return Built(keys, _frame(file, of["features"]), state, catalogue)


def _frame(file: pq.ParquetFile, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of all rows, one after the other: what is held twice is one of them."""
    found = {_own_name(c): to_series(file.read([c]).column(0)) for c in columns}
    return pd.DataFrame(found, pd.RangeIndex(file.metadata.num_rows), copy=False)


def _own_name(column: str) -> str:
    """The name of a column without its part."""
    return column.partition(".")[2]
