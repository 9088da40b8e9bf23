"""What to read: a query with its conditions, and the key ranges that a plan cuts it into.

All of it is plain data that survives JSON, for a plan is stored as a blob and read again by every part.
"""

from dataclasses import dataclass
from typing import Literal

from shared.catalog.columns import Column

Scalar = str | int | float | bool | None
"""A value as JSON carries it. Dates, times, decimals and uuids are strings in their ISO or plain form."""

Key = tuple[Scalar, ...]
"""The value of a row's key: one scalar for each key column, in the key's order."""

Operator = Literal["=", "in", ">", ">=", "<", "<=", "contains"]


@dataclass(frozen=True)
class Condition:
    """``sql <operator> values``, with the values always bound as parameters and never written into the statement.

    ``type`` is the column type of ``sql`` and tells a source how to bind the values. ``in`` takes any number of values
    (none of them: no row matches), every other operator takes exactly one. ``contains`` is a case-insensitive
    substring search.
    """

    sql: str
    type: str
    operator: Operator
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Query:
    """A relation, the columns wanted from it, and the conditions that all must hold.

    ``relation`` is a table's name or a SELECT in parentheses. ``key`` names the columns that identify a row, unique and
    without nulls together; rows come in the key's ascending order.
    """

    relation: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class KeyRange:
    """The rows with ``lower < key <= upper``, ``rows`` of them when planned. ``lower`` is None at the start."""

    lower: Key | None
    upper: Key
    rows: int
