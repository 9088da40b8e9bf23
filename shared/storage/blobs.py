"""The container of exports: whole small blobs, and ranges of large ones."""

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from shared.storage.accounts import ONLY_NEW, READ_BYTES, storage_errors
from shared.storage.names import CONTAINER
from shared.storage.sas import read_url

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient


_AHEAD = 2
"""Pieces that are read at the same time where a blob is read as a whole."""


_UNCOMMITTED: dict[str, Any] = {"include": ["uncommittedblobs"], "delimiter": "/"}


class BlobStore:
    """Blobs under deterministic names. Every method raises ``StorageUnavailable`` when the account is away."""

    def __init__(self, service: "BlobServiceClient") -> None:
        self._service = service
        self.container = service.get_container_client(CONTAINER)

    def prepare(self) -> None:
        """Create the container unless it is there."""
        with storage_errors():
            try:
                self.container.create_container()
            except ResourceExistsError:
                return

    def client(self, name: str) -> "BlobClient":
        """The SDK's client of one blob."""
        return self.container.get_blob_client(name)

    def put(self, name: str, data: bytes, content_type: str) -> None:
        """Store a small blob, replacing what was there."""
        from azure.storage.blob import ContentSettings

        with storage_errors():
            self.client(name).upload_blob(
                data, overwrite=True, content_settings=ContentSettings(content_type=content_type)
            )

    def put_once(self, name: str, data: bytes, content_type: str) -> bytes:
        """Store a small blob unless it is there, and give the bytes that are there now."""
        from azure.storage.blob import ContentSettings

        with storage_errors():
            try:
                self.client(name).upload_blob(
                    data,
                    overwrite=True,
                    content_settings=ContentSettings(content_type=content_type),
                    **ONLY_NEW,
                )
            except (ResourceExistsError, ResourceModifiedError):
                return self.get(name) or data
        return data

    def get(self, name: str) -> bytes | None:
        """All bytes of a small blob, or None when it is not there."""
        with storage_errors():
            try:
                data: bytes = self.client(name).download_blob().readall()
            except ResourceNotFoundError:
                return None
            return data

    def read(self, name: str, offset: int, length: int) -> bytes:
        """``length`` bytes of a blob that must be there."""
        with storage_errors():
            data: bytes = self.client(name).download_blob(offset=offset, length=length).readall()
            return data

    def stream(self, name: str, offset: int, length: int) -> Iterator[bytes]:
        """The same bytes in pieces, one request and one piece in memory at a time."""
        for start in range(offset, offset + length, READ_BYTES):
            yield self.read(name, start, min(READ_BYTES, offset + length - start))

    def stream_ahead(self, name: str, length: int) -> Iterator[bytes]:
        """The first ``length`` bytes in pieces; the next few are on their way while the caller looks at one."""
        starts = iter(range(0, length, READ_BYTES))
        with ThreadPoolExecutor(_AHEAD, thread_name_prefix="read") as pool:

            def coming(start: int) -> Future[bytes]:
                return pool.submit(copy_context().run, self.read, name, start, min(READ_BYTES, length - start))

            running = deque(map(coming, islice(starts, _AHEAD)))
            while running:
                piece = running.popleft().result()
                running.extend(map(coming, islice(starts, 1)))
                yield piece

    def metadata(self, name: str) -> tuple[int, dict[str, str]] | None:
        """Size in bytes and metadata of a blob, or None when it is not there."""
        with storage_errors():
            try:
                properties = self.client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
            return properties.size, dict(properties.metadata)

    def delete_folder(self, prefix: str) -> int:
        """Delete every blob under a prefix, also one that has only uncommitted blocks; give how many there were."""
        count = 0
        with storage_errors():
            for blob in self.container.list_blobs(name_starts_with=prefix, include=["uncommittedblobs"]):
                count += 1
                try:
                    self.client(blob.name).delete_blob()
                except ResourceNotFoundError:
                    self._drop_uncommitted(blob.name)
        return count

    def folders(self, cursor: str, limit: int) -> tuple[list[tuple[str, str]], str]:
        """Up to ``limit`` folders of exports (tenant and id, in order), also those with nothing but uncommitted blocks.

        And the cursor of the next page, which is empty at the end; a page may have no folder before that.
        """
        tenant, marker = json.loads(cursor) if cursor else ("", "")
        with storage_errors():
            known = sorted(found.name[:-1] for found in self.container.walk_blobs(**_UNCOMMITTED))
            ahead = [name for name in known if name >= tenant]
            if not ahead:
                return [], ""
            marker = marker if ahead[0] == tenant else ""
            walk = self.container.walk_blobs(f"{ahead[0]}/", results_per_page=limit, **_UNCOMMITTED)
            pages: Any = walk.by_page(marker or None)
            names = [found.name.split("/") for found in next(pages, ())]
        found = [(name[0], name[1]) for name in names if len(name) == 3]
        if pages.continuation_token:
            return found, json.dumps([ahead[0], pages.continuation_token])
        return found, json.dumps([ahead[1], ""]) if len(ahead) > 1 else ""

    def _drop_uncommitted(self, name: str) -> None:
        """Uncommitted blocks cannot be deleted; a blob that is written in their place takes them along."""
        with suppress(ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            self.client(name).upload_blob(b"", overwrite=True, **ONLY_NEW)
            self.client(name).delete_blob()

    def read_url(
        self, name: str, lifetime: timedelta, *, download_as: str = "", content_type: str = ""
    ) -> tuple[str, datetime]:
        """A URL that reads this one blob for a while; see ``shared/storage/sas.py``."""
        return read_url(self._service, self.client(name), lifetime, download_as=download_as, content_type=content_type)
