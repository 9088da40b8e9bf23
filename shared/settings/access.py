"""Settings that say who gets in, and what they are told of where.

What of them depends on where the process runs is checked in ``shared/settings/access_rules.py``.
"""

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.catalog.ownership import TENANT
from shared.identity import directories
from shared.identity.directories import as_in_tokens
from shared.notifications.link_rules import parse_sign_in_rules
from shared.settings.environment import is_loopback
from shared.settings.fields import Items, SettingsGroup, items, wrong
from shared.settings.keys import checked_key, checked_keys

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
"""RFC 6454, section 6.2; no wildcards."""

_WEB = ("http", "https")

SignInRules = Annotated[
    dict[str, bool], BeforeValidator(lambda value: parse_sign_in_rules(value) if isinstance(value, str) else value)
]
"""Whether to ask, by ``tenant``, ``tenant/type`` or, for everybody, the empty text."""


def _tenant(text: str) -> str:
    if text and not TENANT.fullmatch(text):
        raise ValueError(f"takes a tenant's id: letters, digits and ._-, 100 at most, got '{text[:80]}'")
    return text


def _origins(origins: Iterable[str]) -> frozenset[str]:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise wrong(f"names '{origin[:80]}'; an origin looks like https://app.example.com")
    return frozenset(origins)


def _web_address(address: str) -> str:
    if urlsplit(address).scheme not in _WEB or not urlsplit(address).hostname:
        raise wrong(f"must be an http or https address, got '{address[:80]}'")
    return address


class AccessSettings(SettingsGroup):
    """Who signs in, and as what."""

    group: ClassVar[str] = "Sign-in"

    auth_mode: Literal["easyauth", "jwt", "dev"] | None = Field(
        default=None,
        description="How callers are authenticated: App Service authentication (easyauth), tokens of an OpenID "
        "Connect issuer (jwt), or tokens for demo users that anybody can get (dev, local development only). Empty: "
        "dev in local development; elsewhere every call gets 503.",
    )
    jwt_issuer: str = Field(
        default="",
        description="With jwt: the issuer (claim `iss`), an https URL. `{tenantid}` stands for one of several "
        "directories.",
    )
    jwt_audience: str = Field(default="", description="With jwt: the audience that tokens must have (claim `aud`).")
    jwt_jwks_url: str = Field(
        default="",
        description="With jwt: URL of the issuer's key set. Empty: taken from the issuer's discovery document.",
    )
    jwt_leeway_seconds: Annotated[int, Field(ge=0, le=300)] = Field(
        default=30, description="With jwt: accepted clock difference to the issuer."
    )
    allowed_directories: Annotated[
        frozenset[str],
        BeforeValidator(items),
        AfterValidator(lambda names: frozenset(as_in_tokens(name) for name in names)),
    ] = Field(
        default=frozenset(),
        description="With easyauth, or with `{tenantid}` in `JWT_ISSUER`: comma-separated directories (claim `tid`) "
        "whose users may sign in. `JWT_DIRECTORIES` is its old name.",
    )
    operator_directory: Annotated[str, AfterValidator(lambda name: as_in_tokens(name.strip()))] = Field(
        default="",
        description="Directory (`tid`) or issuer (`iss`) whose SuperAdmins are operators. Empty: the only directory "
        "that may sign in; with several, or with easyauth that admits any directory, nobody is an operator.",
    )
    single_tenant: Annotated[str, AfterValidator(_tenant)] = Field(
        default="",
        description="The only tenant of this deployment. Callers of other tenants are refused, and claims determine "
        "the companies and scopes of a caller. Empty: `OWNERSHIP` in `exports/__init__.py` says what a tenant owns.",
    )
    claim_user: str = Field(default="sub", description="With easyauth and jwt: the claim that holds the user id.")
    claim_tenant: str = Field(default="tid", description="The claim that holds the tenant.")
    claim_roles: str = Field(
        default="roles", description="The claim that lists the roles: SuperAdmin, Admin, Manager or Viewer."
    )
    claim_company_ids: str = Field(default="company_ids", description="The claim that lists the user's companies.")
    claim_operational_scope_ids: str = Field(
        default="operational_scope_ids", description="The claim that lists the user's operational scopes."
    )
    service_tokens: bool = Field(
        default=False,
        description="Enables `POST /service/token`, which issues tokens to services that hold a function key.",
    )

    @model_validator(mode="after")
    def _lets_in_whom_it_names(self) -> Self:
        directories.check(self)
        if self.auth_mode == "jwt":
            self._check_issuer()
        return self

    def _check_issuer(self) -> None:
        for name, value in (("JWT_ISSUER", self.jwt_issuer), ("JWT_AUDIENCE", self.jwt_audience)):
            if not value:
                raise ValueError(f"{name} is not set, and AUTH_MODE=jwt needs it")
        for name, value in (("JWT_ISSUER", self.jwt_issuer), ("JWT_JWKS_URL", self.jwt_jwks_url)):
            parts = urlsplit(value)
            local = parts.scheme == "http" and is_loopback(parts.netloc)
            if value and not (local or (parts.scheme == "https" and parts.hostname)):
                raise ValueError(f"{name} must be an https address, got '{value[:80]}'")


class LinkSettings(AccessSettings):
    """Links to this service, and which pages may call it; links may ask for the sign-in."""

    group: ClassVar[str] = "Addresses and links"

    public_url: Annotated[str, AfterValidator(_web_address)] = Field(
        default="http://127.0.0.1:7071",
        description="Base URL of this service as callers see it. Mails link to it. https, except in local development.",
    )
    cors_origins: Annotated[frozenset[str], BeforeValidator(items), AfterValidator(_origins)] = Field(
        default=frozenset(),
        description="Comma-separated origins whose pages may call this service, such as https://app.example.com.",
    )
    link_signing_key: Annotated[str, AfterValidator(checked_key)] = Field(
        default="",
        validate_default=True,
        description="Secret that signs tokens and links: at least 32 random characters, the same on every instance. "
        "Local development generates one and keeps it in `.sluice/signing-key`.",
    )
    link_signing_keys_accepted: Annotated[Items, AfterValidator(checked_keys)] = Field(
        default=(),
        description="Comma-separated further secrets whose tokens and links are accepted while `LINK_SIGNING_KEY` is "
        "rotated.",
    )
    links_require_sign_in: SignInRules = Field(
        default={},
        description="Whether links in mails require sign-in before they give a file: `true` or `false`, and rules "
        "such as `acme=false, acme/sessions=true`. Empty: `true` with easyauth, `false` otherwise. Only easyauth "
        "supports `true`.",
    )
    sign_in_provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,50}$")] = Field(
        default="aad",
        description="With easyauth: the one provider of App Service authentication that users sign in with; claims of "
        "any other are refused.",
    )

    @model_validator(mode="after")
    def _links_ask_where_somebody_signs_people_in(self) -> Self:
        if self.auth_mode != "easyauth" and any(self.links_require_sign_in.values()):
            raise ValueError(
                "LINKS_REQUIRE_SIGN_IN asks people to sign in before a link in a mail gives a file, and only App "
                "Service authentication (AUTH_MODE=easyauth) can sign them in there; leave it out, or set it to false"
            )
        return self

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The key that signs, and those that only verify."""
        return (self.link_signing_key, *self.link_signing_keys_accepted)
