"""What the card says of the rows that taught, and of those that were left out or drawn from."""

from typing import Any

from models import linear
from training import reason_stability, recipe, search
from training.sample import Dataset, Rows


def learned_from(data: Dataset, rows: Rows) -> dict[str, Any]:
    """How many rows each part of the training read.

    Parameters
    ----------
    data : Dataset
    rows : ndarray of int, shape (n,)
        Those of the refit.

    Returns
    -------
    dict
        `rows` and those that had an answer too and were left out as too old (`older_rows`);
        `majority_share`; `on_disk`, whether the matrix was read block by block; and of the parts
        that draw rows at random where there are more, how many they drew: `search_rows`,
        `linear_rows`, `stability_rows`. `folds` is how the calibration of a trial was found.
    """
    until = data.data_end
    known = len(rows) if until is None else len(data.labelled(data.mature(until), until)[0])
    many = len(rows) > recipe.MANY_ROWS
    return {
        "rows": len(rows),
        "older_rows": known - len(rows),
        "majority_share": data.training.majority_share,
        "on_disk": len(rows) > data.training.rows_in_memory,
        "search_rows": min(len(rows), search.SEARCH_ROWS),
        "linear_rows": min(len(rows), linear.ROWS),
        "stability_rows": min(len(rows), reason_stability.ROWS),
        "folds": f"one part of about {recipe.HELD_OUT:,} rows" if many else "folds of all rows",
    }
