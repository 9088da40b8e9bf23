"""Finding and replacing special characters in whole text columns, and reaching the bytes of a column."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_BEYOND_THE_END = 2**31 - 1
_FEW = 4
"""So many control characters are looked for one by one."""


def text(value: str) -> pa.StringScalar:
    """An Arrow text scalar, for the kernels that take columns and constants together."""
    return pa.scalar(value, pa.string())


def join(*parts: pa.StringArray | str) -> pa.StringArray:
    """The parts side by side, cell by cell, with constants repeated; null where any column is null."""
    scalars = [text(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*scalars, text(""))


def append(column: pa.StringArray, suffix: str) -> pa.StringArray:
    """Every cell that is not null with ``suffix`` after it, in a third of the time that a join takes."""
    return pc.binary_replace_slice(column, _BEYOND_THE_END, _BEYOND_THE_END, suffix)


def enclosed(column: pa.StringArray, mark: str) -> pa.StringArray:
    """Every cell that is not null between two marks."""
    return append(pc.binary_replace_slice(column, 0, 0, mark), mark)


def column_bytes(column: pa.StringArray) -> memoryview:
    """The characters of all cells of a text or binary column, end to end, without a copy.

    What stands under a null cell is unspecified; after ``binary_join_element_wise`` it is nothing.
    """
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return memoryview(b"")
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[column.offset] : ends[column.offset + len(column)]]


class SpecialCharacters:
    """A set of ASCII characters that can be looked for in a whole column at once."""

    def __init__(self, characters: str) -> None:
        controls = {character for character in characters if character < " "}
        # Each character takes a look of its own; many controls, which are rare, share a first one.
        self._rare = frozenset(controls) if len(controls) > _FEW else frozenset()
        self._each = [(c, c.encode("ascii")) for c in characters if c not in self._rare]
        self._others = bytes(set(range(256)) - {ord(c) for c in self._rare})
        self._flags = bytes(chr(code) in characters for code in range(256))

    def in_column(self, column: pa.StringArray) -> set[str]:
        """Which of the characters occur in any cell of the column."""
        return self.among(bytes(column_bytes(column)))

    def among(self, held: bytes) -> set[str]:
        """Which of the characters occur in a column of these bytes."""
        found = {character for character, code in self._each if code in held}
        if self._rare and held and smallest_byte(held) < ord(" "):
            found |= {chr(code) for code in set(held.translate(None, self._others))}
        return found

    def in_front(self, column: pa.StringArray) -> pa.BooleanArray | None:
        """Which cells of the column begin with one of the characters: false or null for an empty or null cell.

        None when no cell does.
        """
        _, _, data = column.buffers()
        codes = pa.Array.from_buffers(pa.uint8(), data.size, [None, data])
        # An empty cell at the very end starts behind the last byte.
        starts = pc.min_element_wise(_starts(column), _int(data.size - 1))
        first = pc.take(codes, starts, boundscheck=False)
        flags = bytes(first.buffers()[1])[: len(first)].translate(self._flags)
        if 1 not in flags:
            return None
        special = pc.cast(pa.Array.from_buffers(pa.uint8(), len(flags), [None, pa.py_buffer(flags)]), pa.bool_())
        return pc.and_(special, pc.greater(pc.binary_length(column), 0))


def _starts(column: pa.StringArray) -> pa.Int32Array:
    """Where each cell starts in the column's data."""
    _, offsets, _ = column.buffers()
    return pa.Array.from_buffers(pa.int32(), len(column), [None, offsets], offset=column.offset)


@dataclass(frozen=True)
class Places:
    """The bytes of a column that have a class: where they are in its bytes, in order, and the class of each (uint8)."""

    column: pa.StringArray
    at: pa.Int32Array
    classes: pa.UInt8Array

    def cells(self, chosen: pa.BooleanArray) -> pa.BooleanArray:
        """The cells that hold any of the chosen places; a null cell does not."""
        starts = _starts(self.column)
        places = pc.add(self.at.filter(chosen), starts[0])
        cells = pc.subtract(pc.cast(pc.search_sorted(starts, places, side="right"), pa.int32()), _int(1))
        marked = pc.scatter(pa.repeat(True, len(cells)), cells, max_index=len(self.column) - 1)
        return marked.is_valid()

    def of(self, bit: int) -> pa.BooleanArray:
        """Which places have this bit in their class."""
        return pc.not_equal(pc.bit_wise_and(self.classes, _byte(bit)), _byte(0))

    def behind(self, first: int, second: int) -> pa.BooleanArray:
        """Which places have the bit ``second``, and right before them a place with the bit ``first``."""
        near = pc.equal(pc.subtract(self.at[1:], self.at[:-1]), _int(1))
        pairs = pc.and_(pc.and_(self.of(first)[:-1], self.of(second)[1:]), near)
        return pa.concat_arrays([pa.array([False]), pairs])


def places(column: pa.StringArray, held: bytes, classes: bytes) -> Places:
    """Where a column of these bytes has bytes of a class: ``classes`` has the class of each of the 256, 0 for none."""
    flags = held.translate(classes)
    at = _nonzero(flags)
    every = pa.Array.from_buffers(pa.uint8(), len(flags), [None, pa.py_buffer(flags)])
    return Places(column, at, pc.take(every, at, boundscheck=False))


def _nonzero(flags: bytes) -> pa.Int32Array:
    """The places of the bytes that are not zero: first of the words of eight, which are few, and then within these."""
    words = pa.Array.from_buffers(
        pa.uint64(), (len(flags) + 7) // 8, [None, pa.py_buffer(flags + bytes(-len(flags) % 8))]
    )
    places = pc.cast(pc.indices_nonzero(words), pa.int32())
    near = pc.take(words, places, boundscheck=False)
    near_bytes = pa.Array.from_buffers(pa.uint8(), 8 * len(near), [None, near.buffers()[1]])
    within = pc.cast(pc.indices_nonzero(near_bytes), pa.int32())
    word = pc.take(places, pc.shift_right(within, _int(3)), boundscheck=False)
    return pc.add(pc.shift_left(word, _int(3)), pc.bit_wise_and(within, _int(7)))


def _int(value: int) -> pa.Int32Scalar:
    return pa.scalar(value, pa.int32())


def _byte(value: int) -> pa.UInt8Scalar:
    return pa.scalar(value, pa.uint8())


def smallest_byte(held: bytes) -> int:
    """The smallest byte of some: a look for any control character takes a tenth of the time of a look for each."""
    return int(pc.min(pa.Array.from_buffers(pa.uint8(), len(held), [None, pa.py_buffer(held)])).as_py())


class Escapes:
    """Replacements of ASCII characters in text columns, made in the order in which they are given.

    A character that occurs in other replacements (the backslash, the ampersand) comes first.
    """

    def __init__(self, replacements: Mapping[str, str]) -> None:
        self._replacements = replacements
        self._special = SpecialCharacters("".join(replacements))

    def apply(self, column: pa.StringArray) -> pa.StringArray:
        """The column with every character replaced; the column itself when there is none to replace."""
        present = self._special.in_column(column)
        for character, replacement in self._replacements.items() if present else ():
            if character in present:
                column = pc.replace_substring(column, character, replacement)
        return column


def replace_where(
    column: pa.StringArray, mask: pa.BooleanArray, replacement: pa.StringArray | pa.StringScalar
) -> pa.StringArray:
    """The column with the cells under the mask replaced by the replacement's cells, one for each true, in order."""
    return pc.replace_with_mask(column, mask, replacement)
