"""Make the columns that a database gave into the columns that an export promises, a whole column at a time.

``conform`` is strict where a silent change would be a lie (a fraction in an integer column, a decimal with more digits
than declared) and lenient where databases merely write the same value in another way (0 and 1 for booleans, ISO text
for dates). A time stamp without a zone in a column with one is taken as UTC. Infinite dates, decimals that are not a
number, and 24:00 become what ``special_values.py`` has for them, in lists too.
"""

from bisect import bisect_left
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.columns import Column
from shared.errors import SchemaChanged
from shared.sources.special_values import DAY_MICROSECONDS, map_elements, special_value

# PostgreSQL counts from 2000, and its driver adds the days or microseconds since 1970. The greatest number, which is
# infinity, and time stamps after the year 294246 pass the end of what fits, and come back far before 4713 BC, which is
# PostgreSQL's earliest date.
_EARLIEST_DAY = -2_500_000
_EARLIEST_MICROSECOND = _EARLIEST_DAY * DAY_MICROSECONDS
_DAYS_TO_2000 = 10_957
_INFINITE_DAYS = {"infinity": 2**31 - 1 + _DAYS_TO_2000 - 2**32, "-infinity": -(2**31) + _DAYS_TO_2000}
_INFINITE_MICROSECONDS = {
    "infinity": 2**63 - 1 + _DAYS_TO_2000 * DAY_MICROSECONDS - 2**64,
    "-infinity": -(2**63) + _DAYS_TO_2000 * DAY_MICROSECONDS,
}
_NOISE = 1e-9
"""The share of a double that sums of doubles may be wrong by."""
_DIGITS_OF_128_BITS, _DIGITS_OF_256_BITS = 38, 76
_NO_NUMBER = r"(?i)^\s*([+-]?)(nan|inf(?:inity)?)\s*$"
_SHOWN_CHARACTERS = 200
_UNFIT = (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError)


class Misfit(SchemaChanged):
    """A value that is not of its column's declared type; ``row`` is its place in the batch, where that is known."""

    def __init__(self, column: Column, reason: str, row: int | None = None) -> None:
        if len(reason) > _SHOWN_CHARACTERS:
            reason = reason[:_SHOWN_CHARACTERS] + "…"
        super().__init__(f"column '{column.name}' does not fit its declared type {column.type}: {reason}")
        self.column, self.row = column, row


