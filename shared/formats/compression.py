"""Compression of the text formats, so that a merge copies the compressed parts as they are.

gzip: every part, and every segment around the parts, is a member of its own. Members that stand one after the other are
one gzip file (RFC 1952, section 2.2). The header's time is 0, so the same text gives the same bytes.

zip: a container with the text as its only entry (PKWARE APPNOTE.TXT, section 4.3). A part is a raw deflate fragment
that ends with a full flush (RFC 1951, section 3.2.4), so that fragments join to one stream; its lengths and its CRC-32
are facts of the part, from which the merge works out those of the whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import astuple
from types import TracebackType
from typing import Self

from isal import isal_zlib

from shared.formats.base import Compression, Facts, FileSpec, PartBytes, Segment, Verbatim, Write
from shared.formats.zip_container import Deflated, Deflater, Entry, central_directory, fragment, local_header

_LEVEL = 1
_GZIP_WRAPPER = 31
"""zlib's wbits for a window of 32 KiB in a gzip member."""


class TextWriter:
    """Passes text on to ``write``, compressed when asked. A context manager, which ends the member or fragment."""

    def __init__(self, write: Write, compression: Compression) -> None:
        self._write = write
        self._gzip = isal_zlib.compressobj(_LEVEL, wbits=_GZIP_WRAPPER) if compression == "gzip" else None
        self._zip = Deflater() if compression == "zip" else None

    def __enter__(self) -> Self:
        return self

    def write(self, text: bytes | memoryview) -> None:
        """Take the next bytes."""
        deflate = self._gzip or self._zip
        if deflate is None:
            self._write(text)
        elif ready := deflate.compress(text):
            self._write(ready)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            return
        if self._gzip is not None:
            self._write(self._gzip.flush())
        elif self._zip is not None:
            self._write(self._zip.end(last=False))

    @property
    def facts(self) -> Facts:
        """What ``assembled`` must know of a text in a zip container; nothing otherwise."""
        return {"deflated": list(astuple(self._zip.numbers))} if self._zip else {}


def compressed(text: bytes, compression: Compression) -> bytes:
    """A text as a member or fragment of its own."""
    chunks: list[bytes] = []
    with TextWriter(lambda data: chunks.append(bytes(data)), compression) as writer:
        writer.write(text)
    return b"".join(chunks)


def numbers_in(facts: Facts) -> Deflated:
    """What ``TextWriter.facts`` says of the text; zeros where it says nothing."""
    return Deflated(*facts.get("deflated", (0, 0, 0)))


def assembled(pieces: Iterable[bytes | tuple[PartBytes, Deflated]], spec: FileSpec) -> Iterator[Segment]:
    """The file of these pieces, in order: texts, and bytes of parts with their numbers (used by zip only)."""
    if spec.compression == "zip":
        yield from _zipped(pieces, spec.file_name)
        return
    for piece in pieces:
        yield Verbatim(compressed(piece, spec.compression)) if isinstance(piece, bytes) else piece[0]


def _zipped(pieces: Iterable[bytes | tuple[PartBytes, Deflated]], name: str) -> Iterator[Segment]:
    data: list[Segment] = []
    total = Deflated(0, 0, 0)
    for piece in pieces:
        if isinstance(piece, bytes):
            text, numbers = fragment(piece, last=False)
            data.append(Verbatim(text))
        else:
            segment, numbers = piece
            data.append(segment)
        total += numbers
    end, numbers = fragment(b"", last=True)
    entry = Entry(name, total + numbers, 0)
    header = local_header(entry)
    yield Verbatim(header)
    yield from data
    yield Verbatim(end + central_directory([entry], len(header) + entry.data.compressed_bytes))
