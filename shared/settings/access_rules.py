"""Settings that say who gets in, and what is open without a sign-in: checked beside where the process runs.

What is open is for local development alone (``shared/settings/environment.py``): the mode ``dev``, service tokens from
a host that asks for no keys, webhooks to this machine, and addresses without TLS.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.settings.environment import is_local_request, objection

if TYPE_CHECKING:
    from shared.settings import Settings

_APP_SERVICE_AUTHENTICATION = "WEBSITE_AUTH_ENABLED"
"""``True`` where App Service authentication stands before the app and takes its header out of requests from outside."""

_KEYLESS = "LOCAL_HOST_ASKS_FOR_NO_KEYS"
"""Set by the embedded host where it lets everybody call functions that want a key."""

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
    if settings.webhook_local_origins:
        yield "WEBHOOK_LOCAL_ORIGINS is for development on one machine, and refused on Azure and everywhere else"
    addresses = {"PUBLIC_URL": settings.public_url}
    if settings.auth_mode == "jwt":
        addresses |= {"JWT_ISSUER": settings.jwt_issuer, "JWT_JWKS_URL": settings.jwt_jwks_url}
    for name, value in addresses.items():
        if value and urlsplit(value).scheme != "https":
            yield f"{name} must be an https address outside local development, got '{value[:80]}'"
