"""Tokens: manipulated JSON Web Tokens, mix-ups of directories, and Wycheproof's signatures."""

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from shared.errors import NotAuthenticated
from shared.identity.caller import caller_from
from shared.identity.oidc import _ALGORITHM, _verifies
from shared.settings import Settings
from tests.attack.family import Family
from tests.service.issuer import Issuer, jwk, rsa_key

_VECTORS = Path(__file__).parents[1] / "wycheproof" / "json_web_signature.json.gz"
_MINE = rsa_key()
_OTHERS_DIRECTORY = "33333333-3333-3333-3333-333333333333"

Part = bytes | dict[str, Any]


@dataclass(frozen=True)
class Believer:
    """Settings that believe an issuer, and the issuer; ``several``: of the directories acme and globex."""

    issuer: Issuer
    one: Settings
    several: Settings


@dataclass(frozen=True)
class Forgery:
    """How a token differs from a good one: what the header and the claims get (``...`` takes one out), who signs, and
    what is done with the text at last. ``signed``: good (the issuer's key), mine, none, or hmac with ``secret``."""

    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    signed: str = "good"
    secret: str = ""
    text: str = "{head}.{claims}.{signature}"


def _encoded(value: Part) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _secrets(issuer: Issuer) -> dict[str, bytes]:
    """What a confused verifier may take for the shared secret."""
    public = issuer.key.public_key()
    encoding, format_ = serialization.Encoding, serialization.PublicFormat
    pem = public.public_bytes(encoding.PEM, format_.SubjectPublicKeyInfo)
    key = jwk(issuer.key, issuer.key_id)
    return {
        "pem": pem,
        "pem without its end": pem.rstrip(),
        "pkcs1": public.public_bytes(encoding.PEM, format_.PKCS1),
        "der": public.public_bytes(encoding.DER, format_.SubjectPublicKeyInfo),
        "jwk": json.dumps(key).encode(),
        "n": key["n"].encode(),
        "kid": issuer.key_id.encode(),
        "nothing": b"",
        "zeros": bytes(32),
    }


def _token(forgery: Forgery, believer: Believer) -> str:
    issuer, now = believer.issuer, int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": issuer.key_id, **forgery.header}
    claims = {
        "iss": issuer.url,
        "aud": believer.one.jwt_audience,
        "sub": "u-1",
        "iat": now,
        "exp": now + 600,
        "tid": "acme",
        "roles": ["SuperAdmin"],
        **forgery.claims,
    }
    if header.get("jwk") == "mine":
        header["jwk"] = jwk(_MINE, str(header["kid"]))
    head = _encoded({name: value for name, value in header.items() if value is not ...})
    body = _encoded({name: value for name, value in claims.items() if value is not ...})
    signed = f"{head}.{body}".encode()
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = {
        "good": lambda: algorithm.sign(signed, issuer.key),
        "mine": lambda: algorithm.sign(signed, _MINE),
        "none": lambda: b"",
        "hmac": lambda: _hmac(signed, _secrets(issuer)[forgery.secret], str(header["alg"])),
    }[forgery.signed]()
    return forgery.text.format(head=head, claims=body, signature=_encoded(signature))


