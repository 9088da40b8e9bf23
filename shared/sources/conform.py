"""Make the columns that a database gave into the columns that an export promises, a whole column at a time.

``conform`` is strict where a silent change would be a lie (a fraction in an integer column, a decimal with more digits
than declared) and lenient where databases merely write the same value in another way (0 and 1 for booleans, ISO text
for dates). A time stamp without a zone in a column with one is taken as UTC.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from shared.columns import Column
from shared.errors import SchemaChanged

_DAY_MICROSECONDS = 86_400_000_000
# PostgreSQL's infinities arrive as numbers far before its earliest date, 4713 BC.
_EARLIEST_DAY = -2_500_000
_EARLIEST_MICROSECOND = _EARLIEST_DAY * _DAY_MICROSECONDS
_SHOWN_CHARACTERS = 200


def conform(batch: pa.RecordBatch, columns: tuple[Column, ...], schema: pa.Schema) -> pa.RecordBatch:
    """The batch with ``schema``, which is ``arrow_schema(columns)``; its columns are taken by position.

    Raises ``SchemaChanged``, with the column's name and the reason, when a value does not fit.
    """
    arrays = [
        conform_column(array, column, field.type)
        for array, column, field in zip(batch.columns, columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def conform_column(array: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    """``array`` as ``wanted``. Raises ``SchemaChanged``."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    try:
        if array.null_count == len(array):
            return pa.nulls(len(array), wanted)
        result = array if array.type.equals(wanted) else _cast(array, wanted)
        _check_range(result)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise does_not_fit(column, str(error)) from None
    return result


def does_not_fit(column: Column, reason: str) -> SchemaChanged:
    """The error for a column whose values are not of the declared type."""
    if len(reason) > _SHOWN_CHARACTERS:
        reason = reason[:_SHOWN_CHARACTERS] + "…"
    return SchemaChanged(f"column '{column.name}' does not fit its declared type {column.type}: {reason}")


def _cast(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(wanted):
        return _decimal(array, wanted)
    if pa.types.is_string(array.type) and (parse := _parser(wanted)):
        return parse(array)
    if pa.types.is_boolean(wanted) and pa.types.is_integer(array.type):
        bounds = pc.min_max(array)
        if bounds["min"].as_py() < 0 or bounds["max"].as_py() > 1:
            raise ValueError("only 0 and 1 are booleans")
    if pa.types.is_timestamp(array.type) and pa.types.is_date(wanted):
        return pc.cast(pc.floor_temporal(array, unit="day"), wanted)
    if pa.types.is_integer(array.type) and pa.types.is_floating(wanted):
        return pc.cast(array, wanted, safe=False)
    return pc.cast(array, wanted)


def _decimal(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_integer(array.type):
        array = pc.cast(array, pa.decimal128(19, 0))
    return pc.cast(array, wanted)


def _parser(wanted: pa.DataType) -> Callable[[pa.Array], pa.Array] | None:
    if pa.types.is_timestamp(wanted):
        return _zoned_timestamps if wanted.tz else _wall_clock_timestamps
    if pa.types.is_date(wanted):
        return _dates
    if pa.types.is_time(wanted):
        return _times
    if pa.types.is_list(wanted):
        return lambda array: _json_lists(array, wanted)
    return None


def _zoned_timestamps(array: pa.Array) -> pa.Array:
    """Text with or without a zone; without means UTC. Both in one column are rare, and take the slow way."""
    utc = pa.timestamp("us", "UTC")
    first = array[pc.index(array.is_valid(), True).as_py()].as_py()
    try:
        if _has_zone(pa.array([first]))[0].as_py():
            return pc.cast(array, utc)
        return pc.cast(pc.cast(array, pa.timestamp("us")), utc)
    except pa.ArrowInvalid:
        zoned, nothing = _has_zone(array), pa.scalar(None, pa.string())
        with_zone = _fine_timestamps(pc.if_else(zoned, array, nothing), utc)
        without = _fine_timestamps(pc.if_else(zoned, nothing, array), pa.timestamp("us"))
        return pc.coalesce(with_zone, pc.cast(without, utc))


def _wall_clock_timestamps(array: pa.Array) -> pa.Array:
    try:
        return pc.cast(array, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return _fine_timestamps(array, pa.timestamp("us"))


def _fine_timestamps(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Some frameworks write seven or nine digits of a second; an export has six."""
    try:
        return pc.cast(array, wanted)
    except pa.ArrowInvalid:
        shorter = pc.replace_substring_regex(array, r"(\.\d{6})\d+", r"\1")
        return pc.cast(shorter, wanted)


def _has_zone(array: pa.Array) -> pa.Array:
    return pc.match_substring_regex(array, r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$")


def _dates(array: pa.Array) -> pa.Array:
    try:
        return pc.cast(array, pa.date32())
    except pa.ArrowInvalid:
        return pc.cast(pc.floor_temporal(_wall_clock_timestamps(array), unit="day"), pa.date32())


def _times(array: pa.Array) -> pa.Array:
    moments = _wall_clock_timestamps(pc.binary_join_element_wise("1970-01-01 ", array, ""))
    return pc.cast(moments, pa.time64("us"))


def _json_lists(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """JSON arrays in text, parsed by Arrow's own reader."""
    import pyarrow.json as pajson

    lines = pc.binary_join_element_wise('{"list":', pc.fill_null(array, "null"), "}\n", "")
    data = lines.buffers()[2].slice(0, pc.sum(pc.binary_length(lines)).as_py())
    options = pajson.ReadOptions(use_threads=False, block_size=data.size + 1)
    element = pa.string() if pa.types.is_decimal(wanted.value_type) else wanted.value_type
    schema = pa.schema([("list", pa.list_(element))])
    parse = pajson.ParseOptions(explicit_schema=schema, newlines_in_values=True, unexpected_field_behavior="error")
    table = pajson.read_json(pa.BufferReader(data), options, parse)
    if table.num_rows != len(array):
        raise ValueError("not one JSON array in each row")
    return pc.cast(table["list"].combine_chunks(), wanted)


def _check_range(array: pa.Array) -> None:
    """Values that the Arrow type can hold, but that are no such thing."""
    if pa.types.is_date32(array.type):
        if pc.min(array.view(pa.int32())).as_py() < _EARLIEST_DAY:
            raise ValueError("a date is infinite")
    elif pa.types.is_timestamp(array.type):
        if pc.min(array.view(pa.int64())).as_py() < _EARLIEST_MICROSECOND:
            raise ValueError("a time stamp is infinite")
    elif pa.types.is_time64(array.type) and pc.max(array.view(pa.int64())).as_py() >= _DAY_MICROSECONDS:
        raise ValueError("24:00:00 is not a time of day")
