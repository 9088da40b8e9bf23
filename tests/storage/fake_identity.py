"""The endpoint from which an app on App Service and Functions gets the tokens of its identity.

learn.microsoft.com, "How to use managed identities for App Service and Azure Functions", REST endpoint reference:
``GET $IDENTITY_ENDPOINT?api-version=2019-08-01&resource=...`` with the header ``X-IDENTITY-HEADER``; ``client_id`` or
``mi_res_id`` names a user-assigned identity.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import jwt

HEADER = "the header that only this process knows"


@dataclass
class FakeIdentity:
    """What was asked, and what is answered."""

    url: str = ""
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What the platform sets."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": HEADER}

    def asked_about(self, resource: str) -> list[dict[str, str]]:
        """The requests for tokens of one service."""
        return [query for query in self.asked if query["resource"].rstrip("/") == resource]


def access_token(resource: str) -> tuple[str, int]:
    """A token that the emulator takes, for a day, and when it ends (seconds since 1970)."""
    now = int(time.time())
    claims = {
        "aud": resource,
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
        "iat": now,
        "nbf": now - 60,
        "exp": now + 86_400,
        "tid": "00000000-0000-0000-0000-000000000001",
        "oid": "00000000-0000-0000-0000-000000000002",
    }
    return jwt.encode(claims, "k" * 32, "HS256"), now + 86_400


@contextmanager
def fake_identity() -> Iterator[FakeIdentity]:
    """The endpoint on a free port of the loopback."""
    state = FakeIdentity()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query))
            state.asked.append(query)
            good = self.headers["X-IDENTITY-HEADER"] == HEADER and query["api-version"] == "2019-08-01"
            status = state.status if good else 401
            token, expires = access_token(query["resource"])
            answer = {
                "access_token": token,
                "expires_on": str(expires),
                "resource": query["resource"],
                "token_type": "Bearer",
            }
            body = json.dumps(answer if status == 200 else {"statusCode": status, "message": "no identity"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/msi/token"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
