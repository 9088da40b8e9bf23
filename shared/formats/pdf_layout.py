"""The layout of a table on paper: the page, the columns' widths, and the streams that draw them.

Columns are measured in a sample of the rows. The page is the smallest that holds them: A4 upright, A4 or A3 across;
then text columns become as narrow as is bearable, on sheets of up to A0. Text that is too wide ends with an ellipsis.
Lengths are in points, or in 1/1000 of the font's size where they are called units.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.columns import Column
from shared.errors import LimitReached
from shared.formats import pdf_text
from shared.formats.escape import column_bytes
from shared.formats.pdf_font import UNITS_PER_EM
from shared.formats.scalars import TextStyle
from shared.formats.text_columns import as_text

FONT_SIZE = 7
_TITLE_SIZE = 11
MARGIN = 28.0
_FOOTER = MARGIN - 12
_PADDING = 3.0
_ROW = 11.0
_TOP = 40.0
"""From the top of the page to the header row: the title stands there."""
_BASELINE = 3.2
_SHEETS = ((595, 842), (842, 595), (1191, 842))
"""A4 upright, A4 across, A3 across: the sheets on which every column may have the width that it wants."""
_LARGE_SHEETS = ((1191, 842), (1684, 1191), (2384, 1684), (3370, 2384))
"""A3 to A0 across, with narrow text columns."""
_MAX_COLUMN, _MIN_COLUMN = 230.0, 55.0
_SPARE_DIGITS = 2 * 572
"""Room in a number column for a larger number than those of the sample."""


@dataclass(frozen=True)
class Layout:
    """A page of ``width`` x ``height`` points; columns start at ``starts`` and are ``widths`` wide inside, in units."""

    columns: tuple[Column, ...]
    width: int
    height: int
    starts: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def rows_of_a_page(self) -> int:
        """How many rows a page holds under its header."""
        return int((self.height - _TOP - _ROW - MARGIN) // _ROW)


@dataclass(frozen=True)
class Shown:
    """Rows ready to be drawn, one operator each, with the characters that they use and what could not be shown."""

    operators: pa.StringArray
    characters: frozenset[int]
    truncated: int
    missing_glyphs: int


def printed(batch: pa.RecordBatch, columns: Sequence[Column], time_zone: str) -> list[pa.StringArray]:
    """Every column as text on one line."""
    style = TextStyle(time_zone)
    return [
        pdf_text.printable(as_text(values, column.kind, style))
        for values, column in zip(batch.columns, columns, strict=True)
    ]


def line(text: str) -> pa.StringArray:
    """One text, on one line."""
    return pdf_text.printable(pa.array([text], pa.string()))


def measure(sample: Sequence[pa.StringArray], columns: tuple[Column, ...], titles: Sequence[str]) -> Layout:
    """The layout for these columns and titles. Raises ``LimitReached`` when the widest sheet is too narrow."""
    wanted, least = [], []
    for words, column, title in zip(sample, columns, titles, strict=True):
        widest = pc.max(pdf_text.cell_widths(words)).as_py() or 0
        if column.kind.family.number:
            widest += _SPARE_DIGITS
        of_title = pdf_text.cell_widths(line(title))[0].as_py()
        wanted.append(min(max(widest, of_title), _units(_MAX_COLUMN)))
        bounded = column.kind.family.bounded
        least.append(min(wanted[-1], max(widest, 1) if bounded else _units(_MIN_COLUMN)))
    gaps = _units(2 * _PADDING) * len(columns)
    choices = [(sheet, wanted) for sheet in _SHEETS] + [(sheet, least) for sheet in _LARGE_SHEETS]
    for (width, height), needed in choices:
        room = _units(width - 2 * MARGIN) - gaps
        if sum(needed) <= room:
            return _placed(columns, width, height, _shared_out(wanted, least, room))
    raise LimitReached(f"{len(columns)} columns do not fit on a sheet for printing; choose fewer columns")


def show(words: Sequence[pa.StringArray], layout: Layout, *, header: bool = False) -> Shown:
    """Draw rows of text; in a header numbers' titles stand on the right too."""
    cells: list[tuple[pa.Array, pa.StringArray]] = []
    characters: set[int] = set()
    truncated = missing = 0
    end: pa.Array = pa.scalar(0, pa.int64())
    for column, values, start, limit in zip(layout.columns, words, layout.starts, layout.widths, strict=True):
        text, widths, cut = pdf_text.fit(values, pdf_text.cell_widths(values), limit)
        used = pdf_text.code_points(text)
        characters.update(pc.unique(used).to_pylist())
        missing += pdf_text.missing_glyphs(used)
        truncated += 0 if header else cut
        right_aligned = column.kind.family.number
        at = pc.subtract(start + limit, widths) if right_aligned else pa.scalar(start, pa.int64())
        cells.append((pc.subtract(at, end), pdf_text.hexadecimal(text)))
        end = pc.add(at, widths)
    return Shown(pdf_text.show(cells), frozenset(characters), truncated, missing)


