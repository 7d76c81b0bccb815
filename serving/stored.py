"""What published runs hold of one target, for who looks back at them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from serving.queries import Reader
from serving.schema import ScoreEntry, ScoreRow
from serving.store import Store

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Published:
    """The scored customers of a target in one run; `rows` reads their encoded rows.

    Attributes
    ----------
    version : int or None
        Of the model; None when nothing was promoted.
    customers : ndarray of str, shape (n,)
    probability : ndarray of shape (n,)
    names : tuple of str, length f
        Features, in the order of the rows.
    """

    id: int
    as_of: datetime | None
    version: int | None
    customers: npt.NDArray[np.object_]
    probability: Floats
    names: tuple[str, ...]
    target: str
    store: Store

    def rows(self) -> Floats:
        """Encoded model rows, shape (n, f)."""
        query = select(ScoreRow.customer_id, ScoreRow.row).where(
            ScoreRow.run_id == self.id, ScoreRow.target == self.target
        )
        place = {who: position for position, who in enumerate(self.customers)}
        found = np.full((len(place), len(self.names)), np.nan)
        with self.store.reading() as connection:
            for who, row in connection.execute(query):
                found[place[who]] = np.frombuffer(row, dtype="<f8")
        return found


def published(store: Store, project: str, target: str) -> Iterator[Published]:
    """Every kept run in which a target was scored, newest first."""
    reader = Reader(store, project)
    for run in reader.runs():
        model = reader.models(run.id).get(target)
        if model is None:
            continue
        query = (
            select(ScoreEntry.customer_id, ScoreEntry.probability)
            .where(
                ScoreEntry.run_id == run.id,
                ScoreEntry.target == target,
                ScoreEntry.probability.is_not(None),
            )
            .order_by(ScoreEntry.customer_id)
        )
        with store.reading() as connection:
            rows = connection.execute(query).all()
        yield Published(
            run.id,
            run.as_of,
            model.version,
            np.array([row[0] for row in rows], dtype=object),
            np.array([row[1] for row in rows], dtype=np.float64),
            tuple(one["name"] for one in model.features or ()),
            target,
            store,
        )
