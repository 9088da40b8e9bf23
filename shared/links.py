"""Links that go into mails: signed, and without effect until a person presses the button.

The landing page's link is good as long as its file: what it leads to is decided by the export's record.
"""

from collections.abc import Mapping
from typing import Any

import jwt

from shared.errors import NotFound
from shared.models import ExportRef
from shared.records import ExportRecord
from shared.settings import Settings
from shared.signing import sign, verified

_LANDING, _UNSUBSCRIBE = "sluice-landing", "sluice-unsubscribe"


def landing_url(record: ExportRecord, settings: Settings) -> str:
    """The landing page of an export, for the mail."""
    claims = {"sub": record.id, "tenant": record.tenant, "links": record.links}
    return _url("d", _LANDING, claims, settings)


def landing_ref(token: str, settings: Settings) -> tuple[ExportRef, int]:
    """The export that a landing page's token names, and the generation of its links. Raises ``NotFound``."""
    claims = _claims(token, _LANDING, settings)
    return ExportRef(claims["tenant"], claims["sub"]), int(claims.get("links", 1))


def unsubscribe_url(tenant: str, user: str, settings: Settings) -> str:
    """Where a person switches mail off (RFC 8058); good for ever, as mails are kept for ever."""
    return _url("unsubscribe", _UNSUBSCRIBE, {"sub": user, "tenant": tenant}, settings)


def unsubscribe_ref(token: str, settings: Settings) -> tuple[str, str]:
    """The tenant and the user that an unsubscribe link names. Raises ``NotFound`` when it is forged."""
    claims = _claims(token, _UNSUBSCRIBE, settings)
    return str(claims["tenant"]), str(claims["sub"])


def _url(path: str, audience: str, claims: Mapping[str, Any], settings: Settings) -> str:
    token = sign({**claims, "aud": audience}, settings)
    return f"{settings.public_url.rstrip('/')}/api/{path}/{token}"


def _claims(token: str, audience: str, settings: Settings) -> Mapping[str, Any]:
    try:
        return verified(token, settings, audience=audience, require=("aud", "sub", "tenant"))
    except jwt.InvalidTokenError:
        raise NotFound("this link is not one of ours, or it was cut short; copy all of it from the mail") from None
