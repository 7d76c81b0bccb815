"""Drift: whether rows look like those a model learned from, or only as different as chance allows.

A profile holds how training rows are spread over cells, never a row. New rows are compared with it
by the population stability index (PSI). When nothing moved, PSI is about a chi-square with one
degree less than cells, times (1/n + 1/m) for n and m customers: that is its noise. Features count
by their importance.

References
----------
Yurdakul, B., & Naranjo, J. (2020). Statistical properties of the population stability index.
Journal of Risk Model Validation, 14(4), 89-100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from models.portable import Floats

ALPHA = 0.01  # chance of a false alarm
MODERATE, LARGE = 0.10, 0.25  # a PSI beyond noise that is worth a look, and one that is serious
PERCENTS = tuple(range(10, 100, 10))
WHOLE = 1.0  # a PSI from which a column is another one altogether
LEAST = 5  # customers that a cell must be expected to hold on either side
Card = dict[str, Any]


@dataclass(frozen=True)
class Drift:
    """How far one column moved.

    Attributes
    ----------
    name : str
    importance : float
        Share of it in what the model uses.
    psi, expected, noise, limit : float
        The index; its mean when nothing moved; what it then stays below in all but `ALPHA` cases,
        and what all columns that are looked at together stay below in all but `ALPHA` cases.
    missing_before, missing_now : float
        Share of rows without a value, or with a category that the model has not learned.
    """

    name: str
    importance: float
    psi: float
    expected: float
    noise: float
    limit: float
    missing_before: float
    missing_now: float

    @property
    def moved(self) -> float:
        """PSI beyond what sampling gives, up to `WHOLE`; below zero where it is less than that."""
        return min(self.psi, WHOLE) - self.expected

    def as_json(self) -> Card:
        """Plain JSON."""
        return asdict(self) | {"moved": self.moved}


@dataclass(frozen=True)
class Drifts:
    """All features of a model, most moved first, and their sum weighted by importance.

    Attributes
    ----------
    customers : int
        Whose rows were compared.
    """

    features: tuple[Drift, ...]
    customers: int

    @property
    def moved(self) -> float:
        """Weighted PSI beyond what sampling gives; 0 where the model uses nothing.

        At most 1: then all that the model uses is another thing altogether.
        """
        return max(sum(f.importance * f.moved for f in self.features), 0.0)

    @property
    def noise(self) -> float:
        """What `moved` stays below in all but `ALPHA` cases when nothing moved."""
        return sum(f.importance * (f.noise - f.expected) for f in self.features)

    def beyond(self, size: float) -> bool:
        """Whether the model's features moved by at least so much, and not by chance."""
        return self.moved > max(size, self.noise)

    def alarms(self) -> list[Drift]:
        """Features that moved by `MODERATE` or more; chance raises any in `ALPHA` cases."""
        return [f for f in self.features if f.moved >= MODERATE and f.psi > f.limit]

    def as_json(self, top: int = 10) -> Card:
        """Plain JSON with the features that moved most, weighted."""
        return {
            "moved": self.moved,
            "noise": self.noise,
            "customers": self.customers,
            "alarms": [f.name for f in self.alarms()],
            "features": [f.as_json() for f in self.features[:top]],
        }


def profile(
    matrix: Floats,
    features: Sequence[Mapping[str, Any]],
    customers: ArrayLike,
    importance: Mapping[str, float],
) -> Card:
    """How rows are spread: `customers`, and by feature `name`, `importance`, `edges`, `shares`.

    Parameters
    ----------
    matrix : ndarray of shape (n, f)
        Encoded rows.
    features : sequence of mapping
        As the card lists them.
    customers : array-like of shape (n,)
        Rows of one customer are alike, so chance is that of so many customers, not rows.
    importance : mapping of str to float
        Share by feature, `Fitted.importance`; features that are left out have none.
    """
    columns = [
        {
            "name": feature["name"],
            "importance": float(importance.get(feature["name"], 0.0)),
            **column_profile(column, None if _is_number(feature) else len(feature["codes"])),
        }
        for feature, column in zip(features, matrix.T, strict=True)
    ]
    return {"customers": len(np.unique(np.asarray(customers))), "features": columns}


def column_profile(values: Floats, levels: int | None = None) -> Card:
    """`edges` of the cells of a number (of a category its number of codes) and the `shares`.

    The last share is that of missing values.
    """
    cells: list[float] | int
    if levels is None:
        known = values[~np.isnan(values)]
        cuts = np.unique(np.percentile(known, PERCENTS)) if len(known) else np.empty(0)
        cells = [float(f"{cut:.9g}") for cut in cuts]
    else:
        cells = levels
    return {"edges": cells, "shares": [float(f"{s:.6g}") for s in spread(values, cells)]}


