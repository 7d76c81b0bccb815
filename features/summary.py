"""What staging and building did, as lines for a person."""

from collections.abc import Iterator

from features.built import Built
from features.staging import Staged

TABLE_COLUMNS = ("table", "rows in", "used", "filtered", "quarantined")
FRAME_COLUMNS = ("target", "rows", "features", "from", "to")


def table_rows(staged: Staged) -> Iterator[tuple[object, ...]]:
    """Where the rows of each table went, under `TABLE_COLUMNS`."""
    for name, count in staged.counts.items():
        yield name, count.rows_in, count.used, count.filtered, count.quarantined


def remarks(staged: Staged) -> Iterator[str]:
    """What was found, and which columns of a source nobody asked for."""
    yield from (found.text for found in staged.findings)
    yield from staged.notes
    for source, columns in staged.unused.items():
        yield f"{source}: not used: {', '.join(columns)}"


def frame_row(name: str, built: Built) -> tuple[object, ...]:
    """The size and span of a target's frame, under `FRAME_COLUMNS`."""
    moments = built.keys["as_of"].dropna()
    span = (moments.min().date(), moments.max().date()) if len(moments) else ("-", "-")
    return name, len(built.keys), len(built.catalogue), *span
