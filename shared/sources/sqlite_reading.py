# ruff: noqa: S608 (statements are put together from the export types' own SQL; values are bound)
"""Reading a range of SQLite's rows in the quickest way that their values allow, and saying which row does not fit."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import BINARY, BOOLEAN, DECIMAL, FLOAT, INTEGER, INTERVAL
from shared.catalog.columns import Column
from shared.errors import SchemaChanged
from shared.requests.query import KeyRange, Query
from shared.sources.conform import Misfit, conform, first_failing
from shared.sources.planning import drain, key_list, where
from shared.sources.sqlite_statements import Values, driver_error, execute, json_of

BATCH_ROWS = 20_000
BATCH_CELLS = 250_000
BATCH_BYTES = 64 * 1024 * 1024
"""A batch has at most so many rows, so many cells, and so many bytes of text and binary (but at least one row)."""

_MARK = b"\xff\xfe"
"""Behind a REAL of more than 15 digits that is fetched as text: no text of UTF-8 has these bytes."""
_EXACT_TEXT = (
    "case when typeof({0}) <> 'real' or cast(cast({0} as text) as real) = {0} then cast({0} as text)"
    f" else printf('%!.16g %!.17g', {{0}}, {{0}}) || cast(x'{_MARK.hex()}' as text) end"
)
"""A value as text. SQLite's own text of a REAL has 15 digits; one that needs 16 or 17 comes with both, and a mark."""
_MISFITS = {
    INTEGER: "typeof({0}) not in ('integer', 'null')",
    FLOAT: "typeof({0}) in ('text', 'blob')",
}
"""Which values the driver, rather than ``conform``, finds not to be of a declared family."""
_READ_AS_NUMBERS = (INTEGER, FLOAT, DECIMAL, BOOLEAN)
"""The families whose values the driver reads as SQLite's own numbers; all others, but binary, are fetched as text."""
_MAYBE_TEXT = (DECIMAL, BOOLEAN)
"""The families of numbers that SQLite also keeps as text, which is then read as such."""
_EXACT_DIGITS = 15
"""A decimal of so many digits survives being a double, which is how SQLite stores most of them."""

_MISMATCH = re.compile(r"Type mismatch in column (\d+)")
_TOO_WIDE = "malformed JSON"  # what SQLite says when the guard in _select evaluates json('')
_TABLE = re.compile(r"\w+(\.\w+)?")
_DENSE_ENOUGH = 4
"""Keys between the bounds for each wanted row, at most; there cannot be more rows than keys."""


