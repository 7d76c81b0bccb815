"""What the customer said when asked."""

import ibis.expr.types as ir
import numpy as np

from features.declare import derived, measure
from features.windows import Windows, safe_ratio


@measure(windows=(90, 180), unit="answers", reason="survey_answers")
def survey_answers(surveys: ir.Table) -> ir.Value:
    """Survey answers given."""
    return surveys.occurred_at.notnull()


@measure(windows=(), unit="points", reason="survey_score", needs=("score",))
def survey_points(surveys: ir.Table) -> ir.Value:
    """Sum of survey scores."""
    return surveys.score


@measure(windows=(), unit="answers", reason="survey_score", needs=("score",))
def survey_scores(surveys: ir.Table) -> ir.Value:
    """Survey answers with a score."""
    return surveys.score.notnull()


@measure(
    reduce="last",
    unit="days",
    reason="survey_answers",
    says="Last survey answer was {value:.0f} days ago",
)
def days_since_last_survey(surveys: ir.Table) -> ir.Value:
    """Days since the last survey answer."""
    return surveys.occurred_at.notnull()


@derived(
    unit="points",
    reason="survey_score",
    tables=("surveys",),
    actionable=True,
    says="Last survey score was {value:.0f}",
)
def survey_score_last(f: Windows) -> np.ndarray:
    """Score of the last survey answer."""
    return f["survey_score"]


@derived(
    unit="points",
    reason="survey_score",
    tables=("surveys",),
    actionable=True,
    says="Survey score moved by {value:+.0f} points since the answer before",
)
def survey_score_change(f: Windows) -> np.ndarray:
    """Last survey score less the one before."""
    return np.asarray(f["survey_score"] - f["survey_score_before"])


@derived(
    unit="points",
    reason="survey_score",
    says="Mean survey score is {value:.1f}",
)
def survey_score_mean(f: Windows) -> np.ndarray:
    """Mean of all survey scores."""
    return safe_ratio(f.survey_points(), f.survey_scores())
