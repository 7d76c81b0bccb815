"""A fitted model as MLflow keeps one: stored as code, with a signature and an example row."""

from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from mlflow.models import ModelSignature
from mlflow.pyfunc import save_model
from mlflow.types import ColSpec, Schema
from pandas import DataFrame

from models import portable
from models.fitted import Fitted

REQUIREMENTS = ("lightgbm", "mlflow", "numpy", "pandas")


def package(fitted: Fitted, saved: Path, folder: Path) -> Path:
    """Write the portable model as MLflow keeps one, under a folder; returns it.

    Parameters
    ----------
    fitted : Fitted
    saved : Path
        Where `Fitted.save` wrote it.
    folder : Path
        Must not exist yet.
    """
    features = fitted.encoder.card()
    kinds = {"number": "double", "category": "string"}
    schema = Schema([ColSpec(kinds[f["kind"]], f["name"]) for f in features])
    save_model(
        folder,
        python_model=portable.__file__,
        artifacts={"model": str(saved)},
        signature=ModelSignature(schema, Schema([ColSpec("double")])),
        input_example=_example(features),
        pip_requirements=[f"{name}=={installed(name)}" for name in REQUIREMENTS],
    )
    return folder


def _example(features: list[dict[str, Any]]) -> DataFrame:
    """One made-up row: the typical value of each number, the commonest of each category."""
    row = {
        f["name"]: next(iter(f["codes"]), "") if f["codes"] is not None else f["typical"]
        for f in features
    }
    return DataFrame([row]).astype(
        {f["name"]: "float64" for f in features if f["kind"] == "number"}
    )
