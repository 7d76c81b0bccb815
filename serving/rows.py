"""Model rows from JSON values and back, by the features of a model card, without a data frame."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ApiError, fault, token

Floats = npt.NDArray[np.float64]
Card = Sequence[Mapping[str, Any]]


def encode_row(card: Card, values: Mapping[str, Any], pointer: str, base: Floats | None) -> Floats:
    """One row in the card's order.

    Parameters
    ----------
    card : sequence of mapping
        `features` of a model card: name, kind and category codes.
    values : mapping
        Feature name to number, text or None.
    pointer : str
        JSON pointer of `values`, for errors.
    base : array of shape (n_features,) or None
        The row that `values` override; None when `values` must be complete.

    Raises
    ------
    ApiError
        422 for unknown or missing features and values of the wrong type.
    """
    faults = []
    row = np.full(len(card), np.nan) if base is None else base.copy()
    taken = 0
    for place, feature in enumerate(card):
        name = feature["name"]
        if name not in values:
            if base is None:
                faults.append(_missing(name, pointer))
            continue
        taken += 1
        value = _value(feature, values[name])
        if value is None:
            faults.append(_mistyped(feature, pointer))
        else:
            row[place] = value
    if taken < len(values):
        known = {feature["name"] for feature in card}
        faults += [_unknown(name, pointer) for name in sorted(set(values) - known)]
    if faults:
        raise ApiError(422, "invalid", faults[0]["detail"], errors=faults)
    return row


def _value(feature: Mapping[str, Any], value: Any) -> float | None:
    """The number a model sees; None when the type is wrong."""
    if value is None:
        return math.nan
    if feature["kind"] == "category":
        unseen = feature.get("prior", math.nan)
        return float(feature["codes"].get(value, unseen)) if isinstance(value, str) else None
    return float(value) if isinstance(value, int | float) else None


def decode_row(card: Card, row: Floats) -> dict[str, float | str | None]:
    """The values behind a row; a category the model never learned is None, as the model saw it."""
    return {
        feature["name"]: _decoded(feature, float(value))
        for feature, value in zip(card, row, strict=True)
    }


def _decoded(feature: Mapping[str, Any], value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if feature["kind"] != "category":
        return value
    return next((text for text, code in feature["codes"].items() if code == value), None)


def _missing(name: str, pointer: str) -> dict[str, str]:
    detail = f"feature {name!r} is missing; give all features of the model (null for none)"
    return fault(f"{pointer}/{token(name)}", "missing_feature", detail)


def _unknown(name: str, pointer: str) -> dict[str, str]:
    return fault(
        f"{pointer}/{token(name)}", "unknown_feature", f"the model has no feature {name!r}"
    )


def _mistyped(feature: Mapping[str, Any], pointer: str) -> dict[str, str]:
    expected = "text" if feature["kind"] == "category" else "a number"
    detail = f"feature {feature['name']!r} takes {expected} or null"
    return fault(f"{pointer}/{token(feature['name'])}", "wrong_type", detail)
