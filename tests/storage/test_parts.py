"""Partial blobs: written once, whatever runs twice."""

import hashlib

import pytest

from shared.formats.base import PartBytes
from shared.storage.accounts import BLOCK_BYTES
from shared.storage.blobs import BlobStore
from shared.storage.merge import merge_parts
from shared.storage.part_upload import PartUpload, stored_part, stored_parts

LARGE = bytes(range(256)) * (BLOCK_BYTES // 256) + b"and a rest" * 1_000


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([], id="no bytes"),
        pytest.param([b"one", b" and ", memoryview(b"two")], id="one request"),
        pytest.param([LARGE[:1000], LARGE[1000:]], id="blocks"),
        pytest.param([b"x" * BLOCK_BYTES], id="exactly one block"),
    ],
)
def test_a_part_holds_what_was_written(store: BlobStore, folder: str, pieces: list[bytes]) -> None:
    """Bytes, rows, facts and the plan's hash come back as they were given."""
    upload = PartUpload(store, f"{folder}parts/000003")
    for piece in pieces:
        upload.write(piece)
    encoded = upload.commit(3, 17, {"width": [1, 2]}, "plan-a")

    whole = b"".join(bytes(p) for p in pieces)
    found = stored_part(store, f"{folder}parts/000003")
    assert found is not None
    assert found.encoded == encoded
    assert (found.encoded.index, found.encoded.rows, found.encoded.bytes) == (3, 17, len(whole))
    assert found.encoded.facts == {"width": [1, 2]}
    assert found.md5 == hashlib.md5(whole).digest()
    assert b"".join(store.stream(found.name, 0, len(whole))) == whole


def test_a_placed_part_names_its_blocks(store: BlobStore, folder: str) -> None:
    """Its bytes wait, uncommitted, in the final file; its own blob is empty and says which they are."""
    upload = PartUpload(store, f"{folder}parts/000003", place_in=f"{folder}file")
    upload.write(LARGE)
    encoded = upload.commit(3, 17, {}, "plan-a")

    found = stored_part(store, f"{folder}parts/000003")
    assert found is not None
    assert (found.encoded, encoded.bytes, store.metadata(found.name)[0]) == (encoded, len(LARGE), 0)
    _, uncommitted = store.client(f"{folder}file").get_block_list("all")
    assert {b.id for b in uncommitted} == set(found.blocks)
    assert sum(b.size for b in uncommitted) == len(LARGE)
    assert store.metadata(f"{folder}file") is None


@pytest.mark.parametrize("size", [10, BLOCK_BYTES + 10])
def test_the_first_writer_wins(store: BlobStore, folder: str, size: int) -> None:
    """A second run of the same part gives the part that is there, and changes nothing."""
    name = f"{folder}parts/000000"
    first, second = PartUpload(store, name), PartUpload(store, name)
    first.write(b"a" * size)
    second.write(b"b" * (size + 5))
    kept = first.commit(0, 1, {}, "plan-a")
    assert second.commit(0, 2, {}, "plan-a") == kept
    assert store.read(name, 0, 1) == b"a"


@pytest.mark.parametrize("placed", [False, True], ids=["kept", "placed"])
def test_facts_beyond_the_metadata_stand_in_the_blob(store: BlobStore, folder: str, placed: bool) -> None:
    """A blob takes 8 KiB of metadata; a wide table's footer is larger. The part's own bytes stay what they are."""
    facts = {"footer": "é" * 9_000}
    upload = PartUpload(store, f"{folder}parts/000000", place_in=f"{folder}file" if placed else "")
    upload.write(LARGE)
    encoded = upload.commit(0, 1, facts, "plan-a")
    found = stored_part(store, f"{folder}parts/000000")
    assert found is not None
    assert (found.encoded, found.encoded.facts, encoded.bytes) == (encoded, facts, len(LARGE))
    made = merge_parts(
        store, f"{folder}file", [found], iter([PartBytes(0)]), content_type="text/csv", plan_hash="plan-a"
    )
    assert made.sha256 == hashlib.sha256(LARGE).hexdigest()


def test_parts_are_listed_in_order(store: BlobStore, folder: str) -> None:
    """However they were finished."""
    for index in (10, 2, 0, 1):
        upload = PartUpload(store, f"{folder}parts/{index:06d}")
        upload.write(str(index).encode())
        upload.commit(index, index, {}, "plan-a")
    assert [p.encoded.index for p in stored_parts(store, f"{folder}parts/")] == [0, 1, 2, 10]


def test_a_folder_is_deleted_with_what_was_never_committed(store: BlobStore, folder: str) -> None:
    """Parts, files, and blocks that wait for a merge that will not come."""
    upload = PartUpload(store, f"{folder}parts/000000", place_in=f"{folder}file")
    upload.write(b"x")
    upload.commit(0, 1, {}, "plan-a")
    assert store.delete_folder(folder) == 2
    assert list(store.container.list_blobs(name_starts_with=folder, include=["uncommittedblobs"])) == []
