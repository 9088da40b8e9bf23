"""Cookies as the platform sends them: it takes a function's Set-Cookie apart and writes it anew.

Read from the Python worker (``datumdef.py``), the host (``RpcHttpCookieConverter``) and ASP.NET Core
(``SetCookieHeaderValue``).
"""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from http.cookies import Morsel
from urllib.parse import quote

_SAME_SITE = ("lax", "strict", "none")


def set_cookie(cookie: Morsel[str]) -> str:
    """Return the header's value. The cookie's value is quoted as in an address; domain and path are always there.

    Raises ValueError when ``expires`` is no date, and TypeError when ``max-age`` is no number.
    """
    parts = [f"{cookie.key}={quote(cookie.value, safe='-_.~')}"]
    if cookie["expires"]:
        parts.append(f"expires={_date(cookie['expires'])}")
    if cookie["max-age"]:
        parts.append(f"max-age={_seconds(cookie['max-age'])}")
    parts += [f"domain={cookie['domain']}", f"path={cookie['path']}"]
    if cookie["secure"]:
        parts.append("secure")
    if cookie["samesite"].lower() in _SAME_SITE:
        parts.append(f"samesite={cookie['samesite'].lower()}")
    if cookie["httponly"]:
        parts.append("httponly")
    return "; ".join(parts)


def _date(text: str) -> str:
    moment = parsedate_to_datetime(text)
    utc = moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return format_datetime(utc, usegmt=True)


def _seconds(text: str) -> int:
    try:
        return int(float(text))
    except ValueError as error:
        raise TypeError(f"Cannot parse value {text} of 'cookie.maxAge' to float.") from error
