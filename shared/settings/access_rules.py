"""Settings that say who gets in, and what is open without a sign-in: checked beside where the process runs.

What is open is for local development alone (``shared/settings/environment.py``): the mode ``dev``, service tokens from
a host that asks for no keys, webhooks to this machine, and addresses without TLS.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.identity import directories
from shared.settings.environment import is_local_request, is_loopback, objection
from shared.settings.key_strength import MINIMUM_BITS, MINIMUM_LENGTH, strength

if TYPE_CHECKING:
    from shared.settings import Settings

_APP_SERVICE_AUTHENTICATION = "WEBSITE_AUTH_ENABLED"
"""``True`` where App Service authentication stands before the app and takes its header out of requests from outside."""

_KEYLESS = "LOCAL_HOST_ASKS_FOR_NO_KEYS"
"""Set by the embedded host where it lets everybody call functions that want a key."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
"""RFC 6454, section 6.2; no wildcards."""

_WEB = ("http", "https")

_MODES = "jwt (tokens of an OpenID Connect issuer) or easyauth (App Service authentication)"


def mode_refused(mode: str, environment: Mapping[str, str]) -> str:
    """Why nobody gets in with this ``AUTH_MODE`` (empty when not set), as a sentence; empty when it is right."""
    why = objection(environment) if mode in ("", "dev") else ""
    if not why:
        return ""
    return (
        f"{'' if mode else 'AUTH_MODE is not set, and '}AUTH_MODE=dev signs tokens for anybody who asks and is refused "
        f"on Azure and wherever this is not local development ({why}); set AUTH_MODE to {_MODES}"
    )


def check_request(headers: Mapping[str, str], settings: "Settings") -> None:
    """Refuse a request in mode ``dev`` that was not sent to this machine by its own name.

    ``headers`` have names in lower case. Raises ``SettingsError``.
    """
    if settings.auth_mode == "dev" and not is_local_request(headers):
        raise SettingsError(
            "AUTH_MODE=dev answers requests to this machine's own name only, such as http://localhost:7071, and this "
            f"one was for '{headers.get('host', '')[:80]}' or came through a proxy; set AUTH_MODE to {_MODES}"
        )


def wrong_here(settings: "Settings", environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with settings in this environment, but for the mode: a sentence for each."""
    local = not objection(environment)
    if settings.auth_mode == "easyauth" and environment.get(_APP_SERVICE_AUTHENTICATION, "").lower() != "true":
        yield (
            "AUTH_MODE=easyauth believes a header that anybody can send unless App Service authentication is on "
            f"({_APP_SERVICE_AUTHENTICATION} is not true); switch it on, or choose jwt"
        )
    if settings.service_tokens and settings.auth_mode != "dev" and (local or environment.get(_KEYLESS)):
        yield "SERVICE_TOKENS needs a host that asks for function keys: Azure, or AUTH_MODE=dev to try it"
    if local:
        return
    if settings.local_origins:
        yield "WEBHOOK_LOCAL_ORIGINS is for development on one machine, and refused on Azure and everywhere else"
    addresses = {"PUBLIC_URL": settings.public_url}
    if settings.auth_mode == "jwt":
        addresses |= {"JWT_ISSUER": settings.jwt_issuer, "JWT_JWKS_URL": settings.jwt_jwks_url}
    for name, value in addresses.items():
        if value and urlsplit(value).scheme != "https":
            yield f"{name} must be an https address outside local development, got '{value[:80]}'"


def check_access(settings: "Settings") -> None:
    """Raise ``ValueError`` for settings that are wrong wherever the process runs."""
    if urlsplit(settings.public_url).scheme not in _WEB or not urlsplit(settings.public_url).hostname:
        raise ValueError(f"PUBLIC_URL must be an http or https address, got '{settings.public_url[:80]}'")
    check_key("LINK_SIGNING_KEY", settings.link_signing_key)
    for key in settings.signing_keys[1:]:
        check_key("LINK_SIGNING_KEYS_ACCEPTED", key)
    for origin in settings.friends:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"CORS_ORIGINS names '{origin[:80]}'; an origin looks like https://app.example.com")
    _check_sign_in_rules(settings)
    directories.check(settings)
    if settings.auth_mode == "jwt":
        _check_issuer(settings)


def _check_issuer(settings: "Settings") -> None:
    for name, value in (("JWT_ISSUER", settings.jwt_issuer), ("JWT_AUDIENCE", settings.jwt_audience)):
        if not value:
            raise ValueError(f"{name} is not set, and AUTH_MODE=jwt needs it")
    for name, value in (("JWT_ISSUER", settings.jwt_issuer), ("JWT_JWKS_URL", settings.jwt_jwks_url)):
        parts = urlsplit(value)
        local = parts.scheme == "http" and is_loopback(parts.netloc)
        if value and not (local or (parts.scheme == "https" and parts.hostname)):
            raise ValueError(f"{name} must be an https address, got '{value[:80]}'")


def _check_sign_in_rules(settings: "Settings") -> None:
    if settings.auth_mode != "easyauth" and any(settings.sign_in_rules.values()):
        raise ValueError(
            "LINKS_REQUIRE_SIGN_IN asks people to sign in before a link in a mail gives a file, and only App Service "
            "authentication (AUTH_MODE=easyauth) can sign them in there; leave it out, or set it to false"
        )


def check_key(name: str, key: str) -> None:
    """Raise ``ValueError`` for a signing key that is short or can be guessed."""
    mend = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
    if len(key) < MINIMUM_LENGTH:
        raise ValueError(f"{name} has {len(key)} characters and needs at least {MINIMUM_LENGTH}; {mend}")
    if (bits := strength(key)) < MINIMUM_BITS:
        raise ValueError(
            f"{name} can be guessed: it is worth {bits:.0f} bits at most, and needs {MINIMUM_BITS} "
            f"(shared/settings/key_strength.py says how that is counted); {mend}"
        )
