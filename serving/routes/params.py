"""Parameters that several routes take, checked once."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Path, Query

from serving.errors import ApiError, fault

INCLUDES: Final = ("reasons", "features")
_DEFAULT_INCLUDE: Final = frozenset({"reasons"})

CustomerId = Annotated[str, Path(min_length=1, description="the company's own id of a customer")]
TargetName = Annotated[str, Path(min_length=1, examples=["churn"])]
IncludeText = Annotated[
    str | None,
    Query(alias="include", description="comma separated: reasons, features", examples=["reasons"]),
]


def refused(name: str, code: str, detail: str, status: int = 422) -> ApiError:
    """A parameter that cannot be used."""
    found = fault(f"/query/{name}", code, detail)
    return ApiError(status, "invalid", f"{name}: {detail}", errors=[found])


def parse_include(text: str | None) -> frozenset[str]:
    """The parts asked for beside a score; reasons when nothing was said."""
    return _DEFAULT_INCLUDE if text is None else frozenset(words("include", text, INCLUDES))


def words(name: str, text: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A comma-separated list of allowed words, sorted, each once; empty when nothing was said."""
    found = sorted({word.strip() for word in (text or "").split(",") if word.strip()})
    for word in found:
        if word not in allowed:
            raise refused(name, "not_allowed", f"{word!r} is not one of {', '.join(allowed)}")
    return tuple(found)


def moment(name: str, text: str | None) -> datetime | None:
    """A date, or an RFC 3339 moment with its offset, as naive UTC."""
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text.replace(" ", "+"))  # `+` in a URL may arrive as a space
    except ValueError:
        detail = f"{text[:40]!r} is not a date (2027-01-15) or a moment (2027-01-15T08:00:00Z)"
        raise refused(name, "not_a_date", detail) from None
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise refused(name, "not_a_date", f"{text[:40]!r} is outside the calendar") from None


def plain(name: str, text: str | None) -> str | None:
    """Text that a database can hold."""
    if text is not None and ("\x00" in text or len(text) > 500):
        raise refused(name, "text_not_usable", "text may be 500 signs long and hold no NUL")
    return text


def without_empty(values: Mapping[str, Any], keep: Callable[[Any], bool] = bool) -> dict[str, Any]:
    """The entries that say something."""
    return {name: value for name, value in values.items() if keep(value)}
