"""What a feature is: declared once, with what it means to a person."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import ibis.expr.types as ir
import numpy as np

Kind = Literal["number", "category"]
Reduce = Literal[
    "sum", "days", "distinct", "top_share", "last", "first", "latest",
    "streak", "longest_streak", "gap_mean", "gap_sd", "gap_max",
]  # fmt: skip
DAY_KINDS: tuple[Reduce, ...] = (
    "days", "streak", "longest_streak", "gap_mean", "gap_sd", "gap_max",
)  # fmt: skip
EVER = 0  # a window without a beginning
MOMENTARY = ("last", "first", "latest")  # of all time, without windows
OF_VALUES: tuple[Reduce, ...] = ("distinct", "top_share")  # of any values, not of days
NULL_IF_NONE = (*MOMENTARY, "top_share", "gap_mean", "gap_sd", "gap_max")


@dataclass(frozen=True)
class Feature:
    """One column of the feature frame.

    `says` is a sentence for a person, a `str.format` template over `value` (this feature), `before`
    and `now` (the features named in `compares`), `moved` ("fell", "rose" or "stayed" from before to
    now). `reason` is the group under which contributions are summed: one thing a person would say.
    """

    name: str
    family: str  # usage, billing, lifecycle, purchases, support, surveys, profile
    unit: str  # events, days, share, USD, users, ...
    meaning: str
    reason: str
    window_days: int | None = None
    reach_days: int | None = None  # how far back it looks; None: as far as there is history
    empty: float | None = None  # the value when there is nothing; None is null
    actionable: bool = False
    says: str | None = None
    compares: tuple[str, str] | None = None
    tables: tuple[str, ...] = ()
    kind: Kind = "number"
    monotone: int = 0  # +1: more of it can only raise the probability of churn

    def as_card(self) -> dict[str, Any]:
        """Plain JSON for the model card."""
        return asdict(self)

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Self:
        """The inverse of `as_card`; lists become tuples again."""
        compares = card.get("compares")
        return cls(
            **card
            | {"compares": tuple(compares) if compares else None, "tables": tuple(card["tables"])}
        )


@dataclass(frozen=True)
class Measure:
    """What one row of an event table contributes, and how rows combine over a window.

    `contributes` maps the table to what each row gives; a null counts as no row.

    - sum: a boolean (which rows count), a number or decimal (what each adds)
    - last, first: a boolean; days since such a row
    - latest: a number or decimal; that of the last row
    - distinct, top_share: any value; how many differ, and the share of rows with the commonest
    - days, streak, longest_streak, gap_mean, gap_sd, gap_max: `table.day`, the local date, or null;
      how many days, the run of days up to the as-of, the longest run, days between such days
    """

    name: str
    table: str
    contributes: Callable[[ir.Table], ir.Value]
    reduce: Reduce
    windows: tuple[int, ...]
    needs: tuple[str, ...]  # optional columns of the table
    hidden: bool  # read by the state only
    feature: Feature  # of one window; name and window are filled in per window

    def features(self) -> list[Feature]:
        """One feature per window, in order; a `last` or `first` measure is one itself."""
        if self.hidden:
            return []
        if self.reduce in MOMENTARY:
            return [self.feature]
        return [self._windowed(days) for days in self.windows]

    def column(self, days: int) -> str:
        """The feature's name for a window of that many days."""
        return f"{self.name}_ever" if days == EVER else f"{self.name}_{days}d"

    def _windowed(self, days: int) -> Feature:
        since = "ever" if days == EVER else f"in the last {days} days"
        meaning = f"{self.feature.meaning.rstrip('.')} {since}."
        shown = "{value:.0%}" if self.feature.unit == "share" else "{value:,.0f}"
        says = self.feature.says or f"{self.feature.meaning.rstrip('.')} {since}: {shown}"
        reach = {"window_days": days or None, "reach_days": days or None}
        fields = {"name": self.column(days), "meaning": meaning} | reach
        return Feature(**self.feature.as_card() | fields | {"says": says, "tables": (self.table,)})


@dataclass(frozen=True)
class Derived:
    """A feature by NumPy from windows, `f.measure(0, 28)`, and from the state, `f["mrr"]`."""

    feature: Feature
    compute: Callable[[Any], np.ndarray]


MEASURES: dict[str, Measure] = {}
DERIVED: dict[str, Derived] = {}


def measure(
    *,
    reduce: Reduce = "sum",
    windows: Sequence[int] = (),
    unit: str,
    reason: str,
    empty: float | None = 0,
    actionable: bool = False,
    says: str | None = None,
    needs: Sequence[str] = (),
    monotone: int = 0,
    hidden: bool = False,
) -> Callable[[Callable[[ir.Table], ir.Value]], Callable[[ir.Table], ir.Value]]:
    """Register a measure; its parameter names the table, its first line says what it means."""

    def register(function: Callable[[ir.Table], ir.Value]) -> Callable[[ir.Table], ir.Value]:
        (table,) = inspect.signature(function).parameters
        _claim(function.__name__)
        nothing = None if reduce in NULL_IF_NONE else empty
        feature = Feature(
            name=function.__name__,
            family=_family(function),
            unit=unit,
            meaning=_first_line(function),
            reason=reason,
            empty=nothing,
            actionable=actionable,
            says=says,
            tables=(table,),
            monotone=monotone,
        )
        MEASURES[feature.name] = Measure(
            feature.name, table, function, reduce, tuple(windows), tuple(needs), hidden, feature
        )
        return function

    return register


def derived(
    *,
    unit: str,
    reason: str,
    tables: Sequence[str] = (),
    window_days: int | None = None,
    actionable: bool = False,
    says: str | None = None,
    compares: tuple[str, str] | None = None,
    kind: Kind = "number",
    monotone: int = 0,
) -> Callable[[Callable[[Any], np.ndarray]], Callable[[Any], np.ndarray]]:
    """Register a ratio or a fact of the state; `tables` are needed beside those of its windows."""

    def register(function: Callable[[Any], np.ndarray]) -> Callable[[Any], np.ndarray]:
        _claim(function.__name__)
        feature = Feature(
            name=function.__name__,
            family=_family(function),
            unit=unit,
            meaning=_first_line(function),
            reason=reason,
            window_days=window_days,
            actionable=actionable,
            says=says,
            compares=compares,
            tables=tuple(tables),
            kind=kind,
            monotone=monotone,
        )
        DERIVED[feature.name] = Derived(feature, function)
        return function

    return register


def _claim(name: str) -> None:
    if name in MEASURES or name in DERIVED:
        raise ValueError(f"there is a feature {name!r} already")


def _family(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[2]


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or function.__name__).splitlines()[0]
