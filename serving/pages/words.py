"""How pages write numbers, dates and names, so that a person can say them aloud."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

NONE: Final = "–"  # noqa: RUF001 - an en dash stands for "no value" in a table
_SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_ODDS: Final = (  # upper edge of the probability, words
    (0.005, "under 1 in 100"),
    (0.015, "about 1 in 100"),
    (0.035, "about 1 in 50"),
    (0.075, "about 1 in 20"),
    (0.115, "about 1 in 10"),
    (0.135, "about 1 in 8"),
    (0.18, "about 1 in 6"),
    (0.225, "about 1 in 5"),
    (0.29, "about 1 in 4"),
    (0.365, "about 1 in 3"),
    (0.45, "about 2 in 5"),
    (0.55, "about 1 in 2"),
    (0.635, "about 3 in 5"),
    (0.71, "about 2 in 3"),
    (0.775, "about 3 in 4"),
    (0.85, "about 4 in 5"),
    (0.93, "about 9 in 10"),
    (0.975, "about 19 in 20"),
)
_NO_UNIT: Final = ("", "flag", "rank", "ratio", "text")
_REASONS: Final = {
    "objection_recorded": "The customer objected to being scored.",
    "already_churned": "The customer has already left.",
    "cancellation_scheduled": "The end is already announced.",
    "not_eligible": "This target does not apply to the customer.",
    "trial_only": "The customer is still on a trial.",
    "too_new": "The customer is too new; scores start after two weeks.",
    "not_due": "The customer's next scoring date is not reached yet.",
    "stale_data": "The source data are too old to score from.",
    "insufficient_history": "Nothing is known of the customer in the last 180 days.",
    "no_model": "No model is good enough to be used yet.",
}


def odds(probability: float) -> str:
    """A probability as a frequency: `about 1 in 3`."""
    return next((words for edge, words in _ODDS if probability < edge), "almost certain")


def percent(probability: float) -> str:
    """A probability in whole percent; the ends say that they are not certain."""
    if probability < 0.005:
        return "<1\u00a0%"
    return ">99\u00a0%" if probability >= 0.995 else f"{probability * 100:.0f}\u00a0%"


def money(amount: Decimal | None, currency: str) -> str:
    """An amount for reading: whole units from 100 on."""
    if amount is None:
        return NONE
    unit = Decimal(1) if abs(amount) >= 100 or amount == amount.to_integral() else Decimal("0.01")
    text = f"{abs(amount).quantize(unit, ROUND_HALF_UP):,}"
    minus = "−" if amount < 0 else ""  # noqa: RUF001 - the minus sign
    sign = _SIGNS.get(currency)
    return f"{minus}{sign}{text}" if sign else f"{minus}{text} {currency}"


def short_money(amount: Decimal, currency: str) -> str:
    """An amount for a tile: `$1.24m`."""
    for size, letter in ((Decimal(10**9), "bn"), (Decimal(10**6), "m"), (Decimal(10**3), "k")):
        if abs(amount) >= size * 10 or (letter != "k" and abs(amount) >= size):
            digits = 1 if abs(amount) >= size * 100 else 2
            digits = 0 if letter == "k" and abs(amount) >= size * 100 else digits - (letter == "k")
            text = f"{_SIGNS.get(currency, '')}{amount / size:,.{digits}f}{letter}"
            return text if currency in _SIGNS else f"{text} {currency}"
    return money(amount, currency)


def sums(amounts: Mapping[str, Decimal]) -> str:
    """Amounts by currency, largest first."""
    return " + ".join(short_money(amount, code) for code, amount in amounts.items()) or NONE


def day(value: datetime | date | None) -> str:
    """`15 Jan 2027`."""
    return NONE if value is None else f"{value.day} {value:%b %Y}"


def days_until(value: datetime | None, now: datetime | None) -> str:
    """`in 54 days`, from the moment the scores are of."""
    if value is None or now is None:
        return ""
    days = (value.date() - now.date()).days
    if days == 0:
        return "today"
    unit = "day" if abs(days) == 1 else "days"
    return f"in {days:,} {unit}" if days > 0 else f"{-days:,} {unit} overdue"


def months(number: float) -> str:
    """A time in months, in years from five on: `3.4 months`, `31 months`, `6.5 years`."""
    if number >= 60:
        return f"{number / 12:.1f} years"
    return f"{number:.0f} months" if number >= 9.95 else f"{number:.1f} months"


def points(delta: float) -> str:
    """A change of a probability in percentage points."""
    rounded = round(abs(delta) * 100)
    return "no change" if rounded == 0 else f"{rounded} pt"


def peers(group: str) -> str:
    """A group of customers, such as `customers paying monthly, small`."""
    return group if group.startswith("all ") else f"customers {group}"


def label(name: str) -> str:
    """`past_due` as `Past due`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def not_scored(reason: str | None) -> str:
    """Why there is no score, as a sentence."""
    return _REASONS.get(reason or "", "This customer was not scored.")


def value(number: Any, unit: str, currency: str) -> str:
    """A feature's value with its unit, in at most three digits after the first."""
    if number is None:
        return NONE
    if isinstance(number, str):
        return number
    if unit == "share":
        return f"{number * 100:,.0f}\u00a0%"
    kind, _, rest = unit.partition(" ")
    if kind == "money":
        return f"{money(Decimal(str(number)), currency)} {rest}".strip()
    digits = 0 if float(number).is_integer() or abs(number) >= 100 else 1 + (abs(number) < 10)
    text = f"{number:,.{digits}f}"
    return text if unit in _NO_UNIT else f"{text} {unit}"
