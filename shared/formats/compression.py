"""Compression of the text formats, so that a merge copies the compressed parts as they are.

A part, and every segment around the parts, is a raw deflate fragment that ends with a full flush (RFC 1951, section
3.2.4), so that fragments join to one stream. Its lengths and its CRC-32 are facts of the part; from these the merge
works out those of the whole.

gzip: the stream is one member (RFC 1952), for there are readers that stop after the first. The header's time is 0, so
the same text gives the same bytes.

zip: a container with the text as its only entry (PKWARE APPNOTE.TXT, section 4.3).
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple
from itertools import groupby
from types import TracebackType
from typing import Self

from shared.formats.base import Compression, Facts, FileSpec, PartBytes, Segment, Verbatim, Write
from shared.formats.zip_container import Deflated, Deflater, Entry, central_directory, fragment, local_header

_LEVELS: Mapping[Compression, int] = {"gzip": 1, "zip": 2}
_GZIP_HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
"""Deflate, no name, no time, the operating system unknown (RFC 1952, section 2.3)."""
_NOTHING = Deflated(0, 0, 0)

Piece = bytes | tuple[PartBytes, Deflated | None]
"""A text, or a part with the numbers that it noted; a part of release 0.1.0 is a gzip member, and noted none."""


class TextWriter:
    """Passes text on to ``write``, compressed when asked. A context manager, which ends the member or fragment."""

    def __init__(self, write: Write, compression: Compression) -> None:
        self._write = write
        self._deflater = None if compression == "none" else Deflater(_LEVELS[compression])

    def __enter__(self) -> Self:
        return self

    def write(self, text: bytes | memoryview) -> None:
        """Take the next bytes."""
        if self._deflater is None:
            self._write(text)
        elif ready := self._deflater.compress(text):
            self._write(ready)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and self._deflater is not None:
            self._write(self._deflater.end(last=False))

    @property
    def facts(self) -> Facts:
        """What ``assembled`` must know of a compressed text; nothing otherwise."""
        return {"deflated": list(astuple(self._deflater.numbers))} if self._deflater else {}


def numbers_in(facts: Facts) -> Deflated | None:
    """What ``TextWriter.facts`` says of the text."""
    return Deflated(*facts["deflated"]) if "deflated" in facts else None


def assembled(pieces: Iterable[Piece], spec: FileSpec) -> Iterator[Segment]:
    """The file of these pieces, in order: texts, and parts."""
    if spec.compression == "zip":
        yield from _zipped(pieces, spec.file_name)
    elif spec.compression == "gzip":
        yield from _gzipped(pieces)
    else:
        yield from (Verbatim(piece) if isinstance(piece, bytes) else piece[0] for piece in pieces)


def _gzipped(pieces: Iterable[Piece]) -> Iterator[Segment]:
    """One member; parts that are members by themselves stand between others."""
    fragments = (_fragment(piece, "gzip") for piece in list(pieces) or [b""])
    for alone, group in groupby(fragments, key=lambda found: found[1] is None):
        total = _NOTHING
        if not alone:
            yield Verbatim(_GZIP_HEADER)
        for segment, numbers in group:
            yield segment
            total += numbers or _NOTHING
        if not alone:
            yield _gzip_end(total)


def _gzip_end(total: Deflated) -> Verbatim:
    """The end of the stream, and the member's CRC-32 and length (RFC 1952, section 2.3.1)."""
    end, _ = fragment(b"", last=True)
    return Verbatim(end + struct.pack("<II", total.crc, total.text_bytes & 0xFFFFFFFF))


def _zipped(pieces: Iterable[Piece], name: str) -> Iterator[Segment]:
    data: list[Segment] = []
    total = _NOTHING
    for piece in pieces:
        segment, numbers = _fragment(piece, "zip")
        data.append(segment)
        total += numbers or _NOTHING
    end, numbers = fragment(b"", last=True)
    entry = Entry(name, total + numbers, 0)
    header = local_header(entry)
    yield Verbatim(header)
    yield from data
    yield Verbatim(end + central_directory([entry], len(header) + entry.data.compressed_bytes))


def _fragment(piece: Piece, compression: Compression) -> tuple[Segment, Deflated | None]:
    """A text compressed, or a part as it is, with its numbers."""
    if not isinstance(piece, bytes):
        return piece
    data, numbers = fragment(piece, last=False, level=_LEVELS[compression])
    return Verbatim(data), numbers
