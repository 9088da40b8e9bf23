"""Columns as the XML cells of a sheet (ECMA-376 Part 1, sections 18.3.1.4 and 18.18.11).

What a spreadsheet cannot hold as a number stays exact as text: integers and decimals of more than 15 significant
digits, NaN and infinities, dates before 1900-03-01, where the spreadsheet's calendar is wrong, and after 9999-12-31,
where it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import (
    BOOLEAN,
    DATE,
    DECIMAL,
    FLOAT,
    INTEGER,
    LOCAL_TIMESTAMP,
    TIME,
    TIMESTAMP,
    ColumnType,
    Family,
)
from shared.formats.escape import join
from shared.formats.scalars import TextStyle, significant_digits, to_wall_time
from shared.formats.text_columns import as_text
from shared.formats.xml_text import escape_column
from shared.sources.special_values import special_values

MAX_TEXT = 32_767
"""The most UTF-16 code units that a cell can hold (Excel specifications and limits)."""

_EXACT_DIGITS = 15
"""What a spreadsheet keeps and shows of a number (Excel specifications and limits)."""
_EXACT_INTEGER = 10**_EXACT_DIGITS - 1
_UNIX_EPOCH_SERIAL = 25_569
"""1970-01-01 as a serial number of the 1900 date system (18.17.4.1)."""
_FIRST_SERIAL, _LAST_SERIAL = 61, 2_958_465
"""1900-03-01 and 9999-12-31."""
_DAY = 86_400_000_000
"""Microseconds."""


class Style(IntEnum):
    """The cell styles of the workbook, by their index in its style table."""

    GENERAL = 0
    INTEGER = 1
    DATE = 2
    TIME = 3
    TIMESTAMP = 4
    HEADER = 5
    DECIMAL = 6
    """Of decimals without places; one style more for each place, up to 30."""


@dataclass(frozen=True)
class Cells:
    """A column of cells: ``before``, the value and ``after`` make one; a null value is an empty cell.

    Where ``before`` is empty the values are whole cells.
    """

    values: pa.StringArray
    before: str = ""
    after: str = ""


class CellEncoder:
    """Encodes the columns of one part. ``truncated`` counts the texts that were cut off at the limit."""

    def __init__(self, time_zone: str) -> None:
        self.truncated = 0
        self._style = TextStyle(time_zone)
        self._numbers_of: dict[Family, Callable[[pa.Array, ColumnType], Cells]] = {
            BOOLEAN: self._boolean,
            INTEGER: self._integer,
            FLOAT: self._float,
            DECIMAL: self._decimal,
            DATE: self._date,
            TIME: self._time,
            TIMESTAMP: self._timestamp,
            LOCAL_TIMESTAMP: self._timestamp,
        }

    def encode(self, column: pa.Array, kind: ColumnType) -> Cells:
        """The cells of a column."""
        if numbers := self._numbers_of.get(kind.family):
            special = special_values(column)
            if special is None:
                return numbers(column, kind)
            names = _whole(self._texts(special.names, kind))
            return Cells(pc.coalesce(names, _whole(numbers(special.others, kind))))
        return self._texts(as_text(column, kind, self._style), kind)

    def _boolean(self, column: pa.BooleanArray, _: ColumnType) -> Cells:
        return Cells(pc.if_else(column, "1", "0"), ' t="b"><v>', "</v></c>")

    def _integer(self, column: pa.Int64Array, kind: ColumnType) -> Cells:
        exact = pc.and_(pc.less_equal(column, _EXACT_INTEGER), pc.greater_equal(column, -_EXACT_INTEGER))
        return self._numbers(pc.cast(column, pa.string()), Style.INTEGER, exact, column, kind)

    def _float(self, column: pa.DoubleArray, kind: ColumnType) -> Cells:
        return self._numbers(pc.cast(column, pa.string()), Style.GENERAL, pc.is_finite(column), column, kind)

    def _decimal(self, column: pa.Decimal128Array, kind: ColumnType) -> Cells:
        words = as_text(column, kind, self._style)
        exact = None
        if column.type.precision > _EXACT_DIGITS:
            exact = pc.less_equal(significant_digits(words, column.type.scale), _EXACT_DIGITS)
        return self._numbers(words, Style.DECIMAL + min(column.type.scale, MAX_PLACES), exact, column, kind)

    def _date(self, column: pa.Date32Array, kind: ColumnType) -> Cells:
        serial = pc.add(pc.cast(column, pa.int32()), pa.scalar(_UNIX_EPOCH_SERIAL, pa.int32()))
        known = pc.and_(pc.greater_equal(serial, _FIRST_SERIAL), pc.less_equal(serial, _LAST_SERIAL))
        return self._numbers(pc.cast(serial, pa.string()), Style.DATE, known, column, kind)

    def _time(self, column: pa.Time64Array, kind: ColumnType) -> Cells:
        fraction = pc.divide(pc.cast(pc.cast(column, pa.int64()), pa.float64()), float(_DAY))
        return self._numbers(pc.cast(fraction, pa.string()), Style.TIME, None, column, kind)

    def _timestamp(self, column: pa.TimestampArray, kind: ColumnType) -> Cells:
        wall = to_wall_time(column, self._style.time_zone) if column.type.tz else column
        days = pc.divide(pc.cast(pc.cast(wall, pa.int64()), pa.float64(), safe=False), float(_DAY))
        serial = pc.add(days, float(_UNIX_EPOCH_SERIAL))
        known = pc.and_(pc.greater_equal(serial, float(_FIRST_SERIAL)), pc.less(serial, float(_LAST_SERIAL + 1)))
        return self._numbers(pc.cast(serial, pa.string()), Style.TIMESTAMP, known, column, kind)

    def _numbers(
        self, numbers: pa.StringArray, style: int, exact: pa.BooleanArray | None, column: pa.Array, kind: ColumnType
    ) -> Cells:
        """Number cells, with text cells where a number would not be exact."""
        before, after = f' s="{style}"><v>' if style else "><v>", "</v></c>"
        if exact is None or pc.all(exact, min_count=0).as_py():
            return Cells(numbers, before, after)
        words = self._texts(as_text(column, kind, self._style), kind)
        return Cells(pc.if_else(exact, join(before, numbers, after), _whole(words)))

    def _texts(self, words: pa.StringArray, kind: ColumnType) -> Cells:
        family = kind.family
        if family.escaped or not family.bounded:
            words = self._truncate(words)
        if family.escaped:
            words = escape_column(words)
        spaced = family.escaped and _has_outer_space(words)
        space = ' xml:space="preserve"' if spaced else ""
        return Cells(words, f' t="inlineStr"><is><t{space}>', "</t></is></c>")

    def _truncate(self, words: pa.StringArray) -> pa.StringArray:
        # A character has at least as many bytes as UTF-16 code units, so few texts need to be looked at.
        long = pc.fill_null(pc.greater(pc.binary_length(words), MAX_TEXT), False)
        if not pc.any(long).as_py():
            return words
        before = words.filter(long)
        cut = [text.encode("utf-16-le")[: 2 * MAX_TEXT].decode("utf-16-le", "ignore") for text in before.to_pylist()]
        after = pa.array(cut, pa.string())
        self.truncated += pc.sum(pc.not_equal(before, after)).as_py()
        return pc.replace_with_mask(words, long, after)


def _whole(cells: Cells) -> pa.StringArray:
    """Whole cells, null where the value is."""
    return join(cells.before, cells.values, cells.after) if cells.before else cells.values


def _has_outer_space(words: pa.StringArray) -> bool:
    return bool(pc.any(pc.not_equal(pc.ascii_trim_whitespace(words), words)).as_py())


MAX_PLACES = 30
"""A number format has at most this many decimal places (Excel specifications and limits)."""
