"""Why a sign-in failed: a stable word for the audit log, which the caller is not told."""

from collections.abc import Sequence

import jwt

from shared.errors import NotAuthenticated

_REASONS: Sequence[tuple[type[jwt.PyJWTError], str]] = (
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "not-yet-valid"),
    (jwt.InvalidIssuedAtError, "not-yet-valid"),
    (jwt.InvalidSignatureError, "wrong-signature"),
    (jwt.InvalidAudienceError, "wrong-audience"),
    (jwt.InvalidIssuerError, "wrong-issuer"),
    (jwt.MissingRequiredClaimError, "claim-missing"),
    (jwt.InvalidAlgorithmError, "wrong-algorithm"),
    (jwt.PyJWKClientError, "unknown-key"),
    (jwt.DecodeError, "malformed"),
)
"""The first class that fits: some of them are subclasses of others further down."""

REASONS = (
    "no-token",
    *dict.fromkeys(reason for _, reason in _REASONS),
    "key-of-another-issuer",
    "unknown-directory",
    "unknown-provider",
    "unknown-user",
    "no-user",
    "no-tenant",
    "wrong-principal",
    "not-valid",
)
"""Every reason."""


def refused(reason: str) -> NotAuthenticated:
    """What is raised for a token that is not good. The caller is told no more than that, unless it has expired."""
    detail = "the token has expired; get a new one" if reason == "expired" else "the token is not valid here"
    return NotAuthenticated(detail, reason)


def refused_for(error: Exception) -> NotAuthenticated:
    """The same, for what PyJWT raised."""
    return refused(next((reason for kind, reason in _REASONS if isinstance(error, kind)), "not-valid"))
