"""JSON: one array of objects (RFC 8259), a row on each line.

Every part starts with the separator that stands before its first row, apart from the rest, so that the merge can leave
it out before the first row of the file. Which part that is shows only then: a part can turn out to be empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shared.formats.base import EncodedPart, Facts, FileSpec, PartBytes, PartPosition, ReadPart, Segment, Write
from shared.formats.compression import TextWriter, assembled, compressed, numbers_in
from shared.formats.escape import column_bytes
from shared.formats.json_rows import JSON_OPTIONS, JsonRows
from shared.formats.options import Option, validate
from shared.formats.slices import slices
from shared.formats.zip_container import Deflated, fragment

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
        encoder = JsonRows(spec, _SEPARATOR.decode(), "")
        separator = compressed(_SEPARATOR, spec.compression)
        rows = 0
        write(separator)
        with TextWriter(write, spec.compression) as out:
            for batch in slices(batches, spec.columns):
                encoded = column_bytes(encoder.encode(batch))
                out.write(encoded if rows else encoded[len(_SEPARATOR) :])
                rows += batch.num_rows
        return rows, {"separator": len(separator), **out.facts}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec, read: ReadPart) -> Iterator[Segment]:
        """The bracket, the parts that have rows, and the bracket."""
        return assembled(_pieces(parts), spec)


def _pieces(parts: Sequence[EncodedPart]) -> Iterator[bytes | tuple[PartBytes, Deflated]]:
    yield b"[\n"
    filled = [part for part in parts if part.rows]
    _, separator = fragment(_SEPARATOR, last=False)
    for part in filled:
        skipped, numbers = 0, separator + numbers_in(part.facts)
        if part is filled[0]:
            skipped, numbers = part.facts["separator"], numbers_in(part.facts)
        yield PartBytes(part.index, skipped, part.bytes - skipped), numbers
    yield b"\n]\n" if filled else b"]\n"
