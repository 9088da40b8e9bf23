"""Cause and cure of every error code, for docs/reference/errors.md."""

from collections.abc import Mapping

CAUSES: Mapping[str, tuple[str, str]] = {
    "bad-request": ("The request cannot be read.", "Correct the request as `detail` says."),
    "validation-failed": (
        "Fields, parameters or headers are invalid. `errors` names each with the received and the valid values.",
        "Correct the named fields. `GET /export-types` lists the valid columns, filters and formats.",
    ),
    "not-authenticated": (
        "The token is missing, expired, or not signed by the configured issuer.",
        "Get a new token. [Set up sign-in](../how-to/identity.md) lists the checks of a token.",
    ),
    "not-allowed": (
        "The caller's role or scope does not permit the call.",
        "Ask an Admin for the role. `detail` names the roles that are permitted.",
    ),
    "cross-site": (
        "A page of another site sent a change with the session of a signed-in user.",
        "Call the API from a page of its own origin, or add the origin to `CORS_ORIGINS`.",
    ),
    "not-found": (
        "The resource does not exist, was deleted, or belongs to another tenant or user.",
        "Check the id and the account. The answer is the same for all three causes on purpose.",
    ),
    "method-not-allowed": ("The route exists, but not with this method.", "Use a method in the header `Allow`."),
    "conflict": (
        "The state of the resource does not permit the call, such as deleting an export that is running.",
        "Read the status, wait or cancel, then repeat the call.",
    ),
    "paused": (
        "An operator has paused the tenant or the export type. Running exports continue.",
        "Repeat the request after the pause. `detail` has the operator's reason.",
    ),
    "gone": ("The file was removed by retention or deleted.", "Request the export again."),
    "body-too-large": ("The body is larger than the limit that `detail` names.", "Send a smaller body."),
    "wrong-media-type": (
        "The body has a media type that pages of any site can send.",
        "Send `Content-Type: application/json`.",
    ),
    "idempotency-key-reused": (
        "The `Idempotency-Key` came with a different request before.",
        "Use a new key for a new request.",
    ),
    "limit-reached": (
        "The export has more rows or bytes than the format, the export type or the storage permits.",
        "Narrow the date range or the filters, or choose a format without that limit, such as CSV.",
    ),
    "counting-took-too-long": (
        "The database did not count the rows within `ESTIMATE_SECONDS`.",
        "Narrow the request, add an index on the filtered columns, or raise `ESTIMATE_SECONDS`.",
    ),
    "quota-reached": (
        "The tenant or the user has used up a quota of exports or bytes.",
        "Wait for the seconds in `Retry-After`. Operators raise quotas with `PUT /ops/tenants/{tenant}/quotas`.",
    ),
    "too-many-requests": (
        "The user, the tenant or the address sends requests faster than a rate limit permits.",
        "Wait for the seconds in `Retry-After`.",
    ),
    "internal-error": (
        "An unexpected error. The answer has no details; the application's log has them under the request id.",
        "Give the `X-Request-Id` to an operator.",
    ),
    "settings-error": (
        "A setting of the deployment is missing or invalid. `detail` names the setting and its valid values.",
        "Correct the [setting](settings.md) and restart the app.",
    ),
    "source-unavailable": (
        "The database cannot be reached, timed out, or dropped the connection.",
        "Repeat the request later. Operators check the database's address, its firewall and its connection limit.",
    ),
    "storage-unavailable": (
        "Blob or table storage cannot be reached, or throttles requests.",
        "Repeat the request later. Operators check the storage account and the roles of the app's identity.",
    ),
    "issuer-unavailable": (
        "The identity provider does not deliver its keys.",
        "Repeat the request later. Operators check `JWT_ISSUER`, `JWT_JWKS_URL` and outgoing connections.",
    ),
    "transient-error": (
        "A step failed with an error that can pass, as often as `PART_ATTEMPTS` permits.",
        "Retry the export with `POST /exports/{id}/retry`; it continues from the finished parts.",
    ),
    "permanent-error": (
        "A step failed with an error that no retry can solve.",
        "Read the log of the export, correct the cause, then request the export again.",
    ),
    "query-failed": (
        "The database refused the query, such as for an unknown column or a missing permission.",
        "Correct the export type, the database or the grants as `message` says, then retry the export.",
    ),
    "schema-changed": (
        "The rows do not fit the declared columns, such as a number with more places than its decimal type.",
        "Change the type of the column in the export type, or the value in the database, then retry the export.",
    ),
    "cancelled": ("A user or an operator cancelled the export.", "Request the export again."),
    "mail-not-accepted": (
        "The mail service did not accept the mail for the moment.",
        "Nothing: the mail is sent again. Operators check the mail service if the error repeats.",
    ),
    "mail-refused": (
        "The mail service refused the mail for good.",
        "Operators check `MAIL_FROM`, the mail service and the recipient's address.",
    ),
    "secret-unreadable": (
        "No current key decrypts the signing secret of the webhook.",
        "Restore the old key in `WEBHOOK_SECRET_KEYS`, or rotate the secret with `POST /webhooks/{id}/rotate`.",
    ),
}
"""Code, its cause, and its cure."""
