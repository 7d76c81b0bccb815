"""The shapes of answers about models and about the service itself."""

from datetime import datetime
from typing import Any, Literal

from serving.views import ModelRef, View


class ModelVersion(View):
    """A registered version of a target's model."""

    version: str
    is_champion: bool
    created_at: datetime | None
    grade: str | None


class ModelSummary(View):
    """A target and its champion; `champion` is null while nothing was promoted."""

    target: str
    kind: str
    horizon_days: int
    champion: ModelRef | None
    versions: list[ModelVersion]


class ModelList(View):
    """All targets of the project."""

    models: list[ModelSummary]


class ModelCard(View):
    """A version with everything its card says."""

    target: str
    version: str
    is_champion: bool
    card: dict[str, Any]


class Check(View):
    """One condition of readiness."""

    name: Literal["store", "run", "model", "fresh"]
    ok: bool
    detail: str


class Readiness(View):
    """Whether scores can be served now."""

    status: Literal["ready", "not_ready"]
    checks: list[Check]


class Liveness(View):
    """The process answers."""

    status: Literal["alive"]


class Version(View):
    """What is running."""

    service: str
    project: str
    python: str
