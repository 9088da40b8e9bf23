"""Text in log lines and failure reasons. Mails and pages: ``shared/notifications/templates/``."""

from datetime import timedelta


def writable(text: str) -> str:
    """The text as UTF-8 can hold it: a question mark for each lone surrogate.

    A server hands on bytes of a header that are not UTF-8 as such surrogates (PEP 383).

    >>> writable("a" + chr(0xDCFF) + "b")
    'a?b'
    """
    return text.encode(errors="replace").decode()


def count(number: int, noun: str) -> str:
    """A number of things, with its thousands apart.

    >>> count(1, "part"), count(1200, "part")
    ('1 part', '1,200 parts')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
