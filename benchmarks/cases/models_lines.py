"""The line a measure must reach, and whether it does.

A line is met where the estimate is at most one standard error short of it, and clearly met where
the whole interval lies beyond it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.bootstrap import Interval

AGAINST_CONSTANT = "log_loss_against_constant"  # the constant's rate is the newest known


@dataclass(frozen=True)
class Line:
    """What a measure must reach: at least `at`, or at most where less is better."""

    measure: str
    at: float
    less: bool = False


def judged(line: Line, found: Mapping[str, Interval]) -> dict[str, Any]:
    """Whether a line is met: at most a standard error short of it; clearly, by the interval."""
    one = found[line.measure]
    told = {"measure": line.measure, "at": line.at, "less": line.less, **one.as_json()}
    if one.value is None:
        return told | {"met": False, "clearly": False}
    sign, far = (-1 if line.less else 1), one.high if line.less else one.low
    return told | {
        "met": bool(sign * (one.value - line.at) + (one.se or 0.0) >= 0),
        "clearly": bool(far is not None and sign * (far - line.at) > 0),
    }
