"""Feature families; importing this registers every feature of the catalogue."""

from features.families import (
    billing,
    lifecycle,
    profile,
    purchases,
    support,
    surveys,
    touches,
    usage,
)

__all__ = ["billing", "lifecycle", "profile", "purchases", "support", "surveys", "touches", "usage"]
