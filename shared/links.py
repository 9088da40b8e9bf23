"""Links that go into mails: signed, good as long as the file, and without effect until a person presses the button."""

import jwt

from shared.errors import Gone, NotFound
from shared.models import ExportRef
from shared.records import ExportRecord, from_iso
from shared.settings import Settings

_AUDIENCE = "sluice-landing"
_ALGORITHM = "HS256"


def landing_url(record: ExportRecord, settings: Settings) -> str:
    """The landing page of a completed export, for the mail."""
    claims = {
        "sub": record.id,
        "tenant": record.tenant,
        "aud": _AUDIENCE,
        "exp": from_iso(record.expires_at),
    }
    token = jwt.encode(claims, settings.link_signing_key, algorithm=_ALGORITHM)
    return f"{settings.public_url.rstrip('/')}/api/d/{token}"


def landing_ref(token: str, settings: Settings) -> ExportRef:
    """The export that a landing page's token names. Raises ``Gone`` when expired, ``NotFound`` when forged."""
    try:
        claims = jwt.decode(
            token,
            settings.link_signing_key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            options={"require": ["exp", "aud", "sub"], "enforce_minimum_key_length": True},
        )
    except jwt.ExpiredSignatureError:
        raise Gone("the link has expired together with its file; ask for the export again") from None
    except jwt.InvalidTokenError:
        raise NotFound("this link is not one of ours, or it was cut short; copy all of it from the mail") from None
    return ExportRef(claims["tenant"], claims["sub"])
