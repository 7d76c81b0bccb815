"""A feature's value as a sentence for a person."""

import math
import re
from dataclasses import dataclass
from string import Formatter

from features.declare import Feature

Value = float | str | None

BARE = {
    "",
    "ratio",
    "rank",
    "quantity",
    "unit",
    "number",
    "score",
    "index",
    "value",
}  # units not spoken
_STAYED = re.compile(r"\b(?:fell|rose|stayed) from (\S+) to \1(?![\w.,%]*[\w%])")
_ONE_OF = re.compile(
    r"(?<![\d.,])1 (day|ticket|user|event|order|payment|change|month|answer|product|refund|seat"
    r"|subscription|kind|use|point|time|upgrade|downgrade|touch)e?s\b( are\b)?"
)
_UNKNOWN = "not known"
_UNLEARNED = "none that the model has learned"  # missing, rare, or never seen before


class _Number(float):
    """A float that never prints as minus zero and reads plainly without a format."""

    def __format__(self, spec: str) -> str:
        text = super().__format__(spec) if spec else plain_number(float(self))
        return text[1:] if re.fullmatch(r"-[0.,]+%?", text) else text


@dataclass(frozen=True)
class Wording:
    """How one feature is put into words.

    Attributes
    ----------
    feature : Feature
    currency : str
        What amounts of money are in.
    """

    feature: Feature
    currency: str = ""

    def sentence(self, value: Value, before: Value = None, now: Value = None) -> str:
        """The feature's own sentence; its meaning and value when a part of that is missing.

        Parameters
        ----------
        value : float, str or None
            Of the feature; None when missing.
        before, now : float, str or None
            Of the two features that it compares.
        """
        parts = {"value": value, "before": before, "now": now, "moved": moved(before, now)}
        says = self.feature.says
        if not says or any(parts[name] is None for name in placeholders(says)):
            return f"{self.subject}: {self.plain(value)}"
        worded = {name: self._spoken(one) for name, one in parts.items()}
        text = _turned(says, parts["moved"]).format(**worded)
        text = _STAYED.sub(r"stayed at \1", text)
        return _ONE_OF.sub(lambda m: f"1 {m[1]}" + (" is" if m[2] else ""), text).rstrip(". ")

    @property
    def subject(self) -> str:
        """The first clause of the meaning."""
        return self.feature.meaning.partition(";")[0].rstrip(". ")

    def _spoken(self, value: Value) -> Value:
        """A value as a sentence holds it."""
        if isinstance(value, float):
            return self.plain(value) if self.feature.unit == "flag" else _Number(value)
        return value

    def plain(self, value: Value) -> str:
        """A value with its unit: days whole, shares in percent, money with its currency."""
        if value is None or isinstance(value, str):
            return value or (_UNLEARNED if self.feature.kind == "category" else _UNKNOWN)
        unit = self.feature.unit
        if unit == "share":
            return f"{_Number(value * 100):.0f}%"
        if unit == "flag":
            return "yes" if value else "no"
        if unit.partition(" ")[0] in ("money", self.currency):
            amount = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
            words = (amount, self.currency, unit.partition(" ")[2])
            return " ".join(word for word in words if word)
        number = f"{_Number(value):,.0f}" if unit == "days" else plain_number(value)
        if unit in BARE:
            return number
        return _ONE_OF.sub(r"1 \1", f"{number} {unit}")

    def beside(self, value: Value) -> str:
        """Another value of the feature, to stand beside its sentence."""
        parts = Formatter().parse(self.feature.says or "")
        shape = next((shape for _, name, shape, _ in parts if name == "value"), None)
        if isinstance(value, float) and shape and shape.endswith("%"):
            return format(_Number(value), shape)
        return self.plain(value)


def moved(before: Value, now: Value) -> str | None:
    """Which way a number went; None when one is missing or text."""
    if not isinstance(before, float) or not isinstance(now, float):
        return None
    return "fell" if now < before else "rose" if now > before else "stayed"


def placeholders(says: str) -> set[str]:
    """The names that a sentence needs."""
    return {name for _, name, _, _ in Formatter().parse(says) if name}


def plain_number(value: float) -> str:
    """Two decimals at most, none on whole or large numbers, two digits on tiny ones."""
    if value == 0:
        return "0"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    if value.is_integer() or abs(value) >= 100 or math.isinf(value):
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _turned(says: str, way: Value) -> str:
    """A sentence written for one direction, in the direction that holds."""
    return re.sub(r"\b(?:fell|rose) from\b", f"{way} from", says) if way else says
