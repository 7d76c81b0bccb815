"""A target's part of a scoring run as one line for a person."""

from serving.target_run import TargetSummary

SUMMARY_COLUMNS = ("target", "scored", "high", "medium", "low", "not scored")


def summary_row(one: TargetSummary) -> tuple[object, ...]:
    """The cells under `SUMMARY_COLUMNS`."""
    bands = (one.bands.get(band, 0) for band in ("high", "medium", "low"))
    why = ", ".join(f"{reason} {count:,}" for reason, count in one.not_scored.items())
    return one.target, one.scored, *bands, why or "-"
