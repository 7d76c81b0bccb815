"""The rows of a target that may train or test, and the matrices cut from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.built import Built, numbered, some_rows
from features.clock import first_fact
from features.declare import Feature
from features.errors import UnfitDataError, UnknownFeatureError
from features.facts import Facts
from features.project import Target
from features.sensitive import sensitive_values
from features.staging import Staged
from features.stored import Stored
from models.encode import Encoder
from models.ordered import Past
from models.streamed import Matrix, Streamed
from training.labels import Labeller, known_after, mature
from training.splits import holdout

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Labelled = tuple[Rows, Floats]  # rows and their labels
CUTS = ("segment", "plan_id", "country", "currency")  # columns of the state
LEAVING = ("churn", "silence", "inactivity")  # kinds that `Feature.monotone` speaks of


@dataclass(frozen=True)
class Sample:
    """Encoded rows with their answers.

    Attributes
    ----------
    X : ndarray or Streamed of shape (n, f)
        Streamed where the rows are more than the project holds in memory.
    y : ndarray of shape (n,)
        1 where the event happened, else 0.
    customer : ndarray of int, shape (n,)
        A number per customer, the same in all samples of a dataset.
    rows : ndarray of int, shape (n,)
        The place of each row in the dataset, by which the leak guard knows it.
    as_of : Series of datetime, shape (n,)
        NaT on snapshots.
    simple : DataFrame or Stored of shape (n, k)
        The columns a simple rule may use.
    monotone : tuple of int, length f
        What each feature promises of this event: +1, -1, or 0 for nothing.
    majority_share : float
        Of the commoner outcome, that a fit learns from.
    """

    X: Matrix
    y: Floats
    customer: Rows
    rows: Rows
    as_of: pd.Series
    simple: pd.DataFrame | Stored
    monotone: tuple[int, ...] = ()
    majority_share: float = 1.0

    def __len__(self) -> int:
        return len(self.y)

    @property
    def array(self) -> Floats:
        """The matrix in memory; for samples of some of the rows."""
        X = self.X
        return X.array(np.arange(len(X))) if isinstance(X, Streamed) else X

    @property
    def events(self) -> int:
        """Distinct customers with the event."""
        return len(np.unique(self.customer[self.y == 1]))

    def take(self, rows: Rows) -> Self:
        """Some of the rows, in that order."""
        as_of, simple = self.as_of.iloc[rows], some_rows(self.simple, rows)
        customer, places = self.customer[rows], self.rows[rows]
        return type(self)(
            self.X[rows],
            self.y[rows],
            customer,
            places,
            as_of,
            simple,
            self.monotone,
            self.majority_share,
        )


Chooser = Callable[[Sample, Sequence[int]], Any]  # gives a `training.recipe.Choice`


class Dataset:
    """Eligible rows of a target with features, and labels at any moment of knowledge.

    Parameters
    ----------
    staged : Staged
    target : Target
    built : Built
        All as-of dates of the target.

    Attributes
    ----------
    data_end : datetime or None
        Exclusive end of what labels know; None for rows without time.
    frame : DataFrame or Stored of shape (n, f)
        Features of each row, on disk where they are many.
    training : Training
        How many rows teach, and how they are held.
    holdout : Holdout or None
        The fixed test of a snapshot; None where it is cross-validated, or time tests.
    chooser : callable, optional
        How settings are chosen on training rows, where not by the default recipe.
    value : ndarray of float, shape (n,)
        Money per month of each row; NaN where it is not known.
    cuts : DataFrame of shape (n, k)
        What tells segments apart: columns of the state and sensitive ones, as categories.
    """

    def __init__(self, staged: Staged, target: Target, built: Built) -> None:
        self.training = staged.project.training
        labeller = Labeller(staged, target, built.keys, built.state)
        self.target = labeller.target
        self.rows = np.flatnonzero(labeller.eligible)
        self._labeller = labeller
        self._labels: dict[datetime | None, Floats] = {}
        self.keys = numbered(built.keys, self.rows)
        known = chosen(built.catalogue, target.features)
        self.catalogue = known if target.label else _seen_whole(known, staged, target, built)
        names = [feature.name for feature in self.catalogue]
        features = built.features
        chosen_ones = features.select(names) if isinstance(features, Stored) else features[names]
        self.frame = some_rows(chosen_ones, self.rows)
        state = numbered(built.state, self.rows)
        self.customer = self._groups()
        self.value = state["value_per_month"].to_numpy(dtype=np.float64)
        sensitive = sensitive_values(staged, self.keys["customer_id"])
        self.cuts = pd.concat([state[[*CUTS]], sensitive], axis=1).astype("category")
        self.holdout = holdout(target.split, state) if self.is_snapshot else None
        self.data_end = self._data_end(staged)
        self.chooser: Chooser | None = None
        self._simple = None if target.label is not None else _recency(self.keys, state)

    @property
    def is_snapshot(self) -> bool:
        """Whether time tests nothing: rows without dates, of one date, or split otherwise."""
        split = self.target.split
        by_row = split.train_sample is not None or split.test_share is not None
        return self.target.label is not None and (by_row or self.keys["as_of"].nunique() < 2)

    def _groups(self) -> Rows:
        """A number per customer, or per content of a row where duplicates are one customer."""
        if not self.target.split.group_duplicates:
            return np.asarray(pd.factorize(self.keys["customer_id"])[0], dtype=np.int64)
        if isinstance(self.frame, Stored):
            raise UnfitDataError(
                f"split.group_duplicates compares rows in memory; came {len(self.frame):,}, and"
                f" training.rows_in_memory is {self.training.rows_in_memory:,}"
            )
        alike = self.frame.groupby([*self.frame], sort=False, dropna=False)
        return np.asarray(alike.ngroup(), dtype=np.int64)

    def _data_end(self, staged: Staged) -> datetime | None:
        """That of the sources; of snapshots the project's, or when the last label was known."""
        if self.is_snapshot:
            return None
        if self.target.label is None or staged.project.data_end is not None:
            return staged.data_end
        rows, _ = self.labelled(None, None)
        newest: pd.Timestamp = self.keys["as_of"].iloc[rows].max()
        return newest.to_pydatetime() + known_after(self.target)

    def mature(self, moment: datetime) -> list[datetime]:
        """The as-of dates whose answer is known at a moment."""
        dates = self.keys["as_of"].unique()
        return sorted(date for date in dates if mature(date, self.target, moment))

    def labelled(
        self, dates: Sequence[datetime] | None, known_before: datetime | None
    ) -> tuple[Rows, Floats]:
        """Rows of some dates (None: all) with a label by then, and the labels."""
        if known_before not in self._labels:
            self._labels[known_before] = self._labeller(known_before).to_numpy()[self.rows]
        y = self._labels[known_before]
        wanted = ~np.isnan(y)
        if dates is not None:
            wanted &= self.keys["as_of"].isin(list(dates)).to_numpy()
        rows = np.flatnonzero(wanted)
        return rows, y[rows]

    def causes(self, known_before: datetime | None = None) -> npt.NDArray[np.object_] | None:
        """The cause of each row's event, known by then or at the end; None where none is told."""
        found = self._labeller.causes(known_before or self.data_end)
        return None if found is None else found.to_numpy()[self.rows]

    @property
    def facts(self) -> Facts:
        """What the labels are read from."""
        return self._labeller.facts

    def parts(self) -> tuple[Labelled, Labelled]:
        """The rows of a snapshot that train and that test; all do both where there is no split."""
        rows, y = self.labelled(None, None)
        if self.holdout is None:
            return (rows, y), (rows, y)
        train, test = np.isin(rows, self.holdout.train), np.isin(rows, self.holdout.test)
        return (rows[train], y[train]), (rows[test], y[test])

    def newest(self, rows: Rows, y: Floats, limit: int | None = None) -> tuple[Rows, Floats]:
        """The rows of the newest dates, whole, up to a limit or one date; all of a snapshot.

        The limit is `rows` of the project's `[training]` when left out.
        """
        as_of, limit = self.keys["as_of"].iloc[rows], limit or self.training.rows
        if len(rows) <= limit or self.is_snapshot:
            return rows, y
        kept = as_of.value_counts().sort_index(ascending=False).cumsum() <= limit
        first = min([as_of.max(), *kept.index[kept]])
        recent = (as_of >= first).to_numpy()
        return rows[recent], y[recent]

    def encoder(self, rows: Rows, y: Floats | None = None) -> Encoder:
        """Category codes learned from some rows, of many values by their labels `y`."""
        as_of = self.keys["as_of"].iloc[rows]
        past = None if y is None else Past(y, as_of, known_after(self.target))
        held = isinstance(self.frame, Stored) and len(rows) > self.training.rows_in_memory
        frame = self.frame.take(rows) if held else self.frame.iloc[rows]
        return Encoder().fit(frame, self.catalogue, past)

    def sample(self, rows: Rows, y: Floats, encoder: Encoder) -> Sample:
        """The encoded rows with their labels."""
        as_of = self.keys["as_of"].iloc[rows].reset_index(drop=True)
        return Sample(
            self._matrix(rows, encoder),
            y,
            self.customer[rows],
            rows,
            as_of,
            some_rows(self.frame if self._simple is None else self._simple, rows),
            encoder.monotone if self.target.kind in LEAVING else (),
            self.training.majority_share,
        )

    def _matrix(self, rows: Rows, encoder: Encoder) -> Matrix:
        """The encoded rows; encoded block by block, whenever they are read, where they are many."""

        def read(some: Rows) -> Floats:
            return encoder.learned(self.frame.iloc[some])

        if len(rows) <= self.training.rows_in_memory:
            return read(rows)
        return Streamed(read, rows, len(encoder.features))


