# ruff: noqa: S608 (statements are put together from the export types' own SQL; values are bound)
"""What all SQL sources share: the conditions of a query as SQL, and how a plan is cut.

A plan hops over the key's index: ``where key > last order by key limit 1 offset size - 1`` gives the next boundary, and
touches index entries only. So boundaries are exact whatever gaps and skew the keys have, a range never splits rows of
the same leading key, and reading a range is one index range scan. Hopping, reading and ORDER BY compare the same
expressions, so they agree on the order under any collation.

Expressions, relations and keys are written by developers in an export type and go into the statement as they are.
Values come from requests and are only ever bound.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import repeat
from typing import Any, Protocol

import pyarrow as pa

from shared.requests.query import Condition, Key, KeyRange, Query, Scalar
from shared.sources.interruption import Interrupt

Bind = Callable[[Scalar, str, str], str]
"""``bind(value, expression, column type)``: keep a value to be bound, and give the SQL that stands for it."""


KeyBatch = tuple[int, Callable[[int], Key]]
"""Some keys in a row: how many they are, and a function that gives the n-th."""


class Dialect(Protocol):
    """Where the databases' SQL differs."""

    def bind(self, value: Scalar, expression: str, type_name: str) -> str:
        """Keep ``value`` to be bound and compared with ``expression``; give the SQL that stands for it."""
        ...

    def bind_key(self, value: Scalar, expression: str, type_name: str) -> str:
        """The same for a value that the database itself gave as a key, and that is to be compared as it is."""
        ...

    def one_of(self, values: Sequence[Scalar], expression: str, type_name: str) -> str:
        """The condition that ``expression`` is one of ``values``, none of which is null; there may be thousands."""
        ...

    def contains(self, text: str, expression: str) -> str:
        """The condition that ``expression`` contains ``text``, whatever the case of its letters."""
        ...


