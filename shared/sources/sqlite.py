# ruff: noqa: S608 (statements are put together from the export types' own SQL; values are bound)
"""SQLite, read through ADBC.

``sqlite:///relative/path`` or ``sqlite:////absolute/path``. The file is opened read-only, in WAL mode or not; writers
are not blocked for longer than one statement of ours takes, and a plan sees one snapshot. ``?immutable=1`` is for a
file on a read-only medium, and promises that nobody writes to it.

SQLite has no types, so each declared column type says how its values are stored:

- dates, times and time stamps are ISO text, time stamps in UTC as SQLite's own ``datetime()`` writes them
  (``2026-01-31 23:59:00``, with or without a fraction). What a filter or a date range is compared with is written in
  that form too; where a database stores another one, let the export type say ``datetime(started_at)``.
- booleans are 0 and 1 (or the words true and false), decimals are numbers or text, uuid, json and lists (as JSON) are
  text; intervals are not supported. A key has to be of a number or text type: ``hex(id)`` for a BLOB.
- ``contains`` ignores the case of ASCII letters only, as SQLite does.

A statement cannot be interrupted, for the driver has no way to; one that nobody waits for any more runs to its end.
What has a deadline runs in a process of its own, which is ended then (``child.py``).

All access goes through the ADBC driver's own SQLite and none through Python's: two copies of the library in one process
would release each other's file locks.
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote

import pyarrow as pa

from shared.columns import Column, arrow_schema, arrow_type
from shared.errors import QueryFailed, SchemaChanged, SettingsError, SluiceError, SourceUnavailable
from shared.query import Key, KeyRange, Query, Scalar
from shared.sources import child
from shared.sources.conform import conform, does_not_fit
from shared.sources.deadline import Deadline
from shared.sources.interruption import Interrupt
from shared.sources.planning import KeyBatch, drain, first_rows, hop, is_select, key_list, null_key, walk, where

BATCH_ROWS = 20_000
BATCH_CELLS = 250_000
BATCH_BYTES = 64 * 1024 * 1024
"""A batch has at most so many rows, so many cells, and so many bytes of text and binary (but at least one row)."""

_BUSY_TIMEOUT_MILLISECONDS = 5_000
_STORED_AS_TEXT = ("text", "uuid", "json", "date", "time", "timestamp", "local timestamp")
_EXACT_DIGITS = 15
"""A decimal of so many digits survives being a double, which is how SQLite stores most of them."""

_MISMATCH = re.compile(r"Type mismatch in column (\d+)")
_TOO_WIDE = "malformed JSON"  # what SQLite says when the guard in _select evaluates json('')
_TRANSIENT = ("locked", "busy", "unable to open", "failed to open", "disk i/o error", "failed to allocate memory")
_TABLE = re.compile(r"\w+(\.\w+)?")
_DENSE_ENOUGH = 4
"""Keys between the bounds for each wanted row, at most; there cannot be more rows than keys."""
_GONE = ("no such column", "no such table", "has no column")


@dataclass(frozen=True)
class SqliteSource:
    """One database file."""

    path: Path
    immutable: bool = False

    @classmethod
    def from_url(cls, url: str) -> "SqliteSource":
        """The source of a ``sqlite:///`` URL. Raises ``SettingsError``."""
        location, _, query = url.removeprefix("sqlite://").partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        immutable = options.pop("immutable", "0")
        if not location.startswith("/") or location == "/" or options or immutable not in ("0", "1"):
            raise SettingsError(
                "a SQLite source is sqlite:///path or sqlite:////absolute/path, with ?immutable=1 at most"
            )
        return cls(Path(unquote(location[1:])), immutable == "1")

    def plan(self, query: Query, sizes: Iterator[int], *, interrupt: Interrupt | None = None) -> list[KeyRange]:
        """See ``Source.plan``."""
        with self._cursor() as cursor, _our_errors(self.path, QueryFailed):
            # Refuse a misspelt column now, not in every part.
            columns = ", ".join(column.expression for column in query.columns)
            cursor.adbc_prepare(f"select {columns} from {query.relation}")
            if is_select(query):
                return walk(sizes, self._keys(cursor, query, None))
            values = _Values()
            _execute(cursor, null_key(query, values), values)
            if cursor.fetchone():
                raise _key_refused()
            return hop(
                sizes,
                lambda after, size: self._boundary(cursor, query, after, size),
                lambda after: self._keys(cursor, query, after),
            )

    def count(self, query: Query, *, deadline: Deadline | None = None) -> int:
        """See ``Source.count``."""
        if deadline is not None:
            return int(child.ask(deadline, SqliteSource.count, self, query))
        with self._cursor() as cursor, _our_errors(self.path, QueryFailed):
            values = _Values()
            _execute(cursor, f"select count(*) from {query.relation}{where(query, values)}", values)
            return int(cursor.fetchone()[0])

    def sample(self, query: Query, rows: int, most: int, *, deadline: Deadline) -> pa.RecordBatch | None:
        """See ``Source.sample``."""
        found: pa.RecordBatch | None = child.ask(deadline, first_rows, self, query, rows, most)
        return found

    @contextmanager
    def read(
        self, query: Query, key_range: KeyRange, *, halvings: int = 0, interrupt: Interrupt | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        """See ``Source.read``."""
        schema = arrow_schema(query.columns)
        with self._cursor() as cursor:
            batches = self._batches(_Reading(cursor, query, key_range, schema, halvings))
            try:
                yield pa.RecordBatchReader.from_batches(schema, batches)
            finally:
                batches.close()

    def _batches(self, reading: "_Reading") -> Generator[pa.RecordBatch, None, None]:
        # Only what happens in here is the database's doing: what the reader's user does with a batch is not.
        with _our_errors(self.path, SchemaChanged):
            yield from reading.batches()

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor on a connection of its own, in a read transaction."""
        import adbc_driver_sqlite.dbapi as sqlite

        with ExitStack() as stack:
            with _our_errors(self.path, QueryFailed):
                if not self.path.exists():
                    raise SourceUnavailable(f"the SQLite database '{self.path.name}' is not there")
                uri = f"file:{quote(str(self.path.resolve()))}?mode=ro{'&immutable=1' if self.immutable else ''}"
                connection = stack.enter_context(sqlite.connect(uri, autocommit=True))
                cursor = stack.enter_context(connection.cursor())
                cursor.execute(f"pragma busy_timeout={_BUSY_TIMEOUT_MILLISECONDS}")
                cursor.fetchall()
                cursor.execute("begin")
            yield cursor

    def _boundary(self, cursor: Any, query: Query, after: Key | None, size: int) -> Key | None:
        values = _Values()
        _execute(
            cursor,
            f"select {key_list(query)} from {query.relation}{where(query, values, after)} "
            f"order by {key_list(query)} limit 1 offset {size - 1:d}",
            values,
        )
        row = cursor.fetchone()
        return _key(row) if row else None

    def _keys(self, cursor: Any, query: Query, after: Key | None) -> Generator[KeyBatch, None, None]:
        values = _Values()
        # json_array keeps each value's own type, whatever the first rows hold; null stands for a key that has one.
        nulls = " or ".join(f"{column.expression} is null" for column in query.key)
        statement = f"select iif({nulls}, null, json_array({key_list(query)})) from {query.relation}"
        _execute(cursor, f"{statement}{where(query, values, after)} order by {key_list(query)}", values)
        for batch in drain(cursor):
            if batch.column(0).null_count:
                raise _key_refused()
            yield batch.num_rows, partial(_json_key, batch.column(0))


class _Values:
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


@dataclass
class _Reading:
    """The rows of one range.

    The driver guesses each column's type from the first batch. So the reading starts in the fast way, and goes on from
    the last delivered row in a safer way when a later value, or a very wide row, needs it.
    """

    cursor: Any
    query: Query
    key_range: KeyRange
    schema: pa.Schema
    halvings: int = 0
    delivered: int = 0
    typed: bool = False
    """A first row of constants tells the driver each column's type."""
    as_text: set[int] = field(default_factory=set)
    """Decimal and boolean columns in which there is text."""
    relation: str = ""
    careful: bool = False
    """There are rows so wide that a batch has to be smaller: look how wide before each 20,000 rows."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All batches of the range. Raises ``SchemaChanged``, and the driver's errors."""
        for column in self.query.columns:
            if column.type.startswith("interval"):
                raise does_not_fit(column, "SQLite has no intervals; declare it as text")
        self.relation = self._quickest_relation()
        rows = max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, len(self.query.columns))) >> self.halvings)
        while True:
            start, limit, batch_rows = self.delivered, None, rows
            if self.careful:
                limit = rows
                widest = self._widest_row(limit)
                batch_rows = max(1, min(rows, BATCH_BYTES // max(1, widest)))
                self.careful = batch_rows < rows
            try:
                yield from self._stream(batch_rows, limit)
            except (OSError, _driver_error()) as error:
                self._adapt(error)
                continue
            except _TextFound as found:
                self.as_text.add(found.column)
                continue
            if limit is None or self.delivered - start < limit:
                return

    def _quickest_relation(self) -> str:
        """The table without its indexes where its rows alone are the quicker way; else the relation as it is.

        An index on the tenant costs a search in the table for each row. When most of the rows between the bounds are
        wanted anyway, and the key is what the table is stored by, going through the rows takes a quarter less time.
        """
        relation, lower, upper = self.query.relation, self.key_range.lower or (), self.key_range.upper
        whole_numbers = [value for value in (*lower, *upper) if isinstance(value, int)]
        if not _TABLE.fullmatch(relation) or len(self.query.key) > 1 or len(whole_numbers) < 2:
            return relation
        if whole_numbers[1] - whole_numbers[0] > _DENSE_ENOUGH * self.key_range.rows:
            return relation
        values = _Values()
        conditions = where(self.query, values, self.key_range.lower, upper)
        select = f"select 1 from {relation} not indexed{conditions} order by {key_list(self.query)}"
        try:
            _execute(self.cursor, f"explain query plan {select}", values)
            steps = [str(row[3]) for row in self.cursor.fetchall()]
        except _driver_error():
            return relation  # a view
        by_row = len(steps) == 1 and "USING INTEGER PRIMARY KEY" in steps[0]
        return f"{relation} not indexed" if by_row else relation

    def _stream(self, batch_rows: int, limit: int | None) -> Iterator[pa.RecordBatch]:
        columns = self.query.columns
        guard = 0 if limit is not None else BATCH_BYTES // batch_rows
        values = _Values()
        statement = self._select(values, guard, limit)
        self.cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(batch_rows)})
        _execute(self.cursor, statement, values)
        seed_rows = int(self.typed)
        for batch in drain(self.cursor):
            self._check_types(batch.schema)
            rows = batch.slice(seed_rows)
            seed_rows = 0
            if not rows.num_rows:
                continue
            fitting = conform(rows, columns, self.schema)
            _check_text(fitting, columns)
            self.delivered += rows.num_rows
            yield fitting

    def _select(self, values: _Values, guard: int, limit: int | None) -> str:
        expressions = [self._expression(n, column) for n, column in enumerate(self.query.columns)]
        if guard and (widths := self._widths()):
            # Evaluating json('') is an error, and stops the statement before the driver collects a batch of wide rows.
            # The sum is made only of rows in which one column alone has more than its share, for it takes time.
            wide = " or ".join(f"{width} > {guard // len(widths):d}" for width in widths)
            too_wide = f"({wide}) and {_sum(widths)} > {guard:d}"
            expressions[0] = f"case when {too_wide} then json('') else {expressions[0]} end"
        conditions = where(self.query, values, self.key_range.lower, self.key_range.upper)
        select = f"select {', '.join(expressions)} from {self.relation}{conditions}"
        select += f" order by {key_list(self.query)}"
        if limit is not None or self.delivered:
            select += f" limit {-1 if limit is None else limit:d} offset {self.delivered:d}"
        if not self.typed:
            return select
        constants = ", ".join(self._constant(n, column) for n, column in enumerate(self.query.columns))
        return f"select {constants} union all select * from ({select})"

    def _expression(self, position: int, column: Column) -> str:
        if self._is_text(position, column):
            return f"cast({column.expression} as text)"
        return column.expression

    def _is_text(self, position: int, column: Column) -> bool:
        """Fetched as text, whatever is stored; casting text to text costs nothing."""
        wanted = arrow_type(column.type)
        long_decimal = pa.types.is_decimal(wanted) and wanted.precision > _EXACT_DIGITS
        return column.type in _STORED_AS_TEXT or pa.types.is_list(wanted) or long_decimal or position in self.as_text

    def _constant(self, position: int, column: Column) -> str:
        if self._is_text(position, column):
            return "''"
        if column.type == "binary":
            return "x''"
        return "0" if column.type in ("integer", "boolean") else "0.0"

    def _widths(self) -> list[str]:
        unbounded = [
            column.expression
            for column in self.query.columns
            if column.type in ("text", "json", "binary") or column.type.startswith("list")
        ]
        return [f"octet_length({expression})" for expression in unbounded]

    def _widest_row(self, limit: int) -> int:
        """The bytes of the widest of the next ``limit`` rows."""
        values = _Values()
        conditions = where(self.query, values, self.key_range.lower, self.key_range.upper)
        rows = f"select {_sum(self._widths())} as width from {self.query.relation}{conditions}"
        rows += f" order by {key_list(self.query)} limit {limit:d} offset {self.delivered:d}"
        _execute(self.cursor, f"select max(width) from ({rows})", values)
        return int(self.cursor.fetchone()[0] or 0)

    def _check_types(self, guessed: pa.Schema) -> None:
        """Text among numbers in the first batch makes the driver write the numbers as text, with few digits."""
        for position, (column, found) in enumerate(zip(self.query.columns, guessed, strict=True)):
            if self._is_text(position, column) or not pa.types.is_string(found.type):
                continue
            if column.type == "boolean" or column.type.startswith("decimal"):
                raise _TextFound(position)
            if column.type in ("integer", "float"):
                raise does_not_fit(column, "there is text in it")

    def _adapt(self, error: Exception) -> None:
        """Choose the safer way that this error asks for, or raise it again."""
        message = str(error)
        if _TOO_WIDE in message and not self.careful and self._widths():
            self.careful = True
            return
        match = _MISMATCH.search(message)
        if match is None:
            raise error
        position = int(match[1])
        column = self.query.columns[position]
        if not self.typed:
            self.typed = True
        elif (column.type == "boolean" or column.type.startswith("decimal")) and position not in self.as_text:
            self.as_text.add(position)
        else:
            raise does_not_fit(column, "there are values of another type in it")


