"""Keys of the host: one for administration, one for functions, one (the system key) for the management API."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web


@dataclass(frozen=True)
class HostKeys:
    """Keys as text, safe in a URL."""

    master: str
    function: str
    system: str

    def allows(self, level: str, request: web.Request) -> bool:
        """Tell whether the request's key opens a function of the authorization level (any case)."""
        level = level.lower()
        if level == "anonymous":
            return True
        given = request_key(request)
        valid = [self.master] if level == "admin" else [self.master, self.function]
        return any(_same(given, key) for key in valid)

    def allows_management(self, request: web.Request) -> bool:
        """Tell whether the request's key opens the management API."""
        given = request_key(request)
        return _same(given, self.system) or _same(given, self.master)


def load_keys(path: Path) -> HostKeys:
    """Read the keys, or make them and write them for this user alone."""
    if path.exists():
        return HostKeys(**json.loads(path.read_text()))
    keys = HostKeys(*(secrets.token_urlsafe(32) for _ in range(3)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(keys), file)
    return keys


def request_key(request: web.Request) -> str:
    """Return the key a request carries in ``code`` or ``x-functions-key``, or an empty string."""
    return request.query.get("code") or request.headers.get("x-functions-key") or ""


def _same(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode(), key.encode())