class Reads(Protocol):
    """What a sample needs of a source (``shared/sources/base.py``)."""

    def plan(self, query: Query, sizes: Iterator[int], *, interrupt: Interrupt | None = None) -> list[KeyRange]:
        """See ``Source.plan``."""
        ...

    def read(
        self, query: Query, key_range: KeyRange, *, halvings: int = 0, interrupt: Interrupt | None = None
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """See ``Source.read``."""
        ...


def where(query: Query, dialect: Dialect, after: Key | None = None, up_to: Key | None = None) -> str:
    """The WHERE clause of ``query``'s conditions, and of ``after < key <= up_to``; empty when there is none."""
    conditions = [_condition(condition, dialect) for condition in query.where]
    if after is not None:
        conditions.append(f"{key_tuple(query)} > {_bound_key(query, after, dialect)}")
    if up_to is not None:
        conditions.append(f"{key_tuple(query)} <= {_bound_key(query, up_to, dialect)}")
    return f" where {' and '.join(conditions)}" if conditions else ""


def key_list(query: Query, suffix: str = "") -> str:
    """The key's expressions, for SELECT and ORDER BY."""
    return ", ".join(column.expression + suffix for column in query.key)


def key_tuple(query: Query) -> str:
    """The key as one comparable value: a row when it has several columns."""
    return f"({key_list(query)})" if len(query.key) > 1 else query.key[0].expression


def is_select(query: Query) -> bool:
    """True when the relation is a SELECT: it may be dear, so that it is better run once than once a range."""
    return query.relation.lstrip().startswith("(")


def hop(
    sizes: Iterator[int],
    boundary: Callable[[Key | None, int], Key | None],
    keys: Callable[[Key | None], "Generator[KeyBatch, None, None]"],
) -> list[KeyRange]:
    """Cut by hopping: ``boundary(after, size)`` is the key of the size-th row after a key, None when there are fewer.

    ``keys(after)`` gives all the keys after one; that is asked for once, for the last range.
    """
    ranges: list[KeyRange] = []
    after: Key | None = None
    while True:
        size = _next_size(sizes)
        upper = boundary(after, size)
        if upper is None:
            last = walk(repeat(size), keys(after))
            return [*ranges, *(replace(part, lower=after) for part in last)]
        ranges.append(KeyRange(after, upper, size))
        after = upper


def walk(sizes: Iterator[int], batches: "Generator[KeyBatch, None, None]") -> list[KeyRange]:
    """Cut in one pass over all the keys, in order. ``batches`` is closed, before its cursor is, whatever happens."""
    with closing(batches):
        return _walk(sizes, batches)


def _walk(sizes: Iterator[int], batches: "Iterator[KeyBatch]") -> list[KeyRange]:
    ranges: list[KeyRange] = []
    lower: Key | None = None
    last: Key | None = None
    wanted, got = 0, 0
    for rows, key_at in batches:
        position = 0
        while position < rows:
            if not wanted:
                wanted, got = _next_size(sizes), 0
            step = min(wanted - got, rows - position)
            position, got = position + step, got + step
            last = key_at(position - 1)
            if got == wanted:
                ranges.append(KeyRange(lower, last, got))
                lower, wanted = last, 0
    if wanted and got and last is not None:
        ranges.append(KeyRange(lower, last, got))
    return ranges


def first_rows(
    source: "Reads", query: Query, rows: int, most: int, interrupt: Interrupt | None = None
) -> pa.RecordBatch | None:
    """What ``Source.sample`` gives, without a deadline."""
    ranges = source.plan(query, repeat(rows), interrupt=interrupt) if rows else []
    if not ranges:
        return None
    with source.read(query, ranges[0], interrupt=interrupt) as batches:
        first = next(iter(batches), None)
    return None if first is None else first.slice(0, most)


def drain(cursor: Any) -> Iterator[pa.RecordBatch]:
    """The batches of what an ADBC cursor has executed. Raises the driver's errors, with their SQLSTATE.

    The reader of ``fetch_record_batch`` raises plain ``OSError`` instead, which tells a dropped connection from a bad
    value only by its wording.
    """
    from adbc_driver_manager._reader import AdbcRecordBatchReader

    stream = cursor.fetch_arrow()  # must outlive the import, which takes its content over
    reader = AdbcRecordBatchReader._import_from_c(stream.address)  # noqa: SLF001 (as dbapi itself does)
    try:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            yield batch
    finally:
        reader.close()


def null_key(query: Query, dialect: Dialect) -> str:
    """A statement that finds a row whose key has a null; such rows would be in no range."""
    nulls = " or ".join(f"{column.expression} is null" for column in query.key)
    conditions = where(query, dialect)
    return f"select 1 from {query.relation}{conditions}{' and' if conditions else ' where'} ({nulls}) limit 1"


def _next_size(sizes: Iterator[int]) -> int:
    size = next(sizes, 0)
    if size < 1:
        raise ValueError("sizes must be positive, and must not end before the rows do")
    return size


def _bound_key(query: Query, key: Key, dialect: Dialect) -> str:
    if len(key) != len(query.key):
        raise ValueError(f"the key {key!r} does not have the {len(query.key)} values of the query's key")
    bound = [
        dialect.bind_key(value, column.expression, column.type) for column, value in zip(query.key, key, strict=True)
    ]
    return f"({', '.join(bound)})" if len(bound) > 1 else bound[0]


def _condition(condition: Condition, dialect: Dialect) -> str:
    expression, values = condition.sql, condition.values
    if condition.operator == "in":
        some = [value for value in values if value is not None]
        alternatives = [dialect.one_of(some, expression, condition.type)] if some else []
        if len(some) < len(values):
            alternatives.append(f"{expression} is null")
        return f"({' or '.join(alternatives)})" if alternatives else "1 = 0"
    (value,) = values
    if condition.operator == "contains":
        return dialect.contains(str(value), expression)
    if value is None and condition.operator == "=":
        return f"{expression} is null"
    return f"{expression} {condition.operator} {dialect.bind(value, expression, condition.type)}"
