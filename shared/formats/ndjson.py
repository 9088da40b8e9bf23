"""NDJSON: one JSON object for each row (RFC 8259), each ended by a line feed; the file of an empty result is empty."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shared.formats.base import EncodedPart, Facts, FileSpec, PartBytes, PartPosition, Segment, Write
from shared.formats.compression import TextWriter, assembled, numbers_in
from shared.formats.escape import column_bytes
from shared.formats.json_rows import JSON_OPTIONS, JsonRows
from shared.formats.options import Option, validate
from shared.formats.slices import slices


class NdJson:
    """Newline-delimited JSON."""

    name = "ndjson"
    title = "NDJSON"
    extension = "ndjson"
    content_type = "application/x-ndjson"
    summary = "One JSON object on each line, for loaders and streams."
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
        """The rows of the part. Raises ``LimitReached`` for a row of over 256 MiB."""
        encoder = JsonRows(spec, "", "\n")
        rows = 0
        with TextWriter(write, spec.compression) as out:
            for batch in slices(batches, spec.columns):
                out.write(column_bytes(encoder.encode(batch)))
                rows += batch.num_rows
        return rows, {**out.facts, **encoder.facts}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The parts as they are."""
        pieces = ((PartBytes(part.index), numbers_in(part.facts)) for part in parts if part.bytes)
        return assembled(pieces, spec)
