"""Words for people: log lines, mails and pages."""

from datetime import datetime, timedelta


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


def duration(time: timedelta) -> str:
    """A length of time, in the unit that suits it.

    >>> duration(timedelta(seconds=90)), duration(timedelta(hours=12)), duration(timedelta(days=3))
    ('90 seconds', '12 hours', '3 days')
    """
    seconds = round(time.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return count(seconds // length, unit)
    return count(seconds, "second")
