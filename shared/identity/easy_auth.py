"""App Service authentication ("Easy Auth"): the platform signs people in and hands on their claims in a header.

The header ``X-MS-CLIENT-PRINCIPAL`` is base64 of ``{"auth_typ", "claims": [{"typ", "val"}], "name_typ", "role_typ"}``
(learn.microsoft.com, "Work with user identities in Azure App Service authentication"). It can be trusted only where the
platform takes the same header out of requests from outside; ``shared/settings.py`` refuses to start anywhere else.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import NotAuthenticated
from shared.identity.sign_in_reasons import refused

PRINCIPAL_HEADER = "x-ms-client-principal"

_SOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_MICROSOFT = "http://schemas.microsoft.com/"

_SHORT_NAMES: Mapping[str, str] = {
    f"{_SOAP}nameidentifier": "sub",
    f"{_SOAP}emailaddress": "email",
    f"{_SOAP}upn": "upn",
    f"{_MICROSOFT}identity/claims/objectidentifier": "oid",
    f"{_MICROSOFT}identity/claims/tenantid": "tid",
    f"{_MICROSOFT}ws/2008/06/identity/claims/role": "roles",
}
"""Names that the platform gives to claims of a token, and their names in the token."""


class _Claim(BaseModel):
    model_config = ConfigDict(strict=True)

    typ: str
    val: str


class _Principal(BaseModel):
    model_config = ConfigDict(strict=True)

    auth_typ: str
    claims: list[_Claim]
    name_typ: str | None = None
    role_typ: str | None = None


def principal_claims(header: str, provider: str) -> Mapping[str, Any]:
    """The claims in the header, by their names in a token; each is a list.

    ``provider`` is the one provider whose claims count: another one can put any directory into ``tid`` and ``iss``.
    Raises ``NotAuthenticated``.
    """
    try:
        principal = _Principal.model_validate_json(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError, ValidationError):
        raise NotAuthenticated(
            "the header X-MS-CLIENT-PRINCIPAL is not one that App Service makes", "wrong-principal"
        ) from None
    if principal.auth_typ != provider:
        raise refused("unknown-provider")
    names = dict(_SHORT_NAMES)
    if principal.role_typ:
        names[principal.role_typ] = "roles"
    claims: dict[str, list[str]] = {}
    for claim in principal.claims:
        claims.setdefault(names.get(claim.typ, claim.typ), []).append(claim.val)
    if principal.name_typ and principal.name_typ in claims:
        claims.setdefault("name", claims[principal.name_typ])
    return claims
