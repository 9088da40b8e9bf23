"""The partial blobs of an export: written once each, with what the merge must know in their metadata."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobBlock, BlobProperties, ContentSettings

from shared.errors import LimitReached
from shared.formats.base import EncodedPart
from shared.storage.accounts import BLOCK_BYTES, ONLY_NEW, storage_errors
from shared.storage.blobs import BlobStore

_CONTENT_TYPE = "application/octet-stream"
_METADATA_LIMIT = 8_000
"""Azure takes 8 KiB of metadata, names and values together."""


@dataclass(frozen=True)
class StoredPart:
    """A part as it lies in storage. ``md5`` (raw, 16 bytes) is checked by the service when it copies the part."""

    name: str
    encoded: EncodedPart
    plan_hash: str
    md5: bytes


class PartUpload:
    """Takes the bytes of one part as they are made, and stores them under ``name`` unless somebody did so before.

    A part of up to ``BLOCK_BYTES`` goes up as one request, a larger one as blocks; no more than one block is held in
    memory. The first to finish wins: the same plan gives the same bytes, and a part never changes once it is there.
    """

    def __init__(self, store: BlobStore, name: str) -> None:
        self._store = store
        self._blob = store.client(name)
        self._name = name
        self._buffer = bytearray()
        self._blocks: list[BlobBlock] = []
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises ``StorageUnavailable`` when a full block cannot be sent."""
        self._md5.update(data)
        self._buffer += data
        self.bytes += len(data)
        while len(self._buffer) > BLOCK_BYTES:
            self._stage(bytes(self._buffer[:BLOCK_BYTES]))
            del self._buffer[:BLOCK_BYTES]

    def commit(self, index: int, rows: int, facts: Mapping[str, Any], plan_hash: str) -> EncodedPart:
        """Make the part visible, and give what is there now: ours, or the one that was faster."""
        text = json.dumps(dict(facts), separators=(",", ":"))
        if len(text) > _METADATA_LIMIT:
            raise LimitReached(f"part {index} carries {len(text)} bytes of facts; a blob takes {_METADATA_LIMIT}")
        metadata = {"plan": plan_hash, "rows": str(rows), "facts": text}
        settings = ContentSettings(content_type=_CONTENT_TYPE, content_md5=bytearray(self._md5.digest()))
        with storage_errors():
            try:
                if self._blocks:
                    self._stage(bytes(self._buffer))
                    self._blob.commit_block_list(self._blocks, content_settings=settings, metadata=metadata, **ONLY_NEW)
                else:
                    self._blob.upload_blob(
                        bytes(self._buffer), overwrite=True, content_settings=settings, metadata=metadata, **ONLY_NEW
                    )
            except (ResourceExistsError, ResourceModifiedError):
                found = stored_part(self._store, self._name)
                if found is None or found.plan_hash != plan_hash:
                    raise
                return found.encoded
        return EncodedPart(index, rows, self.bytes, facts)

    def _stage(self, data: bytes) -> None:
        """Under an id that names the bytes: two runs that are under way at once never mix their blocks."""
        block_id = f"{len(self._blocks):08d}-{hashlib.md5(data, usedforsecurity=False).hexdigest()}"
        with storage_errors():
            self._blob.stage_block(block_id, data, validate_content=True)
        self._blocks.append(BlobBlock(block_id))


def stored_part(store: BlobStore, name: str) -> StoredPart | None:
    """The part under this name, or None."""
    return next((p for p in stored_parts(store, name) if p.name == name), None)


def stored_parts(store: BlobStore, prefix: str) -> list[StoredPart]:
    """Every finished part under a prefix, in order."""
    with storage_errors():
        blobs = store.container.list_blobs(name_starts_with=prefix, include=["metadata"])
        return [_stored(blob) for blob in blobs]


def _stored(blob: BlobProperties) -> StoredPart:
    metadata = blob.metadata
    index = int(blob.name.rpartition("/")[2])
    return StoredPart(
        name=blob.name,
        encoded=EncodedPart(index, int(metadata["rows"]), blob.size, json.loads(metadata["facts"])),
        plan_hash=metadata["plan"],
        md5=bytes(blob.content_settings.content_md5 or b""),
    )
