"""gzip for the text formats: every part, and every segment around the parts, is a member of its own.

Members that stand one after the other are one gzip file (RFC 1952, section 2.2), so a merge copies them as they are.
The header's time is 0, so the same text gives the same bytes.
"""

from types import TracebackType
from typing import Literal, Self

from isal import isal_zlib

from shared.formats.base import Verbatim, Write

_LEVEL = 1
_GZIP_WRAPPER = 31
"""zlib's wbits for a window of 32 KiB in a gzip member."""


class TextWriter:
    """Passes text on to ``write``, compressed when asked. A context manager, which ends the member."""

    def __init__(self, write: Write, compression: Literal["none", "gzip"]) -> None:
        self._write = write
        self._deflate = isal_zlib.compressobj(_LEVEL, wbits=_GZIP_WRAPPER) if compression == "gzip" else None

    def __enter__(self) -> Self:
        return self

    def write(self, text: bytes | memoryview) -> None:
        """Take the next bytes."""
        if self._deflate is None:
            self._write(text)
        elif compressed := self._deflate.compress(text):
            self._write(compressed)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._deflate is not None and kind is None:
            self._write(self._deflate.flush())


def literal(text: bytes, compression: Literal["none", "gzip"]) -> Verbatim:
    """A segment with this text, as a member of its own when compressed."""
    chunks: list[bytes] = []
    with TextWriter(lambda data: chunks.append(bytes(data)), compression) as writer:
        writer.write(text)
    return Verbatim(b"".join(chunks))
