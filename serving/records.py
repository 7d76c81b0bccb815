"""What the store hands out: plain frozen records, money as Decimal, moments as naive UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

Status = Literal["scored", "not_scored"]
ExpectedKind = Literal["revenue_at_risk", "gain"]
Sort = Literal[
    "-revenue_at_risk",
    "-expected_gain",
    "-probability",
    "probability",
    "-mrr",
    "mrr",
    "renewal_date",
]
MICRO = 1_000_000
AT_RISK = ("medium", "high")  # the bands that count as at risk


@dataclass(frozen=True, slots=True)
class Run:
    """A published scoring run."""

    id: int
    project: str
    as_of: datetime | None  # None for snapshots
    started_at: datetime
    published_at: datetime
    is_current: bool
    data_end: datetime | None
    usage_to: datetime | None
    counts: dict[
        str, Any
    ]  # {"customers": n, "targets": {target: {"scored": n, "not_scored": {reason: n}, ...}}}

    def lifetime_model(self, target: str) -> dict[str, Any] | None:
        """Version, grade and moment of training of what told a target's remaining lifetimes."""
        counted: dict[str, Any] = self.counts.get("targets", {}).get(target, {})
        return counted.get("lifetime")


@dataclass(frozen=True, slots=True)
class TargetModel:
    """What a target was scored with; the model's part is None when nothing was promoted."""

    target: str
    kind: str
    horizon_days: int
    bands: dict[str, float]
    name: str | None
    version: int | None
    grade: str | None
    trained_at: datetime | None
    features: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as it stood in a run."""

    customer_id: str
    name: str | None
    segment: str | None
    owner_id: str | None
    plan_id: str | None
    country: str | None
    external_ids: dict[str, str]
    renewal_at: datetime | None
    mrr: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class Score:
    """A customer's score for one target in one run."""

    run_id: int
    target: str
    customer: Customer
    status: Status
    not_scored_reason: str | None
    probability: float | None
    band: str | None
    percentile: int | None
    rank: int | None
    value_per_month: Decimal | None
    expected_amount: Decimal | None
    expected_kind: ExpectedKind
    expected_reason: str | None
    renewal_in_horizon: bool | None
    out_of_fold: bool
    previous_probability: float | None
    previous_band: str | None
    previous_as_of: datetime | None
    reasons: list[dict[str, Any]] | None  # None: compute from the stored row
    contact: bool | None  # None: the project names no terms, or nothing is known of the value
    contact_profit: Decimal | None
    involuntary: float | None  # the part of the probability that payments cause
    remaining_months: float | None  # expected, of 120 at most
    lifetime_value: Decimal | None  # what is expected to be left of those months' payments


@dataclass(frozen=True, slots=True)
class Point:
    """A score at one run of a customer's history."""

    run_id: int
    as_of: datetime | None
    published_at: datetime
    status: Status
    probability: float | None
    band: str | None
    expected_amount: Decimal | None
    model_version: int | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which scores a list holds; every filter given must hold, an empty one is open."""

    target: str
    bands: tuple[str, ...] = ()
    min_probability: float | None = None
    owner: str | None = None
    unassigned: bool = False  # no owner
    segment: str | None = None
    plan: str | None = None
    renewal_from: datetime | None = None  # inclusive
    renewal_before: datetime | None = None  # exclusive
    changed_since: datetime | None = None  # against the run that was current then
    got_worse: bool = False  # more probable than in the run before
    customer_ids: tuple[str, ...] = ()
    search: str | None = None  # part of the name, or the start of the id
    status: Status | None = "scored"  # None: both


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ended: the sort value of its last row (None sorts last) and its customer."""

    value: float | int | str | None
    customer_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `after` is None on the last one."""

    scores: list[Score]
    after: Key | None


@dataclass(frozen=True, slots=True)
class Tiles:
    """The sums above the list; money by currency, largest first; None: no amounts."""

    scored: int = 0
    at_risk: int = 0  # band medium or high
    high: int = 0
    renewals_90d: int = 0
    at_risk_renewing: int = 0  # at risk and due within 90 days
    overdue_renewals: int = 0
    mrr: dict[str, Decimal] = field(default_factory=dict)
    mrr_at_risk: dict[str, Decimal] = field(default_factory=dict)  # expected: probability x MRR
    mrr_high_band: dict[str, Decimal] = field(default_factory=dict)
    expected: dict[str, Decimal] = field(default_factory=dict)  # revenue at risk, or gain
