"""Shared access signatures: a URL that reads one blob, for minutes.

Under a managed identity the signature comes from a user delegation key; with a connection string, which only local
development should have, from the account's key.
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from shared.storage.accounts import storage_errors

_CLOCK_SKEW = timedelta(minutes=5)


def read_url(
    service: BlobServiceClient, blob: BlobClient, lifetime: timedelta, *, download_as: str = "", content_type: str = ""
) -> tuple[str, datetime]:
    """A URL that reads this blob, and when it stops doing so (UTC, whole seconds).

    ``download_as`` is the file name that the browser shall save it under. https only, unless the account itself is
    plain http, as the local emulator is. Raises ``StorageUnavailable`` when a delegation key cannot be had.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + lifetime
    account_key = getattr(service.credential, "account_key", None)
    delegation_key = None
    if account_key is None:
        with storage_errors():
            delegation_key = service.get_user_delegation_key(now - _CLOCK_SKEW, expires)
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


def content_disposition(name: str) -> str:
    """An attachment header for a file name in any script (RFC 6266, with the extended notation of RFC 8187).

    >>> content_disposition("été.csv")
    'attachment; filename="_t_.csv"; filename*=UTF-8\\'\\'%C3%A9t%C3%A9.csv'
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
