"""Fan-in: the final file as a list of blocks that are in storage already.

A format says what the file consists of (``Format.assemble``). Placed parts are blocks of the final file already, and
kept ones are copied into it by the storage service (Put Block From URL); a service that refuses to copy is sent the
bytes from here. What the format writes itself is staged from here. Then the list of blocks is committed: nothing is
visible before all of it is.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError

from shared.durable.inputs import FinalFile
from shared.errors import LimitReached, PermanentError
from shared.formats.base import Segment, Verbatim
from shared.storage.accounts import BLOCK_BYTES, ONLY_NEW, storage_errors
from shared.storage.blobs import BlobStore
from shared.storage.part_upload import StoredPart, verbatim_block_id

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContentSettings


MAX_BLOCKS = 50_000
"""Put Block List: the most blocks that a blob can have."""

_COPY_AT_LEAST = 4 * 1024 * 1024
"""Neighbouring segments smaller than this are put into one block from here: fewer requests, fewer blocks."""

_COPY_AT_MOST = 32 * 1024 * 1024
"""Longest range of one Put Block From URL: what is held in memory where the service refuses to copy."""

_CONCURRENT_REQUESTS = 4
_SOURCE_LIFETIME = timedelta(hours=1)
_REFUSED = frozenset({400, 403, 409, 501})


@dataclass(frozen=True)
class _Range:
    """``length`` bytes of part ``index`` from ``offset`` on."""

    index: int
    offset: int
    length: int


_Piece = Verbatim | _Range


@dataclass(frozen=True)
class _Stage:
    """Consecutive pieces that are to become one block."""

    pieces: tuple[_Piece, ...]

    @property
    def length(self) -> int:
        return sum(_length(piece) for piece in self.pieces)

    @property
    def copied(self) -> _Range | None:
        """The range of a part that the service can copy by itself."""
        only = self.pieces[0]
        return only if len(self.pieces) == 1 and isinstance(only, _Range) else None


def merge_parts(
    store: BlobStore,
    name: str,
    parts: Sequence[StoredPart],
    segments: Iterator[Segment],
    *,
    content_type: str,
    plan_hash: str,
    check: Callable[[], None] = lambda: None,
) -> FinalFile:
    """Make the final blob out of its segments, unless it is there already; give its size, rows and sha256.

    ``check`` is called before every request, and ends the merge by raising.

    Raises ``StorageUnavailable``; ``LimitReached`` when the file would need more than 50,000 blocks; ``PermanentError``
    when the service has dropped placed blocks, which it does a week after the last of them was written.
    """
    from azure.storage.blob import ContentSettings

    rows = sum(p.encoded.rows for p in parts)
    found = _find(store, name, plan_hash)
    if found is None:
        metadata = {"plan": plan_hash, "rows": str(rows), "mediatype": content_type}
        with storage_errors():
            try:
                _make(
                    store,
                    store.client(name),
                    parts,
                    segments,
                    ContentSettings(content_type=content_type),
                    metadata,
                    check,
                )
            except (ResourceExistsError, ResourceModifiedError) as error:
                if _find(store, name, plan_hash) is None:
                    raise PermanentError("another file stands where the export's file belongs") from error
    return finished_file(store, name, plan_hash) or _hashed(store, name, plan_hash, check)


def finished_file(store: BlobStore, name: str, plan_hash: str) -> FinalFile | None:
    """The final file when an earlier run has made it from the same plan, and hashed it."""
    found = _find(store, name, plan_hash)
    if found is None or "sha256" not in found[1]:
        return None
    size, metadata = found
    return FinalFile(name, int(metadata["rows"]), size, metadata["sha256"], metadata["mediatype"])


def _find(store: BlobStore, name: str, plan_hash: str) -> tuple[int, dict[str, str]] | None:
    found = store.metadata(name)
    return found if found is not None and found[1].get("plan") == plan_hash else None


def _hashed(store: BlobStore, name: str, plan_hash: str, check: Callable[[], None]) -> FinalFile:
    """Read the committed file once, and note its sha256 with it."""
    found = _find(store, name, plan_hash)
    if found is None:
        raise PermanentError("the merged file is gone from storage")
    size, metadata = found
    digest = hashlib.sha256()
    for piece in store.stream_ahead(name, size):
        check()
        digest.update(piece)
    metadata["sha256"] = digest.hexdigest()
    with storage_errors():
        store.client(name).set_blob_metadata(metadata)
    return FinalFile(name, int(metadata["rows"]), size, metadata["sha256"], metadata["mediatype"])


def _make(
    store: BlobStore,
    blob: "BlobClient",
    parts: Sequence[StoredPart],
    segments: Iterator[Segment],
    settings: "ContentSettings",
    metadata: dict[str, str],
    check: Callable[[], None],
) -> None:
    from azure.storage.blob import BlobBlock

    plan = list(_layout(segments, parts))
    stages = [step for step in plan if isinstance(step, _Stage)]
    if len(stages) == len(plan) and sum(s.length for s in stages) <= BLOCK_BYTES:
        data = b"".join(piece for stage in stages for piece in _bytes(store, parts, stage))
        metadata["sha256"] = hashlib.sha256(data).hexdigest()
        blob.upload_blob(data, overwrite=True, content_settings=settings, metadata=metadata, **ONLY_NEW)
        return
    if len(plan) > MAX_BLOCKS:
        raise LimitReached(f"the file needs {len(plan):,} blocks and storage takes {MAX_BLOCKS:,}; ask for fewer rows")
    blocks: list[str] = []
    with ThreadPoolExecutor(_CONCURRENT_REQUESTS, thread_name_prefix="merge") as pool:
        running: list[Future[None]] = []
        try:
            for step in plan:
                if isinstance(step, str):
                    blocks.append(step)
                    continue
                blocks.append(verbatim_block_id(len(blocks)))
                running.append(pool.submit(copy_context().run, _stage, store, blob, blocks[-1], parts, step))
            for future in running:
                future.result()
                check()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    try:
        blob.commit_block_list(
            [BlobBlock(block) for block in blocks], content_settings=settings, metadata=metadata, **ONLY_NEW
        )
    except HttpResponseError as error:
        if getattr(error, "error_code", "") != "InvalidBlockList":
            raise
        raise PermanentError("storage has dropped parts of the export, as it does after a week; ask again") from error


def _layout(segments: Iterator[Segment], parts: Sequence[StoredPart]) -> Iterator[_Stage | str]:
    """The blocks of the file: the id of one that is there, or what is to be staged."""
    gathered: list[_Piece] = []
    size = 0
    for piece in _cut(segments, parts):
        placed = isinstance(piece, _Range) and parts[piece.index].blocks
        length = _length(piece)
        alone = isinstance(piece, _Range) and length >= _COPY_AT_LEAST
        if gathered and (placed or alone or size + length > BLOCK_BYTES):
            yield _Stage(tuple(gathered))
            gathered, size = [], 0
        if placed:
            yield from placed
        elif alone:
            yield _Stage((piece,))
        elif length:
            gathered.append(piece)
            size += length
    if gathered:
        yield _Stage(tuple(gathered))


def _cut(segments: Iterator[Segment], parts: Sequence[StoredPart]) -> Iterator[_Piece]:
    """The segments, none longer than one block may be; placed parts stay whole."""
    for segment in segments:
        if isinstance(segment, Verbatim):
            for start in range(0, len(segment.data), BLOCK_BYTES):
                yield Verbatim(segment.data[start : start + BLOCK_BYTES])
            continue
        part = parts[segment.index]
        if part.blocks:
            yield _Range(segment.index, 0, part.encoded.bytes)
            continue
        for start in range(0, part.encoded.bytes, _COPY_AT_MOST):
            yield _Range(segment.index, start, min(_COPY_AT_MOST, part.encoded.bytes - start))


def _length(piece: _Piece) -> int:
    return len(piece.data) if isinstance(piece, Verbatim) else piece.length


def _bytes(store: BlobStore, parts: Sequence[StoredPart], stage: _Stage) -> Iterator[bytes]:
    for piece in stage.pieces:
        if isinstance(piece, Verbatim):
            yield piece.data
        else:
            yield from store.stream(parts[piece.index].name, piece.offset, piece.length)


def _stage(store: BlobStore, blob: "BlobClient", block: str, parts: Sequence[StoredPart], stage: _Stage) -> None:
    """Let the service copy the range of a part; where it will not, and for everything else, send the bytes."""
    with storage_errors():
        if (source := stage.copied) is not None:
            part = parts[source.index]
            whole = part.md5 and source.length == part.encoded.bytes
            url, _ = store.read_url(part.name, _SOURCE_LIFETIME)
            try:
                blob.stage_block_from_url(
                    block, url, source.offset, source.length, bytearray(part.md5) if whole else None
                )
            except HttpResponseError as error:
                if error.status_code not in _REFUSED:
                    raise
            else:
                return
        blob.stage_block(block, b"".join(_bytes(store, parts, stage)), validate_content=True)
