"""What a model card says beyond the numbers the model computes with: provenance and proof."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version as installed
from platform import python_version
from typing import Any

from features.project import Project
from models.portable import FORMAT

LIBRARIES = ("lightgbm", "mlflow", "numpy", "pandas", "scikit-learn")


def describe(
    project: Project,
    target: str,
    *,
    train_as_of: Sequence[datetime],
    test_as_of: Sequence[datetime],
    metrics: Mapping[str, Any],
    grade: str,
    fingerprint: str,
    trained_at: datetime,
) -> dict[str, Any]:
    """The descriptive part of a card, as plain JSON.

    Parameters
    ----------
    project : Project
        Gives the currency and the target's declaration.
    target : str
        Name of the target.
    train_as_of, test_as_of : sequence of datetime
        Moments of the rows the registered model learned from, and of the back-test.
    metrics : mapping
        The back-test: estimates with intervals, as `Interval.as_json` gives them.
    grade : str
        A, B, C or U.
    fingerprint : str
        Of the staged data.
    trained_at : datetime
        Naive UTC.
    """
    return {
        "project": project.name,
        "target": {"name": target, **project.target(target).model_dump(mode="json")},
        "currency": project.currency,
        "train": moments(train_as_of),
        "test": moments(test_as_of),
        "metrics": dict(metrics),
        "grade": grade,
        "data_fingerprint": fingerprint,
        "trained_at": f"{trained_at.isoformat(timespec='seconds')}Z",
        "format": FORMAT,
        "versions": {"python": python_version()} | {name: installed(name) for name in LIBRARIES},
    }


def moments(as_of: Sequence[datetime]) -> dict[str, Any]:
    """First and last as-of and how many there are; null and 0 where rows have no date."""
    text = sorted({moment.isoformat() for moment in as_of})
    return {
        "first_as_of": text[0] if text else None,
        "last_as_of": text[-1] if text else None,
        "dates": len(text),
    }
