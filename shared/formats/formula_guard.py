"""The formula guard: an apostrophe before whatever a spreadsheet would take for a formula.

A value is guarded at its start when it begins with one of ``= + - @``, their full-width forms (U+FF1D, U+FF0B, U+FF0D,
U+FF20), a tab, a carriage return, a line feed or NUL (OWASP, CSV Injection; ASVS 5.0, 1.2.10). Inside a value an
apostrophe stands between a delimiter (``; , |`` or a tab) or a line break and one of these signs, whatever the file's
own delimiter is: a spreadsheet that splits at another one sees the start of a cell there, quotation marks or not.
Nothing else is changed. A sign behind a space is not the start of a formula, and stays as it is.

JSON is guarded like text, except that negative numbers in its arrays stay numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from shared.formats.escape import Places, SpecialCharacters, column_bytes, places, replace_where, smallest_byte

_SIGNS = "=+-@＝＋－＠"
_SPLITS = ";,|\t\r\n"
_STARTS = SpecialCharacters("=+-@\t\r\n\x00")
_WIDE = b"\xef"
"""The first byte of the full-width forms in UTF-8, and of few other characters."""

_SIGN_BYTES = tuple(sign.encode() for sign in _SIGNS if sign.isascii())
_SPLIT_BYTES = tuple(split.encode() for split in _SPLITS)
_SIGN, _SPLIT = 1, 2
CLASSES = bytes(
    _SIGN * (bytes([code]) in (*_SIGN_BYTES, _WIDE)) + _SPLIT * (chr(code) in _SPLITS) for code in range(256)
)
"""What a byte is to the guard, for ``places``; the other bits are free."""

_WIDE_START = "^[＝＋－＠]"
_INSIDE = r"([;,|\t\r\n])([=+\-@＝＋－＠])"
_NUMBER = r"-(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
"""A negative number of JSON (RFC 8259, section 6)."""
_NUMBER_ALONE = rf"^{_NUMBER}$"
_NUMBER_IN_ARRAY = rf",{_NUMBER}([,\]}}])"


@dataclass(frozen=True)
class Formulas:
    """Where a column has formulas: a mask of the cells that begin like one, one of those that have one inside."""

    starts: pa.BooleanArray | None
    inside: pa.BooleanArray | None

    @property
    def cells(self) -> pa.BooleanArray:
        """A mask of all of them."""
        masks = [mask for mask in (self.starts, self.inside) if mask is not None]
        return masks[0] if len(masks) == 1 else pc.or_(*masks)

    def guarded(self, chosen: pa.StringArray, mask: pa.BooleanArray) -> pa.StringArray:
        """The cells under a mask of the column, ``chosen``, with apostrophes where they belong."""
        if self.inside is not None:
            here = self.inside.filter(mask)
            chosen = replace_where(chosen, here, pc.replace_substring_regex(chosen.filter(here), _INSIDE, r"\1'\2"))
        if self.starts is not None:
            here = self.starts.filter(mask)
            chosen = replace_where(chosen, here, pc.binary_replace_slice(chosen.filter(here), 0, 0, "'"))
        return chosen


def formulas(column: pa.StringArray, held: bytes, look: Callable[[], Places], *, json: bool = False) -> Formulas | None:
    """The formulas in a column of these bytes (``column_bytes``); None when there is none.

    ``look`` gives the column's places by ``CLASSES``, and is asked only where they are needed. ``json``: the cells are
    JSON, whose negative numbers are none.
    """
    wide = _WIDE in held
    signs = wide or any(sign in held for sign in _SIGN_BYTES)
    if not held or not (signs or smallest_byte(held) < ord(" ")):
        return None
    starts = _starts(column, wide=wide, json=json)
    inside = _inside(look(), json=json) if signs and any(split in held for split in _SPLIT_BYTES) else None
    return Formulas(starts, inside) if starts is not None or inside is not None else None


def guard_formulas(texts: Sequence[str | None]) -> list[str | None]:
    """Texts with their formulas guarded, for export types that write a file of their own. A None stays None."""
    column = pa.array(texts, pa.string())
    held = bytes(column_bytes(column))
    if found := formulas(column, held, lambda: places(column, held, CLASSES)):
        column = replace_where(column, found.cells, found.guarded(column.filter(found.cells), found.cells))
    guarded: list[str | None] = column.to_pylist()
    return guarded


def _starts(column: pa.StringArray, *, wide: bool, json: bool) -> pa.BooleanArray | None:
    mask = _STARTS.in_front(column)
    if wide:
        of_wide = pc.match_substring_regex(column, _WIDE_START)
        mask = of_wide if mask is None else pc.or_kleene(mask, of_wide)
    if mask is None or not pc.any(mask).as_py():
        return None
    if json:
        mask = pc.and_(mask, pc.invert(pc.match_substring_regex(column, _NUMBER_ALONE)))
    return _or_none(mask)


def _inside(found: Places, *, json: bool) -> pa.BooleanArray | None:
    behind = found.behind(_SPLIT, _SIGN)
    if not pc.any(behind).as_py():
        return None
    mask = found.cells(behind)  # of the cells that may have one
    rest = found.column.filter(mask)
    if json:
        for _ in range(2):  # a comma between two numbers belongs to both
            rest = pc.replace_substring_regex(rest, _NUMBER_IN_ARRAY, r"\1")
    return _or_none(pc.replace_with_mask(mask, mask, pc.match_substring_regex(rest, _INSIDE)))


def _or_none(mask: pa.BooleanArray) -> pa.BooleanArray | None:
    return pc.fill_null(mask, False) if pc.any(mask).as_py() else None
