"""The shapes of what is posted, and of its answers: batches and predictions."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from serving.views import AnyScore, Band, ModelRef, Problem, Reason, View


class BatchGet(View):
    """Customers by id or by an id of another system, written `system:id`; one of the two."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"ids": ["c_1042", "c_7"], "target": "churn"}},
    )

    ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    external_ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    target: str | None = Field(None, description="all targets when left out")
    include: list[Literal["reasons", "features"]] = Field(default=["reasons"])


class BatchResult(View):
    """The answer for one id: its scores, or its problem."""

    id: str = Field(description="as it was asked for")
    status: int = Field(examples=[200, 404])
    customer_id: str | None = None
    scores: list[AnyScore] | None = None
    problem: Problem | None = None


class BatchAnswer(View):
    """One result per id, in the order asked."""

    results: list[BatchResult]


class PredictionRow(View):
    """All features of the model, or a scored customer and what is to be different."""

    model_config = ConfigDict(extra="forbid", strict=True)

    customer_id: str | None = None
    features: dict[str, Any] = Field(
        default_factory=dict, description="name to number, text or null"
    )


class PredictionRequest(View):
    """Rows to score with the champion of a target."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {
                "target": "churn",
                "rows": [{"customer_id": "c_1042", "features": {"tickets_open": 0}}],
            }
        },
    )

    target: str
    rows: list[PredictionRow] = Field(min_length=1, max_length=200)
    include: list[Literal["reasons"]] = Field(default_factory=list)


class Prediction(View):
    """The probability of one row; nothing of it is stored."""

    customer_id: str | None
    probability: float
    score: int
    band: Band
    reasons: list[Reason] | None = None


class PredictionAnswer(View):
    """One prediction per row, in the order given."""

    target: str
    model: ModelRef
    predictions: list[Prediction]
