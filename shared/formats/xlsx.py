"""XLSX: a workbook for people (ECMA-376 Part 1, SpreadsheetML).

A part is the rows' XML as a raw deflate fragment that ends with a full flush, so that fragments join to one stream; the
merge puts the ZIP headers, the sheet's start and end, and the rest of the workbook around them. No part straddles two
sheets. A sheet is planned for a million rows; it can hold 1,048,576, so rows that are added meanwhile have room.

Every row and cell has its position: the schema does not ask for it (18.3.1.73, 18.3.1.4), but readers do. So a part
holds the numbers that its rows have by the plan.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.column_types import BOOLEAN, DATE, DECIMAL, LOCAL_TIMESTAMP, TIME, TIMESTAMP
from shared.catalog.columns import Column
from shared.errors import LimitReached
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
from shared.formats.escape import column_bytes, join, text
from shared.formats.options import Option, validate
from shared.formats.slices import slices
from shared.formats.xlsx_cells import CellEncoder, Cells
from shared.formats.zip_container import Deflated, Deflater, Entry, central_directory, fragment, local_header

_ROWS_OF_A_SHEET = 1_000_000
_FIRST_ROW, _LAST_ROW = 2, 1_048_576
"""Below the header, and at the end of a sheet (Excel specifications and limits)."""
_MIN_WIDTH, _MAX_WIDTH = 8, 60
_FIXED_WIDTHS = {DATE: 11, TIME: 10, TIMESTAMP: 19, LOCAL_TIMESTAMP: 19, BOOLEAN: 8}
_WIDTH_CODE = ord("0")
"""Widths are remembered as one character for each column, to be small in wide tables: ``0`` is none."""

_OPTIONS = (
    Option(
        name="titleSheet",
        default=False,
        summary="Start with a sheet that has the title, when the file was made, and the number of rows.",
    ),
)


class Xlsx:
    """An Excel workbook."""

    name = "xlsx"
    title = "Excel"
    extension = "xlsx"
    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    summary = "An Excel workbook with a frozen header, filters and real numbers and dates."
    compressions: Sequence[str] = ("none",)
    option_list: Sequence[Option] = _OPTIONS
    rows_per_group: int | None = _ROWS_OF_A_SHEET
    numbers_rows = True
    part_rows: int | None = None
    max_rows: int | None = None

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Validate and fill in the defaults."""
        return validate(_OPTIONS, given)

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """The rows as a deflate fragment.

        Facts: the index of its ``sheet``; ``crc`` and ``textBytes`` of the fragment; ``truncated``, the number of
        texts that were cut off at 32,767 characters; from the first part, ``widths``. Raises ``LimitReached`` for a row
        of over 256 MiB, and for rows beyond the last one of a sheet.
        """
        encoder = CellEncoder(spec.time_zone)
        deflater = Deflater()
        first = position.rows_before % _ROWS_OF_A_SHEET + position.shift + _FIRST_ROW
        rows, widths = 0, ""
        for batch in slices(batches, spec.columns):
            if first + rows + batch.num_rows - 1 > _LAST_ROW:
                raise LimitReached(
                    f"rows were added while the export ran, more than the {_LAST_ROW:,} of a sheet; ask for it again"
                )
            cells = [
                encoder.encode(values, column.kind) for values, column in zip(batch.columns, spec.columns, strict=True)
            ]
            if not rows and not position.index:
                widths = "".join(chr(_WIDTH_CODE + width) for width in map(_width, cells, spec.columns))
            if compressed := deflater.compress(column_bytes(_rows(cells, first + rows))):
                write(compressed)
            rows += batch.num_rows
        write(deflater.end(last=False))
        numbers = deflater.numbers
        facts = {
            "sheet": position.rows_before // _ROWS_OF_A_SHEET,
            "crc": numbers.crc,
            "textBytes": numbers.text_bytes,
            "truncated": encoder.truncated,
        }
        return rows, {**facts, "widths": widths} if widths else facts

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The sheets, each with its parts in the middle, then the other files of the workbook and the directory."""
        filled = [part for part in parts if part.rows]
        sheets = [[part for part in filled if part.facts["sheet"] == s] for s in _sheets(filled)] or [[]]
        from shared.formats import xlsx_shell

        shell = xlsx_shell.build(spec, [sum(part.rows for part in sheet) for sheet in sheets], _widths(parts, spec))
        entries: list[Entry] = []
        offset = 0
        for sheet, (name, before, after) in zip(sheets, shell.sheets, strict=True):
            start, start_numbers = fragment(before, last=False)
            end, end_numbers = fragment(after, last=True)
            total = start_numbers
            for part in sheet:
                total += Deflated(part.facts["crc"], part.facts["textBytes"], part.bytes)
            entries.append(Entry(name, total + end_numbers, offset))
            header = local_header(entries[-1])
            yield Verbatim(header + start)
            yield from (PartBytes(part.index) for part in sheet)
            yield Verbatim(end)
            offset += len(header) + entries[-1].data.compressed_bytes
        rest = b""
        for name, content in shell.files.items():
            data, numbers = fragment(content, last=True)
            entries.append(Entry(name, numbers, offset + len(rest)))
            rest += local_header(entries[-1]) + data
        yield Verbatim(rest + central_directory(entries, offset + len(rest)))


def _rows(columns: Sequence[Cells], first: int) -> pa.StringArray:
    """One cell for each row: its XML, with the positions of the row, of which the first is ``first``, and its cells.

    A missing value has no cell.
    """
    count = len(columns[0].values)
    numbers = pc.cast(pc.add(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int32()), count)), first - 1), pa.string())
    pieces: list[pa.StringArray | str] = ['<row r="', numbers]
    pending = '">'
    for letters, cells in zip(_letters(len(columns)), columns, strict=True):
        start, before = f'<c r="{letters}', '"' + cells.before
        if cells.values.null_count:
            pieces += [pending, join(start, numbers, before, cells.values, cells.after)]
            pending = ""
        else:
            pieces += [pending + start, numbers, before, cells.values]
            pending = cells.after
    pieces.append(pending + "</row>")
    return pc.binary_join_element_wise(
        *(text(piece) if isinstance(piece, str) else piece for piece in pieces),
        text(""),
        null_handling="replace",
        null_replacement="",
    )


@lru_cache(maxsize=4)
def _letters(count: int) -> tuple[str, ...]:
    """The names of the first columns: A, B, and so on."""
    from openpyxl.utils import get_column_letter

    return tuple(map(get_column_letter, range(1, count + 1)))


def _sheets(parts: Sequence[EncodedPart]) -> list[int]:
    return sorted({part.facts["sheet"] for part in parts})


def _width(cells: Cells, of: Column) -> int:
    family = of.kind.family
    if family in _FIXED_WIDTHS:
        return _FIXED_WIDTHS[family]
    longest = pc.max(pc.utf8_length(cells.values)).as_py() or 0
    if not cells.before:
        longest = 20  # numbers and exact texts together: the cells hold their mark-up too
    if family is DECIMAL:
        longest = longest * 4 // 3  # digit grouping
    return max(0, min(longest, _MAX_WIDTH))


def _widths(parts: Sequence[EncodedPart], spec: FileSpec) -> list[int]:
    """The widths of the sample, and at least those of the titles with the filter's button."""
    coded = next((part.facts["widths"] for part in parts if part.facts.get("widths")), "0" * len(spec.columns))
    return [
        max(_MIN_WIDTH, ord(code) - _WIDTH_CODE + 2, min(len(column.title_in(spec.locale)) + 5, _MAX_WIDTH))
        for code, column in zip(coded, spec.columns, strict=True)
    ]
