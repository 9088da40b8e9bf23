"""Columns as JSON values (RFC 8259), for the JSON formats and for lists in every format that shows them as text."""

import json
import secrets
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import BOOLEAN, DECIMAL, FLOAT, INTEGER, JSON, ColumnType
from shared.formats.escape import Escapes, column_bytes, enclosed, join, replace_where
from shared.formats.scalars import TextStyle, scalar_text, significant_digits
from shared.sources.special_values import without_special_values

_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""
_SAFE_DIGITS = 15
"""Any decimal number of so many digits survives a reader that has only binary64."""

# Section 7: the quotation mark, the reverse solidus and U+0000 to U+001F. The reverse solidus comes first.
_ESCAPES = Escapes({"\\": "\\\\", '"': '\\"', **{chr(c): json.dumps(chr(c))[1:-1] for c in range(32)}})


@dataclass(frozen=True)
class JsonStyle:
    """How values are written: the zone of time stamps, and numbers as numbers or strings.

    ``big_integers``: integers beyond 2^53 - 1, and decimals of more than 15 digits; ``decimals``: all decimals.
    """

    time_zone: str = "UTC"
    big_integers: Literal["number", "string"] = "number"
    decimals: Literal["number", "string"] = "number"


def json_values(column: pa.Array, kind: ColumnType, style: JsonStyle) -> pa.StringArray:
    """The column as JSON values, one for each cell; a null cell stays null, for the caller to write ``null``.

    NaN and infinities, which JSON does not have, are ``null``. A ``json`` cell that is not JSON becomes a string.
    """
    words, quoted = unquoted_values(column, kind, style)
    return enclosed(words, '"') if quoted else words


def unquoted_values(column: pa.Array, kind: ColumnType, style: JsonStyle) -> tuple[pa.StringArray, bool]:
    """The same, and whether quotation marks are still to be put around every cell that is not null."""
    family = kind.family
    if kind.element:
        return _list(column, kind.element, style), False
    if family is JSON:
        return _json(column), False
    if family is DECIMAL:
        column, _ = without_special_values(column)
    words = scalar_text(column, kind, TextStyle(style.time_zone, "T"))
    if family is DECIMAL:
        return _decimal(column, words, style)
    if family is FLOAT:
        return _float(column, words), False
    if family is INTEGER and style.big_integers == "string":
        return _big_integers_as_strings(column, words), False
    return _ESCAPES.apply(words) if family.escaped else words, not (family.number or family is BOOLEAN)


def unknown_numbers(column: pa.Array) -> int:
    """How many numbers in a column, or list, JSON does not have."""
    if pa.types.is_list(column.type):
        return unknown_numbers(column.flatten())
    if pa.types.is_floating(column.type):
        return int(len(column) - column.null_count - (pc.sum(pc.is_finite(column)).as_py() or 0))
    return without_special_values(column)[1] if pa.types.is_decimal(column.type) else 0


def json_string(value: str) -> str:
    """One string as JSON, with the characters of other scripts as they are."""
    return json.dumps(value, ensure_ascii=False)


def _float(column: pa.DoubleArray, words: pa.StringArray) -> pa.StringArray:
    finite = pc.is_finite(column)
    if not pc.all(finite, min_count=0).as_py():
        words = pc.if_else(finite, words, pa.scalar(None, pa.string()))
    minus_zero = pc.equal(words, "-0")
    if pc.any(minus_zero).as_py():
        words = pc.if_else(minus_zero, "-0.0", words)  # a reader may take -0 for the integer 0
    return words


def _decimal(column: pa.Decimal128Array, words: pa.StringArray, style: JsonStyle) -> tuple[pa.StringArray, bool]:
    if style.decimals == "string":
        return words, True
    if style.big_integers == "string" and column.type.precision > _SAFE_DIGITS:
        unsafe = pc.greater(significant_digits(words, column.type.scale), _SAFE_DIGITS)
        words = pc.if_else(unsafe, enclosed(words, '"'), words)
    return words, False


def _big_integers_as_strings(column: pa.Int64Array, words: pa.StringArray) -> pa.StringArray:
    unsafe = pc.or_(pc.greater(column, _SAFE_INTEGER), pc.less(column, -_SAFE_INTEGER))
    if not pc.any(unsafe).as_py():
        return words
    return pc.if_else(unsafe, enclosed(words, '"'), words)


def _json(column: pa.StringArray) -> pa.StringArray:
    # A line break can only be white space between tokens here, and would end a line of NDJSON.
    column = _ONE_LINE.apply(column)
    cells = column.drop_null()
    if _all_json(cells):
        return column
    valid = pa.array([_all_json(cells.slice(i, 1)) for i in range(len(cells))], pa.bool_())
    strings = enclosed(_ESCAPES.apply(cells), '"')
    return replace_where(column, column.is_valid(), pc.if_else(valid, cells, strings))


def _all_json(cells: pa.StringArray) -> bool:
    """Whether every cell is one JSON text: parsed in one call, with a word between them that no cell can know."""
    word = secrets.token_hex(16)
    separated = join(f'"{word}",', cells, ",")
    try:
        values = _DECODER.decode("[" + str(column_bytes(separated), "utf-8") + "0]")
    except (ValueError, RecursionError):
        return False
    return bool(values[:-1:2] == [word] * len(cells))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_ONE_LINE = Escapes({"\r": " ", "\n": " "})
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def _list(column: pa.ListArray, element_type: ColumnType, style: JsonStyle) -> pa.StringArray:
    elements = pc.fill_null(json_values(column.flatten(), element_type, style), "null")
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    ends = pc.cumulative_sum(pc.cast(lengths, pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    words = join("[", pc.binary_join(pa.ListArray.from_arrays(offsets, elements), ","), "]")
    return pc.if_else(column.is_valid(), words, pa.scalar(None, pa.string()))
