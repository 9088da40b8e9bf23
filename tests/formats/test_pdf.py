"""PDF's own promises: pages, measured columns, glyphs, and stated limits."""

import io
import re
from typing import Any

import pypdf
import pytest

from shared.catalog.columns import Column
from shared.errors import LimitReached
from shared.formats import FORMATS
from shared.formats.base import FileSpec, PartPosition
from tests.formats.naughty import NAUGHTY
from tests.formats.readers import pdf_text
from tests.formats.tables import columns, encode, table

TWO = columns(id="integer", value="text")


def facts_of(of: tuple[Column, ...], rows: list[list[Any]], rows_before: int = 0) -> Any:
    pdf, position = FORMATS["pdf"], PartPosition(0, 1, rows_before)
    return pdf.encode_part(table(of, rows).to_reader(), lambda _: None, FileSpec(of, options={}), position)[1]


def test_every_page_has_title_header_and_number() -> None:
    """Rows go on where the last page ended."""
    pages = pdf_text(
        encode("pdf", TWO, table(TWO, [[number, f"word{number}"] for number in range(200)]), title="Report")
    )
    assert len(pages) == 3
    for number, page in enumerate(pages, 1):
        assert page.startswith("Report")
        assert "idvalue" in page
        assert page.endswith(f"{number}/3")


def test_document_information() -> None:
    """Title in any script, producer, and the given time."""
    data = encode("pdf", TWO, table(TWO, []), title="Übersicht 山田", created="2026-01-02T03:04:05Z")
    info = pypdf.PdfReader(io.BytesIO(data)).metadata
    assert info.title == "Übersicht 山田"
    assert info["/CreationDate"] == "D:20260102030405Z"


def test_a_title_that_is_too_wide_ends_with_an_ellipsis() -> None:
    """As a cell does, also when no cell has one."""
    (page,) = pypdf.PdfReader(io.BytesIO(encode("pdf", TWO, table(TWO, [[1, "x"]]), title="Wide " * 60))).pages
    assert "Wide …" in page.extract_text()
    assert ord("…") in page["/Resources"]["/Font"]["/F"]["/DescendantFonts"][0]["/W"]


@pytest.mark.parametrize(("count", "size"), [(2, (595, 842)), (8, (842, 595)), (12, (1191, 842)), (25, (1684, 1191))])
def test_wide_tables_lie_across_on_larger_sheets(count: int, size: tuple[int, int]) -> None:
    """A4 upright when it is enough."""
    of = tuple(Column(f"c{number}", f"Column {number}") for number in range(count))
    data = encode("pdf", of, table(of, [["some words in a cell"] * count] * 3))
    box = pypdf.PdfReader(io.BytesIO(data)).pages[0].mediabox
    assert (int(box.width), int(box.height)) == size


def test_columns_never_overlap() -> None:
    """Whatever the texts, each ends before the next column starts: measured in the operators themselves."""
    of = columns(id="integer", a="text", b="text", n="integer", c="text")
    rows = [[number, text, "W" * 200, number * 10**9, text] for number, text in enumerate(NAUGHTY)]
    data = encode("pdf", of, table(of, rows))
    reader = pypdf.PdfReader(io.BytesIO(data))
    stream = reader.pages[0]["/Contents"][2].get_object().get_data().decode("latin-1")
    moves = [
        [-int(gap) for gap in re.findall(r"[\[>](-?\d+)<", line)]
        for line in stream.split("\n")
        if line.startswith("T*")
    ]
    assert len(moves) > 20
    padding = 2 * 3 / 7 * 1000
    for move in moves:
        assert all(gap >= padding - 1 for gap in move[1:]), move


def test_texts_that_are_too_wide_end_with_an_ellipsis_and_are_counted() -> None:
    """Nothing is cut silently."""
    rows = [[1, "word " * 100], [2, "short"], [3, None]]
    assert facts_of(TWO, rows)["truncated"] == 1
    (page,) = pdf_text(encode("pdf", TWO, table(TWO, rows)))
    assert "wordword…2short" in page


def test_cjk_and_latin_share_a_cell() -> None:
    """One font has the glyphs of both, and all text can be searched."""
    text = "Łukasz 山田 太郎 한국어 Ελλάδα Россия Nguyễn"
    (page,) = pdf_text(encode("pdf", TWO, table(TWO, [[1, text]])))
    assert text.replace(" ", "") in page
    assert facts_of(TWO, [[1, text]])["missingGlyphs"] == 0


def test_characters_without_a_glyph_are_counted() -> None:
    """Emoji and scripts that need shaping are boxes, and the part says how many."""
    assert facts_of(TWO, [[1, "a😀b"], [2, "שלום"]])["missingGlyphs"] == 5


def test_naughty_strings_make_a_file_that_opens() -> None:
    """With strict parsing, and every row there."""
    pages = pdf_text(encode("pdf", TWO, table(TWO, [[number, text] for number, text in enumerate(NAUGHTY, 1_000)])))
    words = "".join(pages)
    assert all(str(number) in words for number in range(1_000, 1_000 + len(NAUGHTY)))


def test_numbers_stand_on_the_right() -> None:
    """Short and long numbers end at the same place."""
    data = encode("pdf", TWO, table(TWO, [[1, "x"], [123_456, "x"]]))
    stream = pypdf.PdfReader(io.BytesIO(data)).pages[0]["/Contents"][2].get_object().get_data().decode()
    short, long = (int(line[3 : line.index("<")]) for line in stream.split("\n") if line.startswith("T*"))
    assert short - long == -5 * 572


def test_more_rows_than_stated_are_refused() -> None:
    """Before anything is printed that nobody can read."""
    assert FORMATS["pdf"].max_rows == 50_000
    with pytest.raises(LimitReached, match="up to 50,000 rows"):
        facts_of(TWO, [[1, "x"]], rows_before=50_000)


def test_more_columns_than_fit_are_refused() -> None:
    """No sheet is wide enough for five hundred."""
    of = tuple(Column(f"c{number}", f"Column {number}") for number in range(500))
    with pytest.raises(LimitReached, match="500 columns do not fit"):
        facts_of(of, [["some text"] * 500])
