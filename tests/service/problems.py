"""The one shape of every error."""

import requests

_TITLES = {
    "bad-request": (400, "Bad request"),
    "validation-failed": (400, "The request is not valid"),
    "body-too-large": (413, "The body is too large"),
    "not-authenticated": (401, "Not authenticated"),
    "not-allowed": (403, "Not allowed"),
    "not-found": (404, "Not found"),
    "cross-site": (403, "Not from this page"),
    "wrong-media-type": (415, "The body's type is not taken"),
    "method-not-allowed": (405, "Method not allowed"),
    "conflict": (409, "Not possible in this state"),
    "paused": (409, "Paused"),
    "gone": (410, "Gone"),
    "idempotency-key-reused": (422, "The key was used before"),
    "limit-reached": (422, "More than the limit allows"),
    "counting-took-too-long": (422, "It takes too long to count"),
    "quota-reached": (429, "The quota is reached"),
    "too-many-requests": (429, "Too many requests"),
    "settings-error": (503, "The service is not set up"),
    "source-unavailable": (503, "The database is not available"),
    "storage-unavailable": (503, "Storage is not available"),
    "issuer-unavailable": (503, "Sign-in is not available"),
}


def assert_problem(answer: requests.Response, code: str, *, detail: str = "", **fields: str) -> None:
    """The answer is a problem document (RFC 9457) of this code.

    ``detail`` is in its sentence; ``fields`` are those that it names (``__`` for a point), each with a piece of its
    message, and there are no others.
    """
    status, title = _TITLES[code]
    body = answer.json()
    assert (answer.status_code, body["type"]) == (status, f"urn:sluice:problem:{code}"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (body["title"], body["status"]) == (title, status)
    assert set(body) - {"errors"} == {"type", "title", "status", "detail"}
    assert "errors" not in body or code == "validation-failed"
    assert detail in body["detail"]
    assert "Traceback" not in answer.text
    named = {e["field"]: e["message"] for e in body.get("errors", [])}
    wanted = {name.replace("__", "."): message for name, message in fields.items()}
    assert set(named) == set(wanted), named
    for field, message in wanted.items():
        assert message in named[field], (field, named[field])
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    if code.endswith("-unavailable"):
        assert answer.headers["Retry-After"] == "10"
