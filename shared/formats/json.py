"""JSON: one array of objects (RFC 8259), a row on each line.

The separators between parts are the merge's, for which parts have rows shows only then: one can turn out to be empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shared.formats.base import EncodedPart, Facts, FileSpec, PartBytes, PartPosition, Segment, Write
from shared.formats.compression import Piece, TextWriter, assembled, numbers_in
from shared.formats.escape import column_bytes
from shared.formats.json_rows import JSON_OPTIONS, JsonRows
from shared.formats.options import Option, validate
from shared.formats.slices import slices

_SEPARATOR = b",\n"


class Json:
    """A JSON array."""

    name = "json"
    title = "JSON"
    extension = "json"
    content_type = "application/json"
    summary = "One JSON array of objects."
    compressions: Sequence[str] = ("none", "gzip", "zip")
    option_list: Sequence[Option] = JSON_OPTIONS
    rows_per_group: int | None = None
    numbers_rows = False
    part_rows: int | None = None
    max_rows: int | None = None

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Validate and fill in the defaults."""
        return validate(self.option_list, given)

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """The rows with separators between them. Raises ``LimitReached`` for a row of over 256 MiB."""
        encoder = JsonRows(spec, _SEPARATOR.decode(), "")
        rows = 0
        with TextWriter(write, spec.compression) as out:
            for batch in slices(batches, spec.columns):
                encoded = column_bytes(encoder.encode(batch))
                out.write(encoded if rows else encoded[len(_SEPARATOR) :])
                rows += batch.num_rows
        return rows, {**out.facts, **encoder.facts}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The brackets, and the parts that have rows with separators between them."""
        return assembled(_pieces(parts), spec)


def _pieces(parts: Sequence[EncodedPart]) -> Iterator[Piece]:
    yield b"[\n"
    filled = [part for part in parts if part.rows]
    for part in filled:
        if part is not filled[0]:
            yield _SEPARATOR
        yield PartBytes(part.index), numbers_in(part.facts)
    yield b"\n]\n" if filled else b"]\n"