def chosen(catalogue: Sequence[Feature], names: Sequence[str]) -> tuple[Feature, ...]:
    """The features a target asks for by name or family; all when it asks for none."""
    known = {feature.name for feature in catalogue} | {feature.family for feature in catalogue}
    if set(names) - known:
        raise UnknownFeatureError(set(names) - known, known)
    return tuple(f for f in catalogue if not names or f.name in names or f.family in names)


def _seen_whole(
    catalogue: Sequence[Feature], staged: Staged, target: Target, built: Built
) -> tuple[Feature, ...]:
    """The features whose window lies within the history at every date of a calendar grid.

    A window that begins before the first fact means less at early dates than at late ones, so a
    model learned on the former misreads the latter.
    """
    if target.as_of.anchor is not None or not len(built):
        return tuple(catalogue)
    history = (built.keys["as_of"].min() - first_fact(staged)).days
    return tuple(f for f in catalogue if f.reach_days is None or f.reach_days <= history)


def _recency(keys: pd.DataFrame, state: pd.DataFrame) -> pd.DataFrame:
    """Days since the last use and the last order; since the last fact where there is neither."""
    since = {
        "days since the last use": "last_activity_at",
        "days since the last order": "last_order_at",
    }
    known = {name: column for name, column in since.items() if state[column].notna().any()}
    known = known or {"days since the last fact": "last_fact_at"}
    return pd.DataFrame(
        {
            name: (keys["as_of"] - state[column]).dt.total_seconds() / 86_400
            for name, column in known.items()
        }
    )
