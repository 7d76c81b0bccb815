"""The shapes of scores and errors; the OpenAPI file is made from these."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Band = Literal["low", "medium", "high"]
NotScoredReason = Literal[
    "objection_recorded",
    "already_churned",
    "cancellation_scheduled",
    "not_eligible",
    "trial_only",
    "too_new",
    "not_due",
    "stale_data",
    "insufficient_history",
    "no_model",
]


class View(BaseModel):
    """Base of all shapes: nothing beyond the named fields."""

    model_config = ConfigDict(extra="forbid")


class Fault(View):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer into the body, or /query/NAME, /path/NAME")
    code: str
    detail: str


class Problem(View):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:problem-type:retention:customer-not-found",
                "title": "Not Found",
                "status": 404,
                "detail": "customer 'c_9' is not known",
                "instance": "/v1/customers/c_9/scores",
                "code": "customer_not_found",
                "request_id": "0b1e6f1f2c0b4f7f9b7a5d0f6f3f2a11",
                "errors": [],
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[Fault]


class Money(View):
    """An amount as a decimal string."""

    amount: str = Field(pattern=r"^-?\d+\.\d\d$", examples=["2400.00"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["USD"])


class Change(View):
    """Against the run before."""

    since: date
    probability: float = Field(description="now minus then")
    band_from: Band


class Evidence(View):
    """The feature behind a reason, as it stood, beside the customer's own past and its peers."""

    feature: str
    value: float | str | None
    before: float | str | None = Field(None, description="what the customer had before")
    peer_median: float | None = Field(None, description="what customers like this have")
    percentile: int | None = Field(None, description="share of the peers with less, in percent")
    peer_group: str | None = None


class Reason(View):
    """Why a probability is what it is, in words."""

    code: str
    direction: Literal["raises_risk", "lowers_risk", "raises_chance", "lowers_chance"]
    controllable: bool = Field(description="whether the company can act on it")
    text: str
    contribution: float = Field(
        description="drop in probability when what these features add, beyond what they add for"
        " customers like this, is taken out of the log-odds"
    )
    evidence: Evidence


class Contact(View):
    """Whether to contact the customer, by the terms of the project."""

    advised: bool = Field(description="on the best list: it pays, and is within the capacity")
    expected_profit: Money


class Causes(View):
    """The probability of churn by cause; the two add up to it."""

    voluntary: float = Field(description="by the customer's decision")
    involuntary: float = Field(description="because payment failed")


class ModelRef(View):
    """The model version that made a score."""

    name: str
    version: str
    grade: str | None
    trained_at: datetime | None


class Lifetime(View):
    """How long the customer is expected to stay, and what that is worth."""

    expected_remaining_months: float = Field(description="of 120 at most")
    predicted_cltv: Money | None = Field(
        description="MRR x gross margin over those months, discounted as the project says"
    )
    model: ModelRef


SCORE_EXAMPLE: dict[str, Any] = {
    "customer_id": "c_1042",
    "external_ids": {"salesforce": "0018d"},
    "target": "churn",
    "status": "scored",
    "probability": 0.35,
    "score": 35,
    "band": "medium",
    "percentile": 88,
    "horizon_days": 90,
    "horizon_end": "2027-02-20",
    "renewal_date": "2027-01-15",
    "renewal_in_horizon": True,
    "mrr": {"amount": "2400.00", "currency": "USD"},
    "expected_revenue_at_risk": {"amount": "10080.00", "currency": "USD"},
    "change": {"since": "2026-11-15", "probability": 0.11, "band_from": "low"},
    "reasons": [
        {
            "code": "usage_trend_down",
            "direction": "raises_risk",
            "controllable": True,
            "text": "Weekly active seats fell from 41 to 19 in the last 28 days",
            "contribution": 0.14,
            "evidence": {"feature": "active_seats_28d_change", "value": -0.54},
        }
    ],
    "model": {
        "name": "churn",
        "version": "17",
        "grade": "A",
        "trained_at": "2026-11-01T03:10:00Z",
    },
    "features_as_of": "2026-11-22T00:00:00Z",
    "scored_at": "2026-11-22T04:00:12Z",
}


class Score(View):
    """The current score of one customer for one target."""

    model_config = ConfigDict(json_schema_extra={"example": SCORE_EXAMPLE})

    customer_id: str
    external_ids: dict[str, str]
    target: str
    status: Literal["scored"]
    probability: float = Field(ge=0, le=1)
    score: int = Field(ge=0, le=100, description="probability in hundredths, rounded")
    band: Band
    percentile: int | None = Field(description="share of scored customers with a lower probability")
    horizon_days: int
    horizon_end: date | None
    renewal_date: date | None
    renewal_in_horizon: bool | None
    mrr: Money | None
    expected_revenue_at_risk: Money | None = Field(
        None, description="of targets that lose money; the others carry `expected_gain`"
    )
    expected_gain: Money | None = Field(None, description="of targets that win money")
    expected_reason: str | None = Field(None, description="why the expected amount is null")
    contact: Contact | None = Field(
        None, description="absent where the project names no contact cost and success rate"
    )
    causes: Causes | None = Field(None, description="absent where the model tells no cause")
    lifetime: Lifetime | None = Field(
        None, description="absent where no model of lifetimes was promoted"
    )
    change: Change | None
    reasons: list[Reason] | None = None
    features: dict[str, float | str | None] | None = None
    model: ModelRef
    features_as_of: datetime | None
    scored_at: datetime


class NotScored(View):
    """A customer without a score, and why."""

    customer_id: str
    external_ids: dict[str, str]
    target: str
    status: Literal["not_scored"]
    reason: NotScoredReason
    features_as_of: datetime | None
    scored_at: datetime


AnyScore = Annotated[Score | NotScored, Field(discriminator="status")]


class Moved(View):
    """A feature as it stands, and as it would be."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, serialize_by_alias=True)

    feature: str
    from_: float | None = Field(alias="from")
    to: float | None


class Counterfactual(View):
    """Something within reach of the company that would change a score."""

    text: str
    basis: Literal["own_past", "peers"] = Field(
        description="whether the customer had the figure of the text before, or its peers who do"
        " better have it; the others go with it"
    )
    probability: float = Field(description="with the change")
    change: float = Field(description="with the change less now")
    features: list[Moved]


class Explanation(View):
    """Why one score is what it is."""

    customer_id: str
    target: str
    probability: float
    band: Band
    reasons: list[Reason]
    could_lower_risk: list[Reason] = Field(
        description="the reasons raising a risk that the company can act on"
    )
    context: list[Reason] = Field(description="the reasons that nobody can act on")
    would_change: list[Counterfactual] = Field(
        description="what within reach would change the score, the greatest effect first"
    )
    would_change_reason: str | None = Field(description="why nothing would, else null")
    features: dict[str, float | str | None]
    model: ModelRef
    features_as_of: datetime | None
    scored_at: datetime


class CustomerScores(View):
    """All scores of a customer, in the order of the project's targets."""

    customer_id: str
    scores: list[AnyScore]


class RunRef(View):
    """The scoring run an answer was read from."""

    id: int
    as_of: datetime | None
    published_at: datetime


class ScorePage(View):
    """One page of the list."""

    run: RunRef
    scores: list[AnyScore]
    next_cursor: str | None = Field(description="null on the last page")
