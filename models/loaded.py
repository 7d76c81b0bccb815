"""A registered version, loaded: from feature frame to probability and reasons."""

from typing import Any

from pandas import DataFrame

from features.errors import ModelFeaturesError, UnfitDataError
from models.counterfactual import Counterfactuals
from models.encode import feature_of
from models.portable import Floats, ModelInputError, PortableModel
from models.reasons import Explainer


class LoadedModel:
    """A registered version, ready to predict and to explain.

    Attributes
    ----------
    name, version : str, int
        Registered name `<project>.<target>` and its version.
    card : dict
        The model card.
    features : list of Feature
        In the order of the matrix.
    """

    def __init__(self, name: str, version: int, model: PortableModel) -> None:
        self.name = name
        self.version = version
        self.card: dict[str, Any] = dict(model.card)
        self.features = [feature_of(card) for card in model.card["features"]]
        self._model = model
        self._explainer = Explainer(model)
        self._counterfactuals = Counterfactuals(
            model,
            self.features,
            self._explainer.peers,
            is_chance=self._explainer.is_chance,
            currency=self.card.get("currency") or "",
        )

    @property
    def portable(self) -> PortableModel:
        """The model as registered."""
        return self._model

    def matrix(self, frame: DataFrame) -> Floats:
        """Float matrix (n, f) of a feature frame; further columns are ignored.

        Raises
        ------
        ModelFeaturesError
            The frame lacks a feature of the model.
        UnfitDataError
            A column has the wrong type or holds an infinite value.
        """
        missing = {feature.name for feature in self.features} - set(frame.columns)
        if missing:
            model = f"the model {self.name}, version {self.version},"
            raise ModelFeaturesError(model, missing, frame.columns)
        try:
            return self._model.matrix(frame)
        except ModelInputError as error:
            raise UnfitDataError(str(error)) from None

    def log_odds(self, matrix: Floats) -> Floats:
        """Uncalibrated log-odds of each row, shape (n,)."""
        return self._model.log_odds(matrix)

    def probability(self, matrix: Floats) -> Floats:
        """Calibrated probability of each row, shape (n,)."""
        return self._model.probability(matrix)

    def causes(self, matrix: Floats, probability: Floats | None = None) -> dict[str, Floats] | None:
        """`voluntary` and `involuntary` probability, each (n,); None where none is told.

        `probability` of the same rows, where it is known already, is not computed again.
        """
        return self._model.causes(matrix, probability)

    def explain(self, matrix: Floats, top: int = 3) -> list[list[dict[str, Any]]]:
        """Reasons of each row in the shape of `spec/api.md`; see `Explainer.explain`."""
        return self._explainer.explain(matrix, top)

    def would_change(self, row: Floats) -> list[dict[str, Any]]:
        """What within reach would change one row's score; see `Counterfactuals.of`."""
        return self._counterfactuals.of(row)