def drift(before: Card, matrix: Floats, names: Sequence[str], customers: ArrayLike) -> Drifts:
    """Drift of rows against a profile; features that only one of the two has are left out.

    Parameters
    ----------
    before : dict
        A `profile`.
    matrix : ndarray of shape (n, f)
        Rows encoded alike.
    names : sequence of str
        Of the columns of `matrix`.
    customers : array-like of shape (n,)
    """
    place = {name: position for position, name in enumerate(names)}
    sizes = before["customers"], len(np.unique(np.asarray(customers)))
    shared = [one for one in before["features"] if one["name"] in place]
    tests = max(len(shared), 1)
    found = [column_drift(one, matrix[:, place[one["name"]]], sizes, tests) for one in shared]
    order = sorted(found, key=lambda f: (-f.importance * f.moved, -f.moved, f.name))
    return Drifts(tuple(order), sizes[1])


def weigh(before: Card, matrix: Floats, y: Floats) -> Card:
    """A profile in which a feature counts by what it alone tells of the event.

    That is its information value, the PSI between rows with the event and rows without, beyond
    what chance gives. For where no model is at hand.
    """
    sizes = int((y == 1).sum()), int((y == 0).sum())
    chance = 1 / max(sizes[0], 1) + 1 / max(sizes[1], 1)
    values = []
    for one, column in zip(before["features"], matrix.T, strict=True):
        having, lacking = (spread(column[y == side], one["edges"]) for side in (1, 0))
        index, cells = psi(having, lacking, *sizes)
        values.append(max(index - (cells - 1) * chance, 0.0))
    total = sum(values) or 1.0
    weighed = [
        one | {"importance": value / total}
        for one, value in zip(before["features"], values, strict=True)
    ]
    return before | {"features": weighed}


def column_drift(before: Card, values: Floats, sizes: tuple[int, int], tests: int = 1) -> Drift:
    """Drift of one column against its `column_profile`, with the customers of either side.

    `tests` is how many columns are looked at together.
    """
    shares = np.asarray(before["shares"], dtype=np.float64)
    now = spread(values, before["edges"])
    index, cells = psi(shares, now, *sizes)
    chance = 1 / max(sizes[0], 1) + 1 / max(sizes[1], 1)
    return Drift(
        name=before.get("name", ""),
        importance=before.get("importance", 1.0),
        psi=index,
        expected=(cells - 1) * chance,
        noise=_quantile(1 - ALPHA, cells) * chance,
        limit=_quantile(1 - ALPHA / tests, cells) * chance,
        missing_before=float(shares[-1]),
        missing_now=float(now[-1]),
    )


def _quantile(share: float, cells: int) -> float:
    """Of what PSI is spread like when nothing moved, but for the sizes."""
    return float(chi2.ppf(share, cells - 1)) if cells > 1 else 0.0


def psi(before: Floats, now: Floats, n: int, m: int) -> tuple[float, int]:
    """Population stability index of two spreads over the same cells, and the cells it was over.

    Neighbouring cells in which too few are expected are taken together; half a customer is added
    to every cell, so that an empty one does not make it infinite.

    Parameters
    ----------
    before, now : ndarray of shape (cells,)
        Shares; the last is that of missing values.
    n, m : int
        Customers of either side.
    """
    groups = _groups((n * before + m * now) / max(n + m, 1) * min(n, m))
    cells = int(groups.max()) + 1
    if cells < 2:
        return 0.0, 1
    p, q = (
        (size * np.bincount(groups, shares, cells) + 0.5) / (size + 0.5 * cells)
        for size, shares in ((n, before), (m, now))
    )
    return float(np.sum((q - p) * np.log(q / p))), cells


def _groups(expected: Floats) -> NDArray[np.intp]:
    """A group per cell, each expected to hold `LEAST`; the last cell stays alone if it can."""
    groups = np.zeros(len(expected), dtype=np.intp)
    group, held = 0, 0.0
    for cell, count in enumerate(expected[:-1]):
        groups[cell] = group
        held += count
        if held >= LEAST:
            group, held = group + 1, 0.0
    last = max(group - 1, 0)
    groups[groups > last] = last  # too few at the end go to the group before
    groups[-1] = last + 1 if expected[-1] >= LEAST and group else last
    return groups


def spread(values: Floats, edges: Sequence[float] | int) -> Floats:
    """Share of the rows of a column in each cell, last of those without a value."""
    missing = np.isnan(values)
    known = values[~missing]
    if isinstance(edges, int):
        where = np.clip(known, 0, max(edges - 1, 0)).astype(np.intp)
        width = max(edges, 1)
    else:
        where = np.searchsorted(np.asarray(edges, dtype=np.float64), known, side="right")
        width = len(edges) + 1
    counts = np.append(np.bincount(where, minlength=width), missing.sum())
    return np.asarray(counts / max(len(values), 1))


def _is_number(feature: Mapping[str, Any]) -> bool:
    """Whether a column of the matrix holds values, as rates of categories are, and not codes."""
    return feature["kind"] == "number" or "prior" in feature
