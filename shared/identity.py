"""Who calls: one ``Caller``, made in one place from what the request carries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import jwt

from shared.demo_users import DEMO_USERS
from shared.errors import FieldError, NotAllowed, NotAuthenticated, ValidationFailed, unknown
from shared.export_types import ExportType, Role
from shared.settings import Settings

_ISSUER = "sluice-dev"
_ALGORITHM = "HS256"
_LIFETIME = timedelta(hours=8)


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

    @property
    def all_tenants(self) -> bool:
        return Role.SUPER_ADMIN in self.roles

    @property
    def administers(self) -> bool:
        """May see and download everybody's exports in the tenant."""
        return self.all_tenants or Role.ADMIN in self.roles

    def may_use(self, export_type: ExportType) -> bool:
        return any(role in export_type.roles for role in self.roles)

    def require_exporter(self) -> None:
        """Raise ``NotAllowed`` for those who may not export at all."""
        if not (self.administers or Role.MANAGER in self.roles):
            raise NotAllowed("a Viewer cannot ask for exports; an Admin of your organisation can change your role")

    def to_json(self) -> dict[str, Any]:
        """As the export's record keeps it."""
        return asdict(self)

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
    """The caller of a request, from its ``Authorization: Bearer`` header. Raises ``NotAuthenticated``."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("send the header 'Authorization: Bearer <token>'")
    try:
        claims = jwt.decode(
            token.strip(),
            settings.link_signing_key,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            audience=_ISSUER,
            options={"require": ["exp", "iat", "aud", "iss", "sub"], "enforce_minimum_key_length": True},
        )
    except jwt.ExpiredSignatureError:
        raise NotAuthenticated("the token has expired; get a new one") from None
    except jwt.InvalidTokenError:
        raise NotAuthenticated("the token is not valid here") from None
    if claims["sub"] not in DEMO_USERS:
        raise NotAuthenticated("the token is not valid here")
    return demo_caller(claims["sub"])


def demo_caller(user: str) -> Caller:
    """One of the demo users. Raises ``ValidationFailed`` for another name."""
    if user not in DEMO_USERS:
        raise ValidationFailed([FieldError("user", unknown("user", user, list(DEMO_USERS)))])
    return Caller(user=user, **DEMO_USERS[user])


def dev_token(user: str, settings: Settings) -> str:
    """A token for a demo user, good for eight hours."""
    now = datetime.now(UTC)
    claims = {
        "sub": demo_caller(user).user,
        "iss": _ISSUER,
        "aud": _ISSUER,
        "iat": now,
        "exp": now + _LIFETIME,
    }
    return jwt.encode(claims, settings.link_signing_key, algorithm=_ALGORITHM)
