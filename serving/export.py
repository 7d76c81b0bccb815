"""The current list as CSV, for those without a CRM connection."""

import csv
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain, islice, repeat
from pathlib import Path

from features.errors import StoreError
from serving.queries import Reader
from serving.reading import is_raising
from serving.records import Filters, Run, Score, TargetModel
from serving.store import Store

REASONS = 3
_CENT = Decimal("0.01")
_DANGEROUS = ("=", "+", "-", "@")
Cell = str | int | float | Decimal | bool | datetime | None

COLUMNS = (
    "target",
    "name",
    "owner_id",
    "segment",
    "plan_id",
    "country",
    "rank",
    "probability",
    "band",
    "percentile",
    "horizon_days",
    "currency",
    "mrr",
    "expected_revenue_at_risk",
    "expected_gain",
    "contact",
    "contact_profit",
    "expected_remaining_months",
    "predicted_cltv",
    "renewal_date",
    "renewal_in_horizon",
    *(f"reason_{number}" for number in range(1, REASONS + 1)),
    "reason_against",
    "model_name",
    "model_version",
    "model_grade",
    "features_as_of",
    "scored_at",
)


def check_writable(path: Path) -> None:
    """Try what `write_csv` will need, before long work; leaves nothing behind.

    Raises
    ------
    StoreError
        If its folder is missing or cannot be written to, or `path` is itself a folder.
    """
    draft = _draft(path)
    try:
        if path.is_dir():
            raise _unwritable(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def write_csv(store: Store, project: str, path: Path) -> int:
    """Write the scored customers of the current run, target by target, in list order.

    The file is UTF-8 and follows RFC 4180. Ids come first: `customer_id`, then one column
    `external_id_SYSTEM` per connected system. Text that a spreadsheet would run as a formula gets
    an apostrophe in front; numbers stay numbers. `reason_1` to `reason_3` raise the
    probability, `reason_against` lowers it most. The file appears whole or not at all.

    Returns
    -------
    int
        Rows below the header.

    Raises
    ------
    StoreError
        If no run was published, or the file cannot be written.
    """
    reader = Reader(store, project)
    run = reader.current_run()
    if run is None:
        raise StoreError(f"the store {store} holds no published run of {project!r} to export")
    systems = reader.systems(run.id)
    draft = _draft(path)
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n")
            ids = ["customer_id", *(f"external_id_{system}" for system in systems)]
            writer.writerow([cell(name) for name in ids] + list(COLUMNS))
            count = 0
            for row in _rows(reader, run, systems):
                writer.writerow(row)
                count += 1
        draft.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with suppress(OSError):  # it is gone, or could never be made
            draft.unlink()
    return count


def _draft(path: Path) -> Path:
    """Where the file grows until it is whole; in the same folder, so that it can be renamed."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written: {error.strerror}")


def cell(value: Cell) -> str:
    """One value as text: defused when it is text that could start a formula, empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    if isinstance(value, Decimal):
        return str(value.quantize(_CENT, ROUND_HALF_EVEN))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_DANGEROUS) or _is_control(value[:1]) else value
    return repr(value)


def _is_control(first: str) -> bool:
    """Whether a character is a control character: C0, delete or C1."""
    return first != "" and (ord(first) < 0x20 or 0x7F <= ord(first) <= 0x9F)


def _rows(reader: Reader, run: Run, systems: Sequence[str]) -> Iterator[list[str]]:
    """All scored entries of a run as cells."""
    for target, model in reader.models(run.id).items():
        for score in reader.iter_scores(Filters(target), run_id=run.id):
            known = score.customer.external_ids
            ids = [score.customer.customer_id, *(known.get(system) for system in systems)]
            yield [cell(value) for value in [*ids, *_cells(score, model, run)]]


def _cells(score: Score, model: TargetModel, run: Run) -> list[Cell]:
    """The values of `COLUMNS`."""
    who = score.customer
    is_gain = score.expected_kind == "gain"
    raising = [str(one["text"]) for one in score.reasons or [] if is_raising(one)]
    against = [str(one["text"]) for one in score.reasons or [] if not is_raising(one)]
    return [
        score.target,
        who.name,
        who.owner_id,
        who.segment,
        who.plan_id,
        who.country,
        score.rank,
        score.probability,
        score.band,
        score.percentile,
        model.horizon_days,
        who.currency,
        who.mrr,
        None if is_gain else score.expected_amount,
        score.expected_amount if is_gain else None,
        score.contact,
        score.contact_profit,
        None if score.remaining_months is None else round(score.remaining_months, 2),
        score.lifetime_value,
        None if who.renewal_at is None else who.renewal_at.date().isoformat(),
        score.renewal_in_horizon,
        *islice(chain(raising, repeat(None)), REASONS),
        next(iter(against), None),
        model.name,
        model.version,
        model.grade,
        run.as_of,
        run.published_at,
    ]
