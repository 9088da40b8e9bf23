# ruff: noqa: S608 (statements are put together from the export types' own SQL; values are bound)
"""What every statement on SQLite is made of: its values, bound as the columns store them, and keys."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from shared.catalog.column_types import BOOLEAN, INTEGER, LOCAL_TIMESTAMP, TIMESTAMP, column_type
from shared.errors import QueryFailed
from shared.requests.query import Key, Query, Scalar

INFINITE = "(typeof({0}) = 'real' and abs({0}) = 9e999)"


class Values:
    """The values of one statement in the order of their question marks, bound as the columns store them."""

    def __init__(self) -> None:
        self._values: list[Scalar] = []

    def __len__(self) -> int:
        return len(self._values)

    def bind(self, value: Scalar, expression: str, type_name: str) -> str:
        return self.bind_key(_stored(value, type_name), expression, type_name)

    def bind_key(self, value: Scalar, expression: str, type_name: str) -> str:
        self._values.append(int(value) if isinstance(value, bool) else value)
        return "?"

    def one_of(self, values: Sequence[Scalar], expression: str, type_name: str) -> str:
        self._values.append(json.dumps([_stored(value, type_name) for value in values]))
        return f"{expression} in (select value from json_each(?))"

    def contains(self, text: str, expression: str) -> str:
        self._values.append(text)
        return f"instr(lower({expression}), lower(?)) > 0"

    def batch(self) -> pa.RecordBatch | None:
        """One row of parameters for ADBC."""
        if not self._values:
            return None
        try:
            arrays = [pa.array([value]) for value in self._values]
        except (UnicodeEncodeError, OverflowError):
            raise QueryFailed("a value to compare with is not valid Unicode, or beyond 64 bits") from None
        return pa.RecordBatch.from_arrays(arrays, names=[str(n) for n in range(len(arrays))])


def json_of(query: Query) -> str:
    """The key as JSON, each value of its own type and to the last digit."""
    exact = "case typeof({0}) when 'real' then json(printf('%!.17g', {0})) else {0} end"
    return f"json_array({', '.join(exact.format(column.expression) for column in query.key)})"


def execute(cursor: Any, statement: str, values: Values) -> None:
    cursor.execute(statement, parameters=values.batch())


def key_of(row: Sequence[Any]) -> Key:
    if any(isinstance(value, bytes) or (isinstance(value, float) and math.isinf(value)) for value in row):
        raise key_refused()
    return tuple(row)


def key_refused() -> QueryFailed:
    return QueryFailed("a key column of the SQLite source holds NULL, a BLOB or an infinity; keys are numbers or text")


def json_key(column: pa.Array, position: int) -> Key:
    return key_of(json.loads(column[position].as_py()))


def _stored(value: Scalar, type_name: str) -> Scalar:
    """A value from a request, as a column of this type stores it."""
    if value is None:
        return None
    family = column_type(type_name).family
    if family in (BOOLEAN, INTEGER):
        return int(value)
    if family in (TIMESTAMP, LOCAL_TIMESTAMP) and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise QueryFailed(f"'{value}' is not an ISO time stamp") from None
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.isoformat(sep=" ")
    return value


def driver_error() -> type[Exception]:
    import adbc_driver_manager

    return adbc_driver_manager.Error
