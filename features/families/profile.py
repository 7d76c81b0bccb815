"""Who the customer is: slow facts, as they stood at the moment."""

import numpy as np

from features.declare import derived
from features.windows import Windows

_WHO = ("customers",)


@derived(kind="category", unit="segment", reason="segment", tables=_WHO, says="Segment {value}")
def segment(f: Windows) -> np.ndarray:
    """The customer's segment."""
    return f["segment"]


@derived(kind="category", unit="country", reason="country", tables=_WHO, says="Country {value}")
def country(f: Windows) -> np.ndarray:
    """The customer's country."""
    return f["country"]


@derived(
    kind="category",
    unit="channel",
    reason="acquisition",
    tables=_WHO,
    says="Came through {value}",
)
def acquisition_channel(f: Windows) -> np.ndarray:
    """How the customer was won."""
    return f["acquisition_channel"]
