"""Fan-in: the final file is exactly its segments, however they become blocks."""

import hashlib
import random

import pytest

from shared.errors import LimitReached
from shared.formats.base import PartBytes, Segment, Verbatim
from shared.storage import merge
from shared.storage.blobs import BlobStore
from shared.storage.parts import PartUpload, StoredPart, stored_parts

MIB = 1024 * 1024


def make_parts(store: BlobStore, folder: str, sizes: list[int]) -> tuple[list[StoredPart], list[bytes]]:
    """Parts of random bytes, one row each."""
    contents = [random.Random(f"{folder}{index}").randbytes(size) for index, size in enumerate(sizes)]
    for index, content in enumerate(contents):
        upload = PartUpload(store, f"{folder}parts/{index:06d}")
        upload.write(content)
        upload.commit(index, 1, {}, "plan")
    return stored_parts(store, f"{folder}parts/"), contents


def bytes_of(segments: list[Segment], contents: list[bytes]) -> bytes:
    """What the segments mean."""
    return b"".join(
        s.data if isinstance(s, Verbatim) else contents[s.index][s.offset : s.offset + s.length] for s in segments
    )


SHAPES = {
    "nothing": ([], [Verbatim(b"")]),
    "only a header": ([], [Verbatim(b"id,name\r\n")]),
    "small parts": ([10, 0, 20], [Verbatim(b"h"), PartBytes(0, 0, 10), PartBytes(1, 0, 0), PartBytes(2, 5, 15)]),
    "large parts": (
        [9 * MIB, 5 * MIB, 100, 40 * MIB],
        [
            Verbatim(b"header"),
            PartBytes(0, 0, 9 * MIB),
            Verbatim(b","),
            PartBytes(1, 1, 5 * MIB - 2),
            PartBytes(2, 0, 100),
            PartBytes(3, 0, 40 * MIB),
            Verbatim(b"footer" * MIB),
        ],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_file_is_its_segments(store: BlobStore, folder: str, shape: str) -> None:
    """Bytes, size, rows and sha256 are those of the segments in order; a second merge finds the first."""
    sizes, segments = SHAPES[shape]
    parts, contents = make_parts(store, folder, sizes)
    expected = bytes_of(segments, contents)

    def run() -> object:
        return merge.merge_parts(
            store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan"
        )

    made = run()
    assert (made.bytes, made.rows, made.sha256) == (len(expected), len(sizes), hashlib.sha256(expected).hexdigest())
    assert b"".join(store.stream(f"{folder}file", 0, len(expected))) == expected
    assert run() == made


def test_a_server_that_cannot_copy_is_sent_the_bytes(
    store: BlobStore, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put Block From URL is refused (here: its source is a signature for another blob); the file is the same."""
    parts, contents = make_parts(store, folder, [9 * MIB, 9 * MIB])
    segments: list[Segment] = [PartBytes(0, 0, 9 * MIB), PartBytes(1, 0, 9 * MIB)]
    good_url = BlobStore.read_url
    monkeypatch.setattr(
        BlobStore, "read_url", lambda self, name, lifetime: (good_url(self, name, lifetime)[0] + "broken", None)
    )
    made = merge.merge_parts(store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan")
    assert made.sha256 == hashlib.sha256(b"".join(contents)).hexdigest()


def test_a_file_of_too_many_blocks_is_refused(store: BlobStore, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage takes 50,000 blocks; the error says what to change, and nothing is stored."""
    parts, _ = make_parts(store, folder, [5 * MIB, 5 * MIB])
    monkeypatch.setattr(merge, "MAX_BLOCKS", 1)
    segments: list[Segment] = [PartBytes(0, 0, 5 * MIB), PartBytes(1, 0, 5 * MIB)]
    with pytest.raises(LimitReached, match="needs 2 blocks and storage takes 1; use larger parts"):
        merge.merge_parts(store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan")
    assert store.metadata(f"{folder}file") is None
