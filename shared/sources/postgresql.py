# ruff: noqa: S608 (statements are put together from the export types' own SQL; values are bound)
"""PostgreSQL, read through ADBC: COPY in binary form on the wire, Arrow record batches out, no row in Python.

``postgresql://user:password@host:5432/database``, with any of libpq's parameters, or
``postgresql://a,b/database?target_session_attrs=prefer-standby`` to read from a replica. A server elsewhere is reached
with ``sslmode=verify-full``, which need not be given (``postgresql_tls.py``). Of our own there is
``statement_timeout``, in seconds (600; a part is one statement, and the time that the upload takes counts). When not
given, ``connect_timeout`` is 10 seconds, and a silent connection counts as dropped after a minute.

The user needs CONNECT on the database, USAGE on the schema and SELECT on the tables, and should have no more. Every
call is one connection with one transaction, REPEATABLE READ and READ ONLY, so a plan sees one snapshot. Poolers in
transaction mode are fine: all settings are local to the transaction.

COPY takes no parameters. So values are bound to ``set_config``, and the statement reads them with ``current_setting``
as a constant of the column's own type, which the server is asked for: enums, ``char(n)``, ``citext`` and domains are
compared as what they are, with their own collation and indexes.
"""

import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlencode

import pyarrow as pa

from shared.catalog.column_types import INTEGER, TIMESTAMP, column_type
from shared.catalog.columns import arrow_schema
from shared.errors import QueryFailed, SchemaChanged, SettingsError, SluiceError, SourceUnavailable
from shared.requests.query import Key, KeyRange, Query, Scalar
from shared.sources.conform import conform
from shared.sources.deadline import Deadline
from shared.sources.interruption import Interrupt
from shared.sources.planning import KeyBatch, drain, first_rows, hop, is_select, key_list, null_key, walk, where
from shared.sources.postgresql_tls import secured
from shared.sources.postgresql_types import PostgresqlType, fetched, types_of

BATCH_ROWS = 20_000
BATCH_BYTES = 4 * 1024 * 1024
"""A batch has at most so many rows, and is ended by the row that takes it over so many bytes."""

STATEMENT_TIMEOUT_SECONDS = 600
_CONNECTION_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "sluice",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

_SQLSTATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
_PRIMARY_MESSAGE = re.compile(r"(?:ERROR|FATAL|PANIC):  (.*)")
# Connection, insufficient resources, operator intervention (time-outs too), system error, rollback by the server.
_TRANSIENT_CLASSES = ("08", "53", "57", "58", "40")
_TRANSIENT_STATES = ("55P03", "25P03")
_GONE_STATES = ("42703", "42P01", "42704", "3F000")
_UNREACHABLE = (
    ("connection refused", "connection refused"),
    ("timeout expired", "it did not answer in time"),
    ("timed out", "it did not answer in time"),
    ("could not translate host name", "its host name is unknown"),
    ("no such file or directory", "it is not running on that socket"),
    ("starting up", "it is starting up"),
    ("shutting down", "it is shutting down"),
    ("too many clients", "it has too many connections"),
    ("remaining connection slots", "it has too many connections"),
    ("closed the connection unexpectedly", "it closed the connection"),
    ("ssl", "a secure connection could not be made"),
)
_REFUSED = (
    ("authentication failed", "it refused the user or the password"),
    ("no pg_hba.conf entry", "it does not accept this user from here"),
    ("role ", "it does not know the user"),
    ("database ", "it has no such database"),
)