@dataclass
class Reading:
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
    texts: frozenset[str] = frozenset()
    """Columns, in lower case, into which SQLite puts nothing but text."""
    careful: bool = False
    """There are rows so wide that a batch has to be smaller: look how wide before each 20,000 rows."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All batches of the range. Raises ``SchemaChanged``, with the row's key, and the driver's errors."""
        try:
            yield from self._batches()
        except Misfit as misfit:
            raise SchemaChanged(f"{misfit}{self._where(misfit)}") from None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for column in self.query.columns:
            if column.kind.family is INTERVAL:
                raise Misfit(column, "SQLite has no intervals; declare it as text")
        self.relation = self._quickest_relation()
        self.texts = self._text_columns()
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
            except (OSError, driver_error()) as error:
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
        values = Values()
        conditions = where(self.query, values, self.key_range.lower, upper)
        select = f"select 1 from {relation} not indexed{conditions} order by {key_list(self.query)}"
        try:
            execute(self.cursor, f"explain query plan {select}", values)
            steps = [str(row[3]) for row in self.cursor.fetchall()]
        except driver_error():
            return relation  # a view
        by_row = len(steps) == 1 and "USING INTEGER PRIMARY KEY" in steps[0]
        return f"{relation} not indexed" if by_row else relation

    def _text_columns(self) -> frozenset[str]:
        """The columns of a table that have the affinity TEXT, by the rules of "Determination Of Column Affinity"."""
        if not _TABLE.fullmatch(self.query.relation):
            return frozenset()
        schema, _, table = self.query.relation.rpartition(".")
        values = Values()
        named = values.bind_key(table, "", "text") + (f", {values.bind_key(schema, '', 'text')}" if schema else "")
        execute(self.cursor, f"select name, upper(type) from pragma_table_info({named})", values)
        return frozenset(
            name.lower()
            for name, kind in self.cursor.fetchall()
            if "INT" not in kind and any(word in kind for word in ("CHAR", "CLOB", "TEXT"))
        )

    def _stream(self, batch_rows: int, limit: int | None) -> Iterator[pa.RecordBatch]:
        columns = self.query.columns
        guard = 0 if limit is not None else BATCH_BYTES // batch_rows
        values = Values()
        statement = self._select(values, guard, limit)
        self.cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(batch_rows)})
        execute(self.cursor, statement, values)
        seed_rows = int(self.typed)
        for batch in drain(self.cursor):
            self._check_types(batch.schema)
            rows = batch.slice(seed_rows)
            seed_rows = 0
            if not rows.num_rows:
                continue
            fitting = conform(self._with_short_reals(rows), columns, self.schema)
            _check_text(fitting, columns)
            self.delivered += rows.num_rows
            yield fitting

    def _with_short_reals(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with marked texts as the shortest ones that read back as the same number."""
        columns = zip(batch.columns, self.query.columns, strict=True)
        arrays = [_short_reals(array) if self._may_be_real(column) else array for array, column in columns]
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)

    def _select(self, values: Values, guard: int, limit: int | None) -> str:
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
        if not self._is_text(position, column):
            return column.expression
        return (_EXACT_TEXT if self._may_be_real(column) else "cast({0} as text)").format(f"({column.expression})")

    def _may_be_real(self, column: Column) -> bool:
        """Whether a column that is fetched as text can hold a REAL that matters: looking at each takes time."""
        arrow = column.kind.arrow
        matters = pa.types.is_string(arrow) or pa.types.is_decimal(arrow)
        return matters and column.expression.lower() not in self.texts

    def _is_text(self, position: int, column: Column) -> bool:
        """Fetched as text, whatever is stored; casting text to text costs nothing."""
        kind = column.kind
        if kind.family is BINARY:
            return False
        long_decimal = kind.family is DECIMAL and kind.arrow.precision > _EXACT_DIGITS
        return kind.family not in _READ_AS_NUMBERS or long_decimal or position in self.as_text

    def _constant(self, position: int, column: Column) -> str:
        if self._is_text(position, column):
            return "''"
        if column.kind.family is BINARY:
            return "x''"
        return "0" if column.kind.family in (INTEGER, BOOLEAN) else "0.0"

    def _widths(self) -> list[str]:
        unbounded = [column.expression for column in self.query.columns if not column.kind.family.bounded]
        return [f"octet_length({expression})" for expression in unbounded]

    def _widest_row(self, limit: int) -> int:
        """The bytes of the widest of the next ``limit`` rows."""
        values = Values()
        conditions = where(self.query, values, self.key_range.lower, self.key_range.upper)
        rows = f"select {_sum(self._widths())} as width from {self.query.relation}{conditions}"
        rows += f" order by {key_list(self.query)} limit {limit:d} offset {self.delivered:d}"
        execute(self.cursor, f"select max(width) from ({rows})", values)
        return int(self.cursor.fetchone()[0] or 0)

    def _where(self, misfit: Misfit) -> str:
        """In which row the value stands that does not fit; nothing when that cannot be told."""
        expression = f"({misfit.column.expression})"
        condition = _MISFITS.get(misfit.column.kind.family)
        if misfit.row is None and condition is None:
            return ""
        values = Values()
        conditions = where(self.query, values, self.key_range.lower, self.key_range.upper)
        rows = f"select {json_of(self.query)}, typeof({expression}) = 'text' and trim({expression}) = ''"
        rows += f" from {self.relation}{conditions}"
        if misfit.row is None:
            rows += f"{' and' if conditions else ' where'} {(condition or '').format(expression)}"
        offset = 0 if misfit.row is None else self.delivered + misfit.row
        execute(self.cursor, f"{rows} order by {key_list(self.query)} limit 1 offset {offset:d}", values)
        found = self.cursor.fetchone()
        if found is None:
            return ""
        key = ", ".join(f"{c.name} {v}" for c, v in zip(self.query.key, json.loads(found[0]), strict=True))
        advice = f" (an empty text: nullif({misfit.column.expression}, '') makes it null)" if found[1] else ""
        return f", in the row with {key}{advice}"

    def _check_types(self, guessed: pa.Schema) -> None:
        """Text among numbers in the first batch makes the driver write the numbers as text, with few digits."""
        for position, (column, found) in enumerate(zip(self.query.columns, guessed, strict=True)):
            if self._is_text(position, column) or not pa.types.is_string(found.type):
                continue
            if column.kind.family in _MAYBE_TEXT:
                raise _TextFound(position)
            if column.kind.family in (INTEGER, FLOAT):
                raise Misfit(column, "there is text in it")

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
        elif column.kind.family in _MAYBE_TEXT and position not in self.as_text:
            self.as_text.add(position)
        else:
            raise Misfit(column, "there are values of another type in it")


def _short_reals(column: pa.Array) -> pa.Array:
    if not pa.types.is_string(column.type) or column.buffers()[2] is None:
        return column
    if not re.search(_MARK, column.buffers()[2]):
        return column
    cells = column.view(pa.binary())
    marked = pc.fill_null(pc.ends_with(cells, _MARK), False)
    digits = pc.binary_slice(cells.filter(marked), 0, -len(_MARK)).view(pa.string())
    both = pc.split_pattern(digits, " ")
    short, long = pc.list_element(both, 0), pc.list_element(both, 1)
    enough = pc.equal(pc.cast(short, pa.float64()), pc.cast(long, pa.float64()))
    return pc.replace_with_mask(column, marked, pc.if_else(enough, short, long))


def _sum(widths: Sequence[str]) -> str:
    return " + ".join(f"ifnull({width}, 0)" for width in widths)


class _TextFound(Exception):
    """There is text in a column of numbers, which may still be decimals or booleans in text."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


def _check_text(batch: pa.RecordBatch, columns: Sequence[Column]) -> None:
    """SQLite stores any bytes as text; an export has UTF-8."""
    for column, array in zip(columns, batch.columns, strict=True):
        if pa.types.is_string(array.type) and _not_utf8(array):
            raise Misfit(column, "a text is not valid UTF-8", first_failing(len(array), partial(_starts_badly, array)))


def _starts_badly(array: pa.StringArray, rows: int) -> bool:
    return _not_utf8(array.slice(0, rows))


def _not_utf8(array: pa.StringArray) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False