def _hmac(signed: bytes, secret: bytes, algorithm: str) -> bytes:
    return hmac.new(
        secret, signed, {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    ).digest()


_ALGORITHMS: Sequence[Any] = (
    *("none", "None", "NONE", "nOnE", "none ", " none", "", "null", None, ..., 0, True, [], {}, ["RS256"], ["none"]),
    *("HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K"),
    *("EdDSA", "rs256", "Rs256", "RS256 ", " RS256", "RS256\x00", "RS256,none", "RSA-OAEP", "dir", "RS1", "SHA256"),
)

_KEY_IDS: Sequence[Any] = (
    *("", " ", "first ", " first", "FIRST", "First", "first\x00", "first\n", "../first", "/dev/null", "/etc/passwd"),
    *(
        "../../../../dev/null",
        "file:///dev/null",
        "http://127.0.0.1/keys",
        "https://evil.example/jwks.json",
        "' or '1'='1",
    ),
    *(
        "x' union select 'k",
        '"; drop table keys; --',
        "$(id)",
        "`id`",
        "|id",
        "%00",
        "%2e%2e%2f",
        "{{7*7}}",
        "${jndi:x}",
    ),
    *(
        "__proto__",
        "constructor",
        "0",
        "-1",
        "null",
        "undefined",
        "first,second",
        "first|first",
        "é",
        "\u202e",
        "k" * 9000,
    ),
    *(None, ..., 0, 1, True, [], ["first"], {}, {"kid": "first"}, 1e999),
)

_HEADERS: Sequence[dict[str, Any]] = (
    *(
        {name: url}
        for name in ("jku", "x5u")
        for url in ("https://evil.example/k", "http://127.0.0.1:1/k", "file:///x", "//x")
    ),
    *({"jwk": "mine", "kid": kid} for kid in ("first", "mine")),
    *({"x5c": [value]} for value in ("", "MIIB", "x")),
    *({"x5t": "x"}, {"x5t#S256": "x"}, {"enc": "A128GCM"}, {"epk": {}}, {"p2c": 10**9, "p2s": "x"}, {"apu": "x"}),
    *({"typ": value} for value in ("JWE", "dpop+jwt", "secevent+jwt", None, 1)),
    *({"cty": value} for value in ("JWT", "jwt", 1)),
)

_CRITICAL: Sequence[dict[str, Any]] = (
    *({"crit": value} for value in (["x"], ["exp"], ["b64", "x"], [], "b64", None, 1, {}, [1], ["alg"], ["crit"])),
    *({"b64": False, "crit": ["b64"]}, {"b64": False}, {"b64": "false", "crit": ["b64"]}, {"b64": 0, "crit": ["b64"]}),
    *({"crit": ["http://example.com/x"], "http://example.com/x": True}, {"crit": ["zip"], "zip": "DEF"}),
)

_NEVER = int(time.time()) - 86_400
_CLAIMS: Sequence[dict[str, Any]] = (
    *({"exp": value} for value in (0, 1, -1, _NEVER, 1.5, "0", "tomorrow", None, ..., [], {}, [2**33], "", False)),
    *({"nbf": value} for value in (2**32, 2**40, "x", [], {}, "99999999999", str(2**33))),
    *({"iat": value} for value in (2**32, 2**40, "x", None, ..., [], {}, str(2**33))),
    *(
        {"aud": value}
        for value in ("", " ", "api://other", "API://SLUICE", "api://sluice/", "api://sluic", "api://sluice ")
    ),
    *(
        {"aud": value}
        for value in ([], ["api://other"], ["API://sluice"], None, ..., 0, {}, {"api://sluice": 1}, [[]], [None])
    ),
    *(
        {"iss": value}
        for value in ("", " ", "http://evil.example", None, ..., 0, [], {}, "http://127.0.0.1", "sluice-dev")
    ),
    *(
        {"iss": value}
        for value in ("sluice-service", "https://login.microsoftonline.com/common/v2.0", "*", "{tenantid}")
    ),
    *(
        {"sub": value}
        for value in ("", None, ..., 0.5, [], {}, [None], "u\x00", "u\r\nX: y", "u" * 201, "\u2028", True, False)
    ),
    *(
        {"tid": value}
        for value in ("", None, ..., 0.5, [], {}, "a/b", "../globex", "acme\n", "acme\x00", "a" * 101, "-", ".")
    ),
    *(
        {"tid": value}
        for value in ("_x", " acme", "acme ", "acme;globex", "acme,globex", "acme'", "аcme", True, "%61cme", "a b")
    ),
)

_TEXTS: Sequence[str] = (
    *("", ".", "..", "...", "....", "x", "x.y", "x.y.z", "{head}", "{head}.", "{head}.{claims}", "{head}.{claims}."),
    *(
        "{head}..{signature}",
        ".{claims}.{signature}",
        "{head}.{claims}.{signature}.",
        "{head}.{claims}.{signature}.x.y",
    ),
    *(
        "{head}.{claims}.{claims}",
        "{head}.{head}.{signature}",
        "{claims}.{head}.{signature}",
        "{signature}.{claims}.{head}",
    ),
    *(
        "{head}.{claims}.{signature}{signature}",
        "{head}{head}.{claims}.{signature}",
        "{head}.{claims}{claims}.{signature}",
    ),
    *(
        "{head}.{claims}.!{signature}",
        "{head}.{claims}.{signature}!",
        "{head} .{claims}.{signature}",
        "{head}.{claims}. x",
    ),
    *(
        "{head}.{claims}.AAAA",
        "{head}.{claims}.=",
        "{head}=.{claims}.x",
        "{head},{claims},{signature}",
        "null",
        "[]",
        "é.é.é",
    ),
    *("{head}.{claims}.{signature}\x00", "\ufeff{head}.{claims}.x", "{head}.{claims}.{signature}, {head}.{claims}."),
    *(f"{{head}}.{{claims}}.{{signature:.{length}}}" for length in range(0, 340, 6)),
)


def forgeries() -> Sequence[Forgery]:
    """All of them; a token made of none of these changes is good."""
    return tuple(_forgeries())


def _forgeries() -> Iterator[Forgery]:
    for algorithm in _ALGORITHMS:
        yield Forgery({"alg": algorithm}, signed="none")
        yield Forgery({"alg": algorithm}, signed="mine")
        if algorithm != "RS256":
            yield Forgery({"alg": algorithm})
    for secret in ("pem", "pem without its end", "pkcs1", "der", "jwk", "n", "kid", "nothing", "zeros"):
        for algorithm in ("HS256", "HS384", "HS512", "RS256"):
            yield Forgery({"alg": algorithm}, signed="hmac", secret=secret)
    for key_id in _KEY_IDS:
        yield Forgery({"kid": key_id})
        yield Forgery({"kid": key_id}, signed="mine")
    yield from (Forgery(header, signed="mine") for header in (*_HEADERS, *_CRITICAL))
    yield from (Forgery(header) for header in _CRITICAL if header.get("crit") not in (None, [], ["b64"]))
    yield from (Forgery(claims=claims) for claims in _CLAIMS)
    yield from (Forgery(text=text) for text in _TEXTS)


def accepted(believer: Believer, forgery: Forgery) -> str:
    """Whoever a forged token signs in."""
    return _signed_in(_token(forgery, believer), believer.one)


def _signed_in(token: str, settings: Settings) -> str:
    try:
        caller = caller_from({"authorization": f"Bearer {token}"}, settings)
    except NotAuthenticated:
        return ""
    return f"{caller.user} of {caller.tenant} is signed in"


def mix_ups() -> Sequence[tuple[Any, Any]]:
    """Directories that a token says it is from (``tid``), and the one that its issuer is of; no pair is right."""
    of = (
        "acme",
        "globex",
        "initech",
        "common",
        "organizations",
        "{tenantid}",
        "",
        _OTHERS_DIRECTORY,
        "*",
        "acme/../globex",
    )
    ids = (*of, None, 0, ["acme"], {"acme": 1}, "ACME", "acme ", " acme", "acme\x00", "acme%00", "acme,globex", True)
    right = (("acme", "acme"), ("globex", "globex"))
    return [(tid, issuer) for tid in ids for issuer in (*of, "ACME", "acme/") if (tid, issuer) not in right]


def of_another_directory(believer: Believer, pair: tuple[Any, Any]) -> str:
    """Whoever is signed in although the directory does not fit the issuer, or is not allowed."""
    tid, issuer = pair
    name = believer.several.jwt_issuer.replace("{tenantid}", issuer)
    return _signed_in(_token(Forgery(claims={"tid": tid, "iss": name}), believer), believer.several)


def vectors() -> Sequence[tuple[dict[str, Any], int, str, str]]:
    """Key, number, result and token of every vector."""
    groups = json.loads(gzip.decompress(_VECTORS.read_bytes()))["groups"]
    return [(group["key"], *test) for group in groups for test in group["tests"]]


def wrongly_verified(believer: Believer, vector: tuple[dict[str, Any], int, str, str]) -> str:
    """An invalid signature that is taken, or a valid one of our algorithm that is not.

    As a bearer's token, and as the issuer's keys verify: with a key that is meant for it, by the one algorithm.
    """
    key, number, result, token = vector
    if signed_in := _signed_in(token, believer.one):
        return signed_in
    verified = _verifies(key) and _verified(key, token)
    allowed = result == "valid" and _verifies(key) and key.get("alg") == _ALGORITHM
    return "" if verified == allowed else f"vector {number} ({result}, {key.get('alg')}): verified is {verified}"


def _verified(key: dict[str, Any], token: str) -> bool:
    try:
        jwt.PyJWS(options={"enforce_minimum_key_length": True}).decode(token, jwt.PyJWK(key), algorithms=[_ALGORITHM])
    except (jwt.PyJWTError, ValueError):
        return False
    return True


FAMILIES = (
    Family("manipulated tokens", forgeries, accepted, "believer"),
    Family("directories mixed up", mix_ups, of_another_directory, "believer", least=200, few=20),
    Family("Wycheproof signatures", vectors, wrongly_verified, "believer", few=401),
)
