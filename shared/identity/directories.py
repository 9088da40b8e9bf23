"""Directories that people come from: which may sign in, and which is the operator's.

A directory is named by its id (claim ``tid``: a tenant of Entra ID) or by its issuer (claim ``iss``). Its
administrators decide who in it has which role, also of an application that somebody else wrote. So a role reaches as
far as the directory: Admin, Manager and Viewer work in the caller's own tenant, and SuperAdmin, who reaches every
tenant, counts from the operator's directory alone.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.identity.sign_in_reasons import refused

if TYPE_CHECKING:
    from shared.settings import Settings
    from shared.settings.access import AccessSettings

DIRECTORY = "{tenantid}"
"""Stands in the name of an issuer of several directories for one of them."""

_ID, _ISSUER = "tid", "iss"
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def as_in_tokens(name: str) -> str:
    """A directory as tokens name it: an id that is a GUID in lower case. All else is compared as it is."""
    return name.lower() if _GUID.fullmatch(name) else name


def check(settings: "AccessSettings") -> None:
    """Raise ``ValueError`` for settings about directories that do not fit together."""
    allowed, operator = settings.allowed_directories, settings.operator_directory
    if settings.auth_mode == "jwt" and (DIRECTORY in settings.jwt_issuer) != bool(allowed):
        raise ValueError(
            f"ALLOWED_DIRECTORIES and {DIRECTORY} in JWT_ISSUER go together: name the directories whose tokens are good"
        )
    if settings.claim_tenant != _ID and not _is_one(settings):
        raise ValueError(
            f"CLAIM_TENANT must be {_ID} where several directories sign in, got '{settings.claim_tenant[:80]}': what "
            "else a token says is for the administrators of its directory to decide; where one directory has all your "
            "tenants, name it alone in ALLOWED_DIRECTORIES"
        )
    if not operator:
        return
    if settings.auth_mode == "jwt":
        issuers = {settings.jwt_issuer.replace(DIRECTORY, directory) for directory in allowed or [""]}
        known = operator in issuers if "://" in operator else not allowed or operator in allowed
    else:
        known = "://" in operator or not allowed or operator in allowed
    if not known or "," in operator:
        raise ValueError(
            f"OPERATOR_DIRECTORY is '{operator[:80]}', which is not the one directory or issuer of those that sign in "
            "that it has to be"
        )


def _is_one(settings: "AccessSettings") -> bool:
    """Whether all who sign in are of one directory. App Service authentication may let in any, unless one is named."""
    allowed = settings.allowed_directories
    return len(allowed) == 1 or (settings.auth_mode != "easyauth" and not allowed)


def admit(claims: Mapping[str, Any], settings: "Settings") -> None:
    """Let in only those from a directory that may sign in, where the settings name some.

    Raises ``NotAuthenticated``.
    """
    if settings.allowed_directories and _only(claims, _ID) not in settings.allowed_directories:
        raise refused("unknown-directory")


def is_operators(claims: Mapping[str, Any], settings: "Settings") -> bool:
    """Whether verified claims are from the operator's directory.

    That is ``OPERATOR_DIRECTORY``; when it is not set, the only directory that may sign in. Where several may, or App
    Service authentication lets in whichever, it is none.
    """
    if settings.operator_directory:
        return settings.operator_directory in (_only(claims, _ID), _only(claims, _ISSUER))
    if settings.allowed_directories:
        return len(settings.allowed_directories) == 1 and _only(claims, _ID) in settings.allowed_directories
    return settings.auth_mode == "jwt"


def directory_of(claims: Mapping[str, Any]) -> str:
    """How the audit log names the directory of a caller."""
    return _only(claims, _ID) or _only(claims, _ISSUER) or "a directory that is not named"


def _only(claims: Mapping[str, Any], name: str) -> str:
    """The text of a claim that has one value; empty for any other."""
    value = claims.get(name)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else ""
