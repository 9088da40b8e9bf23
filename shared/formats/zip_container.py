"""A ZIP file around data that is already compressed (PKWARE APPNOTE.TXT, sections 4.3 to 4.5).

Sizes and checksums are known before a header is written, so local headers are plain, without data descriptors, and
ZIP64 appears only where a number does not fit in 32 bits: some readers refuse it where it is not needed.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from isal import isal_zlib

_DEFLATED = 8
_UTF8_NAMES = 0x800
_PLAIN, _ZIP64 = 20, 45
_ZIP64_FIELD = 0x0001
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF
_LEVEL = 2


@dataclass(frozen=True)
class Deflated:
    """Raw deflate data by its numbers: CRC-32 and length of the text, and length of the compressed bytes."""

    crc: int
    text_bytes: int
    compressed_bytes: int

    def __add__(self, following: "Deflated") -> "Deflated":
        """The numbers of both, one after the other."""
        return Deflated(
            isal_zlib.crc32_combine(self.crc, following.crc, following.text_bytes),
            self.text_bytes + following.text_bytes,
            self.compressed_bytes + following.compressed_bytes,
        )


class Deflater:
    """Compresses text to a raw deflate fragment (RFC 1951) and keeps its numbers."""

    def __init__(self, level: int = _LEVEL) -> None:
        self._deflate = isal_zlib.compressobj(level, wbits=-15)
        self._crc = self._text_bytes = self._compressed_bytes = 0

    def compress(self, text: bytes | memoryview) -> bytes:
        """Take text; give what is ready."""
        self._crc = isal_zlib.crc32(text, self._crc)
        self._text_bytes += len(text)
        return self._count(self._deflate.compress(text))

    def end(self, *, last: bool) -> bytes:
        """The rest of the fragment: after the last one a stream is complete, after others another one may follow."""
        return self._count(self._deflate.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_FULL_FLUSH))

    @property
    def numbers(self) -> Deflated:
        """What has been compressed so far."""
        return Deflated(self._crc, self._text_bytes, self._compressed_bytes)

    def _count(self, compressed: bytes) -> bytes:
        self._compressed_bytes += len(compressed)
        return compressed


def fragment(text: bytes, *, last: bool, level: int = _LEVEL) -> tuple[bytes, Deflated]:
    """A whole text as one fragment, with its numbers."""
    deflater = Deflater(level)
    compressed = deflater.compress(text) + deflater.end(last=last)
    return compressed, deflater.numbers


@dataclass(frozen=True)
class Entry:
    """A file in the container: its name, its data's numbers, and where its local header stands."""

    name: str
    data: Deflated
    offset: int


def local_header(entry: Entry) -> bytes:
    """What stands before an entry's data (4.3.7)."""
    data, name = entry.data, entry.name.encode()
    large = max(data.compressed_bytes, data.text_bytes) >= _MAX_32
    extra = struct.pack("<HHQQ", _ZIP64_FIELD, 16, data.text_bytes, data.compressed_bytes) if large else b""
    sizes = (_MAX_32, _MAX_32) if large else (data.compressed_bytes, data.text_bytes)
    version = _ZIP64 if large else _PLAIN
    return (
        struct.pack("<4s5HI", b"PK\3\4", version, _UTF8_NAMES, _DEFLATED, *_DOS_EPOCH, data.crc)
        + struct.pack("<IIHH", *sizes, len(name), len(extra))
        + name
        + extra
    )


def central_directory(entries: Sequence[Entry], offset: int) -> bytes:
    """The directory of all entries (4.3.12), which starts at ``offset``, and the end of the file (4.3.14 to 4.3.16)."""
    directory = b"".join(map(_directory_entry, entries))
    count, size = len(entries), len(directory)
    end = offset + size
    zip64 = b""
    if end >= _MAX_32 or count >= _MAX_16:
        zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, _ZIP64, _ZIP64, 0, 0, count, count, size, offset)
        zip64 += struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    counts = (min(count, _MAX_16),) * 2
    return (
        directory
        + zip64
        + struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, *counts, min(size, _MAX_32), min(offset, _MAX_32), 0)
    )


def _directory_entry(entry: Entry) -> bytes:
    data, name = entry.data, entry.name.encode()
    values = (data.text_bytes, data.compressed_bytes, entry.offset)
    large = [value for value in values if value >= _MAX_32]
    extra = struct.pack(f"<HH{len(large)}Q", _ZIP64_FIELD, 8 * len(large), *large) if large else b""
    version = _ZIP64 if large else _PLAIN
    text_bytes, compressed_bytes, offset = (min(value, _MAX_32) for value in values)
    return (
        struct.pack("<4s6HI", b"PK\1\2", version, version, _UTF8_NAMES, _DEFLATED, *_DOS_EPOCH, data.crc)
        + struct.pack("<IIHHHHHII", compressed_bytes, text_bytes, len(name), len(extra), 0, 0, 0, 0, offset)
        + name
        + extra
    )


_DOS_EPOCH = (0, 0x21)
"""Time and date of every entry: 1980-01-01 00:00, so that the same export gives the same bytes (4.4.6)."""
