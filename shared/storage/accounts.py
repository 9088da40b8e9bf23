"""Clients of the storage account: made once per process, with retries that fit who is waiting.

The SDK's default retry sleeps more than 15 s after one 503. Somebody who waits for an HTTP answer gets two quick
retries and then a 503; an activity has the time for four slower ones.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import TableServiceClient

from shared.errors import StorageUnavailable
from shared.identity.machine import credential, endpoint, got_no_token
from shared.observability.metrics import STORAGE_ERRORS, count
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient


Patience = Literal["request", "activity"]

# The SDK waits initial_backoff + increment_base ** attempt seconds: here less than a second, there 3, 5 and 9.
_BLOB_RETRY: dict[str, dict[str, Any]] = {
    "request": {"initial_backoff": 0.2, "increment_base": 0.5, "retry_total": 2, "random_jitter_range": 0},
    "activity": {"initial_backoff": 1, "increment_base": 2, "retry_total": 4, "random_jitter_range": 1},
}
_TABLE_RETRY = {
    "request": {"retry_total": 2, "retry_backoff_factor": 0.1},
    "activity": {"retry_total": 4, "retry_backoff_factor": 0.5},
}
_TIME_OUTS = {
    "request": {"connection_timeout": 5, "read_timeout": 10},
    "activity": {"connection_timeout": 10, "read_timeout": 120},
}
_THROTTLED = frozenset({408, 429, 500, 502, 503, 504})

ONLY_NEW: Mapping[str, Any] = {"match_condition": MatchConditions.IfMissing}
"""Options of a write that must not replace a blob (If-None-Match: *): the first writer wins."""

BLOCK_BYTES = 4 * 1024 * 1024
"""Size of the pieces in which bytes go up; a part no larger is stored with one request."""

READ_BYTES = 8 * 1024 * 1024
"""Size of the pieces in which bytes come down: each is a request, whose wait takes longer than such a piece itself."""


def blob_service(settings: Settings, patience: Patience, *, for_a_person: bool = False) -> "BlobServiceClient":
    """A client for the account's blobs; ``for_a_person``: see ``credential``. No request is sent."""
    from azure.storage.blob import BlobServiceClient, ExponentialRetry

    options: dict[str, Any] = {
        "retry_policy": ExponentialRetry(**_BLOB_RETRY[patience]),
        "max_single_put_size": BLOCK_BYTES,
        "max_block_size": BLOCK_BYTES,
        "max_single_get_size": READ_BYTES,
        "max_chunk_get_size": READ_BYTES,
        "connection_data_block_size": 1024 * 1024,
        **_TIME_OUTS[patience],
    }
    if settings.azurewebjobsstorage:
        account = BlobServiceClient.from_connection_string(settings.azurewebjobsstorage).url
        return BlobServiceClient.from_connection_string(settings.azurewebjobsstorage, **options, **_way_to(account))
    account, identity = endpoint(settings, "blob"), credential(settings, for_a_person=for_a_person)
    return BlobServiceClient(account, identity, **options, **_way_to(account))


def table_service(settings: Settings, patience: Patience, *, for_a_person: bool = False) -> TableServiceClient:
    """A client for the account's tables; ``for_a_person``: see ``credential``. No request is sent."""
    options: dict[str, Any] = {**_TABLE_RETRY[patience], **_TIME_OUTS[patience]}
    if settings.azurewebjobsstorage:
        account = TableServiceClient.from_connection_string(settings.azurewebjobsstorage).url
        return TableServiceClient.from_connection_string(settings.azurewebjobsstorage, **options, **_way_to(account))
    account = endpoint(settings, "table")
    return TableServiceClient(
        endpoint=account, credential=credential(settings, for_a_person=for_a_person), **options, **_way_to(account)
    )


def _way_to(account: str) -> dict[str, Any]:
    """The proxies and certificates that the environment names, found out once: ``requests`` looks at each request."""
    from requests.utils import get_environ_proxies

    return {
        "use_env_settings": False,
        "proxies": get_environ_proxies(account),
        "connection_verify": os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
    }


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what the SDK raises when storage is away or throttles into ``StorageUnavailable``; pass on the rest."""
    try:
        yield
    except (ResourceNotFoundError, ResourceExistsError):
        raise
    except (ServiceRequestError, ServiceResponseError) as error:
        count(STORAGE_ERRORS, kind="unreachable")
        raise StorageUnavailable("the storage account cannot be reached") from error
    except ClientAuthenticationError as error:
        if not got_no_token(error):
            raise
        count(STORAGE_ERRORS, kind="identity")
        raise StorageUnavailable("the app's identity got no token for the storage account") from error
    except HttpResponseError as error:
        if error.status_code in _THROTTLED:
            count(STORAGE_ERRORS, kind=str(error.status_code))
            raise StorageUnavailable(f"the storage account answers {error.status_code}") from error
        raise
    except AzureError as error:
        count(STORAGE_ERRORS, kind="interrupted")
        raise StorageUnavailable("reading from the storage account was interrupted") from error