@dataclass(frozen=True)
class PostgresqlSource:
    """One database of a server."""

    url: str = field(repr=False)
    """The URL for libpq. It may hold a password, and is in no message."""
    statement_timeout: int = STATEMENT_TIMEOUT_SECONDS
    """In seconds; 0: none."""

    @classmethod
    def from_url(cls, url: str) -> "PostgresqlSource":
        """The source of a ``postgresql://`` URL. Raises ``SettingsError``."""
        location, _, query = url.partition("?")
        options = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))  # libpq knows no + for a space
        timeout = options.pop("statement_timeout", str(STATEMENT_TIMEOUT_SECONDS))
        if not timeout.isdecimal():
            raise SettingsError(f"statement_timeout is a whole number of seconds, not '{timeout}'")
        options = _CONNECTION_DEFAULTS | secured(location, options, os.environ)
        return cls(f"{location}?{urlencode(options, quote_via=quote)}", int(timeout))

    def plan(self, query: Query, sizes: Iterator[int], *, interrupt: Interrupt | None = None) -> list[KeyRange]:
        """See ``Source.plan``."""
        with self.cursor(interrupt) as cursor, _our_errors(QueryFailed):
            types = _types(cursor, query)
            if is_select(query):
                return walk(sizes, _keys(cursor, query, types, None))
            values = _Values(types)
            statement = null_key(query, values)
            values.bind_to(cursor)
            cursor.execute(statement)
            if cursor.fetchone():
                raise _key_refused()
            return hop(sizes, partial(_boundary, cursor, query, types), partial(_keys, cursor, query, types))

    def count(self, query: Query, *, deadline: Deadline | None = None) -> int:
        """See ``Source.count``."""
        if deadline is None:
            return _count(self, query, None)
        with deadline.interrupting() as interrupt:
            return _count(self._until(deadline), query, interrupt)

    def sample(self, query: Query, rows: int, most: int, *, deadline: Deadline) -> pa.RecordBatch | None:
        """See ``Source.sample``."""
        with deadline.interrupting() as interrupt:
            return first_rows(self._until(deadline), query, rows, most, interrupt)

    def _until(self, deadline: Deadline) -> "PostgresqlSource":
        return replace(self, statement_timeout=deadline.statement_timeout)

    @contextmanager
    def read(
        self, query: Query, key_range: KeyRange, *, halvings: int = 0, interrupt: Interrupt | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        """See ``Source.read``."""
        with self.cursor(interrupt) as cursor:
            batches = _batches(cursor, query, key_range, halvings)
            try:
                yield pa.RecordBatchReader.from_batches(arrow_schema(query.columns), batches)
            finally:
                batches.close()

    @contextmanager
    def cursor(self, interrupt: Interrupt | None = None) -> Iterator[Any]:
        """A cursor on a connection of its own, in a read-only transaction; an interrupt cancels what it executes."""
        with ExitStack() as stack:
            with _connection_errors():
                connection = stack.enter_context(_connect(self.url))
            with _our_errors(QueryFailed):
                cursor = stack.enter_context(connection.cursor())
                cursor.execute("begin isolation level repeatable read read only")
                settings = {
                    "TimeZone": "UTC",
                    "DateStyle": "ISO",
                    "IntervalStyle": "postgres",
                    "extra_float_digits": "1",
                    "statement_timeout": f"{self.statement_timeout}s",
                }
                _set(cursor, settings)
            if interrupt is not None:
                stack.enter_context(interrupt.stops(cursor.adbc_cancel))
            yield cursor


def _count(source: PostgresqlSource, query: Query, interrupt: Interrupt | None) -> int:
    with source.cursor(interrupt) as cursor, _our_errors(QueryFailed):
        values = _Values(_types(cursor, query))
        statement = f"select count(*) from {query.relation}{where(query, values)}"
        values.bind_to(cursor)
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


class _LeftOpen:
    """What a connection closes in place of the driver's database, which the next one uses too."""

    def close(self) -> None:
        """Nothing is closed."""


@lru_cache(maxsize=4)
def _database(url: str) -> Any:
    """The driver's database for a URL. Making it reads the server's catalogue of types, which can be large."""
    import adbc_driver_postgresql

    return adbc_driver_postgresql.connect(url)


def _connect(url: str) -> Any:
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    connection = adbc_driver_manager.AdbcConnection(_database(url))
    return dbapi.Connection(_LeftOpen(), connection, autocommit=True)


class _Values:
    """The values of one statement, to be bound as settings of the transaction."""

    def __init__(self, types: dict[str, PostgresqlType]) -> None:
        self._types = types
        self._values: dict[str, str] = {}

    def bind(self, value: Scalar, expression: str, type_name: str) -> str:
        if value is None:
            return "null"
        return self._setting(_written(value, type_name), self._types[expression].sql)

    def bind_key(self, value: Scalar, expression: str, type_name: str) -> str:
        return self._setting(str(value), self._types[expression].sql)

    def one_of(self, values: Sequence[Scalar], expression: str, type_name: str) -> str:
        written = [_written(value, type_name) for value in values]
        array = ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in written)
        return f"{expression} = any({self._setting('{' + array + '}', self._types[expression].sql + '[]')})"

    def contains(self, text: str, expression: str) -> str:
        pattern = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
        return f"({expression})::text ilike {self._setting(pattern, 'text')}"

    def bind_to(self, cursor: Any) -> None:
        """Set the settings that the statement reads."""
        _set(cursor, self._values)

    def _setting(self, value: str, type_: str) -> str:
        name = f"sluice.value_{len(self._values)}"
        self._values[name] = value
        return f"current_setting('{name}')::{type_}"


