"""Frames between the host and a worker.

A frame is two unsigned 32-bit big-endian lengths, then a JSON header (UTF-8), then a body (raw bytes). The header's
``t`` names the kind:

===========  ==========  =======================================================================================
from host    ``start``   ``app_dir``, ``threads``, ``log_levels``, ``durable_client`` (binding value, JSON text)
from host    ``invoke``  ``id``, ``function``, ``kind`` and what that kind needs; the body is the trigger payload
from host    ``abandon`` ``id`` of a call whose request comes no more (apps that stream)
from worker  ``ready``   ``functions``: list of function metadata, see ``app_index.FunctionMetadata``;
                         ``http_port`` of the web server of an app that streams, or null
from worker  ``failed``  ``error``, ``details``: the app cannot be loaded
from worker  ``done``    ``id``, ``ok``; if not ok ``error`` = {type, message, stack}; the body is the result
from worker  ``log``     ``level``, ``logger``, ``message``, ``id``, ``function``
===========  ==========  =======================================================================================
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, Protocol

Header = dict[str, Any]

_LENGTHS = struct.Struct("!II")


class ByteStream(Protocol):
    """The part of a socket the blocking side needs."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read some bytes into the buffer and return how many; 0 at the end of the stream."""


def encode(header: Header, body: bytes = b"") -> bytes:
    """Return one frame."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((_LENGTHS.pack(len(head), len(body)), head, body))


def read_frame(stream: ByteStream) -> tuple[Header, bytes] | None:
    """Block until one frame is there and return it, or None at the end of the stream."""
    lengths = _read_exactly(stream, _LENGTHS.size)
    if lengths is None:
        return None
    head_length, body_length = _LENGTHS.unpack(lengths)
    rest = _read_exactly(stream, head_length + body_length)
    if rest is None:
        return None
    return json.loads(rest[:head_length]), bytes(rest[head_length:])


def _read_exactly(stream: ByteStream, size: int) -> bytearray | None:
    buffer = bytearray(size)
    view = memoryview(buffer)
    position = 0
    while position < size:
        count = stream.recv_into(view[position:])
        if count == 0:
            return None
        position += count
    return buffer


class FrameReader:
    """Collects bytes as they arrive and gives out whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Header, bytes]]:
        """Add bytes and yield every frame that is complete."""
        buffer = self._buffer
        buffer += data
        position = 0
        while len(buffer) - position >= _LENGTHS.size:
            head_length, body_length = _LENGTHS.unpack_from(buffer, position)
            start = position + _LENGTHS.size
            end = start + head_length + body_length
            if len(buffer) < end:
                break
            header = json.loads(buffer[start : start + head_length])
            yield header, bytes(memoryview(buffer)[start + head_length : end])
            position = end
        if position:
            del buffer[:position]
