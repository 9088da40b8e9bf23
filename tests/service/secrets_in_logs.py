"""Looks for what no log may have: tokens, signatures of URLs, keys, secrets and mail addresses.

A request's path is left out: clients write into it what they like, and hosts write it down. The tokens that the service
itself puts into paths only unsubscribe (RFC 8058), or are of mails of releases before links had a fragment.
"""

import re

_PATTERNS = {
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*"),
    "a bearer token": re.compile(r"(?i)\bbearer\s+(?!error\b|realm\b)[\w.~+/-]{16,}"),
    "a signature of a URL": re.compile(r"[?&]sig=[\w%+/-]{10,}"),
    "a key of storage or mail": re.compile(r"(?i)\b(?:account|access)key=(?!\*)[\w+/=-]{8,}"),
    "a signing secret": re.compile(r"\bwhsec_[\w+/=-]{8,}|\bsealed\.v1\.[\w.=-]{8,}"),
    "a password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://(?!user:password@)[^\s/:@]+:[^\s/@]+@"),
    "a key of the host": re.compile(r"[?&]code=[\w-]{16,}"),
    "a mail address": re.compile(r"\b[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}\b"),
}
_PATH = re.compile(r" path=\S*")


def secrets_in(text: str) -> list[str]:
    """What a log has that it may not: what it is, and the line."""
    found = []
    for line in text.splitlines():
        plain = _PATH.sub("", line)
        found += [f"{what}: {line[:300]}" for what, pattern in _PATTERNS.items() if pattern.search(plain)]
    return found
