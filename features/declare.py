"""What a feature is: declared once, with its meaning; the catalogue, texts and cards come from here."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Kind = Literal["number", "category"]


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
