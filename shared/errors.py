"""Every error that Sluice raises on purpose, in one tree.

    SluiceError
    ├── RequestError            the caller can mend it; becomes a 4xx problem document
    │   ├── ValidationFailed    400, one entry for each wrong field
    │   ├── BodyTooLarge        413
    │   ├── NotAuthenticated    401
    │   ├── NotAllowed          403
    │   ├── CrossSite           403, a page of another site sent a person's session along
    │   ├── NotFound            404, the same for a foreign and for a missing id
    │   ├── MethodNotAllowed    405, with the methods that there are
    │   ├── Conflict            409
    │   ├── Paused              409
    │   ├── Gone                410
    │   ├── WrongMediaType      415
    │   ├── KeyReused           422
    │   ├── OverTheLimit        422
    │   ├── TookTooLong         422, the database cannot count so many rows while somebody waits
    │   └── TryLater            429, with the seconds after which it is worth coming again
    │       ├── QuotaReached
    │       └── TooManyRequests
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

``code`` is stable and machine readable; ``str(error)`` is written for a person and holds no secret. It may quote a
value of a row or of a request, so the state of the durable engine has ``outline`` in its place (``Failure``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


class SluiceError(Exception):
    """The root. ``code`` names the kind of failure in records, problem documents and logs; ``outline`` says it.

    ``quotes``: the sentence may quote a value of a row or of a request, so the application's log has the outline.
    """

    code = "internal-error"
    outline = "a step failed"
    quotes = True


@dataclass(frozen=True)
class FieldError:
    """One wrong field of a request: its path (``filters.userId``) and what is wrong with the value."""

    field: str
    message: str


Wrong = FieldError | Callable[[], FieldError]
"""A wrong field, or what makes its entry: only so many are made, however many fields are wrong."""

MOST_ERRORS = 100
"""Wrong fields that an answer names."""

_MOST_BYTES = 32 * 1024
"""Of all their entries together."""

_LARGEST_SHOWN = 10**60
_LONGEST_FIELD, _LONGEST_MESSAGE, _LONGEST_DETAIL, _LONGEST_VALUE = 200, 1_000, 2_000, 80


class RequestError(SluiceError):
    """The caller can mend it. ``status`` is the HTTP status, ``title`` the problem document's title."""

    status = 400
    title = "Bad request"
    code = "bad-request"


class ValidationFailed(RequestError):
    """One or more fields of the request are wrong; ``errors`` names the first of them, and ``more`` are not named.

    What is named is bounded in number and in bytes: a small request can have thousands of wrong fields.
    """

    title = "The request is not valid"
    code = "validation-failed"

    def __init__(self, errors: Sequence[Wrong], more: int = 0) -> None:
        named: list[FieldError] = []
        size = 0
        for wrong in errors[:MOST_ERRORS]:
            made = wrong if isinstance(wrong, FieldError) else wrong()
            cut = FieldError(shortened(made.field, _LONGEST_FIELD), shortened(made.message, _LONGEST_MESSAGE))
            size += len(cut.field.encode(errors="replace")) + len(cut.message.encode(errors="replace"))
            if named and size > _MOST_BYTES:
                break
            named.append(cut)
        self.errors = tuple(named)
        self.more = more + len(errors) - len(named)
        detail = shortened("; ".join(f"{e.field}: {e.message}" for e in named), _LONGEST_DETAIL)
        super().__init__(f"{detail}; {self.rest}" if self.more else detail)

    @property
    def rest(self) -> str:
        """The sentence about those that are not named."""
        return f"{self.more:,} more {'field is' if self.more == 1 else 'fields are'} wrong"


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
    """No token, or one that is not good. ``reason`` is for the audit log: see ``identity/sign_in_reasons.py``."""

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


class TookTooLong(RequestError):
    """The database was given up on, after the time that somebody may wait for an answer."""

    status = 422
    title = "It takes too long to count"
    code = "counting-took-too-long"


class CrossSite(RequestError):
    """A page of another site asks for a change with the session of the person who looks at it."""

    status = 403
    title = "Not from this page"
    code = "cross-site"


class WrongMediaType(RequestError):
    """The body is of a type that a page of any site can send."""

    status = 415
    title = "The body's type is not taken"
    code = "wrong-media-type"


class TryLater(RequestError):
    """Too much at present; ``retry_after`` is in seconds."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaReached(TryLater):
    """As many exports or bytes as the tenant or the user may have."""

    title = "The quota is reached"
    code = "quota-reached"


class TooManyRequests(TryLater):
    """More requests, or estimates at the same time, than a tenant or a user may make."""

    title = "Too many requests"
    code = "too-many-requests"


class SettingsError(SluiceError):
    """A setting is missing or wrong."""

    code = "settings-error"
    quotes = False


class TransientError(SluiceError):
    """Trying again later may help; before ``retry_after`` seconds it cannot."""

    code = "transient-error"
    outline = "a step did not succeed this time"
    retry_after = 0.0


class SourceUnavailable(TransientError):
    """The database cannot be reached, timed out, or dropped the connection."""

    code = "source-unavailable"
    quotes = False
    outline = "the database is not available"


class StorageUnavailable(TransientError):
    """Blob or table storage cannot be reached or throttles."""

    code = "storage-unavailable"
    quotes = False
    outline = "the storage account cannot be reached"


class IssuerUnavailable(TransientError):
    """The keys of the identity provider cannot be had."""

    code = "issuer-unavailable"
    quotes = False


class PermanentError(SluiceError):
    """Trying again cannot help."""

    code = "permanent-error"


class QueryFailed(PermanentError):
    """The database refused the query."""

    code = "query-failed"
    outline = "the database refused the query"


class SchemaChanged(PermanentError):
    """The rows no longer fit the columns that the plan promised."""

    code = "schema-changed"
    outline = "the rows do not fit the columns"


class LimitReached(PermanentError):
    """A stated limit of a format, an export type or the storage."""

    code = "limit-reached"
    quotes = False
    outline = "a limit is reached"


class FileOverQuota(PermanentError):
    """The file is larger than what is left of a day's quota of bytes."""

    code = "quota-reached"
    quotes = False
    outline = "the file is larger than what is left of the quota"


class ExportCancelled(PermanentError):
    """Somebody cancelled the export while it ran."""

    code = "cancelled"
    quotes = False
    outline = "the export was cancelled"


def unknown(kind: str, received: str, known: Sequence[str]) -> str:
    """The one sentence for a name that is not known: what was received, what is meant perhaps, what is valid.

    >>> unknown("format", "xslx", ["csv", "xlsx"])
    "unknown format 'xslx'; did you mean 'xlsx'? known: csv, xlsx"
    """
    received = shortened(received, _LONGEST_VALUE)
    near = get_close_matches(received, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    return f"unknown {kind} '{received}'{hint} known: {', '.join(known)}"


def shown(value: Any) -> str:
    """What was received, as a message shows it: as Python writes it, and no longer than it helps."""
    if isinstance(value, str | bytes):
        value = value[: _LONGEST_VALUE + 1]  # nothing long is written out to be cut
    elif isinstance(value, int) and not -_LARGEST_SHOWN < value < _LARGEST_SHOWN:
        return f"a whole number of {value.bit_length():,} bits"
    return shortened(repr(value), _LONGEST_VALUE)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning."""
    return text if len(text) <= most else text[: most - 3] + "..."
