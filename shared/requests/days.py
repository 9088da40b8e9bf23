"""Days as a request writes them."""

import re
from datetime import date

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day_of(text: str) -> date:
    """The date (RFC 3339, full-date) in a text. Raises ``ValueError``; pydantic alone takes seconds since 1970 too."""
    if not _DAY.fullmatch(text):
        raise ValueError("takes a day such as 2026-01-31")
    return date.fromisoformat(text)
