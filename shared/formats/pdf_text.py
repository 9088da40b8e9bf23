"""Text columns measured, fitted and written for a PDF, column by column. Widths are in 1/1000 of the font's size."""

import pyarrow as pa
import pyarrow.compute as pc

from shared.formats.escape import Escapes, column_bytes, join
from shared.formats.pdf_font import MISSING_WIDTH, advances

_MAX_CHARACTERS = 300
"""More than fit in the widest column; what is beyond is not even measured."""
_ELLIPSIS = 0x2026
_LEADS_OF_FOUR = bytes(0xF0 if 0xF0 <= byte <= 0xF4 else 0 for byte in range(256))
"""Translates every first byte of a four-byte UTF-8 sequence to one of them, and all other bytes to another."""
_SPACES = Escapes({chr(code): " " for code in (*range(32), 0x7F)})


def printable(words: pa.StringArray) -> pa.StringArray:
    """The column without nulls, on one line (a control character is a space), with 16-bit code points only."""
    words = _SPACES.apply(pc.utf8_slice_codeunits(pc.fill_null(words, ""), 0, _MAX_CHARACTERS))
    if b"\xf0" in bytes(column_bytes(words)).translate(_LEADS_OF_FOUR):
        words = pc.replace_substring_regex(words, "[\U00010000-\U0010ffff]", "\ufffd")
    return words


def code_points(words: pa.StringArray) -> pa.UInt32Array:
    """The characters of all cells, end to end."""
    data = str(column_bytes(words), "utf-8").encode("utf-32-le")
    return pa.Array.from_buffers(pa.uint32(), len(data) // 4, [None, pa.py_buffer(data)])


def missing_glyphs(characters: pa.UInt32Array) -> int:
    """How many of the characters have no glyph in the font."""
    return int(_advances(characters).null_count)


def cell_widths(words: pa.StringArray) -> pa.Int64Array:
    """The width of every cell."""
    reach = _reach(code_points(words))
    return pc.pairwise_diff(pc.take(reach, _starts(pc.utf8_length(words))), 1)[1:]


def fit(words: pa.StringArray, widths: pa.Int64Array, limit: int) -> tuple[pa.StringArray, pa.Int64Array, int]:
    """Cells that are wider than ``limit`` cut, with an ellipsis; the new column, its widths, and how many were cut."""
    wide = pc.greater(widths, limit)
    count = pc.sum(wide).as_py() or 0
    if not count:
        return words, widths, 0
    cut = _cut(words.filter(wide), limit)
    return pc.replace_with_mask(words, wide, cut), pc.replace_with_mask(widths, wide, cell_widths(cut)), count


def hexadecimal(words: pa.StringArray) -> pa.StringArray:
    """Every cell as the hexadecimal digits of its codes, without the brackets."""
    digits = str(column_bytes(words), "utf-8").encode("utf-16-be").hex().encode("ascii")
    offsets = pc.cast(pc.multiply(_starts(pc.utf8_length(words)), 4), pa.int32())
    return pa.StringArray.from_buffers(len(words), offsets.buffers()[1], pa.py_buffer(digits))


def show(cells: list[tuple[pa.Array, pa.StringArray]]) -> pa.StringArray:
    """One text-showing operator for each row: for every column the move to its start, and its digits (9.4.3, TJ)."""
    pieces: list[pa.StringArray | str] = ["T*["]
    for move, digits in cells:
        pieces += [pc.cast(pc.negate(move), pa.string()), "<", digits, ">"]
    return join(*pieces, "]TJ\n")


def _cut(words: pa.StringArray, limit: int) -> pa.StringArray:
    characters = code_points(words)
    reach = _reach(characters)
    starts = _starts(pc.utf8_length(words))
    room = limit - advances()[_ELLIPSIS].as_py()
    stops = pc.add(pc.take(reach, starts[:-1]), room)
    row = pc.list_parent_indices(pa.ListArray.from_arrays(pc.cast(starts, pa.int32()), characters))
    stop = pc.take(stops, row)
    fitting = pc.less_equal(reach[1:], stop)
    # The one character that would pass the limit becomes the ellipsis; what follows it is dropped.
    crossing = pc.and_(pc.less_equal(reach[:-1], stop), pc.greater(reach[1:], stop))
    kept = pc.or_(fitting, crossing)
    characters = pc.if_else(crossing, pa.scalar(_ELLIPSIS, pa.uint32()), characters).filter(kept)
    text = _utf8(characters)
    two, three = (pc.cast(pc.greater_equal(characters, least), pa.int64()) for least in (0x80, 0x800))
    ends = _starts(pc.add(pc.add(two, three), 1))
    kept_before = _starts(pc.cast(kept, pa.int64()))
    offsets = pc.cast(pc.take(ends, pc.take(kept_before, starts)), pa.int32())
    return pa.StringArray.from_buffers(len(words), offsets.buffers()[1], pa.py_buffer(text))


def _utf8(characters: pa.UInt32Array) -> bytes:
    """Code points as UTF-8."""
    return str(memoryview(characters.buffers()[1])[: 4 * len(characters)], "utf-32-le").encode()


def _advances(characters: pa.UInt32Array) -> pa.Int32Array:
    return pc.take(advances(), characters)


def _reach(characters: pa.UInt32Array) -> pa.Int64Array:
    """The sum of all widths before each character, and after the last one."""
    return _starts(pc.fill_null(_advances(characters), MISSING_WIDTH))


def _starts(sizes: pa.Array) -> pa.Int64Array:
    """0, and the sums of the sizes so far."""
    return pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(pc.cast(sizes, pa.int64()))])
