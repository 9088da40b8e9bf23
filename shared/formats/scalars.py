"""Columns as text: one rendering for each type that is not a list, the same in every format that shows it as text.

=================  =====================================================================================
integer            decimal digits
float              the shortest digits that read back equal; ``NaN``, ``Infinity``, ``-Infinity``; ``-0``
decimal(p,s)       exactly s digits after the point, never an exponent
boolean            ``true``, ``false``
text, uuid, json   as it is
binary             base64 with padding (RFC 4648, section 4)
date               ``2024-12-31`` (ISO 8601)
time               ``23:59:59`` or, when there is a fraction, ``23:59:59.123456``
timestamp          wall time in the file's zone with its offset: ``2024-12-31 23:59:59+01:00``, ``Z`` for UTC (RFC 3339)
local timestamp    the same without an offset
interval           ISO 8601 duration: ``P1Y2M3DT4H5M6.5S``, ``PT0S``
=================  =====================================================================================

Everything works on whole columns; a null stays null.
"""

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from shared.formats.escape import append, column_bytes, join, replace_where, text

_MICROSECONDS = 1_000_000
_NANOSECONDS = 1_000_000_000
_INT64_DIGITS = 18
"""Any number of so many digits fits into 64 bits."""
_AFTER_DATE = 10
_FIRST_MOMENT = pc.cast(pa.scalar("0001-01-01"), pa.timestamp("us"))
_LAST_MOMENT = pc.cast(pa.scalar("9999-12-31 23:59:59.999999"), pa.timestamp("us"))
"""Between these a date has ten characters."""
_QUARTER_OF_AN_HOUR = 900 * _MICROSECONDS
_END_OF_TRANSITIONS = pa.scalar(datetime(2037, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC"))
"""The last changes of clocks that a compiled time zone spells out are of 2037; later ones are given by a rule."""


@dataclass(frozen=True)
class TextStyle:
    """How text is written where formats differ: the zone of time stamps, and what stands between date and time."""

    time_zone: str = "UTC"
    date_time_separator: str = " "


def base_type(type_name: str) -> str:
    """``decimal`` for ``decimal(12,2)``, ``list`` for ``list<...>``, else the name itself."""
    return type_name.partition("(")[0].partition("<")[0]


def scalar_text(column: pa.Array, type_name: str, style: TextStyle) -> pa.StringArray:
    """The column as text, as the table above says. ``type_name`` is a column type that is not a list."""
    return _RENDERERS[base_type(type_name)](column, style)


def to_wall_time(column: pa.TimestampArray, time_zone: str) -> pa.TimestampArray:
    """Time stamps with a zone as wall time in ``time_zone``.

    Casting zoned time stamps to text is many times slower than naive ones, so this always comes first.
    """
    if time_zone == "UTC":
        return column.cast(pa.timestamp("us"))
    wall = pc.local_timestamp(column.cast(pa.timestamp("us", time_zone)))
    late = pc.greater_equal(column, _END_OF_TRANSITIONS)
    if not pc.any(late).as_py():
        return wall
    return pc.replace_with_mask(wall, pc.fill_null(late, False), _late_wall_time(column.filter(late), time_zone))


def _late_wall_time(column: pa.TimestampArray, time_zone: str) -> pa.TimestampArray:
    """The same for time stamps from 2037 on, where Arrow knows of no change of clocks any more, but ``zoneinfo`` does.

    Offsets are looked up once for each quarter of an hour that occurs: clocks change at no other time.
    """
    instants = pc.cast(column, pa.int64())
    quarters = pc.divide(instants, _QUARTER_OF_AN_HOUR)
    known = pc.unique(quarters)
    zone = ZoneInfo(time_zone)
    offsets = [
        datetime.fromtimestamp(quarter * _QUARTER_OF_AN_HOUR // _MICROSECONDS, zone).utcoffset() or timedelta()
        for quarter in known.to_pylist()
    ]
    shifts = pa.array([offset // timedelta(microseconds=1) for offset in offsets], pa.int64())
    return pc.cast(pc.add(instants, pc.take(shifts, pc.index_in(quarters, known))), pa.timestamp("us"))


def _integer(column: pa.Array, _: TextStyle) -> pa.StringArray:
    return pc.cast(column, pa.string())


def _float(column: pa.DoubleArray, _: TextStyle) -> pa.StringArray:
    words = pc.cast(column, pa.string())
    finite = pc.is_finite(column)
    if pc.all(finite, min_count=0).as_py():
        return words
    words = pc.if_else(pc.equal(words, "nan"), "NaN", words)
    words = pc.if_else(pc.equal(words, "-nan"), "NaN", words)
    words = pc.if_else(pc.equal(words, "inf"), "Infinity", words)
    return pc.if_else(pc.equal(words, "-inf"), "-Infinity", words)


def _decimal(column: pa.Decimal128Array, _: TextStyle) -> pa.StringArray:
    scale = column.type.scale
    if not scale:
        return pc.cast(column, pa.string())
    # Arrow writes small values of many places with an exponent, so the point is put into the digits here.
    unscaled = _unscaled(column)
    digits = pc.cast(unscaled, pa.string())
    words = pc.binary_replace_slice(digits, -scale, -scale, ".")
    fraction = pc.fill_null(pc.less(pc.binary_length(digits), scale + 2), False)
    if not pc.any(fraction).as_py():
        return words
    return replace_where(words, fraction, _from_digits(digits.filter(fraction), scale))


def _unscaled(column: pa.Decimal128Array) -> pa.Array:
    """The digits as whole numbers: 64-bit integers where they fit, which is quicker."""
    precision = column.type.precision
    whole = pa.decimal128(precision, 0) if pa.types.is_decimal128(column.type) else pa.decimal256(precision, 0)
    unscaled = pa.Array.from_buffers(whole, len(column), column.buffers(), column.null_count, column.offset)
    return pc.cast(unscaled, pa.int64()) if precision <= _INT64_DIGITS else unscaled


def _from_digits(digits: pa.StringArray, scale: int) -> pa.StringArray:
    """``-5`` as ``-0.05`` for a scale of 2: zeros are put in front as far as they are needed."""
    padded = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), scale + 1, "0")
    plain = pc.binary_replace_slice(padded, -scale, -scale, ".")
    return pc.if_else(pc.starts_with(digits, "-"), join("-", plain), plain)


def _boolean(column: pa.BooleanArray, _: TextStyle) -> pa.StringArray:
    return pc.if_else(column, text("true"), text("false"))


def _as_it_is(column: pa.StringArray, _: TextStyle) -> pa.StringArray:
    return column


def _binary(column: pa.BinaryArray, _: TextStyle) -> pa.StringArray:
    """Base64 of all cells in one call: each cell is filled up to a multiple of three bytes first."""
    length = pc.fill_null(pc.binary_length(column), 0)
    missing = pc.subtract(2, pc.subtract_checked(pc.add(length, 2), pc.multiply(pc.divide(pc.add(length, 2), 3), 3)))
    zeros = pc.take(pa.array([b"", b"\0", b"\0\0"], pa.binary()), missing)
    filled = pc.binary_join_element_wise(pc.fill_null(column, b""), zeros, pa.scalar(b"", pa.binary()))
    encoded = binascii.b2a_base64(column_bytes(filled), newline=False)
    _, offsets, _ = filled.buffers()
    starts = pa.Array.from_buffers(pa.int32(), len(filled) + 1, [None, offsets], offset=filled.offset)
    stretched = pc.cast(pc.multiply(pc.divide(starts, 3), 4), pa.int32())
    words = pa.StringArray.from_buffers(len(filled), stretched.buffers()[1], pa.py_buffer(encoded))
    for count, padding in ((1, "="), (2, "==")):
        mask = pc.equal(missing, count)
        if pc.any(mask).as_py():
            words = replace_where(words, mask, join(pc.utf8_slice_codeunits(words.filter(mask), 0, -count), padding))
    return pc.if_else(column.is_valid(), words, pa.scalar(None, pa.string()))


def _time(column: pa.Time64Array, _: TextStyle) -> pa.StringArray:
    return _without_zero_fraction(pc.cast(column, pa.string()))


def _timestamp(column: pa.TimestampArray, style: TextStyle) -> pa.StringArray:
    wall = to_wall_time(column, style.time_zone)
    words = _local_timestamp(wall, style)
    if style.time_zone == "UTC":
        return append(words, "Z")
    seconds = pc.divide(pc.subtract(pc.cast(wall, pa.int64()), pc.cast(column, pa.int64())), _MICROSECONDS)
    known = pc.unique(seconds)
    names = pa.array([None if s is None else _offset(s) for s in known.to_pylist()], pa.string())
    return join(words, pc.take(names, pc.index_in(seconds, known)))


def _offset(seconds: int) -> str:
    """``+01:00``; with seconds where a zone once had them (``+00:53:28``, before standard time)."""
    minutes, rest = divmod(abs(seconds), 60)
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{rest:02}" if rest else "")


def _local_timestamp(column: pa.TimestampArray, style: TextStyle) -> pa.StringArray:
    words = _moments(column)
    if style.date_time_separator == " ":
        return words
    bounds = pc.min_max(column)
    if pc.and_(pc.greater_equal(bounds["min"], _FIRST_MOMENT), pc.less_equal(bounds["max"], _LAST_MOMENT)).as_py():
        return pc.binary_replace_slice(words, _AFTER_DATE, _AFTER_DATE + 1, style.date_time_separator)
    return pc.replace_substring(words, " ", style.date_time_separator)


def _moments(column: pa.TimestampArray) -> pa.StringArray:
    """Date, space and time, with a fraction only where there is one."""
    ticks = pc.cast(column, pa.int64())
    whole = pc.equal(pc.multiply(pc.divide(ticks, _MICROSECONDS), _MICROSECONDS), ticks)
    if pc.all(whole).as_py():
        return pc.cast(pc.cast(column, pa.timestamp("s")), pa.string())
    words = pc.cast(column, pa.string())
    return _without_zero_fraction(words) if pc.any(whole).as_py() else words


def _without_zero_fraction(words: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring(words, ".000000", "")


def _interval(column: pa.MonthDayNanoIntervalArray, _: TextStyle) -> pa.StringArray:
    # A cell is two 32-bit integers and a 64-bit one (Arrow columnar format, "Month-day-nano interval").
    _, cells = column.buffers()
    count = len(column) + column.offset
    halves = pa.FixedSizeListArray.from_arrays(pa.Array.from_buffers(pa.int32(), 4 * count, [None, cells]), 4)
    wholes = pa.FixedSizeListArray.from_arrays(pa.Array.from_buffers(pa.int64(), 2 * count, [None, cells]), 2)
    halves, wholes = halves.slice(column.offset), wholes.slice(column.offset)
    months, days, nanos = pc.list_element(halves, 0), pc.list_element(halves, 1), pc.list_element(wholes, 1)
    years, minutes = pc.divide(months, 12), pc.divide(nanos, 60 * _NANOSECONDS)
    hours = pc.divide(minutes, 60)
    rest = pc.subtract(nanos, pc.multiply(minutes, 60 * _NANOSECONDS))
    date = join(
        _amount(years, "Y"),
        _amount(pc.subtract(months, pc.multiply(years, 12)), "M"),
        _amount(days, "D"),
    )
    time = join(_amount(hours, "H"), _amount(pc.subtract(minutes, pc.multiply(hours, 60)), "M"), _seconds(rest))
    time = pc.if_else(pc.equal(time, ""), time, join("T", time))
    words = pc.if_else(pc.equal(join(date, time), ""), "PT0S", join("P", date, time))
    return pc.if_else(column.is_valid(), words, pa.scalar(None, pa.string()))


def _amount(number: pa.Array, unit: str) -> pa.StringArray:
    return pc.if_else(pc.equal(number, 0), text(""), join(pc.cast(number, pa.string()), unit))


def _seconds(nanos: pa.Int64Array) -> pa.StringArray:
    magnitude = pc.abs(nanos)
    whole = pc.divide(magnitude, _NANOSECONDS)
    fraction = pc.cast(pc.subtract(magnitude, pc.multiply(whole, _NANOSECONDS)), pa.string())
    fraction = pc.utf8_rtrim(pc.utf8_lpad(fraction, 9, "0"), "0")
    point = pc.if_else(pc.equal(fraction, ""), text(""), text("."))
    sign = pc.if_else(pc.less(nanos, 0), text("-"), text(""))
    words = join(sign, pc.cast(whole, pa.string()), point, fraction, "S")
    return pc.if_else(pc.equal(nanos, 0), text(""), words)


_RENDERERS: dict[str, Callable[[pa.Array, TextStyle], pa.StringArray]] = {
    "integer": _integer,
    "float": _float,
    "decimal": _decimal,
    "boolean": _boolean,
    "text": _as_it_is,
    "uuid": _as_it_is,
    "json": _as_it_is,
    "binary": _binary,
    "date": _integer,
    "time": _time,
    "timestamp": _timestamp,
    "local timestamp": _local_timestamp,
    "interval": _interval,
}
