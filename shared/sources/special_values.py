"""Values that databases have and Arrow's types do not: infinite dates, decimals that are not a number, 24:00.

Each stands in its column as a number that no ordinary value of the type has, so that columns stay what they are. A
source puts them there; a format asks for them, and writes their names or nothing:

===========================  ======================================  ===================================
type                         number                                  name
===========================  ======================================  ===================================
date, time stamps            the greatest, the least                 ``infinity``, ``-infinity``
decimal                      the greatest, the least, the next one   ``Infinity``, ``NaN``, ``-Infinity``
time                         the microseconds of a day               ``24:00:00``
interval                     months and days the greatest, or least  ``infinity``, ``-infinity``
===========================  ======================================  ===================================

The numbers of decimals of up to 18 digits are the greatest and least of 64 bits, for formats take such decimals as
integers of 64 bits; of longer ones, of all their bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

DAY_MICROSECONDS = 86_400_000_000
_INT64_DIGITS = 18
_EVERY_MONTH_AND_DAY = 0x7FFFFFFF7FFFFFFF
"""Months and days of an interval, the greatest of both, as one number."""
_DATE_NAMES = ("infinity", "-infinity")
_DECIMAL_NAMES = ("Infinity", "NaN", "-Infinity")


@dataclass(frozen=True)
class Special:
    """The special values of a column: a mask, null where the cell is; their names; and the column without them."""

    mask: pa.BooleanArray
    names: pa.StringArray
    others: pa.Array


def special_values(column: pa.Array) -> Special | None:
    """The special values of a column that is no list; None where there are none."""
    known = _known(column.type)
    if known is None:
        return None
    numbers, names = known
    raw = _numbers(column)
    # A look at both ends is enough for most columns; decimals are dearer to compare than to look up.
    if not pa.types.is_decimal(raw.type):
        ends = pa.array(pc.min_max(raw).values())
        if not pc.any(pc.is_in(ends, value_set=numbers)).as_py():
            return None
    found = pc.index_in(raw, value_set=numbers)
    if found.null_count == len(found):
        return None
    mask = pc.if_else(column.is_valid(), found.is_valid(), pa.scalar(None, pa.bool_()))
    return Special(mask, pc.take(names, found), pc.if_else(mask, pa.scalar(None, column.type), column))


def without_special_values(column: pa.Array) -> tuple[pa.Array, int]:
    """The column, or list, with nothing in place of its special values, and how many they were."""
    count = 0

    def cleared(values: pa.Array) -> pa.Array:
        nonlocal count
        if pa.types.is_list(values.type):
            return map_elements(values, cleared)
        special = special_values(values)
        if special is None:
            return values
        count += special.mask.true_count
        return special.others

    return cleared(column), count


def special_value(name: str, kind: pa.DataType) -> pa.Scalar:
    """What stands for the special value of this name in a column of this type, which is no interval."""
    known = _known(kind)
    if known is None:
        raise TypeError(f"{kind} has no special values")
    numbers, names = known
    at = names.index(name).as_py()
    return numbers[at : at + 1].view(kind)[0]


def map_elements(column: pa.ListArray, change: Callable[[pa.Array], pa.Array]) -> pa.ListArray:
    """The lists with their elements, all in one array, changed."""
    lengths = pc.cast(pc.fill_null(pc.list_value_length(column), 0), pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(offsets, change(column.flatten()), mask=mask)


def interval_pieces(column: pa.MonthDayNanoIntervalArray) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Months and days as 32-bit, nanoseconds as 64-bit integers (Arrow columnar format, "Month-day-nano interval")."""
    halves, wholes = _pieces(column, pa.int32(), 4), _pieces(column, pa.int64(), 2)
    return pc.list_element(halves, 0), pc.list_element(halves, 1), pc.list_element(wholes, 1)


def _pieces(column: pa.Array, kind: pa.DataType, each: int) -> pa.Array:
    count = len(column) + column.offset
    pieces = pa.Array.from_buffers(kind, each * count, [None, column.buffers()[1]])
    return pa.FixedSizeListArray.from_arrays(pieces, each).slice(column.offset)


@lru_cache(maxsize=64)
def _known(kind: pa.DataType) -> tuple[pa.Array, pa.StringArray] | None:
    """The special values of a type, as ``_numbers`` gives them, and their names."""
    if pa.types.is_date32(kind):
        return pa.array([2**31 - 1, -(2**31)], pa.int32()), pa.array(_DATE_NAMES)
    if pa.types.is_timestamp(kind):
        return pa.array([2**63 - 1, -(2**63)], pa.int64()), pa.array(_DATE_NAMES)
    if pa.types.is_time64(kind):
        return pa.array([DAY_MICROSECONDS], pa.int64()), pa.array(["24:00:00"])
    if kind == pa.month_day_nano_interval():
        return pa.array([_EVERY_MONTH_AND_DAY, -_EVERY_MONTH_AND_DAY - 1], pa.int64()), pa.array(_DATE_NAMES)
    if pa.types.is_decimal(kind):
        bits = 64 if kind.precision <= _INT64_DIGITS else kind.bit_width
        greatest = 2 ** (bits - 1) - 1
        values = (greatest, -greatest - 1, -greatest)
        data = b"".join(value.to_bytes(kind.bit_width // 8, "little", signed=True) for value in values)
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)]), pa.array(_DECIMAL_NAMES)
    return None


def _numbers(column: pa.Array) -> pa.Array:
    if pa.types.is_decimal(column.type):
        return column
    if column.type == pa.month_day_nano_interval():
        return pc.list_element(_pieces(column, pa.int64(), 2), 0)
    return column.view(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