def header_stream(layout: Layout, titles: pa.StringArray) -> bytes:
    """The content stream of the header row: a grey bar, the titles, and a line."""
    top = layout.height - _TOP
    right = _right(layout)
    bar = f"0.92 g {MARGIN} {top - _ROW:.2f} {right - MARGIN:.2f} {_ROW} re f 0 g\n"
    line = f"0.5 w {MARGIN} {top - _ROW:.2f} m {right:.2f} {top - _ROW:.2f} l S\n"
    return bar.encode() + _text_block(top, titles) + line.encode()


def page_stream(layout: Layout, rows: pa.StringArray) -> bytes:
    """The content stream of a page's rows: the texts, and a thin line under each row."""
    top = layout.height - _TOP - _ROW
    right = _right(layout)
    levels = [top - _ROW * (row + 1) for row in range(len(rows))]
    lines = "".join(f"{MARGIN} {y:.2f} m {right:.2f} {y:.2f} l\n" for y in levels)
    return _text_block(top, rows) + f"0.8 G 0.25 w\n{lines}S 0 G\n".encode()


def frame_stream(width: int, height: int, title: str, footer: str) -> bytes:
    """The content stream of what is the same around the table on every page: the title above, the footer below."""
    pieces = []
    for text, size, y in ((title, _TITLE_SIZE, height - MARGIN - 4), (footer, FONT_SIZE, _FOOTER)):
        room = (width - 2 * MARGIN) * UNITS_PER_EM / size
        words, _, _ = pdf_text.fit(line(text), pdf_text.cell_widths(line(text)), int(room))
        pieces.append(_single_line(size, MARGIN, y, pdf_text.hexadecimal(words)[0].as_py()))
    return "".join(pieces).encode()


def page_number_streams(width: int, numbers: Sequence[str]) -> list[bytes]:
    """The content stream of each page's number, on the right under the table."""
    words = pa.array(numbers, pa.string())
    widths = pdf_text.cell_widths(words).to_pylist()
    digits = pdf_text.hexadecimal(words).to_pylist()
    right = width - MARGIN
    return [
        _single_line(FONT_SIZE, right - width * FONT_SIZE / UNITS_PER_EM, _FOOTER, digit).encode()
        for width, digit in zip(widths, digits, strict=True)
    ]


def _single_line(size: int, x: float, y: float, digits: str) -> str:
    return f"BT/F {size} Tf {x:.2f} {y:.2f} Td<{digits}>Tj ET\n"


def _placed(columns: tuple[Column, ...], width: int, height: int, widths: Sequence[int]) -> Layout:
    gap = _units(2 * _PADDING)
    starts = tuple(sum(widths[:index]) + gap * index for index in range(len(widths)))
    return Layout(columns, width, height, starts, tuple(widths))


def _shared_out(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """What is wanted where there is room; else the least, and a share of the rest in proportion to what is missing."""
    missing = sum(wanted) - sum(least)
    spare = min(room - sum(least), missing)
    return [low + (high - low) * spare // missing if missing else low for high, low in zip(wanted, least, strict=True)]


def _text_block(top: float, rows: pa.StringArray) -> bytes:
    first = top + _BASELINE
    start = f"BT/F {FONT_SIZE} Tf {_ROW} TL 1 0 0 1 {MARGIN + _PADDING} {first:.2f} Tm\n"
    return start.encode() + bytes(column_bytes(rows)) + b"ET\n"


def _right(layout: Layout) -> float:
    return MARGIN + (layout.starts[-1] + layout.widths[-1]) * FONT_SIZE / UNITS_PER_EM + 2 * _PADDING


def _units(points: float) -> int:
    return int(points * UNITS_PER_EM / FONT_SIZE)
