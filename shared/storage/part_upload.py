"""The parts of an export, in one of two shapes, under ``parts/000123`` either way.

A *kept* part is a partial blob with its bytes. A *placed* part has its bytes staged as uncommitted blocks of the final
file already, and its blob is an empty manifest that says which blocks they are: the merge commits a list of blocks and
no byte moves twice (``docs/decisions/0001-parts-placed-in-the-final-file.md``). Both carry what the merge must know as
metadata, or, where that is too much, at the end of the blob.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

from shared.formats.base import EncodedPart
from shared.storage.accounts import BLOCK_BYTES, ONLY_NEW, storage_errors
from shared.storage.blobs import BlobStore

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties


_CONTENT_TYPE = "application/octet-stream"
_METADATA_LIMIT = 7_000
"""Azure takes 8 KiB of metadata, names and values together."""

_CONCURRENT_READS = 4


NEWER = ".2"
"""Follows the plan's hash in what a part carries where release 0.1.0 made it in another way; see ``part_mark``."""


def is_of_plan(mark: str, plan_hash: str) -> bool:
    """Whether a part that carries this was made for the plan, by whichever release; ``plan_hash`` may be a mark too."""
    return mark.removesuffix(NEWER) == plan_hash.removesuffix(NEWER)


@dataclass(frozen=True)
class StoredPart:
    """A part that is finished.

    ``md5`` (raw, 16 bytes) is checked by the service when it copies a kept part; it is empty where the blob holds more
    than the part's bytes. ``blocks`` are those of a placed one.
    """

    name: str
    encoded: EncodedPart
    plan_hash: str
    md5: bytes
    blocks: tuple[str, ...]


class PartUpload:
    """Takes the bytes of one part as they are made, and keeps or places them unless somebody did so before.

    No more than one block of ``BLOCK_BYTES`` is held in memory. The first run to finish wins: the same plan gives the
    same bytes, a part never changes once it is there, and block ids of two runs never meet.
    """

    def __init__(self, store: BlobStore, name: str, *, place_in: str = "") -> None:
        """``name`` is the part's blob; ``place_in`` the final file's, when the part is to be placed."""
        self._store = store
        self._name = name
        self._placed = bool(place_in)
        self._target = store.client(place_in or name)
        self._run = secrets.token_hex(8)
        self._buffer = bytearray()
        self._blocks: list[str] = []
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises ``StorageUnavailable`` when a full block cannot be sent."""
        if not self._placed:
            self._md5.update(data)
        self._buffer += data
        self.bytes += len(data)
        while len(self._buffer) > BLOCK_BYTES:
            with memoryview(self._buffer) as view:
                block = bytes(view[:BLOCK_BYTES])
            del self._buffer[:BLOCK_BYTES]
            self._stage(block)

    def commit(self, index: int, rows: int, facts: Mapping[str, Any], plan_hash: str) -> EncodedPart:
        """Make the part known, and give what is there now: ours, or the one that was faster."""
        size = self.bytes
        text = json.dumps(dict(facts), separators=(",", ":"))
        metadata = {"plan": plan_hash, "rows": str(rows), "bytes": str(size)}
        manifest = b""
        if len(text) <= _METADATA_LIMIT:
            metadata["facts"] = text
        elif self._placed:
            manifest = text.encode()
        else:
            self.write(text.encode())
        if (self._placed or self._blocks) and self._buffer:
            self._stage(bytes(self._buffer))
        if self._placed:
            metadata |= {"run": self._run, "blocks": str(len(self._blocks))}
        with storage_errors():
            try:
                self._finish(metadata, manifest)
            except (ResourceExistsError, ResourceModifiedError):
                found = stored_part(self._store, self._name)
                if found is None or not is_of_plan(found.plan_hash, plan_hash):
                    raise
                return found.encoded
        return EncodedPart(index, rows, size, facts)

    def placed(self, index: int, rows: int, facts: Mapping[str, Any], plan_hash: str) -> StoredPart:
        """The part as blocks of the final file, for a merge that commits them itself; nobody else knows of them."""
        if self._buffer:
            self._stage(bytes(self._buffer))
        return StoredPart(self._name, EncodedPart(index, rows, self.bytes, facts), plan_hash, b"", tuple(self._blocks))

    def _finish(self, metadata: dict[str, str], manifest: bytes) -> None:
        from azure.storage.blob import BlobBlock, ContentSettings

        settings = ContentSettings(content_type=_CONTENT_TYPE)
        blob = self._store.client(self._name)
        if self._placed:
            blob.upload_blob(manifest, overwrite=True, content_settings=settings, metadata=metadata, **ONLY_NEW)
            return
        settings.content_md5 = bytearray(self._md5.digest())
        if self._blocks:
            blocks = [BlobBlock(block) for block in self._blocks]
            blob.commit_block_list(blocks, content_settings=settings, metadata=metadata, **ONLY_NEW)
        else:
            data = bytes(self._buffer)
            blob.upload_blob(data, overwrite=True, content_settings=settings, metadata=metadata, **ONLY_NEW)

    def _stage(self, data: bytes) -> None:
        block = _block_id(self._name, len(self._blocks), self._run)
        with storage_errors():
            self._target.stage_block(block, data, validate_content=True)
        self._blocks.append(block)


def stored_part(store: BlobStore, name: str) -> StoredPart | None:
    """The part under this name, or None."""
    return next((p for p in stored_parts(store, name) if p.name == name), None)


def stored_parts(store: BlobStore, prefix: str) -> list[StoredPart]:
    """Every finished part under a prefix, in order."""
    with storage_errors(), ThreadPoolExecutor(_CONCURRENT_READS, thread_name_prefix="facts") as pool:
        blobs = store.container.list_blobs(name_starts_with=prefix, include=["metadata"])
        return list(pool.map(partial(_stored, store), blobs))


def _stored(store: BlobStore, blob: "BlobProperties") -> StoredPart:
    metadata = blob.metadata
    size = int(metadata["bytes"])
    blocks = (_block_id(blob.name, n, metadata["run"]) for n in range(int(metadata.get("blocks", "0"))))
    md5 = bytes(blob.content_settings.content_md5 or b"")
    text = metadata.get("facts")
    if text is None:
        start = 0 if "run" in metadata else size
        text, md5 = store.read(blob.name, start, blob.size - start).decode(), b""
    encoded = EncodedPart(_index(blob.name), int(metadata["rows"]), size, json.loads(text))
    return StoredPart(blob.name, encoded, metadata["plan"], md5, tuple(blocks))


def _index(name: str) -> int:
    return int(name.rpartition("/")[2])


def _block_id(name: str, number: int, run: str) -> str:
    """Unique within the final file, and of one length, as the service demands of the blocks of a blob."""
    return f"{_index(name):07d}-{number:05d}-{run}"


def verbatim_block_id(number: int) -> str:
    """The id of a block that the merge writes itself; as long as those of parts."""
    return f"verbatim-{number:021d}"
