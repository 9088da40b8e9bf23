"""Cutting a stream of record batches into slices of even size, so that the memory of an encoder is bounded.

20,000 rows are a few MiB of text: enough to make the cost of a call vanish, and small enough for the caches. Small
batches are put together and large ones are cut, so that the slices, and with them the compressed bytes, do not depend
on how the source happened to batch its rows.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from shared.catalog.columns import Column, arrow_schema
from shared.errors import LimitReached, SchemaChanged

SLICE_ROWS = 20_000
SLICE_BYTES = 8 * 1024 * 1024
ROW_BYTES = 256 * 1024 * 1024
"""The largest row: escaping can make six bytes of one, and an Arrow text column holds 2 GiB at most."""


def slices(batches: pa.RecordBatchReader, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """The same rows as record batches of up to ``SLICE_ROWS`` rows and about ``SLICE_BYTES`` bytes, none empty.

    Raises ``SchemaChanged`` when the batches are not of the columns' types, and ``LimitReached`` when a single row is
    larger than ``ROW_BYTES``.
    """
    _check_schema(batches.schema, columns)
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, SLICE_ROWS - rows)
            while piece.num_rows > 1 and size + piece.nbytes > SLICE_BYTES:
                piece = piece.slice(0, piece.num_rows // 2)
            if pending and size + piece.nbytes > SLICE_BYTES:
                yield pa.concat_batches(pending)
                pending, rows, size = [], 0, 0
                continue
            if piece.nbytes > ROW_BYTES and piece.num_rows == 1:
                raise LimitReached(f"one row is {piece.nbytes:,} bytes; the limit is {ROW_BYTES:,}")
            pending.append(piece)
            rows, size, start = rows + piece.num_rows, size + piece.nbytes, start + piece.num_rows
            if rows == SLICE_ROWS or size > SLICE_BYTES:
                yield pa.concat_batches(pending) if len(pending) > 1 else piece
                pending, rows, size = [], 0, 0
    if pending:
        yield pa.concat_batches(pending)


def _check_schema(found: pa.Schema, columns: Sequence[Column]) -> None:
    promised = arrow_schema(columns)
    if found.types != promised.types:
        differences = [
            f"{p.name} is {f.type}, not {p.type}" for f, p in zip(found, promised, strict=False) if f.type != p.type
        ]
        count = f"{len(found)} columns for {len(promised)}" if len(found) != len(promised) else ""
        raise SchemaChanged("the rows do not fit the columns: " + ", ".join(filter(None, [count, *differences])))
