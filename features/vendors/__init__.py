"""Ready mappings of billing and CRM exports, chosen with one line of the project file."""

from pathlib import Path
from typing import Any

from features.errors import ProjectError


def expand(raw: dict[str, Any], folder: Path) -> dict[str, Any]:  # noqa: ARG001
    """The project file with the sources of the vendors that `source` names."""
    raise ProjectError(f"source: {raw['source']!r} is not a known vendor")
