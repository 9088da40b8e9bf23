"""Who calls: one ``Caller``, made in one place from what the request carries.

    AUTH_MODE=easyauth   the header of App Service authentication    shared/identity/easy_auth.py
    AUTH_MODE=jwt        a bearer token of an OpenID Connect issuer  shared/identity/oidc.py
    AUTH_MODE=dev        a bearer token of our own for a demo user   below

With ``SERVICE_TOKENS`` a bearer token that ``POST /service/token`` gave is good in every mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from shared.catalog.export_types import ExportType, Role
from shared.catalog.ownership import TENANT
from shared.errors import FieldError, NotAllowed, NotAuthenticated, ValidationFailed, unknown
from shared.identity import directories, roles
from shared.identity.demo_users import DEMO_USERS
from shared.identity.easy_auth import PRINCIPAL_HEADER, principal_claims
from shared.identity.mail_address import mail_address
from shared.identity.own_tokens import sign, verified
from shared.identity.sign_in_reasons import refused, refused_for
from shared.settings import Settings

_DEV = "sluice-dev"
_SERVICE = "sluice-service"
_DEV_LIFETIME = timedelta(hours=8)
SERVICE_LIFETIME = timedelta(minutes=15)
"""Short, for a token outlives the function key that it was given for."""

USER_LIMIT = 200
"""Characters of a user's id."""


