"""Columns as text: one rendering for each family of types but lists, the same in every format that shows it as text.

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

A year after 9999 has as many digits as it needs; one before 1 is counted as ISO 8601 does, with a year 0000: 44 BC is
``-0043``. Infinite dates, decimals that are not a number and 24:00 are written as ``special_values.py`` names them.
Offsets are whole minutes, which is all that RFC 3339 has: before standard time, where zones had seconds, the wall time
is that of the nearest minute, and the instant is right.

Everything works on whole columns; a null stays null.
"""

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import (
    BINARY,
    BOOLEAN,
    DATE,
    DECIMAL,
    FLOAT,
    INTEGER,
    INTERVAL,
    JSON,
    LOCAL_TIMESTAMP,
    TEXT,
    TIME,
    TIMESTAMP,
    UUID,
    ColumnType,
    Family,
)
from shared.formats.escape import append, column_bytes, join, replace_where, text
from shared.sources.special_values import DAY_MICROSECONDS, interval_pieces, special_values

_MICROSECONDS = 1_000_000
_NANOSECONDS = 1_000_000_000
_INT64_DIGITS = 18
"""Any number of so many digits fits into 64 bits."""
_YEAR_DIGITS = 4
_AFTER_DATE = 10
_FIRST_MOMENT = pc.cast(pa.scalar("0001-01-01"), pa.timestamp("us"))
_LAST_MOMENT = pc.cast(pa.scalar("9999-12-31 23:59:59.999999"), pa.timestamp("us"))
"""Between these a date has ten characters."""
_MINUTE = 60 * _MICROSECONDS
_QUARTER_OF_AN_HOUR = 15 * _MINUTE
_DAYS_OF_400_YEARS = 146_097
_QUARTERS_OF_400_YEARS = _DAYS_OF_400_YEARS * 96
_NEAR_DAYS = (-3_000_000, 8_000_000)
"""Days since 1970, more than 8,000 years before and 20,000 after; Arrow writes none much farther away."""
_STANDARD_TIME_EVERYWHERE = pa.scalar(datetime(1972, 2, 1, tzinfo=UTC), pa.timestamp("us", "UTC"))
"""Since then no zone is a fraction of a minute from UTC; the last was Liberia's."""
_END_OF_TRANSITIONS = pa.scalar(datetime(2037, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC"))
"""The last changes of clocks that a compiled time zone spells out are of 2037; later ones are given by a rule."""


@dataclass(frozen=True)
class TextStyle:
    """How text is written where formats differ: the zone of time stamps, and what stands between date and time."""

    time_zone: str = "UTC"
    date_time_separator: str = " "


def scalar_text(column: pa.Array, kind: ColumnType, style: TextStyle) -> pa.StringArray:
    """The column as text, as the table above says, or as its type renders it. ``kind`` is not a list."""
    if kind.render:
        return kind.render(column)
    render = _RENDERERS[kind.family]
    special = special_values(column)
    if special is None:
        return render(column, style)
    return pc.coalesce(special.names, render(special.others, style))


def to_wall_time(column: pa.TimestampArray, time_zone: str) -> pa.TimestampArray:
    """Time stamps with a zone, none of them special, as wall time in ``time_zone``, whole minutes from UTC.

    Casting zoned time stamps to text is many times slower than naive ones, so this always comes first.
    """
    if time_zone == "UTC":
        return column.cast(pa.timestamp("us"))
    wall = pc.local_timestamp(column.cast(pa.timestamp("us", time_zone)))
    bounds = pc.min_max(column)
    if pc.greater_equal(bounds["max"], _END_OF_TRANSITIONS).as_py():
        late = pc.fill_null(pc.greater_equal(column, _END_OF_TRANSITIONS), False)
        wall = pc.replace_with_mask(wall, late, _late_wall_time(column.filter(late), time_zone))
    if pc.less(bounds["min"], _STANDARD_TIME_EVERYWHERE).as_py():
        early = pc.fill_null(pc.less(column, _STANDARD_TIME_EVERYWHERE), False)
        wall = pc.replace_with_mask(wall, early, _to_the_minute(column.filter(early), wall.filter(early)))
    return wall


def _late_wall_time(column: pa.TimestampArray, time_zone: str) -> pa.TimestampArray:
    """The same for time stamps from 2037 on, where Arrow knows of no change of clocks any more, but ``zoneinfo`` does.

    Offsets are looked up once for each quarter of an hour that occurs: clocks change at no other time. The calendar
    repeats itself after 400 years, weekdays too, and ``zoneinfo`` ends with the year 9999.
    """
    instants = pc.cast(column, pa.int64())
    quarters = pc.divide(instants, _QUARTER_OF_AN_HOUR)
    known = pc.unique(quarters)
    zone = ZoneInfo(time_zone)
    first = _END_OF_TRANSITIONS.value // _QUARTER_OF_AN_HOUR
    offsets = [
        datetime.fromtimestamp(
            (first + (quarter - first) % _QUARTERS_OF_400_YEARS) * _QUARTER_OF_AN_HOUR // _MICROSECONDS, zone
        ).utcoffset()
        or timedelta()
        for quarter in known.to_pylist()
    ]
    shifts = pa.array([offset // timedelta(microseconds=1) for offset in offsets], pa.int64())
    return pc.cast(pc.add(instants, pc.take(shifts, pc.index_in(quarters, known))), pa.timestamp("us"))


def _to_the_minute(instants: pa.TimestampArray, wall: pa.TimestampArray) -> pa.TimestampArray:
    """The wall time with the offset from UTC rounded to whole minutes."""
    start = pc.cast(instants, pa.int64())
    minutes = pc.divide(pc.cast(pc.subtract(pc.cast(wall, pa.int64()), start), pa.float64()), float(_MINUTE))
    return pc.cast(pc.add(start, pc.multiply(pc.cast(pc.round(minutes), pa.int64()), _MINUTE)), pa.timestamp("us"))


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


def significant_digits(words: pa.StringArray, scale: int) -> pa.Int32Array:
    """How many digits decimals of this scale have, as text, between their outer zeros."""
    digits = pc.ascii_rtrim(words, "0") if scale else words
    return pc.binary_length(pc.ascii_ltrim(pc.replace_substring(digits, ".", ""), "-0"))


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
    """``+01:00``."""
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _local_timestamp(column: pa.TimestampArray, style: TextStyle) -> pa.StringArray:
    words = _moments(column)
    if style.date_time_separator == " ":
        return words
    bounds = pc.min_max(column)
    if pc.and_(pc.greater_equal(bounds["min"], _FIRST_MOMENT), pc.less_equal(bounds["max"], _LAST_MOMENT)).as_py():
        return pc.binary_replace_slice(words, _AFTER_DATE, _AFTER_DATE + 1, style.date_time_separator)
    return pc.replace_substring(words, " ", style.date_time_separator)


def _date(column: pa.Date32Array, _: TextStyle) -> pa.StringArray:
    return _in_any_year(column, lambda days: pc.cast(days, pa.string()))


def _moments(column: pa.TimestampArray) -> pa.StringArray:
    """Date, space and time, with a fraction only where there is one."""
    return _in_any_year(column, _near_moments)


def _in_any_year(column: pa.Array, write: Callable[[pa.Array], pa.StringArray]) -> pa.StringArray:
    """The text of ``write``, which Arrow limits to some years, for all of them.

    Others are moved by a multiple of 400 years, after which the calendar is the same, and the year is corrected.
    """
    unit = 1 if pa.types.is_date(column.type) else DAY_MICROSECONDS
    raw = column.view(pa.int32() if unit == 1 else pa.int64())
    low, high = (days * unit for days in _NEAR_DAYS)
    bounds = pc.min_max(raw)
    if bounds["min"].as_py() is None or (bounds["min"].as_py() >= low and bounds["max"].as_py() <= high):
        return write(column)
    far = pc.fill_null(pc.or_(pc.less(raw, low), pc.greater(raw, high)), False)
    numbers = pc.cast(raw.filter(far), pa.int64())
    cycle = _DAYS_OF_400_YEARS * unit
    cycles = pc.cast(pc.floor(pc.divide(pc.cast(numbers, pa.float64(), safe=False), float(cycle))), pa.int64())
    near = pc.subtract(numbers, pc.multiply(cycles, cycle))
    words = write((pc.cast(near, pa.int32()) if unit == 1 else near).view(column.type))
    years = pc.add(pc.cast(pc.utf8_slice_codeunits(words, 0, _YEAR_DIGITS), pa.int64()), pc.multiply(cycles, 400))
    words = join(pc.cast(years, pa.string()), pc.utf8_slice_codeunits(words, _YEAR_DIGITS))
    others = write(pc.if_else(far, pa.scalar(None, column.type), column))
    return replace_where(others, far, words)


def _near_moments(column: pa.TimestampArray) -> pa.StringArray:
    ticks = pc.cast(column, pa.int64())
    whole = pc.equal(pc.multiply(pc.divide(ticks, _MICROSECONDS), _MICROSECONDS), ticks)
    if pc.all(whole).as_py():
        return pc.cast(pc.cast(column, pa.timestamp("s")), pa.string())
    words = pc.cast(column, pa.string())
    return _without_zero_fraction(words) if pc.any(whole).as_py() else words


def _without_zero_fraction(words: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring(words, ".000000", "")


def _interval(column: pa.MonthDayNanoIntervalArray, _: TextStyle) -> pa.StringArray:
    months, days, nanos = interval_pieces(column)
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


_RENDERERS: dict[Family, Callable[[pa.Array, TextStyle], pa.StringArray]] = {
    INTEGER: _integer,
    FLOAT: _float,
    DECIMAL: _decimal,
    BOOLEAN: _boolean,
    TEXT: _as_it_is,
    UUID: _as_it_is,
    JSON: _as_it_is,
    BINARY: _binary,
    DATE: _date,
    TIME: _time,
    TIMESTAMP: _timestamp,
    LOCAL_TIMESTAMP: _local_timestamp,
    INTERVAL: _interval,
}
