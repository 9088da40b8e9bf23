"""Words for people: log lines, mails and pages."""

from datetime import datetime


def count(number: int, noun: str) -> str:
    """A number of things, with its thousands apart.

    >>> count(1, "part"), count(1200, "part")
    ('1 part', '1,200 parts')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(count: int) -> str:
    """A number of bytes, in the unit that suits it.

    >>> size(999), size(831_674)
    ('999 bytes', '831.7 KB')
    """
    if count < 1000:
        return f"{count} bytes"
    amount = count / 1000
    for unit in ("KB", "MB", "GB"):
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def moment(time: datetime) -> str:
    """A time stamp in UTC, to the minute."""
    return f"{time:%d %B %Y, %H:%M} UTC"
