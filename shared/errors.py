"""Every error that Sluice raises on purpose, in one tree.

    SluiceError
    ├── RequestError            the caller can mend it; becomes a 4xx problem document
    │   ├── ValidationFailed    400, one entry for each wrong field
    │   ├── BodyTooLarge        413
    │   ├── NotAuthenticated    401
    │   ├── NotAllowed          403
    │   ├── NotFound            404, the same for a foreign and for a missing id
    │   ├── MethodNotAllowed    405, with the methods that there are
    │   ├── Conflict            409
    │   ├── Paused              409
    │   ├── Gone                410
    │   ├── KeyReused           422
    │   ├── OverTheLimit        422
    │   └── QuotaReached        429
    ├── SettingsError           a setting is missing or wrong; says which, and what is valid
    ├── TransientError          trying again later may help
    │   ├── SourceUnavailable   the database cannot be reached, timed out, or dropped the connection
    │   ├── StorageUnavailable  blob or table storage cannot be reached or throttles
    │   └── IssuerUnavailable   the keys of the identity provider cannot be had
    └── PermanentError          trying again cannot help
        ├── QueryFailed         the database refused the query
        ├── SchemaChanged       the rows no longer fit the columns that the plan promised
        ├── LimitReached        a stated limit of a format, a type or the storage
        ├── FileOverQuota       the file is larger than what is left of a day's quota
        └── ExportCancelled     somebody cancelled the export while it ran

``code`` is stable and machine readable; ``str(error)`` is written for a person and holds no secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class SluiceError(Exception):
    """The root. ``code`` names the kind of failure in records, problem documents and logs."""

    code = "internal-error"


@dataclass(frozen=True)
class FieldError:
    """One wrong field of a request: its path (``filters.userId``) and what is wrong with the value."""

    field: str
    message: str


class RequestError(SluiceError):
    """The caller can mend it. ``status`` is the HTTP status, ``title`` the problem document's title."""

    status = 400
    title = "Bad request"
    code = "bad-request"


class ValidationFailed(RequestError):
    """One or more fields of the request are wrong; ``errors`` names each."""

    title = "The request is not valid"
    code = "validation-failed"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = tuple(errors)


class WrongCursor(ValidationFailed):
    """A cursor is not one that a listing gave."""

    def __init__(self) -> None:
        super().__init__([FieldError("cursor", "is not one that a listing gave; leave it out to start again")])


class BodyTooLarge(RequestError):
    """The request's body is over the limit."""

    status = 413
    title = "The body is too large"
    code = "body-too-large"


class NotAuthenticated(RequestError):
    """No token, or one that is not good. ``reason`` is for the audit log: one of ``shared.sign_ins.REASONS``."""

    status = 401
    title = "Not authenticated"
    code = "not-authenticated"

    def __init__(self, detail: str, reason: str = "not-valid") -> None:
        super().__init__(detail)
        self.reason = reason


class NotAllowed(RequestError):
    """The caller is known, but may not do this."""

    status = 403
    title = "Not allowed"
    code = "not-allowed"


class NotFound(RequestError):
    """There is nothing here that this caller may see."""

    status = 404
    title = "Not found"
    code = "not-found"


class MethodNotAllowed(RequestError):
    """The address is there, but not with this method; ``allowed`` are those that it has."""

    status = 405
    title = "Method not allowed"
    code = "method-not-allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not possible here; possible: {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class Conflict(RequestError):
    """The export is in a state in which this cannot be done."""

    status = 409
    title = "Not possible in this state"
    code = "conflict"


class Paused(RequestError):
    """An operator has paused the tenant or the export type: nothing new begins."""

    status = 409
    title = "Paused"
    code = "paused"


class Gone(RequestError):
    """The file was there once and is not any more."""

    status = 410
    title = "Gone"
    code = "gone"


class KeyReused(RequestError):
    """An idempotency key came with another request before."""

    status = 422
    title = "The key was used before"
    code = "idempotency-key-reused"


class OverTheLimit(RequestError):
    """More rows, or bytes, than the format or the export type takes."""

    status = 422
    title = "More than the limit allows"
    code = "limit-reached"


class QuotaReached(RequestError):
    """As many exports or bytes as the tenant or the user may have; ``retry_after`` is in seconds."""

    status = 429
    title = "The quota is reached"
    code = "quota-reached"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SettingsError(SluiceError):
    """A setting is missing or wrong."""

    code = "settings-error"


class TransientError(SluiceError):
    """Trying again later may help; before ``retry_after`` seconds it cannot."""

    code = "transient-error"
    retry_after = 0.0


class SourceUnavailable(TransientError):
    """The database cannot be reached, timed out, or dropped the connection."""

    code = "source-unavailable"


class StorageUnavailable(TransientError):
    """Blob or table storage cannot be reached or throttles."""

    code = "storage-unavailable"


class IssuerUnavailable(TransientError):
    """The keys of the identity provider cannot be had."""

    code = "issuer-unavailable"


class PermanentError(SluiceError):
    """Trying again cannot help."""

    code = "permanent-error"


class QueryFailed(PermanentError):
    """The database refused the query."""

    code = "query-failed"


class SchemaChanged(PermanentError):
    """The rows no longer fit the columns that the plan promised."""

    code = "schema-changed"


class LimitReached(PermanentError):
    """A stated limit of a format, an export type or the storage."""

    code = "limit-reached"


class FileOverQuota(PermanentError):
    """The file is larger than what is left of a day's quota of bytes."""

    code = "quota-reached"


class ExportCancelled(PermanentError):
    """Somebody cancelled the export while it ran."""

    code = "cancelled"


def unknown(kind: str, received: str, known: Sequence[str]) -> str:
    """The one sentence for a name that is not known: what was received, what is meant perhaps, what is valid.

    >>> unknown("format", "xslx", ["csv", "xlsx"])
    "unknown format 'xslx'; did you mean 'xlsx'? known: csv, xlsx"
    """
    near = get_close_matches(received, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    return f"unknown {kind} '{received}'{hint} known: {', '.join(known)}"
