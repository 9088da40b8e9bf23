"""The time, for everything but orchestrators, which have ``context.current_utc_datetime``."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
