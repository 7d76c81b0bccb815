"""The looks at test sets: a line for each time that models were judged on one.

A model that was chosen after many looks at the same test has learned from it, though nothing was
fitted on it; so every look is kept, and reports say how many there were.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.report import Json

FILE = "looks.csv"
COLUMNS = ("moment", "target", "test", "fingerprint", "verb", "recipe", "log_loss")


@dataclass(frozen=True)
class Look:
    """One look: at which test, of which data, by which verb, and what was seen.

    Attributes
    ----------
    test : sequence of str
        As-of dates; empty for snapshots, whose rows the fingerprint names.
    """

    target: str
    test: Sequence[str]
    fingerprint: str
    verb: str
    recipe: str
    log_loss: float | None

    @property
    def at(self) -> tuple[str, str, str]:
        """What makes two looks looks at the same test."""
        return self.target, " ".join(self.test), self.fingerprint


def record(outputs: Path, look: Look) -> Json:
    """Add a line to `looks.csv` among the project's outputs.

    Returns
    -------
    dict
        `count` of the looks at the same test, this one included, and `first`, the moment of the
        first of them.
    """
    path = outputs / FILE
    outputs.mkdir(parents=True, exist_ok=True)
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    loss = "" if look.log_loss is None else f"{look.log_loss:.6f}"
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        if is_new:
            lines.writerow(COLUMNS)
        lines.writerow((moment, *look.at, look.verb, look.recipe, loss))
    with path.open(newline="", encoding="utf-8") as file:
        found = [
            row["moment"]
            for row in csv.DictReader(file)
            if (row["target"], row["test"], row["fingerprint"]) == look.at
        ]
    return {"count": len(found), "first": found[0]}
