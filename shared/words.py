"""Words for people: log lines. Those of mails and pages are in ``shared/notices/``."""


def count(number: int, noun: str) -> str:
    """A number of things, with its thousands apart.

    >>> count(1, "part"), count(1200, "part")
    ('1 part', '1,200 parts')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
