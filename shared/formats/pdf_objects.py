"""The objects of a PDF file and its cross-reference stream (ISO 32000-1, sections 7.3 and 7.5)."""

import struct
from collections.abc import Iterable, Mapping

from isal import isal_zlib

_LEVEL = 2


def text_string(value: str) -> str:
    """A text string for the document's information, as hexadecimal UTF-16 (7.9.2.2)."""
    return f"<feff{value.encode('utf-16-be').hex()}>"


def plain_object(number: int, content: str) -> bytes:
    """An indirect object."""
    return f"{number} 0 obj\n{content}\nendobj\n".encode("ascii")


def stream_object(number: int, data: bytes, entries: str = "") -> bytes:
    """A stream, compressed; ``entries`` are further ones of its dictionary."""
    compressed = isal_zlib.compress(data, _LEVEL)
    head = f"{number} 0 obj\n<<{entries}/Filter/FlateDecode/Length {len(compressed)}>>stream\n"
    return head.encode("ascii") + compressed + b"\nendstream\nendobj\n"


def cross_reference(number: int, offsets: Mapping[int, int], start: int, entries: str) -> bytes:
    """The cross-reference stream, object ``number``, which stands at ``start``, and the end of the file (7.5.8).

    ``offsets`` says where every object stands. Numbers that are not used are left out of the sections.
    """
    known = dict(sorted({**offsets, number: start}.items()))
    table = struct.pack(">BQH", 0, 0, 0xFFFF) + b"".join(struct.pack(">BQH", 1, at, 0) for at in known.values())
    index = " ".join(f"{first} {count}" for first, count in _sections([0, *known]))
    dictionary = f"/Type/XRef/Size {number + 1}/W[1 8 2]/Index[{index}]{entries}"
    return stream_object(number, table, dictionary) + f"startxref\n{start}\n%%EOF\n".encode("ascii")


def _sections(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs: the first of each and how many they are."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return runs
