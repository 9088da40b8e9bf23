"""Parquet: columns for analytics (apache/parquet-format).

Every part is a whole Parquet file, compressed with zstd. The merge copies the row groups as they are and writes one
footer for all of them. Columns keep their types and API names; an interval, for which readers have no common type, is
ISO 8601 text, and a time stamp with a zone is the instant in UTC.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import DATE, INTEGER, INTERVAL, TEXT, ColumnType
from shared.catalog.columns import Column
from shared.formats.base import (
    EncodedPart,
    Facts,
    FileSpec,
    PartBytes,
    PartPosition,
    Segment,
    Verbatim,
    Write,
)
from shared.formats.options import Option, validate
from shared.formats.parquet_footer import MAGIC, footer_of, join_footers
from shared.formats.scalars import TextStyle
from shared.formats.slices import slices
from shared.formats.text_columns import as_text
from shared.sources.special_values import without_special_values

if TYPE_CHECKING:
    import pyarrow.parquet as pq


_GROUP_ROWS = 100_000
_GROUP_BYTES = 16 * 1024 * 1024
_SAMPLE_ROWS = 8_192
_FEW_DISTINCT = 0.5
"""A column whose first rows have at most this share of distinct values is stored with a dictionary."""
_MAYBE_DICTIONARY = {INTEGER, TEXT, DATE}
"""The families of which few distinct values are common."""
_ZSTD_LEVEL = 1


class Parquet:
    """Apache Parquet."""

    name = "parquet"
    title = "Parquet"
    extension = "parquet"
    content_type = "application/vnd.apache.parquet"
    summary = "Typed columns, compressed, for analytics."
    compressions: Sequence[str] = ("none",)
    option_list: Sequence[Option] = ()
    rows_per_group: int | None = None
    numbers_rows = False
    part_rows: int | None = None
    max_rows: int | None = None

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """There are none yet; any that is given is refused."""
        return validate(self.option_list, given)

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """Row groups of up to 100,000 rows.

        Facts: the ``footer`` of a file of these row groups alone, in base64; ``emptied``, how many values are missing
        because Parquet has none like them (``special_values.py``), if any. Raises ``LimitReached`` for a row of over
        256 MiB.
        """
        rows = emptied = 0

        def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
            nonlocal emptied
            arrays, counts = zip(*map(_plain, batch.columns, spec.columns), strict=True)
            emptied += sum(counts)
            return pa.RecordBatch.from_arrays(list(arrays), schema=_file_schema(spec.columns))

        writer: pq.ParquetWriter | None = None
        groups = _RowGroups(write)
        with pa.PythonFile(groups, "w") as sink:
            for group in _groups(map(plain, slices(batches, spec.columns)), spec.columns):
                writer = writer or _open(sink, spec.columns, _low_cardinality(group, spec.columns))
                writer.write_table(group, row_group_size=_GROUP_ROWS)
                rows += group.num_rows
            if writer is None:
                return 0, {}
            groups.end()
            writer.close()
        footer = {"footer": base64.b64encode(footer_of(groups.tail)).decode()}
        return rows, {**footer, **({"emptied": emptied} if emptied else {})}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The row groups of all parts, and their joined footer; an empty file when no part has rows."""
        filled = [part for part in parts if part.rows]
        if not filled:
            empty = pa.BufferOutputStream()
            _open(empty, spec.columns, []).close()
            yield Verbatim(empty.getvalue().to_pybytes())
            return
        yield Verbatim(MAGIC)
        footers, starts = [], []
        offset = len(MAGIC)
        for part in filled:
            footers.append(base64.b64decode(part.facts["footer"]))
            starts.append(offset)
            yield PartBytes(part.index)
            offset += part.bytes
        yield Verbatim(join_footers(footers, starts))


class _RowGroups:
    """The file object that Arrow writes to: passes on the row groups, without the magic before and what comes after.

    Arrow reuses its memory, so every piece is passed on as a copy.
    """

    closed = False

    def __init__(self, write: Write) -> None:
        self._write = write
        self._magic_bytes = len(MAGIC)
        self._ended = False
        self.tail = b""
        """What was written after the row groups: the footer with its length and the magic."""

    def write(self, data: bytes) -> int:
        skipped = min(self._magic_bytes, len(data))
        self._magic_bytes -= skipped
        if self._ended:
            self.tail += bytes(data)
        elif len(data) > skipped:
            self._write(bytes(memoryview(data)[skipped:]))
        return len(data)

    def end(self) -> None:
        """All row groups are written."""
        self._ended = True

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The part's end is the caller's business."""


def _open(sink: Any, columns: Sequence[Column], dictionary: Sequence[str]) -> "pq.ParquetWriter":
    import pyarrow.parquet as pq

    schema = _file_schema(columns)
    # Every row group has nearly every value of a text of few: the least and the greatest of them tell a reader nothing.
    told = [f.name for f in schema if not (f.name in dictionary and pa.types.is_string(f.type))]
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=list(dictionary),
        write_statistics=told,
        store_schema=False,
    )


def _file_schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(c.name, _file_type(c.kind)) for c in columns])


def _file_type(kind: ColumnType) -> pa.DataType:
    return pa.string() if kind.family is INTERVAL else kind.arrow


def _plain(values: pa.Array, column: Column) -> tuple[pa.Array, int]:
    """A column as the file has it, and how many of its values it cannot have."""
    if column.kind.family is INTERVAL:
        return as_text(values, column.kind, TextStyle()), 0
    return without_special_values(values)


def _groups(batches: Iterator[pa.RecordBatch], columns: Sequence[Column]) -> Iterator[pa.Table]:
    """Tables, each to be one row group, of batches of the file's schema."""
    schema = _file_schema(columns)
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        pending.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(pending, schema)
            pending, rows, size = [], 0, 0
    if pending:
        yield pa.Table.from_batches(pending, schema)


def _low_cardinality(group: pa.Table, columns: Sequence[Column]) -> list[str]:
    """The columns that a dictionary makes smaller, judged by the first rows of the part."""
    sample = group.slice(0, _SAMPLE_ROWS)
    return [
        column.name
        for column, values in zip(columns, sample.columns, strict=True)
        if column.kind.family in _MAYBE_DICTIONARY and pc.count_distinct(values).as_py() <= _FEW_DISTINCT * len(values)
    ]
