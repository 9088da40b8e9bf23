"""Fan-in: the final file as a list of blocks, most of them copied by the storage service itself from the parts.

A format says what the file consists of (``Format.assemble``); this module turns those segments into blocks, stages them
and commits the list. Whole parts are staged with Put Block From URL, so their bytes are written by the server; a server
that refuses it gets the bytes from here. The file's sha256 is computed meanwhile from one pass over the parts.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobBlock, BlobClient, ContentSettings

from shared.errors import LimitReached
from shared.formats.base import PartBytes, Segment, Verbatim
from shared.models import FinalFile
from shared.storage.accounts import BLOCK_BYTES, ONLY_NEW, storage_errors
from shared.storage.blobs import BlobStore
from shared.storage.parts import StoredPart

MAX_BLOCKS = 50_000
"""Put Block List: the most blocks a blob can have."""

_COPY_AT_LEAST = 4 * 1024 * 1024
"""Neighbouring segments smaller than this are put into one block from here: fewer requests, fewer blocks."""

_COPY_AT_MOST = 32 * 1024 * 1024
"""Longest range of one Put Block From URL: what is held in memory where the server refuses to copy."""

_CONCURRENT_BLOCKS = 4
_SOURCE_LIFETIME = timedelta(hours=1)
_REFUSED = frozenset({400, 403, 409, 501})


@dataclass(frozen=True)
class _Block:
    """Consecutive segments that become one block."""

    segments: tuple[Segment, ...]

    @property
    def length(self) -> int:
        return sum(_length(s) for s in self.segments)

    @property
    def copied(self) -> PartBytes | None:
        """The range of a part that the server can copy by itself."""
        only = self.segments[0]
        return only if len(self.segments) == 1 and isinstance(only, PartBytes) else None


def merge_parts(
    store: BlobStore,
    name: str,
    parts: Sequence[StoredPart],
    segments: Iterator[Segment],
    *,
    content_type: str,
    plan_hash: str,
) -> FinalFile:
    """Make the final blob out of its segments, unless it is there already; give its size, rows and sha256.

    Raises ``StorageUnavailable``, and ``LimitReached`` when the
    file would need more than 50,000 blocks. Nothing is visible under ``name`` before all of it is.
    """
    if found := finished_file(store, name, plan_hash):
        return found
    blocks = list(_blocks(segments))
    if len(blocks) > MAX_BLOCKS:
        raise LimitReached(f"the file needs {len(blocks)} blocks and storage takes {MAX_BLOCKS}; use larger parts")
    rows = sum(p.encoded.rows for p in parts)
    size = sum(b.length for b in blocks)
    settings = ContentSettings(content_type=content_type)
    blob = store.client(name)
    with storage_errors():
        try:
            if size <= BLOCK_BYTES:
                data = b"".join(piece for block in blocks for piece in _bytes(store, parts, block))
                sha256 = hashlib.sha256(data).hexdigest()
                blob.upload_blob(
                    data,
                    overwrite=True,
                    content_settings=settings,
                    metadata=_metadata(plan_hash, rows, sha256, content_type),
                    **ONLY_NEW,
                )
            else:
                sha256 = _stage_all(store, blob, parts, blocks)
                blob.commit_block_list(
                    [BlobBlock(_block_id(n)) for n in range(len(blocks))],
                    content_settings=settings,
                    metadata=_metadata(plan_hash, rows, sha256, content_type),
                    **ONLY_NEW,
                )
        except (ResourceExistsError, ResourceModifiedError):
            if found := finished_file(store, name, plan_hash):
                return found
            raise
    return FinalFile(name, rows, size, sha256, content_type)


def finished_file(store: BlobStore, name: str, plan_hash: str) -> FinalFile | None:
    """The final file when an earlier run has made it from the same plan."""
    found = store.metadata(name)
    if found is None or found[1].get("plan") != plan_hash:
        return None
    size, metadata = found
    return FinalFile(name, int(metadata["rows"]), size, metadata["sha256"], metadata["mediatype"])


def _metadata(plan_hash: str, rows: int, sha256: str, content_type: str) -> dict[str, str]:
    return {"plan": plan_hash, "rows": str(rows), "sha256": sha256, "mediatype": content_type}


def _length(segment: Segment) -> int:
    return len(segment.data) if isinstance(segment, Verbatim) else segment.length


def _blocks(segments: Iterator[Segment]) -> Iterator[_Block]:
    """Large part ranges alone, everything else gathered."""
    gathered: list[Segment] = []
    size = 0
    for segment in _cut(segments):
        length = _length(segment)
        alone = isinstance(segment, PartBytes) and length >= _COPY_AT_LEAST
        if gathered and (alone or size + length > BLOCK_BYTES):
            yield _Block(tuple(gathered))
            gathered, size = [], 0
        if alone:
            yield _Block((segment,))
        elif length:
            gathered.append(segment)
            size += length
    if gathered:
        yield _Block(tuple(gathered))


def _cut(segments: Iterator[Segment]) -> Iterator[Segment]:
    for segment in segments:
        if isinstance(segment, PartBytes):
            for start in range(0, segment.length, _COPY_AT_MOST):
                yield PartBytes(segment.index, segment.offset + start, min(_COPY_AT_MOST, segment.length - start))
        else:
            for start in range(0, len(segment.data), BLOCK_BYTES):
                yield Verbatim(segment.data[start : start + BLOCK_BYTES])


def _bytes(store: BlobStore, parts: Sequence[StoredPart], block: _Block) -> Iterator[bytes]:
    for segment in block.segments:
        if isinstance(segment, Verbatim):
            yield segment.data
        else:
            yield from store.stream(parts[segment.index].name, segment.offset, segment.length)


def _stage_all(store: BlobStore, blob: BlobClient, parts: Sequence[StoredPart], blocks: Sequence[_Block]) -> str:
    """Stage every block, a few at a time, and give the sha256 of their bytes in order."""
    digest = hashlib.sha256()
    with ThreadPoolExecutor(_CONCURRENT_BLOCKS, thread_name_prefix="merge") as pool:
        running: list[Future[None]] = []
        try:
            for number, block in enumerate(blocks):
                if (source := block.copied) is not None:
                    running.append(pool.submit(_copy, store, blob, number, parts[source.index], source))
                    for piece in _bytes(store, parts, block):
                        digest.update(piece)
                else:
                    data = b"".join(_bytes(store, parts, block))
                    digest.update(data)
                    running.append(pool.submit(_send, blob, number, data))
                if len(running) > 2 * _CONCURRENT_BLOCKS:
                    running.pop(0).result()
            for future in running:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return digest.hexdigest()


def _block_id(number: int) -> str:
    """All of one length, as the service demands. The same number always has the same bytes: parts never change."""
    return f"{number:08d}"


def _send(blob: BlobClient, number: int, data: bytes) -> None:
    with storage_errors():
        blob.stage_block(_block_id(number), data, validate_content=True)


def _copy(store: BlobStore, blob: BlobClient, number: int, part: StoredPart, source: PartBytes) -> None:
    """Let the server copy the range; where it will not, send the bytes from here."""
    whole = source.offset == 0 and source.length == part.encoded.bytes
    url, _ = store.read_url(part.name, _SOURCE_LIFETIME)
    try:
        with storage_errors():
            blob.stage_block_from_url(
                _block_id(number),
                url,
                source_offset=source.offset,
                source_length=source.length,
                source_content_md5=bytearray(part.md5) if whole else None,
            )
    except HttpResponseError as error:
        if error.status_code not in _REFUSED:
            raise
        _send(blob, number, b"".join(store.stream(part.name, source.offset, source.length)))
