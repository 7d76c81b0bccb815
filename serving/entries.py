"""From the probabilities of all customers of a target to ranked entries of the list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from features.project import Bands
from models.value import bands_of, percentile_of
from serving.contacts import Contacts
from serving.records import MICRO, ExpectedKind

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
NO_AMOUNTS, NO_PAST_INCREASE = "no_amounts", "no_past_increase"


@dataclass(frozen=True)
class Scored:
    """All scored customers of a target; arrays of shape (n,).

    Attributes
    ----------
    value : per month, NaN without amounts
    expected : over the months exposed, NaN when it cannot be told
    renews : object, whether a renewal falls in the horizon; None without a renewal date
    out_of_fold : bool, the probability is of a model that did not see the customer
    involuntary : the part of the probability that payments cause; None: not told
    remaining_months, lifetime_value : expected; None: not told
    """

    customer_id: Sequence[str]
    probability: Floats
    value: Floats
    expected: Floats
    renews: Sequence[bool | None]
    out_of_fold: npt.NDArray[np.bool_]
    involuntary: Floats | None = None
    remaining_months: Floats | None = None
    lifetime_value: Floats | None = None

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Blocks of customers as one; no blocks are no customers."""
        none = np.empty(0)
        return cls(
            [who for part in parts for who in part.customer_id],
            np.concatenate([none, *(part.probability for part in parts)]),
            np.concatenate([none, *(part.value for part in parts)]),
            np.concatenate([none, *(part.expected for part in parts)]),
            [renews for part in parts for renews in part.renews],
            np.concatenate([none.astype(bool), *(part.out_of_fold for part in parts)]),
            *(
                np.concatenate([none, *(_or_nan(getattr(part, name), part) for part in parts)])
                for name in ("involuntary", "remaining_months", "lifetime_value")
            ),
        )

    def ranks(self) -> Whole:
        """Places from 1: by expected amount, then probability, then id; no amount comes last."""
        ids = np.asarray(self.customer_id, dtype=object).astype(str)
        amount = np.where(np.isnan(self.expected), -np.inf, self.expected)
        order = np.lexsort((ids, -self.probability, -amount))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(1, len(order) + 1)
        return ranks


@dataclass(frozen=True)
class Listing:
    """How the entries of a target read: bands, kind of amount, what came before."""

    bands: Bands
    kind: ExpectedKind
    missing: str  # why an amount is missing
    since: datetime | None
    before: Mapping[str, tuple[float | None, str | None]]


def scored_entries(
    scored: Scored,
    listing: Listing,
    reasons: Mapping[str, list[dict[str, Any]]],
    contacts: Contacts,
) -> Iterator[dict[str, Any]]:
    """Entries for `RunWriter.add_scores`, in the order of the arrays."""
    bands = bands_of(scored.probability, listing.bands)
    beside = [
        _or_nan(found, scored)
        for found in (scored.involuntary, scored.remaining_months, scored.lifetime_value)
    ]
    percentiles, ranks = percentile_of(scored.probability), scored.ranks()
    for place, who in enumerate(scored.customer_id):
        before = listing.before.get(who)
        expected = _micro(scored.expected[place])
        yield {
            "customer_id": who,
            "status": "scored",
            "not_scored_reason": None,
            "probability": float(scored.probability[place]),
            "band": bands[place],
            "percentile": int(percentiles[place]),
            "rank": int(ranks[place]),
            "value_micro": _micro(scored.value[place]),
            "expected_micro": expected,
            "expected_kind": listing.kind,
            "expected_reason": listing.missing if expected is None else None,
            "renewal_in_horizon": scored.renews[place],
            "out_of_fold": bool(scored.out_of_fold[place]),
            "previous_probability": before[0] if before else None,
            "previous_band": before[1] if before else None,
            "previous_as_of": listing.since if before else None,
            "reasons": reasons.get(who),
            "contact": contacts.advised[place],
            "contact_profit_micro": _micro(contacts.profit[place]),
            "involuntary": _known(beside[0][place]),
            "remaining_months": _known(beside[1][place]),
            "lifetime_value_micro": _micro(beside[2][place]),
        }


def not_scored_entry(customer_id: str, reason: str, kind: ExpectedKind) -> dict[str, Any]:
    """The entry of a customer without a score."""
    empty = (
        "probability band percentile rank value_micro expected_micro expected_reason"
        " renewal_in_horizon previous_probability previous_band previous_as_of reasons"
        " contact contact_profit_micro involuntary remaining_months lifetime_value_micro"
    )
    return dict.fromkeys(empty.split()) | {
        "customer_id": customer_id,
        "status": "not_scored",
        "not_scored_reason": reason,
        "expected_kind": kind,
        "out_of_fold": False,
    }


def _micro(amount: float) -> int | None:
    return None if np.isnan(amount) else round(float(amount) * MICRO)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _or_nan(found: Floats | None, scored: Scored) -> Floats:
    """What is told of each customer; NaN where nothing is."""
    return np.full(len(scored.customer_id), np.nan) if found is None else found