def _sum(widths: Sequence[str]) -> str:
    return " + ".join(f"ifnull({width}, 0)" for width in widths)


class _TextFound(Exception):
    """There is text in a column of numbers, which may still be decimals or booleans in text."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


def _execute(cursor: Any, statement: str, values: _Values) -> None:
    cursor.execute(statement, parameters=values.batch())


def _key(row: Sequence[Any]) -> Key:
    if any(isinstance(value, bytes) for value in row):
        raise _key_refused()
    return tuple(row)


def _key_refused() -> QueryFailed:
    return QueryFailed("a key column of the SQLite source holds NULL or a BLOB; keys are numbers or text")


def _json_key(column: pa.Array, position: int) -> Key:
    return _key(json.loads(column[position].as_py()))


def _stored(value: Scalar, type_name: str) -> Scalar:
    """A value from a request, as a column of this type stores it."""
    if value is None:
        return None
    if type_name == "boolean":
        return int(value)
    if type_name == "integer":
        return int(value)
    if type_name in ("timestamp", "local timestamp") and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise QueryFailed(f"'{value}' is not an ISO time stamp") from None
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.isoformat(sep=" ")
    return value


def _check_text(batch: pa.RecordBatch, columns: Sequence[Column]) -> None:
    """SQLite stores any bytes as text; an export has UTF-8."""
    for column, array in zip(columns, batch.columns, strict=True):
        if pa.types.is_string(array.type) and column.type in ("text", "json", "uuid"):
            try:
                array.validate(full=True)
            except pa.ArrowInvalid:
                raise does_not_fit(column, "a text is not valid UTF-8") from None


def _driver_error() -> type[Exception]:
    import adbc_driver_manager

    return adbc_driver_manager.Error


@contextmanager
def _our_errors(path: Path, missing: type[SluiceError]) -> Iterator[None]:
    try:
        yield
    except SluiceError:
        raise
    except (OSError, _driver_error()) as error:
        _raise_ours(str(error), path, missing)


def _raise_ours(message: str, path: Path, missing: type[SluiceError]) -> NoReturn:
    reason = re.sub(
        r"^[A-Z_]+: |\[SQLite\] |Failed to (prepare query|step query): |\nquery: .*", "", message, flags=re.DOTALL
    )
    lower = message.lower()
    if any(sign in lower for sign in _GONE):
        raise missing(f"the SQLite database '{path.name}' does not have what the export type names: {reason}") from None
    if any(sign in lower for sign in _TRANSIENT):
        raise SourceUnavailable(f"the SQLite database '{path.name}' cannot be read now: {reason}") from None
    raise QueryFailed(f"the SQLite database '{path.name}' refused the query: {reason}") from None