def _set(cursor: Any, settings: dict[str, str]) -> None:
    if not settings:
        return
    # The driver binds an empty text as null.
    calls = ", ".join(f"set_config('{name}', coalesce(${n}, ''), true)" for n, name in enumerate(settings, 1))
    try:
        values = [pa.array([value], pa.string()) for value in settings.values()]
    except UnicodeEncodeError:
        raise QueryFailed("a value to compare with is not valid Unicode") from None
    cursor.execute(f"select {calls}", parameters=pa.RecordBatch.from_arrays(values, names=list(settings)))
    cursor.fetchall()


def _types(cursor: Any, query: Query) -> dict[str, PostgresqlType]:
    """The server's own type of each expression in the query."""
    expressions = [column.expression for column in (*query.columns, *query.key)]
    return types_of(cursor, [*expressions, *(condition.sql for condition in query.where)], query.relation)


def _boundary(cursor: Any, query: Query, types: dict[str, PostgresqlType], after: Key | None, size: int) -> Key | None:
    values = _Values(types)
    key = ", ".join(f"{column.expression} as sluice_{n}" for n, column in enumerate(query.key))
    texts = ", ".join(f"sluice_{n}::text" for n in range(len(query.key)))
    # The text is made outside, of one row; inside it would be made of every row that is skipped.
    statement = (
        f"select {texts} from (select {key} from {query.relation}{where(query, values, after)} "
        f"order by {key_list(query)} limit 1 offset {size - 1:d}) as boundary"
    )
    values.bind_to(cursor)
    cursor.execute(statement)
    row = cursor.fetchone()
    return _key(query, row) if row else None


def _keys(
    cursor: Any, query: Query, types: dict[str, PostgresqlType], after: Key | None
) -> Generator[KeyBatch, None, None]:
    values = _Values(types)
    statement = f"select {_key_texts(query)} from {query.relation}{where(query, values, after)}"
    values.bind_to(cursor)
    cursor.execute(f"{statement} order by {key_list(query)}")
    for batch in drain(cursor):
        if any(column.null_count for column in batch.columns):
            raise _key_refused()
        yield batch.num_rows, partial(_key_at, query, batch)


def _key_texts(query: Query) -> str:
    # Without a name of its own the text would be what ORDER BY means by the column's name.
    return ", ".join(f"({column.expression})::text as sluice_{n}" for n, column in enumerate(query.key))


def _key_at(query: Query, batch: pa.RecordBatch, position: int) -> Key:
    return _key(query, [column[position].as_py() for column in batch.columns])


def _key(query: Query, texts: Sequence[str]) -> Key:
    return tuple(
        int(text) if column.kind.family is INTEGER else text for column, text in zip(query.key, texts, strict=True)
    )


def _key_refused() -> QueryFailed:
    return QueryFailed("a key column of the PostgreSQL source holds NULL; a key has none")


