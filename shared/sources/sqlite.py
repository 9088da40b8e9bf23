# ruff: noqa: S608 (statements are put together from the export types' own SQL; values are bound)
"""SQLite, read through ADBC.

``sqlite:///relative/path`` or ``sqlite:////absolute/path``. The file is opened read-only, in WAL mode or not; writers
are not blocked for longer than one statement of ours takes, and a plan sees one snapshot. ``?immutable=1`` is for a
file on a read-only medium, and promises that nobody writes to it.

SQLite has no types, so each declared column type says how its values are stored:

- dates, times and time stamps are ISO text, time stamps in UTC as SQLite's own ``datetime()`` writes them
  (``2026-01-31 23:59:00``, with or without a fraction). What a filter or a date range is compared with is written in
  that form too; where a database stores another one, let the export type say ``datetime(started_at)``.
- numbers keep their digits: a REAL in a text or long decimal column is the shortest text that reads back; one of more
  places than a decimal has is refused.
- booleans are 0 and 1 (or the words true and false), decimals are numbers or text, uuid, json and lists (as JSON) are
  text; intervals are not supported. A key has to be of a number or text type: ``hex(id)`` for a BLOB.
- ``contains`` ignores the case of ASCII letters only, as SQLite does.

A statement cannot be interrupted, for the driver has no way to; one that nobody waits for any more runs to its end.
What has a deadline runs in a process of its own, which is ended then (``child.py``).

All access goes through the ADBC driver's own SQLite and none through Python's: two copies of the library in one process
would release each other's file locks.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote

import pyarrow as pa

from shared.catalog.columns import arrow_schema
from shared.errors import QueryFailed, SchemaChanged, SettingsError, SluiceError, SourceUnavailable
from shared.requests.query import Key, KeyRange, Query
from shared.sources import child
from shared.sources.deadline import Deadline
from shared.sources.interruption import Interrupt
from shared.sources.planning import KeyBatch, drain, first_rows, hop, is_select, key_list, null_key, walk, where
from shared.sources.sqlite_reading import Reading
from shared.sources.sqlite_statements import (
    INFINITE,
    Values,
    driver_error,
    execute,
    json_key,
    json_of,
    key_of,
    key_refused,
)

_BUSY_TIMEOUT_MILLISECONDS = 5_000
_TRANSIENT = ("locked", "busy", "unable to open", "failed to open", "disk i/o error", "failed to allocate memory")
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
            values = Values()
            execute(cursor, null_key(query, values), values)
            if cursor.fetchone():
                raise key_refused()
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
            values = Values()
            execute(cursor, f"select count(*) from {query.relation}{where(query, values)}", values)
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
            batches = self._batches(Reading(cursor, query, key_range, schema, halvings))
            try:
                yield pa.RecordBatchReader.from_batches(schema, batches)
            finally:
                batches.close()

    def _batches(self, reading: Reading) -> Generator[pa.RecordBatch, None, None]:
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
        values = Values()
        execute(
            cursor,
            f"select {key_list(query)} from {query.relation}{where(query, values, after)} "
            f"order by {key_list(query)} limit 1 offset {size - 1:d}",
            values,
        )
        row = cursor.fetchone()
        return key_of(row) if row else None

    def _keys(self, cursor: Any, query: Query, after: Key | None) -> Generator[KeyBatch, None, None]:
        values = Values()
        # json_array keeps each value's own type, whatever the first rows hold; null stands for a key that has one.
        refused = " or ".join(
            f"{column.expression} is null or {INFINITE.format(column.expression)}" for column in query.key
        )
        statement = f"select iif({refused}, null, {json_of(query)}) from {query.relation}"
        execute(cursor, f"{statement}{where(query, values, after)} order by {key_list(query)}", values)
        for batch in drain(cursor):
            if batch.column(0).null_count:
                raise key_refused()
            yield batch.num_rows, partial(json_key, batch.column(0))


@contextmanager
def _our_errors(path: Path, missing: type[SluiceError]) -> Iterator[None]:
    try:
        yield
    except SluiceError:
        raise
    except (OSError, driver_error()) as error:
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