@dataclass(frozen=True)
class Caller:
    """A person or service, and what they may reach."""

    user: str
    email: str
    name: str
    tenant: str
    roles: tuple[Role, ...]
    company_ids: tuple[str, ...] = ()
    operational_scope_ids: tuple[str, ...] = ()
    locale: str = "en"
    service: bool = False
    not_operator_from: str = ""
    """The directory from which SuperAdmin was claimed in vain; of this call alone, and not kept."""

    @property
    def all_tenants(self) -> bool:
        return roles.operates(self.roles)

    @property
    def administers(self) -> bool:
        """May see and download everybody's exports in the tenant."""
        return roles.administers(self.roles)

    @property
    def exports(self) -> bool:
        """May ask for exports of some type, and see and download their own."""
        return roles.exports(self.roles)

    def may_use(self, export_type: ExportType) -> bool:
        return any(role in export_type.roles for role in self.roles)

    def require_exporter(self) -> None:
        """Raise ``NotAllowed`` for those who may not export at all."""
        if not self.exports:
            raise NotAllowed("a Viewer cannot ask for exports; an Admin of your organisation can change your role")

    def require_admin(self) -> None:
        """Raise ``NotAllowed`` for those who may not see and change what the whole tenant has."""
        if not self.administers:
            raise NotAllowed("this is for an Admin of your organisation")

    def require_operator(self) -> None:
        """Raise ``NotAllowed`` for those who do not operate the service."""
        if self.not_operator_from:
            raise NotAllowed(
                f"this is for operators: {Role.SUPER_ADMIN} counts from the operator's directory alone, and you are of "
                f"{self.not_operator_from}"
            )
        if not self.all_tenants:
            raise NotAllowed(f"this is for operators: {Role.SUPER_ADMIN}; you are: {', '.join(self.roles)}")

    def to_json(self) -> dict[str, Any]:
        """As the export's record keeps it."""
        values = asdict(self)
        del values["not_operator_from"]
        return values

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The caller that ``to_json`` wrote, also after a trip through JSON."""
        return cls(
            **{
                **value,
                "roles": tuple(Role(role) for role in value["roles"]),
                "company_ids": tuple(value["company_ids"]),
                "operational_scope_ids": tuple(value["operational_scope_ids"]),
            }
        )


def caller_from(headers: Mapping[str, str], settings: Settings) -> Caller:
    """The caller of a request, from its headers (names in lower case). May block on the network in mode jwt.

    Raises ``NotAuthenticated``, and ``IssuerUnavailable`` when the issuer's keys cannot be had. Whether their tenant is
    served here is another question: see ``require_served``.
    """
    if settings.auth_mode == "easyauth" and PRINCIPAL_HEADER in headers:
        claims = principal_claims(headers[PRINCIPAL_HEADER], settings.sign_in_provider)
        directories.admit(claims, settings)
        return caller_of_claims(claims, settings)
    token = _bearer(headers, settings)
    if settings.service_tokens and _claimed_issuer(token) == _SERVICE:
        return _service_of(_own_claims(token, _SERVICE, settings))
    if settings.auth_mode == "jwt":
        from shared.identity.oidc import issuer_claims

        return caller_of_claims(issuer_claims(token, settings), settings)
    if settings.auth_mode == "dev":
        user = _own_claims(token, _DEV, settings)["sub"]
        if user in DEMO_USERS:
            return demo_caller(user)
        raise refused("unknown-user")
    raise refused("not-valid")


def require_served(tenant: str, settings: Settings) -> None:
    """Raise ``NotAllowed`` for a tenant that is not served here: with ``SINGLE_TENANT`` that is every other one."""
    if settings.single_tenant not in ("", tenant):
        raise NotAllowed("this service works for one organisation, and it is not yours")


def caller_of_claims(claims: Mapping[str, Any], settings: Settings) -> Caller:
    """The caller that verified claims describe; the settings say which claim is what.

    Roles that we do not know are left out, and so is SuperAdmin from another directory than the operator's: the rest of
    what the caller may do is not in doubt. Raises ``NotAuthenticated`` when the claims name no user or no tenant.
    """
    user = _first(claims, settings.claim_user)
    tenant = _first(claims, settings.claim_tenant)
    if not user or len(user) > USER_LIMIT:
        raise NotAuthenticated(f"the claim '{settings.claim_user}' does not name a user", "no-user")
    if not TENANT.fullmatch(tenant):
        raise NotAuthenticated(f"the claim '{settings.claim_tenant}' does not name a tenant", "no-tenant")
    known = {str(role): role for role in Role}
    email = _email(claims)
    given = tuple(known[role] for role in _texts(claims, settings.claim_roles) if role in known)
    claimed = Role.SUPER_ADMIN in given and not directories.is_operators(claims, settings)
    return Caller(
        user=user,
        email=email,
        name=_first(claims, "name") or email or user,
        tenant=tenant,
        roles=tuple(role for role in given if not (claimed and role == Role.SUPER_ADMIN)),
        company_ids=_texts(claims, settings.claim_company_ids),
        operational_scope_ids=_texts(claims, settings.claim_operational_scope_ids),
        locale=_first(claims, "locale")[:35] or "en",
        not_operator_from=directories.directory_of(claims) if claimed else "",
    )


def _email(claims: Mapping[str, Any]) -> str:
    """Where mail to this person goes; empty when no address is known, or the issuer says that theirs is not checked.

    Without a word of the issuer about it an address is taken as it is.
    """
    said = [claims[name] for name in _CHECKED if name in claims]
    if not all(_says_yes(value) for value in said):
        return ""
    found = (mail_address(_first(claims, name)) for name in ("email", "preferred_username", "upn"))
    return next(filter(None, found), "")


_CHECKED = ("email_verified", "xms_edov")
"""Claims by which an issuer says whether an address is the person's: OpenID Connect Core 5.1, and Entra ID's own."""


def _says_yes(value: Any) -> bool:
    """Whether a claim says yes; issuers and App Service write it as a boolean, a number, a text, or a list of one."""
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(str(v).strip().lower() in ("true", "1") for v in values)


def demo_caller(user: str) -> Caller:
    """One of the demo users. Raises ``ValidationFailed`` for another name."""
    if user not in DEMO_USERS:
        raise ValidationFailed([FieldError("user", unknown("user", user, list(DEMO_USERS)))])
    return Caller(user=user, **DEMO_USERS[user])


def dev_token(user: str, settings: Settings) -> str:
    """A token for a demo user, good for eight hours."""
    return _own_token({"sub": demo_caller(user).user}, _DEV, datetime.now(UTC) + _DEV_LIFETIME, settings)


def service_token(
    name: str,
    tenant: str,
    company_ids: Sequence[str],
    operational_scope_ids: Sequence[str],
    until: datetime,
    settings: Settings,
) -> str:
    """A token for a service that works in this tenant, good until then."""
    claims = {
        "sub": name,
        "tenant": tenant,
        "company_ids": list(company_ids),
        "operational_scope_ids": list(operational_scope_ids),
    }
    return _own_token(claims, _SERVICE, until, settings)


def _service_of(claims: Mapping[str, Any]) -> Caller:
    return Caller(
        user=f"service:{claims['sub']}",
        email="",
        name=claims["sub"],
        tenant=claims["tenant"],
        roles=(Role.ADMIN,),
        company_ids=tuple(claims["company_ids"]),
        operational_scope_ids=tuple(claims["operational_scope_ids"]),
        service=True,
    )


def _bearer(headers: Mapping[str, str], settings: Settings) -> str:
    """The token of the request (RFC 6750, section 2.1)."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        if settings.auth_mode == "easyauth":
            raise NotAuthenticated("sign in: App Service authentication has not named a caller", "no-token")
        raise NotAuthenticated("send the header 'Authorization: Bearer <token>'", "no-token")
    if not token.isascii():
        raise refused("malformed")
    return token.strip()


def _claimed_issuer(token: str) -> Any:
    """Who the token says it is from: that decides which key is tried, and nothing more."""
    import jwt

    try:
        return jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.InvalidTokenError:
        return None


def _own_token(claims: Mapping[str, Any], kind: str, until: datetime, settings: Settings) -> str:
    whole = {**claims, "iss": kind, "aud": kind, "iat": datetime.now(UTC), "exp": until}
    return sign(whole, settings)


def _own_claims(token: str, kind: str, settings: Settings) -> Mapping[str, Any]:
    import jwt

    try:
        return verified(token, settings, audience=kind, issuer=kind, require=("exp", "iat", "aud", "iss", "sub"))
    except jwt.PyJWTError as error:
        raise refused_for(error) from None


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The values of a claim that has one value or a list of them; what is no printable text is left out."""
    value = claims.get(name)
    values = value if isinstance(value, list) else [value]
    found = (str(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool))
    return tuple(text for text in found if text and text.isprintable())


def _first(claims: Mapping[str, Any], name: str) -> str:
    return next(iter(_texts(claims, name)), "")
