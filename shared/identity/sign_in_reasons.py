"""Why a sign-in failed: a stable word for the audit log, which the caller is not told."""

from collections.abc import Sequence

from shared.errors import NotAuthenticated

_REASONS: Sequence[tuple[str, str]] = (
    ("ExpiredSignatureError", "expired"),
    ("ImmatureSignatureError", "not-yet-valid"),
    ("InvalidIssuedAtError", "not-yet-valid"),
    ("InvalidSignatureError", "wrong-signature"),
    ("InvalidAudienceError", "wrong-audience"),
    ("InvalidIssuerError", "wrong-issuer"),
    ("MissingRequiredClaimError", "claim-missing"),
    ("InvalidAlgorithmError", "wrong-algorithm"),
    ("PyJWKClientError", "unknown-key"),
    ("DecodeError", "malformed"),
)
"""By the class in PyJWT. The first that fits: some of them are subclasses of others further down."""

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
    import jwt

    fits = (reason for kind, reason in _REASONS if isinstance(error, getattr(jwt, kind)))
    return refused(next(fits, "not-valid"))
