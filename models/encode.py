"""From a feature frame to the float matrix a model sees, with category codes for the card."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pandas import DataFrame, Series

from features.declare import Feature
from features.errors import UnfitDataError, UnknownFeatureError
from models.portable import Floats, ModelInputError, encode


class Encoder:
    """Category codes learned from training rows; numbers pass through.

    Parameters
    ----------
    max_categories : int
        The most frequent values that get a code of their own.
    min_count : int
        Rarer values get none. Values without a code, unseen ones and None become NaN, so a card
        never holds the name of a single customer.
    """

    def __init__(self, *, max_categories: int = 50, min_count: int = 10) -> None:
        self.max_categories = max_categories
        self.min_count = min_count

    def fit(self, frame: DataFrame, catalogue: Sequence[Feature]) -> Self:
        """Learn codes and typical values of the columns that the catalogue names.

        Raises
        ------
        UnknownFeatureError
            The frame lacks a column of the catalogue.
        UnfitDataError
            A column has the wrong type or holds an infinite value.
        """
        _require(frame, [feature.name for feature in catalogue])
        self.features = tuple(catalogue)
        self.codes = {
            feature.name: self._codes(frame[feature.name])
            for feature in catalogue
            if feature.kind == "category"
        }
        self.typical: dict[str, float | None] = {}
        matrix = self.transform(frame)
        for position, feature in enumerate(self.features):
            self.typical[feature.name] = _median(matrix[:, position], feature)
        return self

    def _codes(self, column: Series) -> dict[str, int]:
        """Codes by falling frequency, ties by name."""
        counts = column.dropna().astype(str).value_counts()
        frequent = counts[counts >= self.min_count]
        order = sorted(frequent.index, key=lambda value: (-int(frequent[value]), value))
        return {value: code for code, value in enumerate(order[: self.max_categories])}

    def transform(self, frame: DataFrame) -> Floats:
        """Float matrix (n, f) in catalogue order.

        Raises
        ------
        UnknownFeatureError, UnfitDataError
            As in `fit`.
        """
        _require(frame, self.names)
        try:
            return encode(self.card(), frame)
        except ModelInputError as error:
            raise UnfitDataError(str(error)) from None

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [feature.name for feature in self.features]

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the category columns."""
        return tuple(i for i, f in enumerate(self.features) if f.kind == "category")

    @property
    def monotone(self) -> tuple[int, ...]:
        """Direction of each feature: +1, -1, or 0 where nothing is promised."""
        return tuple(0 if f.kind == "category" else f.monotone for f in self.features)

    def card(self) -> list[dict[str, Any]]:
        """The features as a model card lists them: declaration, category codes, typical value."""
        return [
            feature.as_card()
            | {"codes": self.codes.get(feature.name), "typical": self.typical.get(feature.name)}
            for feature in self.features
        ]


def feature_of(card: dict[str, Any]) -> Feature:
    """The declaration inside one entry of a model card's feature list."""
    return Feature.from_card({k: v for k, v in card.items() if k not in ("codes", "typical")})


def _require(frame: DataFrame, names: Sequence[str]) -> None:
    missing = set(names) - set(frame.columns)
    if missing:
        raise UnknownFeatureError(missing, frame.columns)


def _median(values: Floats, feature: Feature) -> float | None:
    """Median of a number's known training values; None for categories and empty columns."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) and feature.kind == "number" else None
