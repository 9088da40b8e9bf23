"""JSON Web Tokens of an OpenID Connect issuer (Entra ID or any other): verified with the keys that it publishes.

The issuer's keys are found at ``JWT_JWKS_URL``, or through its discovery document (OpenID Connect Discovery 1.0,
section 4). They are kept for an hour; a token signed with a key that is not among them makes us look again, at most
every few seconds. What a token says about where its key is to be found (``jku``, ``x5u``, ``jwk``) is never looked at.

An issuer of many directories, such as Entra ID, has its directory's id in its name, in the place of ``{tenantid}``
(learn.microsoft.com, "Access tokens", validation of the issuer). Then the claim ``tid`` must name a directory that the
settings allow, and ``iss`` be the issuer of that directory. A key that is published for one issuer verifies for no
other.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests

from shared.errors import IssuerUnavailable
from shared.identity.directories import DIRECTORY
from shared.identity.sign_in_reasons import refused, refused_for
from shared.settings import Settings

_ALGORITHM = "RS256"
"""The one algorithm that every issuer has to offer (OpenID Connect Core 1.0, section 15.1)."""

_ANY_DIRECTORY = "organizations"
"""Stands in the address of Entra ID's discovery document for all directories."""

_TIMEOUT_SECONDS = 5
_KEYS_LIVE_SECONDS = 3600
_LOOK_AGAIN_SECONDS = 5


class _IssuerKeys(jwt.PyJWKClient):
    """The keys of an issuer that verify signatures; others (encryption, shared secrets) are left out."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.issuers: Mapping[str, str] = {}
        """The issuer that a key is for, where it is published for one alone, by the key's id."""

    def fetch_data(self) -> Any:
        found = super().fetch_data()
        keys = [key for key in found.get("keys", ()) if _verifies(key)]
        self.issuers = {str(key.get("kid")): str(key["issuer"]) for key in keys if "issuer" in key}
        return {**found, "keys": keys}


def _verifies(key: Mapping[str, Any]) -> bool:
    """Whether a key is meant for our algorithm (RFC 7517, sections 4.1 to 4.4)."""
    return (
        key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and "verify" in key.get("key_ops", ["verify"])
        and key.get("alg", _ALGORITHM) == _ALGORITHM
    )


def issuer_claims(token: str, settings: Settings) -> Mapping[str, Any]:
    """The claims of a token from the issuer in the settings. Blocks while keys are fetched, five seconds at most.

    Raises ``NotAuthenticated`` for a token that is not good, ``IssuerUnavailable`` when the keys cannot be had.
    """
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError as error:
        raise refused_for(error) from None
    if not key_id:
        raise refused("unknown-key")
    directory = _directory(token, settings)
    issuer = settings.jwt_issuer.replace(DIRECTORY, directory)
    key = _signing_key(str(key_id), directory, settings)
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            issuer=issuer,
            audience=settings.jwt_audience,
            leeway=settings.jwt_leeway_seconds,
            options={"require": ["exp", "iat", "aud", "iss", "sub"], "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise refused_for(error) from None
    return claims


def _directory(token: str, settings: Settings) -> str:
    """The directory that a token says it is from, one that the settings allow; empty where the issuer has no others."""
    if DIRECTORY not in settings.jwt_issuer:
        return ""
    try:
        directory = jwt.decode(token, options={"verify_signature": False}).get("tid")
    except jwt.InvalidTokenError:
        directory = None
    if not isinstance(directory, str) or directory not in settings.allowed_directories:
        raise refused("unknown-directory")
    return directory


def _signing_key(key_id: str, directory: str, settings: Settings) -> jwt.PyJWK:
    try:
        keys = _keys(settings.jwt_issuer, settings.jwt_jwks_url)
        keys.get_signing_keys()
    except (jwt.PyJWTError, requests.RequestException, ValueError) as error:
        raise IssuerUnavailable(f"the keys of {settings.jwt_issuer} cannot be read") from error
    try:
        key = keys.get_signing_key(key_id)
        meant_for = keys.issuers.get(key_id, settings.jwt_issuer)
        if meant_for.replace(DIRECTORY, directory) != settings.jwt_issuer.replace(DIRECTORY, directory):
            raise refused("key-of-another-issuer")
        return key
    except jwt.PyJWKClientConnectionError as error:
        raise IssuerUnavailable(f"the keys of {settings.jwt_issuer} cannot be read") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise refused_for(error) from None


@cache
def _keys(issuer: str, jwks_url: str) -> _IssuerKeys:
    """The keys of an issuer. A failure is not remembered."""
    return _IssuerKeys(
        jwks_url or _discovered(issuer),
        lifespan=_KEYS_LIVE_SECONDS,
        timeout=_TIMEOUT_SECONDS,
        cooldown_duration=_LOOK_AGAIN_SECONDS,
    )


def _discovered(issuer: str) -> str:
    """Where the issuer publishes its keys. Raises ``ValueError`` for a document of somebody else (section 4.3)."""
    url = f"{issuer.replace(DIRECTORY, _ANY_DIRECTORY).rstrip('/')}/.well-known/openid-configuration"
    answer = requests.get(url, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    answer.raise_for_status()
    document = answer.json()
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ValueError(f"{url} is not the document of {issuer}")
    keys = str(document.get("jwks_uri"))
    if urlsplit(keys).scheme != urlsplit(issuer).scheme:
        raise ValueError(f"{url} names keys at {keys}")
    return keys
