"""A fitted model whole: encoder, estimator and calibration, ready to predict and to be written."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame

from features.declare import Feature
from models.calibrate import Calibration
from models.encode import Encoder
from models.portable import FORMAT, Floats, PortableModel
from models.propensity import PropensityModel


class Fitted:
    """Encoder, propensity model and calibration; predicts through the portable model's code.

    Parameters
    ----------
    encoder : Encoder
        Fitted.
    model : PropensityModel
        Fitted on the encoder's matrix.
    calibration : Calibration, optional
        The identity when left out.
    """

    def __init__(
        self, encoder: Encoder, model: PropensityModel, calibration: Calibration | None = None
    ) -> None:
        self.encoder = encoder
        self.model = model
        self.calibration = calibration or Calibration.line("none")

    @classmethod
    def fit(
        cls,
        frame: DataFrame,
        y: ArrayLike,
        catalogue: Sequence[Feature],
        params: Mapping[str, Any] | None = None,
    ) -> Self:
        """Encoder and model fitted on the same rows, not calibrated yet."""
        encoder = Encoder().fit(frame, catalogue)
        model = PropensityModel(**{"categorical": encoder.categorical, **(params or {})})
        return cls(encoder, model.fit(encoder.transform(frame), y))

    def calibrated(self, calibration: Calibration) -> Self:
        """The same model under another calibration."""
        return type(self)(self.encoder, self.model, calibration)

    @property
    def catalogue(self) -> tuple[Feature, ...]:
        """The features, in the model's order."""
        return self.encoder.features

    def card(self) -> dict[str, Any]:
        """What the portable model needs to compute: features, calibration, linear part."""
        ensemble = self.model.ensemble_
        return {
            "format": FORMAT,
            "features": self.encoder.card(),
            "boosters": [f"booster_{i}.txt" for i in range(len(ensemble.boosters))],
            "linear": ensemble.linear.spec if ensemble.linear else None,
            "linear_weight": ensemble.weight,
            "calibration": self.calibration.as_card(),
        }

    @cached_property
    def portable(self) -> PortableModel:
        """The same model in the code that a registered one runs."""
        return PortableModel(self.card(), self.model.ensemble_)

    def log_odds(self, frame: DataFrame) -> Floats:
        """Uncalibrated log-odds of each row, shape (n,); errors as in `Encoder.transform`."""
        return self.portable.log_odds(self.encoder.transform(frame))

    def probability(self, frame: DataFrame) -> Floats:
        """Calibrated probability of each row, shape (n,); errors as in `Encoder.transform`."""
        return self.portable.probability(self.encoder.transform(frame))

    def importance(self) -> dict[str, float]:
        """Share of each feature in what the model uses, greatest first; sums to 1.

        Gain in the trees, and the span of its term in the linear part, weighted as the two are
        blended. Empty when the model uses nothing.
        """
        ensemble, width = self.model.ensemble_, len(self.catalogue)
        total = np.zeros(width)
        if ensemble.boosters:
            gains = sum(b.feature_importance("gain") for b in ensemble.boosters)
            total += (1 - ensemble.weight) * _shares(np.asarray(gains, dtype=np.float64))
        if ensemble.linear is not None:
            total += ensemble.weight * _shares(ensemble.linear.reach(width))
        order = np.argsort(-total, kind="stable")
        return {self.encoder.names[i]: float(total[i]) for i in order if total[i] > 0}

    def save(self, folder: Path | str, extra: Mapping[str, Any] | None = None) -> Path:
        """Write boosters and `card.json` (with `extra` beside) into a folder; returns it."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        card = self.card()
        for name, booster in zip(card["boosters"], self.model.ensemble_.boosters, strict=True):
            (folder / name).write_text(_plain(booster.model_to_string()), encoding="utf-8")
        text = json.dumps({**(extra or {}), **card}, indent=1, allow_nan=False)
        (folder / "card.json").write_text(text + "\n", encoding="utf-8")
        return folder


def _plain(booster: str) -> str:
    """A booster's text without the least and greatest training value of each feature.

    Predicting does not read them, and they may be those of a single customer.
    """
    return re.sub(
        r"^feature_infos=.*$",
        lambda line: re.sub(r"\[[^\]]*\]", "[0:0]", line[0]),
        booster,
        flags=re.MULTILINE,
    )


def _shares(values: Floats) -> Floats:
    total = float(values.sum())
    return values / total if total > 0 else values
