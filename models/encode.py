"""From a feature frame to the float matrix a model sees, with category codes for the card."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pandas import DataFrame, Series

from features.declare import Feature
from features.errors import UnfitDataError, UnknownFeatureError
from features.stored import Stored
from models.ordered import PRIOR, Past
from models.portable import Floats, ModelInputError, encode

MANY = 32  # values beyond which a category is told by its rates


class Encoder:
    """Category codes learned from training rows; numbers pass through.

    A category of more than `MANY` values stands for what was known of the event among them, where
    answers are given: `codes` then holds log-odds against the whole, and a training row gets those
    of the time before it (`models.ordered`).

    Parameters
    ----------
    max_categories : int
        The most frequent values that get a code of their own.
    min_count : int
        Rarer values get none. Values without a code, unseen ones and None become NaN, so a card
        never holds the name of a single customer. Among rates, rare and unseen values get the
        rate of all.
    """

    def __init__(self, *, max_categories: int = 50, min_count: int = 10) -> None:
        self.max_categories = max_categories
        self.min_count = min_count

    def fit(
        self, frame: DataFrame | Stored, catalogue: Sequence[Feature], past: Past | None = None
    ) -> Self:
        """Learn codes and typical values of the columns that the catalogue names.

        Parameters
        ----------
        frame : DataFrame or Stored of shape (n, columns)
            Looked at column by column.
        catalogue : sequence of Feature
        past : Past, optional
            The answers of the rows, and when each was known.

        Raises
        ------
        UnknownFeatureError
            The frame lacks a column of the catalogue.
        UnfitDataError
            A column has the wrong type or holds an infinite value.
        """
        _require(frame, [feature.name for feature in catalogue])
        self.features = tuple(catalogue)
        self.codes: dict[str, dict[str, float]] = {}
        self.rated: dict[str, Series] = {}  # what training rows saw
        for name in (feature.name for feature in catalogue if feature.kind == "category"):
            column = frame[name]
            frequent = self._frequent(column)
            if past is not None and len(frequent) > MANY:
                seen = past.seen(column.where(column.isin(frequent) | column.isna()))
                self.rated[name] = Series(seen, index=frame.index)
                self.codes[name] = past.rates(column, frequent)
            else:
                self.codes[name] = {v: i for i, v in enumerate(frequent[: self.max_categories])}
        self.typical: dict[str, float | None] = {}
        for feature, card in zip(self.features, self.card(), strict=True):
            values = _encoded([card], DataFrame({feature.name: frame[feature.name]}))
            self.typical[feature.name] = _median(values[:, 0], feature)
        return self

    def _frequent(self, column: Series) -> list[str]:
        """Values by falling frequency, ties by name."""
        counts = column.dropna().astype(str).value_counts()
        frequent = counts[counts >= self.min_count]
        return sorted(frequent.index, key=lambda value: (-int(frequent[value]), value))

    def transform(self, frame: DataFrame) -> Floats:
        """Float matrix (n, f) in catalogue order.

        Raises
        ------
        UnknownFeatureError, UnfitDataError
            As in `fit`.
        """
        _require(frame, self.names)
        return _encoded(self.card(), frame)

    def learned(self, frame: DataFrame) -> Floats:
        """As `transform`, but rows that were learned from (by the frame's index) as they were then.

        Their rates know nothing of their own answer, nor of any that was not known by their time.
        """
        matrix = self.transform(frame)
        for name, seen in self.rated.items():
            column = matrix[:, self.names.index(name)]
            place = seen.index.get_indexer(frame.index)
            column[place >= 0] = seen.to_numpy()[place[place >= 0]]
        return matrix

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [feature.name for feature in self.features]

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the columns that hold category codes."""
        coded = self.codes.keys() - self.rated.keys()
        return tuple(i for i, f in enumerate(self.features) if f.name in coded)

    @property
    def monotone(self) -> tuple[int, ...]:
        """Direction of each feature: +1, -1, or 0 where nothing is promised."""
        return tuple(0 if f.kind == "category" else f.monotone for f in self.features)

    def card(self) -> list[dict[str, Any]]:
        """The features as a model card lists them: declaration, category codes, typical value."""
        return [
            feature.as_card()
            | {"codes": self.codes.get(feature.name), "typical": self.typical.get(feature.name)}
            | ({"prior": PRIOR} if feature.name in self.rated else {})
            for feature in self.features
        ]


def feature_of(card: dict[str, Any]) -> Feature:
    """The declaration inside one entry of a model card's feature list."""
    learned = ("codes", "typical", "prior")
    return Feature.from_card({key: value for key, value in card.items() if key not in learned})


def _encoded(cards: Sequence[dict[str, Any]], frame: DataFrame) -> Floats:
    try:
        return encode(cards, frame)
    except ModelInputError as error:
        raise UnfitDataError(str(error)) from None


def _require(frame: DataFrame | Stored, names: Sequence[str]) -> None:
    missing = set(names) - set(frame.columns)
    if missing:
        raise UnknownFeatureError(missing, frame.columns)


def _median(values: Floats, feature: Feature) -> float | None:
    """Median of a number's known training values; None for categories and empty columns."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) and feature.kind == "number" else None
