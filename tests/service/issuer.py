"""A real OpenID Connect issuer on this machine: a discovery document, keys that rotate, and tokens of every kind."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

AUDIENCE = "api://sluice"


def rsa_key(bits: int = 2048) -> RSAPrivateKey:
    """A new private key."""
    return rsa.generate_private_key(65537, bits)


def jwk(key: RSAPrivateKey, key_id: str, **changes: Any) -> dict[str, Any]:
    """A key as it is published, but for the changes; None leaves a member out."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    whole = {**public, "key_ops": None, "kid": key_id, "use": "sig", "alg": "RS256", **changes}
    return {name: value for name, value in whole.items() if value is not None}


@dataclass
class Issuer:
    """The issuer: what it publishes can be changed while it runs. ``asked`` lists the paths that were read."""

    url: str = ""
    published: list[dict[str, Any]] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False
    key: RSAPrivateKey = field(default_factory=rsa_key)
    key_id: str = "first"

    def rotate(self, key_id: str) -> None:
        """From now on only a new key is published, and tokens are signed with it."""
        self.key, self.key_id = rsa_key(), key_id
        self.published[:] = [jwk(self.key, key_id)]

    def token(
        self, *, key: Any = None, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token for an Admin of acme, but for the changes; None leaves a claim (or ``kid``) out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "u-1",
            "iat": now,
            "exp": now + 600,
            "tid": "acme",
            "roles": ["Admin"],
            "email": "una@acme.example",
            "name": "Una",
            **changes,
        }
        names = {"kid": self.key_id, **(headers or {})}
        return jwt.encode(
            {k: v for k, v in claims.items() if v is not None},
            self.key if key is None else key,
            algorithm=algorithm,
            headers={k: v for k, v in names.items() if v is not None},
        )

    def answer(self, path: str) -> Any:
        """The document at this path."""
        self.asked.append(path)
        if self.away:
            return None
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery}
        if path == "/organizations/v2.0/.well-known/openid-configuration":
            return {"issuer": f"{self.url}/{{tenantid}}/v2.0", "jwks_uri": f"{self.url}/keys"}
        return {"keys": self.published} if path == "/keys" else None


@contextmanager
def running() -> Iterator[Issuer]:
    """An issuer that answers on a free port."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = issuer.answer(self.path)
            body = json.dumps(document).encode()
            self.send_response(200 if document else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        issuer.rotate("first")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
