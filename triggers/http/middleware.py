"""What every answer has in common on its way out: request ids, CORS, entity tags, gzip."""

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256
from uuid import uuid4

import azure.functions as func

from shared.errors import SettingsError
from shared.settings import settings

REVALIDATE = "private, no-cache"
"""``Cache-Control`` of what its reader may keep, and has to ask after each time."""

_GZIP_FROM_BYTES = 1024
_PLAIN = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NO_TRACE = "0" * 32
_SENT_BY_SCRIPTS = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id, X-Requested-With, traceparent"
)
_READ_BY_SCRIPTS = (
    "Allow, Content-Disposition, Content-Length, ETag, Location, Operation-Location, Repr-Digest, Retry-After, "
    "X-Request-Id"
)
_PREFLIGHT_SECONDS = "600"


def request_id(headers: Mapping[str, str]) -> str:
    """The id that the caller gave (``X-Request-Id``), their trace (W3C Trace Context, section 3.2), or a new one."""
    given = headers.get("x-request-id", "")
    if _PLAIN.fullmatch(given):
        return given
    trace = _TRACE_PARENT.fullmatch(headers.get("traceparent", ""))
    return trace[1] if trace and trace[1] != _NO_TRACE else uuid4().hex


def finish(request: func.HttpRequest, answer: func.HttpResponse, identity: str) -> func.HttpResponse:
    """The answer as it goes out."""
    headers = dict(answer.headers.items())
    body, status = answer.get_body() or b"", answer.status_code
    headers["X-Request-Id"] = identity
    headers["X-Content-Type-Options"] = "nosniff"
    vary = [*_cors(request, headers)]
    if status == 200 and headers.get("Cache-Control") == REVALIDATE:
        vary.append("Authorization")
        headers["ETag"] = f'W/"{sha256(body).hexdigest()[:32]}"'
        if _known(request.headers.get("if-none-match", ""), headers["ETag"]):
            status, body = 304, b""
    if answer.mimetype in ("application/json", "application/problem+json"):
        vary.append("Accept-Encoding")
        if len(body) >= _GZIP_FROM_BYTES and _takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 5, mtime=0)
    if vary:
        headers["Vary"] = ", ".join(vary)
    return func.HttpResponse(
        body, status_code=status, headers=headers, mimetype=answer.mimetype, charset=answer.charset
    )


def preflight(request: func.HttpRequest, allowed: str) -> dict[str, str]:
    """The headers that answer a browser's question before a call (Fetch standard, section 3.3)."""
    if not _is_friend(request.headers.get("origin", "")):
        return {}
    return {
        "Access-Control-Allow-Methods": allowed,
        "Access-Control-Allow-Headers": _SENT_BY_SCRIPTS,
        "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
    }


def _cors(request: func.HttpRequest, headers: dict[str, str]) -> list[str]:
    """Let pages of the origins in the settings read the answer; gives what the answer depends on."""
    try:
        if not settings().cors_origins:
            return []
    except SettingsError:
        return []
    origin = request.headers.get("origin", "")
    if _is_friend(origin):
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _READ_BY_SCRIPTS
    return ["Origin"]


def _is_friend(origin: str) -> bool:
    return bool(origin) and origin in settings().cors_origins


def _known(given: str, tag: str) -> bool:
    """Whether a tag is among those that the caller has (RFC 9110, section 13.1.2: weak comparison)."""
    return given.strip() == "*" or tag.removeprefix("W/") in [t.strip().removeprefix("W/") for t in given.split(",")]


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110, section 12.5.3."""
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False
