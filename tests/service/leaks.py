"""What must never be in a log, a span or a metric: looked for in everything that a service has put out.

Found in two ways: by what secrets and addresses look like, and by those that this very service has.
"""

import json
import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import quote

_LOOKS: dict[str, tuple[tuple[str, ...], str]] = {
    "a mail address": (("@", "%40"), r"[a-z0-9._+-]+(?:@|%40)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}"),
    "a signed token": (("eyj",), r"eyj[a-z0-9_-]{8,}\.[a-z0-9_-]{8,}"),
    "a bearer token": (("bearer ",), r"bearer [a-z0-9._~+/=-]{12,}"),
    "a shared access signature": (("sig=",), r"[?&;]sig=[a-z0-9%+/=]{12,}"),
    "a function key": (("code=",), r"[?&]code=[a-z0-9%+/=_-]{12,}"),
    "an account's key": (("key=",), r"(?:accountkey|accesskey)=[a-z0-9+/=]{12,}"),
    "a webhook's secret": (("whsec_",), r"whsec_[a-z0-9+/=]{8,}"),
    "a password in an address": (("://",), r"[a-z]+://[^/\s:@]+:[^/\s@<]+@"),
    "a link's token": (("/d", "/unsubscribe/"), r"/(?:d#|d/|unsubscribe/)[a-z0-9_-]{16,}"),
}
"""By name: what a line has at the least, in lower case, and how it looks then."""

_COMPILED = [(name, marks, re.compile(look, re.IGNORECASE)) for name, (marks, look) in _LOOKS.items()]


def leaks(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """Each leak once, with the line that it is in and without what leaks."""
    found: dict[str, None] = {}
    known = [secret for secret in secrets if len(secret) >= 16 and secret in text]
    for line in text.splitlines():
        small = line.lower()
        for name, marks, look in _COMPILED:
            if any(mark in small for mark in marks):
                found |= dict.fromkeys(f"{name}: {_without(line, match[0])}" for match in look.finditer(line))
        found |= dict.fromkeys(f"a secret of this service: {_without(line, one)}" for one in known if one in line)
    return list(found)


def _without(line: str, what: str) -> str:
    return line.replace(what, "<...>")[:300]


def secrets_of(home: Path, storage: str) -> Iterator[str]:
    """The secrets of a service: its keys, that of its storage account, and the tokens in the mails that it sent."""
    if (home / "signing-key").exists():
        yield (home / "signing-key").read_text()
    for keys in home.glob("host/host-keys.json"):
        yield from _texts(json.loads(keys.read_text()))
    yield from re.findall(r"AccountKey=([^;]+)", storage)
    for mail in (home / "outbox").glob("*.eml"):
        parts = message_from_bytes(mail.read_bytes(), policy=policy.default).get_body(("plain",))
        text = parts.get_content() if parts is not None else ""
        for token in re.findall(r"/(?:d#|unsubscribe/)(\S+)", text):
            yield token
            yield quote(token, safe="")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def check(home: Path, storage: str, *more: str) -> None:
    """Fail when the log of the service in this folder, or any of these texts, says what it must not."""
    texts = [path.read_text(errors="replace") for path in sorted((home / "logs").glob("host*.log"))]
    assert texts, f"no log in {home}"
    known = set(secrets_of(home, storage))
    found = [leak for text in (*texts, *more) for leak in leaks(text, known)]
    assert not found, "\n".join([f"{len(found)} leaks, such as:", *found[:20]])
