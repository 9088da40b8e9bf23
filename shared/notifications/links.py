"""Links that go into mails: opaque tokens without effect until a person presses a button.

A token is a keyed hash of what it is for, so that a mail that is made twice has the same one; only its own hash is kept
(``shared/storage/links.py``), and what is not kept opens nothing. The token of a file stands behind the ``#`` of its
address, which browsers keep to themselves: no host, proxy or telemetry gets to see it.

Mails of older releases have signed tokens in the path; they are good as long as their file.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from shared.durable.inputs import ExportRef
from shared.errors import NotFound
from shared.identity.own_tokens import key_id, verified
from shared.settings import Settings

_LANDING, _UNSUBSCRIBE = "sluice-landing", "sluice-unsubscribe"
_TOKEN_BYTES = 24
"""192 bits: 32 characters."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


def file_token(operation_id: str, generation: int, settings: Settings) -> str:
    """The token of the link in one message: of its export, recipient and kind (``operation_id``), and no other.

    ``generation``: that of the export's links, so that a mail after a revocation has a new one.
    """
    return _token("file", operation_id, str(generation), settings=settings)


def file_link(token: str, settings: Settings) -> str:
    """Where the button of a mail leads."""
    return f"{_base(settings)}/d#{token}"


def current_key(settings: Settings) -> str:
    """The id of the key that tokens are made with now."""
    return key_id(settings.link_signing_key)


def is_accepted(key: str, settings: Settings) -> bool:
    """Whether tokens are good that the key with this id has made; one that leaked is in no setting any more."""
    return key in map(key_id, settings.signing_keys)


def is_token(text: str) -> bool:
    """Whether a text looks like a token of this release; what does not needs not be looked up."""
    return _TOKEN.fullmatch(text) is not None


def unsubscribe_token(tenant: str, user: str, settings: Settings) -> str:
    """The token with which a person switches mail off; it says nothing of them, and opens nothing."""
    return _token("unsubscribe", tenant, user, settings=settings)


def unsubscribe_link(token: str, settings: Settings) -> str:
    """Where a person switches mail off (RFC 8058): the path has the token, for mail programs send no fragment."""
    return f"{_base(settings)}/unsubscribe/{token}"


def signed_file_ref(token: str, settings: Settings) -> tuple[ExportRef, int]:
    """The export that a signed token of an older release names, and its links' generation. Raises ``NotFound``."""
    claims = _claims(token, _LANDING, settings)
    return ExportRef(claims["tenant"], claims["sub"]), int(claims.get("links", 1))


def signed_unsubscribe_ref(token: str, settings: Settings) -> tuple[str, str]:
    """The tenant and the user that a signed token of an older release names. Raises ``NotFound`` when it is forged."""
    claims = _claims(token, _UNSUBSCRIBE, settings)
    return str(claims["tenant"]), str(claims["sub"])


def _base(settings: Settings) -> str:
    return f"{settings.public_url.rstrip('/')}/api"


def _token(*purpose: str, settings: Settings) -> str:
    message = "\n".join(("sluice-link", *purpose)).encode()
    digest = hmac.new(settings.link_signing_key.encode(), message, sha256).digest()
    return urlsafe_b64encode(digest[:_TOKEN_BYTES]).decode()


def _claims(token: str, audience: str, settings: Settings) -> Mapping[str, Any]:
    import jwt

    try:
        return verified(token, settings, audience=audience, require=("aud", "sub", "tenant"))
    except jwt.InvalidTokenError:
        raise NotFound("this link is not one of ours, or it was cut short; copy all of it from the mail") from None
