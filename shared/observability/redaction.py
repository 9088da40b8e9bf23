"""What no log line and no span may say: secrets, tokens, and the addresses of people.

The code that writes a line leaves them out by itself. This is the last place before a line goes out, for what comes
with an error's own words, or with a name that is an address.
"""

import re
from collections.abc import Sequence

_PATTERNS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"(?<=://)[^/\s:@'\"]*:[^/\s@'\"]+@"), "<password>@"),
    (re.compile(r"(?i)\b(AccountKey|SharedAccessSignature|accesskey|password|pwd)=[^;\s'\"]+"), r"\1=<secret>"),
    (re.compile(r"(?i)([?&;](?:sig|code)=)[^&\s'\"]+"), r"\1<secret>"),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{8,}"), "Bearer <token>"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)*"), "<token>"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), "<secret>"),
    (re.compile(r"(/d#|/d/|/unsubscribe/)[\w.-]{16,}"), r"\1<token>"),
    (re.compile(r"[^\s<>()\[\]{},;:'\"=|/]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+"), "<address>"),
)


def redact(text: str) -> str:
    """The text without them, each by what it is.

    >>> redact("mail to una@acme.example: see https://a.example/f?se=1&sig=abc%3D")
    'mail to <address>: see https://a.example/f?se=1&sig=<secret>'
    """
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
