"""PDF: a table for printing (ISO 32000-1).

A part is content streams, one for each page and one for its header row, as numbered objects, with an index at its end.
The merge copies the streams, and adds what joins them: pages with title and page number, the font of all characters
that occur, and the cross-reference table. Columns are measured by part, and a part starts a new page, so a file looks
best when it is one part; ``part_rows`` asks for that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from shared.catalog.columns import arrow_schema
from shared.errors import LimitReached
from shared.formats import pdf_font, pdf_layout
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
from shared.formats.pdf_font import FONT_NAME
from shared.formats.pdf_objects import cross_reference, plain_object, stream_object, text_string
from shared.formats.slices import slices

_MAX_ROWS = 50_000
_ROWS_AT_ONCE = 1_000
"""Measuring text takes many bytes for each character, so fewer rows than a slice has; the first ones are the sample."""
_START = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_CATALOG, _PAGES, _FONT, _CID_FONT, _DESCRIPTOR, _PROGRAM, _TO_UNICODE, _INFO = range(1, 9)
_FIRST_FREE = 9


@dataclass(frozen=True)
class _Index:
    """What the merge needs to know of a part: the page's size, the objects in it by their offset, and its characters.

    The objects are numbered from ``first`` on: the header's stream, then the stream of each page.
    """

    width: int
    height: int
    first: int
    offsets: list[int]
    characters: str


class Pdf:
    """A document for printing."""

    name = "pdf"
    title = "PDF"
    extension = "pdf"
    content_type = "application/pdf"
    summary = f"A table for printing, with page numbers and a repeated header; up to {_MAX_ROWS:,} rows."
    compressions: Sequence[str] = ("none",)
    option_list: Sequence[Option] = ()
    rows_per_group: int | None = None
    numbers_rows = False
    part_rows: int | None = _MAX_ROWS
    max_rows: int | None = _MAX_ROWS

    def options(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """There are none yet; any that is given is refused."""
        return validate(self.option_list, given)

    def encode_part(
        self, batches: pa.RecordBatchReader, write: Write, spec: FileSpec, position: PartPosition
    ) -> tuple[int, Facts]:
        """The pages of the part.

        Facts: the ``index`` of its objects, how many cells were ``truncated`` with an ellipsis, and how many characters
        are shown as a box for want of a glyph, ``missingGlyphs``. Raises ``LimitReached`` beyond 50,000 rows, and when
        there are more columns than fit on a sheet.
        """
        pages = _Pages(write, spec, _FIRST_FREE + position.rows_before + 2 * position.index)
        for batch in slices(batches, spec.columns):
            if position.rows_before + pages.rows + batch.num_rows > _MAX_ROWS:
                raise LimitReached(f"a PDF holds up to {_MAX_ROWS:,} rows; filter the rows or choose another format")
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                pages.add(batch.slice(start, _ROWS_AT_ONCE))
        index = asdict(pages.finish())
        return pages.rows, {"index": index, "truncated": pages.truncated, "missingGlyphs": pages.missing_glyphs}

    def assemble(self, parts: Sequence[EncodedPart], spec: FileSpec) -> Iterator[Segment]:
        """The parts' streams, then everything around them; a page without rows when no part has any."""
        file = _File(spec)
        yield Verbatim(_START)
        for part in parts:
            if part.rows:
                file.add(_Index(**part.facts["index"]), part.bytes)
                yield PartBytes(part.index)
        if not file.indexes:
            yield Verbatim(file.add_empty_page())
        yield Verbatim(file.end())


