"""Customers like this one: what is usual among those who pay in the same rhythm and segment.

The card holds quantiles and means of groups of many customers, never a row.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.portable import Floats, PortableModel

ALIKE = ("interval_months", "segment")  # columns in which peers are the same, where there are such
LEAST = 200  # customers of a group
PERCENTS = tuple(range(5, 100, 5))
FAR = 20  # percent of the peers on one side: a value there is worth a remark
_RHYTHM = {1: "paying monthly", 3: "paying quarterly", 12: "paying yearly"}
Rows = NDArray[np.intp]


class Peers:
    """Peers as a card tells of them.

    Parameters
    ----------
    card : mapping
        Of a model; without `peers` there is one group, of which nothing is known.
    """

    def __init__(self, card: Mapping[str, Any]) -> None:
        names = [feature["name"] for feature in card["features"]]
        self.groups: Sequence[Mapping[str, Any]] = (card.get("peers") or {}).get("groups") or []
        self._wanted = [
            [(names.index(name), code) for name, code in group["values"].items()]
            for group in self.groups
        ]
        width = len(names)
        rows = [group["base"] for group in self.groups] or [[0.0] * width]
        self._base = np.asarray(rows, dtype=np.float64)
        self._quantiles = [
            [None if row is None else np.asarray(row) for row in group["quantiles"]]
            for group in self.groups
        ]

    def place(self, matrix: Floats) -> Rows:
        """The narrowest group of each row, shape (n,)."""
        found = np.zeros(len(matrix), dtype=np.intp)
        for number, wanted in enumerate(self._wanted):  # from wide to narrow
            alike = np.ones(len(matrix), dtype=bool)
            for position, code in wanted:
                alike &= matrix[:, position] == code
            found[alike] = number
        return found

    def base(self, place: Rows) -> Floats:
        """Mean log-odds by feature of the peers, shape (n, f); zeros where nothing is known."""
        return np.asarray(self._base[place])

    def typical(self, place: int, position: int) -> float | None:
        """The median of one feature; None for categories and where too few have a value."""
        row = self._quantiles[place][position] if self.groups else None
        return None if row is None else float(row[len(PERCENTS) // 2])

    def span(self, place: int, position: int) -> tuple[float, float] | None:
        """From the 10th to the 90th percentile of one feature."""
        row = self._quantiles[place][position] if self.groups else None
        return None if row is None else (float(row[1]), float(row[-2]))

    def better(self, place: int, position: int, *, is_chance: bool) -> tuple[float, int] | None:
        """What peers who do better have (NaN: nothing), and which way that is: 1 more, -1 less.

        The way is 0 where those who do worse have the same; None where nothing is known.
        """
        span = self.span(place, position)
        if span is None:
            return None
        group = self.groups[place]
        names = ("high", "low") if is_chance else ("low", "high")
        aim, other = (group[name][position] for name in names)
        if aim is None:
            return np.nan, 0
        return float(np.clip(aim, *span)), 0 if other is None else int(np.sign(aim - other))

    def evidence(self, place: int, position: int, value: float) -> dict[str, Any]:
        """`peer_median`, `percentile` (of peers with less) and `peer_group`, or nothing."""
        percentile = self.percentile(place, position, value)
        if percentile is None:
            return {}
        return {
            "peer_median": self.typical(place, position),
            "percentile": percentile,
            "peer_group": self.groups[place]["name"],
        }

    def percentile(self, place: int, position: int, value: float) -> int | None:
        """Share of the peers with less, in steps of 5 percent."""
        row = self._quantiles[place][position] if self.groups else None
        if row is None or np.isnan(value):
            return None
        return int(np.searchsorted(row, value, side="left")) * 5

    def stands_out(self, place: int, position: int, value: float) -> bool:
        """Whether nearly all peers have more, or nearly all have less."""
        row = self._quantiles[place][position] if self.groups else None
        if row is None or np.isnan(value):
            return False
        least = len(PERCENTS) + 1 - FAR // 5
        return bool((row > value).sum() >= least or (row < value).sum() >= least)


def peers_card(
    model: PortableModel, matrix: Floats, customer: NDArray[np.int64]
) -> dict[str, Any] | None:
    """What a card says of peers; None with fewer than `LEAST` customers.

    Parameters
    ----------
    model : PortableModel
    matrix : ndarray of shape (n, f)
        Encoded rows, of one moment or of few.
    customer : ndarray of int, shape (n,)

    Returns
    -------
    dict
        `percents`, and `groups` from wide to narrow: `name`, `values` (a code by feature),
        `customers`, and by feature `quantiles` (null for categories), `base` (mean log-odds),
        `low` and `high` (medians of the half where the event is less probable, and of the other;
        null where most have no value).
    """
    if len(np.unique(customer)) < LEAST:
        return None
    features = model.card["features"]
    parts, log_odds = model.contributions(matrix)[:, :-1], model.log_odds(matrix)
    groups = []
    for values, rows in _groups(features, matrix):
        mine = np.flatnonzero(rows)
        size = len(np.unique(customer[mine]))
        if size < LEAST:
            continue
        groups.append(
            {
                "name": _name(features, values),
                "values": values,
                "customers": size,
                "base": _short(parts[mine].mean(axis=0)),
                **_spread(features, matrix[mine], log_odds[mine]),
            }
        )
    return {"percents": list(PERCENTS), "groups": groups}


def _groups(
    features: Sequence[Mapping[str, Any]], matrix: Floats
) -> list[tuple[dict[str, float], NDArray[np.bool_]]]:
    """Everybody, then who is alike in the first column, then in the first two."""
    names = [feature["name"] for feature in features]
    found: list[tuple[dict[str, float], NDArray[np.bool_]]] = [
        ({}, np.ones(len(matrix), dtype=bool))
    ]
    wider = found
    for name in ALIKE:
        if name not in names or "prior" in features[names.index(name)]:  # told by rates
            continue
        column = matrix[:, names.index(name)]
        codes = np.unique(column[~np.isnan(column)]).tolist()
        narrower = [
            (values | {name: code}, rows & (column == code))
            for values, rows in wider
            for code in codes
        ]
        found, wider = found + narrower, narrower
    return found


def _name(features: Sequence[Mapping[str, Any]], values: Mapping[str, float]) -> str:
    """A group in words, such as `paying monthly, smb`."""
    words = []
    for feature in features:
        if feature["name"] not in values:
            continue
        code = values[feature["name"]]
        if feature["codes"] is None:
            words.append(_RHYTHM.get(int(code), f"paying every {code:g} months"))
        else:
            words.append(next(text for text, c in feature["codes"].items() if c == code))
    return ", ".join(words) or "all customers"


def _spread(
    features: Sequence[Mapping[str, Any]], matrix: Floats, log_odds: Floats
) -> dict[str, Any]:
    """Quantiles of each number, and its medians where the event is improbable and probable."""
    low = log_odds <= np.median(log_odds)
    quantiles: list[list[float] | None] = []
    medians: dict[str, list[float | None]] = {"low": [], "high": []}
    for position, feature in enumerate(features):
        column = matrix[:, position]
        known = column[~np.isnan(column)]
        is_number = feature["kind"] == "number" and len(known) >= LEAST
        quantiles.append(_short(np.percentile(known, PERCENTS)) if is_number else None)
        for name, rows in (("low", low), ("high", ~low)):
            medians[name].append(_median(column[rows]) if is_number else None)
    return {"quantiles": quantiles, **medians}


def _median(column: Floats) -> float | None:
    """The median; None where most have no value."""
    known = column[~np.isnan(column)]
    return _short(np.median(known)) if 2 * len(known) > len(column) else None


def _short(values: Any) -> Any:
    """Plain numbers of six digits."""
    return float(f"{values:.6g}") if np.ndim(values) == 0 else [float(f"{v:.6g}") for v in values]
