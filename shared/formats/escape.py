"""Finding and replacing special characters in whole text columns, and reaching the bytes of a column."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

_BEYOND_THE_END = 2**31 - 1


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
        self._visible = [(c, c.encode("ascii")) for c in characters if c >= " "]
        self._controls = frozenset(characters) - {c for c, _ in self._visible}
        self._others = bytes(set(range(256)) - {ord(c) for c in self._controls})

    def in_column(self, column: pa.StringArray) -> set[str]:
        """Which of the characters occur in any cell of the column."""
        held = bytes(column_bytes(column))
        found = {character for character, code in self._visible if code in held}
        if self._controls and held and smallest_byte(held) < ord(" "):
            found |= {chr(code) for code in set(held.translate(None, self._others))}
        return found


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
