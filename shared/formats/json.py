"""JSON: one array of objects (RFC 8259), a row on each line.

Every part starts with the separator that stands before its first row, apart from the rest, so that the merge can leave
it out before the first row of the file. Which part that is shows only then: a part can turn out to be empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shared.formats.base import EncodedPart, Facts, FileSpec, PartBytes, PartPosition, ReadPart, Segment, Write
from shared.formats.compression import TextWriter, literal
from shared.formats.escape import column_bytes
from shared.formats.json_rows import JSON_OPTIONS, JsonRows
from shared.formats.options import Option, validate
from shared.formats.slices import slices

_SEPARATOR = ",\n"


class Json:
    """A JSON array."""

    name = "json"
    title = "JSON"
    extension = "json"
    content_type = "application/json"
    summary = "One JSON array of objects."
    compressions: Sequence[str] = ("none", "gzip")
    option_list: Sequence[Option] = JSON_OPTIONS
    whole_parts: bool = False
    rows_per_group: int | None = None
    part_rows: int | None = None
    max_rows: int | None = None

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Validate and fill in the defaults."""
        return validate(self.option_list, given)

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """The separator, and the rows with separators between them; the fact is the separator's length in bytes.

        Raises ``LimitReached`` for a row of over 256 MiB.
        """
        encoder = JsonRows(spec, _SEPARATOR, "")
        separator = literal(_SEPARATOR.encode(), spec.compression).data
        rows = 0
        write(separator)
        with TextWriter(write, spec.compression) as out:
            for batch in slices(batches, spec.columns):
                encoded = column_bytes(encoder.encode(batch))
                out.write(encoded if rows else encoded[len(_SEPARATOR) :])
                rows += batch.num_rows
        return rows, {"separator": len(separator)}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec, read: ReadPart) -> Iterator[Segment]:
        """The bracket, the parts that have rows, and the bracket."""
        yield literal(b"[\n", spec.compression)
        first = True
        for part in parts:
            if part.rows:
                skipped = part.facts["separator"] if first else 0
                yield PartBytes(part.index, skipped, part.bytes - skipped)
                first = False
        yield literal(b"]\n" if first else b"\n]\n", spec.compression)
