"""Shared access signatures: a URL that reads one blob, for minutes.

Under a managed identity the signature comes from a user delegation key; with a connection string, which only local
development should have, from the account's key.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from shared.storage.accounts import storage_errors

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient, UserDelegationKey


_CLOCK_SKEW = timedelta(minutes=5)
_KEY_LIFETIME = timedelta(hours=1)

_fetching = Lock()
_keys: "dict[str, tuple[datetime, UserDelegationKey]]" = {}
"""The last key of each account, and when it ends."""


def read_url(
    service: "BlobServiceClient",
    blob: "BlobClient",
    lifetime: timedelta,
    *,
    download_as: str = "",
    content_type: str = "",
) -> tuple[str, datetime]:
    """A URL that reads this blob, and when it stops doing so (UTC, whole seconds).

    ``download_as`` is the file name that the browser shall save it under. https only, unless the account itself is
    plain http, as the local emulator is. Raises ``StorageUnavailable`` when a delegation key cannot be had.
    """
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + lifetime
    account_key = getattr(service.credential, "account_key", None)
    delegation_key = None
    if account_key is None:
        delegation_key = _delegation_key(service, now, expires)
    signature = generate_blob_sas(
        account_name=str(service.account_name),
        container_name=blob.container_name,
        blob_name=blob.blob_name,
        account_key=account_key,
        user_delegation_key=delegation_key,
        permission=BlobSasPermissions(read=True),
        start=now - _CLOCK_SKEW,
        expiry=expires,
        protocol="https" if blob.url.startswith("https:") else "https,http",
        content_disposition=content_disposition(download_as) if download_as else None,
        content_type=content_type or None,
    )
    return f"{blob.url}?{signature}", expires


def _delegation_key(service: "BlobServiceClient", now: datetime, expires: datetime) -> "UserDelegationKey":
    """A key of this account that is good until ``expires`` at least: the last one, unless it ends before.

    A key is asked for once an hour, not once for each URL. Whoever revokes the account's keys ("az storage account
    revoke-delegation-keys") ends the URLs that are out, and for at most an hour those that are made after it.
    """
    with _fetching:
        until, key = _keys.get(service.url, (now, None))
        if key is None or until < expires:
            until = max(expires, now + _KEY_LIFETIME)
            with storage_errors():
                key = service.get_user_delegation_key(now - _CLOCK_SKEW, until)
            _keys[service.url] = (until, key)
        return key


def content_disposition(name: str) -> str:
    """An attachment header for a file name in any script (RFC 6266, with the extended notation of RFC 8187).

    >>> content_disposition("été.csv")
    'attachment; filename="_t_.csv"; filename*=UTF-8\\'\\'%C3%A9t%C3%A9.csv'
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
