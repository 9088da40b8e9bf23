"""``python -m tests.formats.peak FORMAT ROWS``: the peak memory, in MiB, of a process that encodes one part.

A program of its own, so that only the encoder is measured, and not what reads files in the tests.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from shared.catalog.columns import Column, arrow_schema
from shared.formats import FORMATS
from shared.formats.base import FileSpec, PartPosition

COLUMNS = (
    Column("id", "Id", "integer"),
    Column("amount", "Amount", "decimal(12,2)"),
    Column("seen", "Seen", "timestamp"),
    Column("note", "Note", "text"),
)
BATCH_ROWS = 10_000


def stream(rows: int) -> pa.RecordBatchReader:
    """Rows that are made while they are read, 500 bytes each."""
    schema = arrow_schema(COLUMNS)

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, BATCH_ROWS):
            numbers = pa.array(range(start, start + BATCH_ROWS), pa.int64())
            notes = pa.array(["=" + "x<" * 200 + str(number) for number in range(start, start + BATCH_ROWS)])
            amounts = numbers.cast(pa.decimal128(19, 0)).cast(schema.types[1])
            yield pa.RecordBatch.from_arrays([numbers, amounts, numbers.cast(schema.types[2]), notes], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def main(name: str, rows: int) -> None:
    """Encode, and print the peak."""
    spec = FileSpec(COLUMNS, options=FORMATS[name].options({}))
    count, _ = FORMATS[name].encode_part(stream(rows), lambda _data: None, spec, PartPosition(0, 1, 0))
    assert count == rows
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    sys.stdout.write(f"{int(peak) // 1024}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
