"""Whether scores are recent enough to act on."""

from datetime import datetime, timedelta

from serving.records import Run


def is_stale(run: Run, after_hours: float, now: datetime) -> bool:
    """Whether the run was published longer than `after_hours` before `now` (aware, UTC)."""
    return now.replace(tzinfo=None) - run.published_at > timedelta(hours=after_hours)
