"""How long scored customers are expected to stay and what they will pay: the lifetime champion."""

from dataclasses import dataclass, replace
from typing import Any, Self

import pandas as pd

from features.project import Project
from models.lifetime import HAZARD, NAME, lacking, remaining
from models.registry import LoadedModel, Registry
from serving.entries import Scored

KINDS = frozenset({"churn", "silence"})  # targets that tell an end


@dataclass
class Lifetimes:
    """The lifetime champion of a project, where it was learned from the target at hand.

    Attributes
    ----------
    model : LoadedModel or None
        None where there is nothing to publish.
    remark : str or None
        Why a champion was not used, in one line.
    """

    project: Project
    model: LoadedModel | None = None
    remark: str | None = None

    @classmethod
    def of(cls, project: Project, target: str, registry: Registry) -> Self:
        """What `retention lifetime` registered for the target, if anything was promoted."""
        declared = project.target(target)
        if declared.kind not in KINDS or declared.label is not None:
            return cls(project)
        model = registry.champion(project.model_name(NAME))
        if model is None or model.card.get("asks") != HAZARD:
            return cls(project)
        return cls(project, model if model.card["target"]["name"] == target else None)

    def add(self, scored: Scored, features: pd.DataFrame) -> Scored:
        """The customers with what they are expected to stay and pay; as they are without a model.

        A champion that asks for features that are not built any more is left out with a remark:
        the probabilities do not need it.
        """
        if self.model is None:
            return scored
        missing = lacking(self.model, features.columns)
        if missing:
            self.remark = (
                f"no lifetimes are published: {self.model.name} version {self.model.version} asks"
                f" for {missing}, which the build does not have; run `retention lifetime` again"
            )
            self.model = None
            return scored
        found = remaining(self.model, features, scored.value, self.project.money)
        months, worth = (found[name].to_numpy() for name in found)
        return replace(scored, remaining_months=months, lifetime_value=worth)

    def record(self) -> dict[str, Any] | None:
        """The version used, as the run keeps it; None without one."""
        if self.model is None:
            return None
        card = self.model.card
        shown = {key: card.get(key) for key in ("grade", "trained_at")}
        return {"version": self.model.version} | shown
