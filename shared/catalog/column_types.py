"""The registry of column types. A type is one object here, and everything else asks it.

To add a type, add an object to ``COLUMN_TYPES`` and run ``make reference``, which writes its row of
``docs/reference/types.md``::

    ColumnType("url", example="https://example.com/?q=1"),

That is a type of text: escaped in every format, compared in filters as text. A type that is like another one but for
its name, or its Arrow type, is ``replace(_INTEGER, name="year", arrow=pa.int16(), example=1999)``. A type whose values
are written in a way of their own has a ``render``.

A type stands for exactly one Arrow type, so that every source delivers, and every format encodes, the same thing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from shared.catalog import filter_parsers
from shared.catalog.filter_parsers import FilterParser


@dataclass(frozen=True, eq=False)
class Family:
    """What a format knows how to write: every format has one way for each family.

    ``fits``: whether columns of an Arrow type can be written so. ``escaped``: whether the text of a value can hold any
    character, so that every format has to escape it, and CSV guards it as a formula. It is true unless the family says
    that it cannot be. ``number``: JSON writes it bare, tables on the right. ``bounded``: its texts are short and of
    about one length, so that a PDF never narrows the column.
    """

    name: str
    fits: Callable[[pa.DataType], bool]
    escaped: bool = True
    number: bool = False
    bounded: bool = False


INTEGER = Family("integer", pa.types.is_integer, escaped=False, number=True, bounded=True)
FLOAT = Family("float", pa.types.is_floating, escaped=False, number=True, bounded=True)
DECIMAL = Family("decimal", pa.types.is_decimal, escaped=False, number=True, bounded=True)
BOOLEAN = Family("boolean", pa.types.is_boolean, escaped=False, bounded=True)
TEXT = Family("text", pa.types.is_string)
UUID = Family("uuid", pa.types.is_string, bounded=True)
"""Escaped: a source that is not strict may deliver any text."""
JSON = Family("json", pa.types.is_string)
BINARY = Family("binary", pa.types.is_binary, escaped=False)
DATE = Family("date", pa.types.is_date32, escaped=False, bounded=True)
TIME = Family("time", pa.time64("us").equals, escaped=False, bounded=True)
TIMESTAMP = Family("timestamp", pa.timestamp("us", "UTC").equals, escaped=False, bounded=True)
LOCAL_TIMESTAMP = Family("local timestamp", pa.timestamp("us").equals, escaped=False, bounded=True)
INTERVAL = Family("interval", pa.month_day_nano_interval().equals, escaped=False, bounded=True)
LIST = Family("list", pa.types.is_list)

_TEXTS = frozenset({"text", "varchar"})
_WHOLE_NUMBERS = frozenset({"int2", "int4", "int8"})
_TIMESTAMPS = frozenset({"timestamp", "timestamptz"})


@dataclass(frozen=True)
class PostgresqlCasts:
    """How PostgreSQL's own types (names in ``pg_catalog``) are fetched for a column type.

    ``none``: those that are fetched as they are, which the driver reads quickly and exactly. ``special``: those that
    are cast to other types, one after the other. All others are cast to text, which is what psql shows.
    """

    none: frozenset[str] = _TEXTS
    special: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnType:
    """One type that a column, or a filter, can have.

    - ``name``: what an export type writes, ``"decimal(12,2)"``.
    - ``example``: a value of it, for the table in ``docs/reference/types.md``.
    - ``arrow``: the Arrow type of its columns.
    - ``family``: how formats write it.
    - ``render``: makes the text of a whole column of any Arrow type, in the family ``TEXT``; null stays null. Formats
      escape what it makes.
    - ``filter``: how a filter's value is read; None when no filter can have the type.
    - ``postgresql``: how PostgreSQL's types are fetched for it. SQLite has no types: how it is read depends on the
      family and the Arrow type (``sqlite_reading.py``).
    - ``element``: the type of a list's elements.

    Raises ``ValueError`` where the Arrow type is not of the family, unless a ``render`` makes text of it, and where a
    ``render`` is in a family that might not be escaped.
    """

    name: str
    example: Any
    arrow: pa.DataType = field(default_factory=pa.string)
    family: Family = TEXT
    render: Callable[[pa.Array], pa.StringArray] | None = None
    filter: FilterParser | None = filter_parsers.TEXT
    postgresql: PostgresqlCasts = PostgresqlCasts()
    element: "ColumnType | None" = None

    def __post_init__(self) -> None:
        """Refuse what would be written without being escaped, or could not be written at all."""
        if self.render and self.family is not TEXT:
            raise ValueError(f"column type '{self.name}' has a render, so its family must be TEXT, which is escaped")
        if not self.render and not self.family.fits(self.arrow):
            raise ValueError(
                f"column type '{self.name}': {self.arrow} cannot be written as the family {self.family.name}"
            )

    @property
    def innermost(self) -> "ColumnType":
        """The type of the elements of a list of lists, however deep; of another type, the type itself."""
        return self.element.innermost if self.element else self


_INTEGER = ColumnType(
    "integer",
    42,
    pa.int64(),
    INTEGER,
    filter=filter_parsers.INTEGER,
    postgresql=PostgresqlCasts(_WHOLE_NUMBERS, {"oid": ("int8",)}),
)
_FLOAT = ColumnType(
    "float",
    1234.5,
    pa.float64(),
    FLOAT,
    filter=filter_parsers.FLOAT,
    postgresql=PostgresqlCasts(
        _WHOLE_NUMBERS | {"float8"},
        {
            "float4": ("text", "float8"),  # the shortest digits that read back, as psql shows them
            "numeric": ("float8",),
            "money": ("numeric", "float8"),
        },
    ),
)
_DECIMAL = ColumnType(
    "decimal(12,2)",
    Decimal("-1234.50"),
    pa.decimal128(12, 2),
    DECIMAL,
    filter=filter_parsers.DECIMAL,
    # The driver is slow at numeric, and as text it is exact.
    postgresql=PostgresqlCasts(_WHOLE_NUMBERS, {"money": ("numeric", "text")}),
)
_BOOLEAN = ColumnType(
    "boolean",
    True,
    pa.bool_(),
    BOOLEAN,
    filter=filter_parsers.BOOLEAN,
    postgresql=PostgresqlCasts(_WHOLE_NUMBERS | {"bool"}),
)
_TEXT = ColumnType("text", 'Zoë, "Ann"')
_UUID = ColumnType("uuid", "123e4567-e89b-12d3-a456-426614174000", family=UUID, filter=filter_parsers.UUID_TEXT)
_JSON = ColumnType("json", '{"a": [1, null]}', family=JSON, filter=None)
_BINARY = ColumnType(
    "binary", b"\x00\xffdata", pa.binary(), BINARY, filter=None, postgresql=PostgresqlCasts(frozenset({"bytea"}))
)
_DATE = ColumnType(
    "date",
    date(2024, 12, 31),
    pa.date32(),
    DATE,
    filter=filter_parsers.DATE,
    postgresql=PostgresqlCasts(frozenset({"date"}), {"timestamp": ("date",), "timestamptz": ("date",)}),
)
_TIME = ColumnType(
    "time",
    time(23, 59, 59),
    pa.time64("us"),
    TIME,
    filter=None,
    postgresql=PostgresqlCasts(frozenset({"time"})),
)
_TIMESTAMP = ColumnType(
    "timestamp",
    datetime(2024, 7, 1, 10, tzinfo=UTC),
    pa.timestamp("us", tz="UTC"),
    TIMESTAMP,
    filter=filter_parsers.MOMENT,
    postgresql=PostgresqlCasts(_TIMESTAMPS, {"date": ("timestamp",)}),
)
_LOCAL_TIMESTAMP = ColumnType(
    "local timestamp",
    datetime(2024, 7, 1, 10),  # noqa: DTZ001 - it has no zone
    pa.timestamp("us"),
    LOCAL_TIMESTAMP,
    filter=filter_parsers.MOMENT,
    postgresql=PostgresqlCasts(_TIMESTAMPS, {"date": ("timestamp",)}),
)
_INTERVAL = ColumnType(
    "interval",
    pa.MonthDayNano([14, 3, 14_706_500_000_000]),
    pa.month_day_nano_interval(),
    INTERVAL,
    filter=None,
    postgresql=PostgresqlCasts(frozenset({"interval"})),
)

COLUMN_TYPES: dict[str, ColumnType] = {
    type_.name: type_
    for type_ in (
        _INTEGER,
        _FLOAT,
        _BOOLEAN,
        _TEXT,
        _UUID,
        _JSON,
        _BINARY,
        _DATE,
        _TIME,
        _TIMESTAMP,
        _LOCAL_TIMESTAMP,
        _INTERVAL,
    )
}
"""Every type that has a name of its own, beside ``decimal(p,s)`` and ``list<type>``."""

_DECIMAL_NAME = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")
_LIST_NAME = re.compile(r"list<(.+)>")
_LONGEST_OF_128_BITS = 38


def column_type(name: str) -> ColumnType:
    """The type of this name. Raises ``ValueError`` for a name that is not known."""
    if name in COLUMN_TYPES:
        return COLUMN_TYPES[name]
    if match := _DECIMAL_NAME.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        kind = pa.decimal128 if precision <= _LONGEST_OF_128_BITS else pa.decimal256
        return replace(_DECIMAL, name=name, arrow=kind(precision, scale))
    if match := _LIST_NAME.fullmatch(name):
        element = column_type(match[1])
        example = [element.example, None]
        return ColumnType(name, example, pa.list_(element.arrow), LIST, filter=None, element=element)
    known = ", ".join([*COLUMN_TYPES, "decimal(p,s)", "list<type>"])
    raise ValueError(f"unknown column type '{name}'; known: {known}")


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of the type of this name. Raises ``ValueError`` for a name that is not known."""
    return column_type(name).arrow