def _batches(cursor: Any, query: Query, key_range: KeyRange, halvings: int) -> Generator[pa.RecordBatch, None, None]:
    most_rows, most_bytes = max(1, BATCH_ROWS >> halvings), max(1, BATCH_BYTES >> halvings)
    schema = arrow_schema(query.columns)
    # Only what happens in here is the database's doing: what the reader's user does with a batch is not.
    with _our_errors(SchemaChanged):
        types = _types(cursor, query)
        values = _Values(types)
        expressions = [fetched(column, types[column.expression]) for column in query.columns]
        selected = ", ".join(f"{expression} as sluice_{n}" for n, expression in enumerate(expressions))
        statement = (
            f"select {selected} from {query.relation}{where(query, values, key_range.lower, key_range.upper)} "
            f"order by {key_list(query)}"
        )
        values.bind_to(cursor)
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(most_bytes)})
        cursor.execute(statement)
        complete = False
        try:
            for batch in drain(cursor):
                for start in range(0, batch.num_rows, most_rows):
                    yield conform(batch.slice(start, most_rows), query.columns, schema)
            complete = True
        finally:
            if not complete:
                cursor.adbc_cancel()  # else closing the cursor would fetch all the rows that are left


def _written(value: Scalar, type_name: str) -> str:
    """A value from a request as PostgreSQL reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if "\x00" in text:
        raise QueryFailed("a value to compare with has a NUL character, which PostgreSQL text never has")
    if column_type(type_name).family is TIMESTAMP:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise QueryFailed(f"'{text}' is not an ISO time stamp") from None
        # Columns without a zone are taken as UTC; PostgreSQL would drop an offset.
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()
    return text


@contextmanager
def _connection_errors() -> Iterator[None]:
    """libpq's own messages may quote pieces of the URL, so they are translated and never passed on."""
    import adbc_driver_manager

    try:
        yield
    except adbc_driver_manager.Error as error:
        message = str(error).lower()
    else:
        return
    for sign, reason in _REFUSED:
        if f"fatal:  {sign}" in message or (not sign.endswith(" ") and sign in message):
            raise QueryFailed(f"the PostgreSQL database cannot be used: {reason}")
    for sign, reason in _UNREACHABLE:
        if sign in message:
            raise SourceUnavailable(f"the PostgreSQL database cannot be reached: {reason}")
    if "invalid" in message or "missing" in message:
        raise SettingsError("the PostgreSQL source's URL is not valid; percent-encode special characters in it")
    raise SourceUnavailable("the PostgreSQL database cannot be reached")


@contextmanager
def _our_errors(missing: type[SluiceError]) -> Iterator[None]:
    """The driver's errors become ours. ``missing`` is for a column or table that is gone."""
    import adbc_driver_manager

    try:
        yield
    except SluiceError:
        raise
    except (OSError, adbc_driver_manager.Error) as error:
        _raise_ours(error, missing)


def _raise_ours(error: Exception, missing: type[SluiceError]) -> NoReturn:
    text = str(error)
    found = _SQLSTATE.search(text)
    state = getattr(error, "sqlstate", None) or (found[1] if found else "")
    primary = _PRIMARY_MESSAGE.search(text)
    reason = primary[1].strip() if primary else "it gave no reason"
    if state == "57014":
        raise SourceUnavailable("the PostgreSQL database took too long: the statement timed out") from None
    if not state or state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES:
        if not primary:
            reason = next((reason for sign, reason in _UNREACHABLE if sign in text.lower()), "the connection failed")
        raise SourceUnavailable(f"the PostgreSQL database is not available: {reason}") from None
    if state in _GONE_STATES:
        raise missing(f"the PostgreSQL database does not have what the export type names: {reason}") from None
    if state[:2] == "22" and missing is SchemaChanged:
        raise SchemaChanged(f"a value in the PostgreSQL database does not fit its declared type: {reason}") from None
    raise QueryFailed(f"the PostgreSQL database refused the query: {reason} (SQLSTATE {state})") from None
