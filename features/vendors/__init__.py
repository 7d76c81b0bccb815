"""Ready mappings of billing and CRM exports, chosen with one line of the project file."""

from features.vendors.mapping import expand, vendors

__all__ = ["expand", "vendors"]
