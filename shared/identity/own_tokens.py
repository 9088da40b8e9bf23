"""Tokens of our own (RFC 7519): signed with the current key of a ring, verified with any key of it (HS256).

The ring is ``LINK_SIGNING_KEY``, which signs, and ``LINK_SIGNING_KEYS_ACCEPTED``, which only verify. A key's id is
derived from the key, so that nobody has to keep ids and keys together; a token names it in its header (``kid``). Tokens
of releases before this ring name none, and are tried with each key. ``docs/how-to/deployment.md`` says how to
rotate.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from shared.settings import Settings

_ALGORITHM = "HS256"
_ID_OF = b"sluice-signing-key-id"
_ID_LENGTH = 16


def key_id(secret: str) -> str:
    """The id of a key: 64 bits of a hash, from which the key cannot be had."""
    return hmac.new(secret.encode(), _ID_OF, hashlib.sha256).hexdigest()[:_ID_LENGTH]


def sign(claims: Mapping[str, Any], settings: Settings) -> str:
    """A token with these claims, signed with the current key."""
    import jwt

    secret = settings.link_signing_key
    return jwt.encode(dict(claims), secret, algorithm=_ALGORITHM, headers={"kid": key_id(secret)})


def verified(
    token: str, settings: Settings, *, audience: str, require: Sequence[str], issuer: str | None = None
) -> Mapping[str, Any]:
    """The claims of a token that a key of the ring signed for this audience, and that has the claims in ``require``.

    Raises ``jwt.ExpiredSignatureError`` for a good one whose time is over, ``jwt.InvalidTokenError`` for all others.
    """
    import jwt

    named = jwt.get_unverified_header(token).get("kid")
    keys = [secret for secret in settings.signing_keys if named in (None, key_id(secret))]
    for secret in keys:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=[_ALGORITHM],
                audience=audience,
                issuer=issuer,
                options={"require": list(require), "enforce_minimum_key_length": True},
            )
        except jwt.InvalidSignatureError:
            continue
        return claims
    raise jwt.InvalidSignatureError("no key of the ring signed this token")