def conform(batch: pa.RecordBatch, columns: tuple[Column, ...], schema: pa.Schema) -> pa.RecordBatch:
    """The batch with ``schema``, which is ``arrow_schema(columns)``; its columns are taken by position.

    Raises ``Misfit`` when a value does not fit.
    """
    arrays = [
        conform_column(array, column, field.type)
        for array, column, field in zip(batch.columns, columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def conform_column(array: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    """``array`` as ``wanted``. Raises ``Misfit``."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    try:
        return _fitted(array, wanted)
    except _UNFIT as error:
        reason = str(error)
    raise Misfit(column, reason, first_failing(len(array), lambda rows: _fails(array.slice(0, rows), wanted)))


def first_failing(rows: int, fails: Callable[[int], bool]) -> int:
    """The row that makes a batch fail, when ``fails`` says so of its first rows, as many as it is given."""
    return bisect_left(range(1, rows + 1), True, key=fails)


def _fails(array: pa.Array, wanted: pa.DataType) -> bool:
    try:
        _fitted(array, wanted)
    except _UNFIT:
        return True
    return False


def _fitted(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if array.null_count == len(array):
        return pa.nulls(len(array), wanted)
    return _checked(array if array.type.equals(wanted) else _cast(array, wanted))


def _cast(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(wanted):
        return _decimal(array, wanted)
    if pa.types.is_list(wanted) and pa.types.is_list(array.type):
        return map_elements(array, lambda elements: _cast(elements, wanted.value_type))
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
        bounds = pc.min_max(array)
        greatest = max(abs(bounds["min"].as_py() or 0), abs(bounds["max"].as_py() or 0))
        if greatest >= 10 ** (wanted.precision - wanted.scale):
            raise ValueError(f"{greatest} does not fit in its precision")
        array = pc.cast(array, pa.decimal128(19, 0))
    names = _names_of_no_numbers(array)
    if names is None:
        return _finite_decimal(array, wanted)
    result = _finite_decimal(pc.if_else(names.is_valid(), pa.scalar(None, array.type), array), wanted)
    for name in pc.unique(names.drop_null()).to_pylist():
        result = pc.if_else(pc.fill_null(pc.equal(names, name), False), special_value(name, wanted), result)
    return result


def _finite_decimal(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_floating(array.type):
        result = pc.cast(array, wanted)
        _check_places(array, result)
        return result
    if not pa.types.is_string(array.type):
        return pc.cast(array, wanted)
    # Arrow makes any number of a text of more digits than its decimals have room for, scale included, without an error.
    room = _DIGITS_OF_128_BITS if pa.types.is_decimal128(wanted) else _DIGITS_OF_256_BITS
    exponents = pc.fill_null(pc.match_substring(array, "e", ignore_case=True), False)
    long = pc.fill_null(pc.greater(pc.binary_length(array), room - wanted.scale), False)
    if pc.any(long).as_py():
        array = pc.replace_with_mask(array, long, _without_outer_zeros(array.filter(long)))
        plain = array.filter(pc.and_not(long, exponents))
        before, after = wanted.precision - wanted.scale, wanted.scale
        fits = pc.match_substring_regex(plain, rf"^\s*[+-]?(0|\d{{0,{before}}})(\.\d{{0,{after}}})?\s*$")
        if not pc.all(fits, min_count=0).as_py():
            raise ValueError(f"'{plain.filter(pc.invert(fits))[0]}' has too many digits")
    result = pc.cast(array, wanted)
    if pc.any(exponents).as_py():
        _check_places(pc.cast(array.filter(exponents), pa.float64()), result.filter(exponents))
    return result


def _without_outer_zeros(words: pa.StringArray) -> pa.StringArray:
    words = pc.replace_substring_regex(words, r"^(\s*[+-]?)0+(\d)", r"\1\2")
    words = pc.replace_substring_regex(words, r"(\.\d*?)0+(\s*)$", r"\1\2")
    return pc.replace_substring_regex(words, r"\.(\s*)$", r"\1")


def _check_places(array: pa.Array, decimals: pa.Array) -> None:
    """Refuse numbers of more places than the decimals have; what arithmetic leaves at the end of a double is none."""
    lost = pc.abs(pc.subtract(array, pc.cast(decimals, pa.float64())))
    wrong = pc.greater(lost, pc.multiply(pc.abs(array), _NOISE))
    if pc.any(wrong).as_py():
        raise ValueError(f"{array.filter(wrong)[0]} has more places")


def _names_of_no_numbers(array: pa.Array) -> pa.StringArray | None:
    """``NaN``, ``Infinity`` or ``-Infinity`` for each cell that is one of them; None where there is none."""
    if pa.types.is_floating(array.type):
        finite = pc.fill_null(pc.is_finite(array), True)
        if pc.all(finite).as_py():
            return None
        words = pc.if_else(finite, pa.scalar(None, pa.string()), pc.cast(array, pa.string()))
    elif pa.types.is_string(array.type):
        found = pc.fill_null(pc.match_substring_regex(array, _NO_NUMBER), False)
        if not pc.any(found).as_py():
            return None
        words = pc.if_else(found, array, pa.scalar(None, pa.string()))
    else:
        return None
    infinity = pc.if_else(pc.match_substring(words, "-"), "-Infinity", "Infinity")
    return pc.if_else(pc.match_substring(words, "nan", ignore_case=True), "NaN", infinity)


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
    schema = pa.schema([("list", _as_json(wanted))])
    parse = pajson.ParseOptions(explicit_schema=schema, newlines_in_values=True, unexpected_field_behavior="error")
    table = pajson.read_json(pa.BufferReader(data), options, parse)
    if table.num_rows != len(array):
        raise ValueError("not one JSON array in each row")
    found = table["list"].combine_chunks()
    return found if found.type.equals(wanted) else _cast(found, wanted)


def _as_json(wanted: pa.DataType) -> pa.DataType:
    """What JSON of this type is parsed as: decimals are text first."""
    if pa.types.is_list(wanted):
        return pa.list_(_as_json(wanted.value_type))
    return pa.string() if pa.types.is_decimal(wanted) else wanted


def _checked(array: pa.Array) -> pa.Array:
    """The array with PostgreSQL's infinities as ours. Raises ``ValueError`` for values that are no date or time."""
    kind = array.type
    if pa.types.is_list(kind):
        return map_elements(array, _checked) if _has_limits(kind.value_type) else array
    if not _has_limits(kind) or array.null_count == len(array):
        return array
    if pa.types.is_time64(kind):
        if pc.max(array.view(pa.int64())).as_py() > DAY_MICROSECONDS:
            raise ValueError("a time of day is after 24:00:00")
        return array
    days = pa.types.is_date32(kind)
    raw = array.view(pa.int32() if days else pa.int64())
    earliest, infinite = (_EARLIEST_DAY, _INFINITE_DAYS) if days else (_EARLIEST_MICROSECOND, _INFINITE_MICROSECONDS)
    if pc.min(raw).as_py() >= earliest:
        return array
    found = {name: pc.fill_null(pc.equal(raw, pa.scalar(number, raw.type)), False) for name, number in infinite.items()}
    others = pc.if_else(pc.or_(*found.values()), pa.scalar(None, raw.type), raw)
    least = pc.min(others).as_py()
    if least is not None and least < earliest:
        raise ValueError("a time stamp is after the year 294246")
    for name, mask in found.items():
        array = pc.if_else(mask, special_value(name, kind), array)
    return array


def _has_limits(kind: pa.DataType) -> bool:
    """Whether a type, or the elements of a list of it, can hold what is no date or time."""
    if pa.types.is_list(kind):
        return _has_limits(kind.value_type)
    return bool(pa.types.is_date32(kind) or pa.types.is_timestamp(kind) or pa.types.is_time64(kind))
