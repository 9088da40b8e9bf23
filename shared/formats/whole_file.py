"""A whole file in memory, through the same code that exports of any size use: for small tables, docs and tests."""

from collections.abc import Sequence

import pyarrow as pa

from shared.formats.base import EncodedPart, FileSpec, Format, PartPosition, Verbatim


def encode_file(file_format: Format, parts: Sequence[pa.RecordBatchReader], spec: FileSpec) -> bytes:
    """The file of these parts, one after the other. Raises as ``encode_part`` does."""
    written: list[bytes] = []
    encoded: list[EncodedPart] = []
    rows_before = 0
    for index, batches in enumerate(parts):
        part = bytearray()
        position = PartPosition(index, len(parts), rows_before)
        rows, facts = file_format.encode_part(batches, part.extend, spec, position)
        written.append(bytes(part))
        encoded.append(EncodedPart(index, rows, len(part), facts))
        rows_before += rows
    segments = file_format.assemble(encoded, spec)
    return b"".join(segment.data if isinstance(segment, Verbatim) else written[segment.index] for segment in segments)
