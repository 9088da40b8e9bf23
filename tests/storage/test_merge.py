"""Fan-in: the final file is exactly its segments, however they become blocks."""

import hashlib
import random
from dataclasses import replace

import pytest

from shared.errors import LimitReached, PermanentError
from shared.formats.base import PartBytes, Segment, Verbatim
from shared.storage import merge
from shared.storage.blobs import BlobStore
from shared.storage.part_upload import PartUpload, StoredPart, stored_parts

MIB = 1024 * 1024


def make_parts(
    store: BlobStore, folder: str, sizes: list[int], *, placed: bool = False
) -> tuple[list[StoredPart], list[bytes]]:
    """Parts of random bytes, one row each."""
    contents = [random.Random(f"{folder}{index}").randbytes(size) for index, size in enumerate(sizes)]
    for index, content in enumerate(contents):
        upload = PartUpload(store, f"{folder}parts/{index:06d}", place_in=f"{folder}file" if placed else "")
        upload.write(content)
        upload.commit(index, 1, {}, "plan")
    return stored_parts(store, f"{folder}parts/"), contents


def bytes_of(segments: list[Segment], contents: list[bytes]) -> bytes:
    """What the segments mean."""
    return b"".join(s.data if isinstance(s, Verbatim) else contents[s.index] for s in segments)


SHAPES = {
    "nothing": ([], [Verbatim(b"")]),
    "only a header": ([], [Verbatim(b"id,name\r\n")]),
    "small parts": ([10, 0, 20], [Verbatim(b"h"), PartBytes(0), PartBytes(1), PartBytes(2)]),
    "large parts": (
        [9 * MIB, 5 * MIB, 100, 40 * MIB],
        [
            Verbatim(b"header"),
            PartBytes(0),
            Verbatim(b","),
            PartBytes(1),
            PartBytes(2),
            PartBytes(3),
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


def test_placed_parts_become_the_file_in_their_order(store: BlobStore, folder: str) -> None:
    """Also when they were finished in another order, one is empty, one was begun twice, and one has many blocks."""
    sizes = [10, 0, 40 * MIB, 7]
    abandoned = PartUpload(store, f"{folder}parts/000002", place_in=f"{folder}file")
    abandoned.write(b"never finished" * 2 * MIB)
    parts, contents = make_parts(store, folder, sizes, placed=True)
    segments: list[Segment] = [
        Verbatim(b"head"),
        *(PartBytes(i) for i in range(len(sizes))),
        Verbatim(b""),
    ]
    made = merge.merge_parts(store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan")
    expected = b"head" + b"".join(contents)
    assert (made.bytes, made.sha256) == (len(expected), hashlib.sha256(expected).hexdigest())
    again = merge.merge_parts(store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan")
    assert again == made


def test_placed_parts_that_storage_dropped_are_told(store: BlobStore, folder: str) -> None:
    """The service drops uncommitted blocks after a week; the export fails with a reason instead of a torn file."""
    parts, _ = make_parts(store, folder, [10, 10], placed=True)
    gone = [replace(parts[0], blocks=(parts[0].blocks[0][:-1] + "z",)), parts[1]]
    segments: list[Segment] = [PartBytes(0), PartBytes(1)]
    with pytest.raises(PermanentError, match="storage has dropped parts of the export"):
        merge.merge_parts(store, f"{folder}file", gone, iter(segments), content_type="text/csv", plan_hash="plan")
    assert store.metadata(f"{folder}file") is None


def test_a_server_that_cannot_copy_is_sent_the_bytes(
    store: BlobStore, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put Block From URL is refused (here: its source is a signature for another blob); the file is the same."""
    parts, contents = make_parts(store, folder, [9 * MIB, 9 * MIB])
    segments: list[Segment] = [PartBytes(0), PartBytes(1)]
    good_url = BlobStore.read_url
    monkeypatch.setattr(
        BlobStore, "read_url", lambda self, name, lifetime: (good_url(self, name, lifetime)[0] + "broken", None)
    )
    made = merge.merge_parts(store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan")
    assert made.sha256 == hashlib.sha256(b"".join(contents)).hexdigest()


def test_a_file_of_too_many_blocks_is_refused(store: BlobStore, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage takes 50,000 blocks; the error says what to change, and nothing is stored."""
    parts, _ = make_parts(store, folder, [9 * MIB, 9 * MIB])
    monkeypatch.setattr(merge, "MAX_BLOCKS", 1)
    segments: list[Segment] = [PartBytes(0), PartBytes(1)]
    with pytest.raises(LimitReached, match="needs 2 blocks and storage takes 1; ask for fewer rows"):
        merge.merge_parts(store, f"{folder}file", parts, iter(segments), content_type="text/csv", plan_hash="plan")
    assert store.metadata(f"{folder}file") is None