class _Pages:
    """Encodes the rows of one part. The first rows, or none, decide on the layout."""

    def __init__(self, write: Write, spec: FileSpec, first: int) -> None:
        self.rows = self.truncated = self.missing_glyphs = 0
        self._write, self._spec, self._first = write, spec, first
        self._layout: pdf_layout.Layout | None = None
        self._offsets: list[int] = []
        self._written = 0
        self._characters: set[int] = set()
        self._rest = pa.array([], pa.string())

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows; write the pages that are full."""
        words = pdf_layout.printed(batch, self._spec.columns, self._spec.time_zone)
        layout = self._layout or self._start(words)
        shown = pdf_layout.show(words, layout)
        self.rows += batch.num_rows
        self.truncated += shown.truncated
        self.missing_glyphs += shown.missing_glyphs
        self._characters |= shown.characters
        rows = pa.concat_arrays([self._rest, shown.operators])
        size = layout.rows_of_a_page
        full = len(rows) // size * size
        for start in range(0, full, size):
            self._put(pdf_layout.page_stream(layout, rows.slice(start, size)))
        self._rest = rows.slice(full)

    def finish(self) -> _Index:
        """Write the last page."""
        layout = self._layout
        if layout is None:
            empty = pa.RecordBatch.from_pylist([], arrow_schema(self._spec.columns))
            layout = self._start(pdf_layout.printed(empty, self._spec.columns, self._spec.time_zone))
        if len(self._rest) or not self.rows:
            self._put(pdf_layout.page_stream(layout, self._rest))
        characters = "".join(map(chr, sorted(self._characters)))
        return _Index(layout.width, layout.height, self._first, self._offsets, characters)

    def _start(self, sample: Sequence[pa.StringArray]) -> pdf_layout.Layout:
        titles = [column.title_in(self._spec.locale) for column in self._spec.columns]
        layout = self._layout = pdf_layout.measure(sample, self._spec.columns, titles)
        shown = pdf_layout.show([pdf_layout.line(title) for title in titles], layout, header=True)
        self._characters |= shown.characters
        self._put(pdf_layout.header_stream(layout, shown.operators))
        return layout

    def _put(self, content: bytes) -> None:
        data = stream_object(self._first + len(self._offsets), content)
        self._offsets.append(self._written)
        self._written += len(data)
        self._write(data)


class _File:
    """The parts put together, and everything that stands after them."""

    def __init__(self, spec: FileSpec) -> None:
        self.indexes: list[_Index] = []
        self._spec = spec
        self._offsets: dict[int, int] = {}
        self._position = len(_START)

    def add(self, index: _Index, length: int) -> None:
        """A part's streams stand next, in ``length`` bytes."""
        self.indexes.append(index)
        for number, offset in enumerate(index.offsets, index.first):
            self._offsets[number] = self._position + offset
        self._position += length

    def add_empty_page(self) -> bytes:
        """The streams of a page with a header and no rows."""
        written: list[bytes] = []
        pages = _Pages(lambda data: written.append(bytes(data)), self._spec, _FIRST_FREE)
        index = pages.finish()
        streams = b"".join(written)
        self.add(index, len(streams))
        return streams

    def end(self) -> bytes:
        """Pages, font, information, catalogue and the cross-reference table."""
        characters: set[int] = set()
        for index in self.indexes:
            characters.update(map(ord, index.characters))
        objects: dict[int, bytes] = {}
        kids = self._pages(objects, characters)
        objects[_PAGES] = plain_object(_PAGES, f"<</Type/Pages/Count {len(kids)}/Kids[{_references(kids)}]>>")
        objects[_CATALOG] = plain_object(_CATALOG, f"<</Type/Catalog/Pages {_PAGES} 0 R>>")
        objects[_INFO] = plain_object(_INFO, self._information())
        objects.update(_font_objects(characters))
        data = b""
        for number, content in objects.items():
            self._offsets[number] = self._position + len(data)
            data += content
        number = max(self._offsets) + 1
        return data + cross_reference(
            number, self._offsets, self._position + len(data), f"/Root {_CATALOG} 0 R/Info {_INFO} 0 R"
        )

    def _pages(self, objects: dict[int, bytes], characters: set[int]) -> list[int]:
        """Make a page object for every page, with the streams around its table; the numbers of the page objects."""
        total = sum(len(index.offsets) - 1 for index in self.indexes)
        labels = [f"{page} / {total}" for page in range(1, total + 1)]
        title, footer = self._spec.title, self._footer()
        for text in (title, footer, "… / 0123456789"):
            characters.update(map(ord, pdf_layout.line(text)[0].as_py()))
        number = max(self._offsets) + 1
        kids: list[int] = []
        for index in self.indexes:
            frame, number = number, number + 1
            objects[frame] = stream_object(frame, pdf_layout.frame_stream(index.width, index.height, title, footer))
            contents = range(index.first + 1, index.first + len(index.offsets))
            own_labels = labels[len(kids) : len(kids) + len(contents)]
            for content, label in zip(contents, pdf_layout.page_number_streams(index.width, own_labels), strict=True):
                objects[number] = stream_object(number, label)
                objects[number + 1] = plain_object(
                    number + 1,
                    f"<</Type/Page/Parent {_PAGES} 0 R/MediaBox[0 0 {index.width} {index.height}]"
                    f"/Resources<</Font<</F {_FONT} 0 R>>>>"
                    f"/Contents[{_references([frame, index.first, content, number])}]>>",
                )
                kids.append(number + 1)
                number += 2
        return kids

    def _footer(self) -> str:
        date, _, time = self._spec.created.partition("T")
        return f"{date} {time[:5]} UTC"

    def _information(self) -> str:
        stamp = "".join(character for character in self._spec.created if character.isdigit())[:14]
        return f"<</Title {text_string(self._spec.title)}/Producer(Sluice)/CreationDate(D:{stamp}Z)>>"


def _font_objects(characters: Iterable[int]) -> dict[int, bytes]:
    """The composite font of the file (9.7.6) and what it consists of."""
    font = pdf_font.embed(characters)
    widths = "".join(f"{code}[{width}]" for code, width in font.widths.items())
    return {
        _FONT: plain_object(
            _FONT,
            f"<</Type/Font/Subtype/Type0/BaseFont/{FONT_NAME}/Encoding/Identity-H"
            f"/DescendantFonts[{_CID_FONT} 0 R]/ToUnicode {_TO_UNICODE} 0 R>>",
        ),
        _CID_FONT: plain_object(
            _CID_FONT,
            f"<</Type/Font/Subtype/CIDFontType0/BaseFont/{FONT_NAME}"
            "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            f"/FontDescriptor {_DESCRIPTOR} 0 R/DW {pdf_font.MISSING_WIDTH}/W[{widths}]>>",
        ),
        _DESCRIPTOR: plain_object(
            _DESCRIPTOR,
            f"<</Type/FontDescriptor/FontName/{FONT_NAME}/Flags 4/FontBBox[-1000 -1048 2928 1808]/ItalicAngle 0"
            f"/Ascent 1069/Descent -293/CapHeight 714/StemV 80/FontFile3 {_PROGRAM} 0 R>>",
        ),
        _PROGRAM: stream_object(_PROGRAM, font.program, "/Subtype/CIDFontType0C"),
        _TO_UNICODE: stream_object(_TO_UNICODE, font.to_unicode),
    }


def _references(numbers: Iterable[int]) -> str:
    return " ".join(f"{number} 0 R" for number in numbers)
