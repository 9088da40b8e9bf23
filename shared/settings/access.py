"""The settings that say who gets in, and what they are told of where: a part of ``Settings``.

What goes with what is checked in ``shared/settings/access_rules.py``.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.catalog.ownership import TENANT
from shared.identity.directories import as_in_tokens, listed
from shared.notifications.link_rules import parse_sign_in_rules


def parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    """Of a text that has to parse: ``parse`` raises ``ValueError`` for others."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


SignInRules = Annotated[str, parsed_by(parse_sign_in_rules)]


def items(text: str) -> list[str]:
    """What a setting lists with commas."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _checked_tenant(text: str) -> str:
    if text and not TENANT.fullmatch(text):
        raise ValueError(f"takes a tenant's id: letters, digits and ._-, 100 at most, got '{text[:80]}'")
    return text


class AccessSettings(BaseModel):
    """Each by its environment variable in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    auth_mode: Literal["easyauth", "jwt", "dev"] | None = Field(
        default=None,
        description="Who vouches for callers: App Service authentication (easyauth), an OpenID Connect issuer (jwt), "
        "or nobody (dev, which signs tokens for its demo users). Left out, dev in local development; anywhere else "
        "every call is answered with 503, and so it is with dev.",
    )
    jwt_issuer: str = Field(
        default="",
        description="With jwt: the issuer, exactly as its tokens name it (claim `iss`), `{tenantid}` standing for one "
        "of several directories; https.",
    )
    allowed_directories: str = Field(
        default="",
        description="With easyauth, and with `{tenantid}` in JWT_ISSUER: directories (claim `tid`) whose people may "
        "sign in, with commas. JWT_DIRECTORIES is its old name.",
    )
    operator_directory: str = Field(
        default="",
        description="The directory (`tid`) or issuer (`iss`) whose SuperAdmins are operators. Left out, the only one "
        "that may sign in; where there are several, or easyauth lets in any, nobody.",
    )
    jwt_audience: str = Field(default="", description="With jwt: whom tokens must be meant for (claim `aud`).")
    jwt_jwks_url: str = Field(
        default="", description="With jwt: the issuer's keys; left out, the issuer's discovery document names them."
    )
    jwt_leeway_seconds: Annotated[int, Field(ge=0, le=300)] = Field(
        default=30, description="With jwt: how far the issuer's clock may be from ours."
    )
    claim_user: str = Field(default="sub", description="With easyauth and jwt: the claim that holds the user's id.")
    claim_tenant: str = Field(default="tid", description="The claim that holds the tenant.")
    claim_roles: str = Field(default="roles", description="The claim that lists SuperAdmin, Admin, Manager or Viewer.")
    claim_company_ids: str = Field(default="company_ids", description="The claim that lists the user's companies.")
    claim_operational_scope_ids: str = Field(
        default="operational_scope_ids", description="The claim that lists the user's operational scopes."
    )
    single_tenant: Annotated[str, AfterValidator(_checked_tenant)] = Field(
        default="",
        description="The only tenant of this deployment: callers of any other are refused, and the claims say which "
        "companies and scopes are theirs. Left out, `OWNERSHIP` in `exports/__init__.py` says whose they are.",
    )
    service_tokens: bool = Field(
        default=False, description="Whether `POST /service/token` gives tokens to services that have a function key."
    )
    link_signing_key: str = Field(
        default="",
        description="Secret that signs tokens and links: 32 random characters or more, the same on every instance. "
        "In local development one is made, and kept in `.sluice/signing-key`.",
    )
    link_signing_keys_accepted: str = Field(
        default="",
        description="More keys whose tokens and links are good, with commas, while LINK_SIGNING_KEY is rotated.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:7071",
        description="Base URL of this service as callers see it; used in mails. https, but for local development.",
    )
    links_require_sign_in: SignInRules = Field(
        default="",
        description="Whether links in mails ask for sign-in before they give a file: `true`, and rules such as "
        "`acme=false, acme/sessions=true`. Left out, `true` with easyauth, the only mode in which they can.",
    )
    sign_in_provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,50}$")] = Field(
        default="aad",
        description="With easyauth: the provider of App Service authentication with which people sign in for a link.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call this service, with commas, such as https://app.example.com.",
    )

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The key that signs, and those that only verify."""
        return (self.link_signing_key, *items(self.link_signing_keys_accepted))

    @property
    def sign_in_rules(self) -> Mapping[str, bool]:
        """``LINKS_REQUIRE_SIGN_IN``, one by one."""
        return parse_sign_in_rules(self.links_require_sign_in)

    @property
    def directories(self) -> frozenset[str]:
        """``ALLOWED_DIRECTORIES``, one by one."""
        return frozenset(listed(self.allowed_directories))

    @property
    def operators(self) -> str:
        """``OPERATOR_DIRECTORY``, as tokens name it."""
        return as_in_tokens(self.operator_directory.strip())

    @property
    def friends(self) -> frozenset[str]:
        """``CORS_ORIGINS``, one by one."""
        return frozenset(items(self.cors_origins))
