"""XLSX's own promises: what a person sees, what a spreadsheet cannot hold, and the container."""

import datetime
import io
import re
import zipfile
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter
from openpyxl.utils.escape import unescape

from shared.catalog.columns import Column
from shared.errors import LimitReached
from shared.formats import FORMATS
from shared.formats.base import EncodedPart, FileSpec, PartBytes, PartPosition
from shared.formats.zip_container import Deflated, Entry, central_directory, local_header
from tests.formats.naughty import FORMULAS, NAUGHTY
from tests.formats.readers import Behind, unescaped
from tests.formats.tables import EVERY_TYPE, columns, encode, table

TWO = columns(id="integer", value="text")


def sheet_of(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data)).active


def sheet_xml(data: bytes, number: int = 1) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return archive.read(f"xl/worksheets/sheet{number}.xml").decode()


def test_looks_made_by_a_person() -> None:
    """A bold frozen header, a filter over all rows, widths from the texts, and number formats."""
    of = columns(id="integer", name="text", amount="decimal(12,2)", born="date", seen="timestamp", ok="boolean")
    row = [
        7,
        "A name of some length, twenty",
        Decimal("1234.5"),
        datetime.date(2024, 1, 2),
        datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        True,
    ]
    data = encode("xlsx", of, table(of, [row] * 20), title="People: all/today", created="2026-01-02T03:04:05Z")
    sheet = sheet_of(data)
    assert sheet.title == "People  all today"
    assert all(cell.font.b for cell in sheet[1])
    assert not any(cell.font.b for cell in sheet[2])
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:F21"
    assert sheet.dimensions == "A1:F21"
    assert [cell.number_format for cell in sheet[2]] == [
        "0",
        "General",
        "#,##0.00",
        "yyyy-mm-dd",
        "yyyy-mm-dd hh:mm:ss",
        "General",
    ]
    assert sheet.column_dimensions["B"].width > sheet.column_dimensions["A"].width
    assert [cell.value for cell in sheet[2]] == [
        7,
        row[1],
        1234.5,
        datetime.datetime(2024, 1, 2),  # noqa: DTZ001
        row[4].replace(tzinfo=None),
        True,
    ]
    properties = openpyxl.load_workbook(io.BytesIO(data)).properties
    assert properties.title == "People: all/today"
    assert properties.created == properties.modified == datetime.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001


def test_text_is_never_a_formula() -> None:
    """Payloads are the text itself, in cells and in titles."""
    of = (Column("id", "id", "integer"), Column("value", "=1+1"))
    data = encode("xlsx", of, table(of, [[1, payload] for payload in FORMULAS]))
    assert "<f" not in sheet_xml(data).replace("<filter", "")
    sheet = sheet_of(data)
    assert [unescape(row[1].value) for row in sheet.iter_rows(min_row=2)] == list(FORMULAS)
    assert {cell.data_type for row in sheet.iter_rows(min_col=2) for cell in row} == {"s"}
    assert sheet["B1"].value == "=1+1"


def test_naughty_strings_come_back() -> None:
    """Through the XML and the escapes of the characters that XML cannot hold."""
    sheet = sheet_of(encode("xlsx", TWO, table(TWO, [[1, text] for text in NAUGHTY])))
    found = [unescaped(row[1].value or "") for row in sheet.iter_rows(min_row=2)]
    assert found == list(NAUGHTY)


@pytest.mark.parametrize("text", ["x" * 32_768, "é" * 40_000, "😀" * 16_384, "x" + "😀" * 16_383 + "y"], ids=len)
def test_texts_over_the_limit_are_cut_and_counted(text: str) -> None:
    """32,767 UTF-16 code units fit; how many texts were cut is a fact of the part."""
    xlsx = FORMATS["xlsx"]
    data = table(TWO, [[1, text], [2, "short"], [3, None]])
    spec = FileSpec(TWO, options=xlsx.options({}))
    _, facts = xlsx.encode_part(data.to_reader(), lambda _: None, spec, PartPosition(0, 1, 0))
    assert facts["truncated"] == 1
    cut = sheet_of(encode("xlsx", TWO, data))["B2"].value
    assert text.startswith(cut)
    assert 32_766 <= len(cut.encode("utf-16-le")) // 2 <= 32_767


def test_a_text_of_exactly_the_limit_is_whole() -> None:
    """Bytes do not count, UTF-16 code units do."""
    xlsx = FORMATS["xlsx"]
    spec = FileSpec(TWO, options=xlsx.options({}))
    data = table(TWO, [[1, "é" * 32_767]])
    _, facts = xlsx.encode_part(data.to_reader(), lambda _: None, spec, PartPosition(0, 1, 0))
    assert facts["truncated"] == 0


def test_sheets_follow_the_planned_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part's sheet is decided by the rows planned before it; each sheet has its header and its rows."""
    monkeypatch.setattr("shared.formats.xlsx._ROWS_OF_A_SHEET", 100)
    data = table(TWO, [[number, "x"] for number in range(250)])
    book = openpyxl.load_workbook(io.BytesIO(encode("xlsx", TWO, data, splits=(50, 100, 200), title="T" * 40)))
    assert [sheet.max_row for sheet in book.worksheets] == [101, 101, 51]
    assert book.sheetnames == ["T" * 31, "T" * 27 + " (2)", "T" * 27 + " (3)"]
    assert [sheet["A2"].value for sheet in book.worksheets] == [0, 100, 200]


def test_a_title_sheet_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the first and the one that opens; the rows' sheets follow as they are without it."""
    monkeypatch.setattr("shared.formats.xlsx._ROWS_OF_A_SHEET", 100)
    data = table(TWO, [[number, "x"] for number in range(150)])
    made = {"created": "2026-01-02T03:04:05Z", "time_zone": "Asia/Tokyo", "title": "=About", "splits": (100,)}
    file = encode("xlsx", TWO, data, options={"titleSheet": True}, **made)
    book = openpyxl.load_workbook(io.BytesIO(file))
    assert book.sheetnames == ["About", "=About", "=About (2)"]
    assert book.active.title == "About"
    assert [[cell.value for cell in row] for row in book["About"].iter_rows()] == [
        ["=About", None],
        [None, None],
        ["Created (UTC)", datetime.datetime(2026, 1, 2, 3, 4, 5)],  # noqa: DTZ001
        ["Rows", 150],
        ["Times in", "Asia/Tokyo"],
    ]
    assert book["About"]["A1"].data_type == "s"
    assert (
        "About1"
        in openpyxl.load_workbook(
            io.BytesIO(encode("xlsx", TWO, data, options={"titleSheet": True}, title="about", splits=(100,)))
        ).sheetnames
    )
    assert [sheet.max_row for sheet in book.worksheets[1:]] == [101, 51]
    assert (
        sheet_xml(file, 3).partition("<sheetData>")[2]
        == sheet_xml(encode("xlsx", TWO, data, **made), 2).partition("<sheetData>")[2]
    )


def test_rows_that_went_missing_leave_their_sheet_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows may be deleted between the plan and the part; nothing moves between sheets."""
    monkeypatch.setattr("shared.formats.xlsx._ROWS_OF_A_SHEET", 100)
    xlsx = FORMATS["xlsx"]
    spec = FileSpec(TWO, options=xlsx.options({}))
    written, parts = [], []
    for index, rows in enumerate([60, 0, 100]):
        part = bytearray()
        data = table(TWO, [[index, "x"]] * rows)
        count, facts = xlsx.encode_part(
            data.to_reader(), part.extend, spec, PartPosition(index, 3, (0, 60, 100)[index])
        )
        parts.append(EncodedPart(index, count, len(part), facts))
        written.append(bytes(part))
    file = b"".join(written[s.index] if isinstance(s, PartBytes) else s.data for s in xlsx.assemble(parts, spec))
    book = openpyxl.load_workbook(io.BytesIO(file))
    assert [sheet.max_row for sheet in book.worksheets] == [61, 101]


def test_outer_space_is_kept() -> None:
    """White space at the ends of a text survives every reader."""
    assert 'xml:space="preserve"' in sheet_xml(encode("xlsx", TWO, table(TWO, [[1, " x "]])))
    assert 'xml:space="preserve"' not in sheet_xml(encode("xlsx", TWO, table(TWO, [[1, "a b"]])))


def test_zip64_only_where_a_number_is_too_large() -> None:
    """Some readers refuse what is not needed; nothing else can say five GiB."""
    small = Entry("small.xml", Deflated(1, 10, 5), 0)
    large = Entry("large.xml", Deflated(2, 20 * 2**30, 5 * 2**30), 100)
    behind = Entry("behind.xml", Deflated(3, 10, 5), 5 * 2**30 + 200)
    assert local_header(small)[4:6] == b"\x14\x00"
    assert local_header(large)[4:6] == b"\x2d\x00"
    assert b"PK\x06\x06" not in central_directory([small], 1000)
    end = behind.offset + 100
    with zipfile.ZipFile(Behind(end, central_directory([small, large, behind], end))) as archive:
        found = [(i.filename, i.file_size, i.compress_size, i.header_offset) for i in archive.infolist()]
    assert found == [
        ("small.xml", 10, 5, 0),
        ("large.xml", 20 * 2**30, 5 * 2**30, 100),
        ("behind.xml", 10, 5, 5 * 2**30 + 200),
    ]


def positions(xml: str) -> list[tuple[int, list[str]]]:
    """Each row's number, and the positions of its cells."""
    rows = re.findall(r'<row r="(\d+)"[^>]*>(.*?)</row>', xml)
    assert len(rows) == xml.count("<row")
    found = [(int(number), re.findall(r'<c r="([A-Z]+\d+)"', cells)) for number, cells in rows]
    assert sum(len(cells) for _, cells in found) == len(re.findall(r"<c\b", xml))
    return found


def test_every_row_and_cell_has_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every part and on every sheet, beyond column Z too; a missing value has no cell."""
    monkeypatch.setattr("shared.formats.xlsx._ROWS_OF_A_SHEET", 50)
    of = tuple(Column(f"c{n}", f"C{n}", ("integer", "text", "decimal(20,2)")[n % 3]) for n in range(30))
    values = (10**15, "t", Decimal(1))
    rows = [[None if n and (n + row) % 7 == 0 else values[n % 3] for n in range(30)] for row in range(75)]
    data = encode("xlsx", of, table(of, rows), splits=(20, 50, 50), batch_rows=8)
    letters = [get_column_letter(n + 1) for n in range(30)]
    for sheet, numbers in ((1, range(50)), (2, range(50, 75))):
        expected = [(1, [f"{letter}1" for letter in letters])]
        for place, number in enumerate(numbers, 2):
            expected.append(
                (place, [f"{x}{place}" for x, v in zip(letters, rows[number], strict=True) if v is not None])
            )
        assert positions(sheet_xml(data, sheet)) == expected


def test_rows_beyond_the_end_of_a_sheet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were added after the plan may not fit; a workbook that Excel would cut off is not made."""
    monkeypatch.setattr("shared.formats.xlsx._ROWS_OF_A_SHEET", 10)
    monkeypatch.setattr("shared.formats.xlsx._LAST_ROW", 11)
    xlsx = FORMATS["xlsx"]
    spec = FileSpec(TWO, options=xlsx.options({}))
    data = table(TWO, [[number, "x"] for number in range(4)])
    rows, _ = xlsx.encode_part(data.to_reader(), lambda _: None, spec, PartPosition(1, 2, 6))
    assert rows == 4
    for position in (PartPosition(1, 2, 7), PartPosition(1, 2, 6, shift=1)):
        with pytest.raises(LimitReached, match="rows were added while the export ran"):
            xlsx.encode_part(data.to_reader(), lambda _: None, spec, position)


LAST_MOMENT = datetime.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001


@given(st.lists(st.datetimes() | st.just(LAST_MOMENT), min_size=1, max_size=20))
def test_any_date_is_a_serial_number_or_its_text(moments: list[datetime.datetime]) -> None:
    """From 1900-03-01 to 9999-12-31 the spreadsheet's own; before, the text that other formats have."""
    of = columns(id="integer", moment="local timestamp", day="date")
    rows = [[1, moment, moment.date()] for moment in moments]
    found = [row[1:] for row in sheet_of(encode("xlsx", of, table(of, rows))).iter_rows(min_row=2, values_only=True)]
    for (moment, day), value in zip(found, moments, strict=True):
        if value.date() < datetime.date(1900, 3, 1):
            assert (moment, day) == (str(value), str(value.date()))
        elif isinstance(moment, str):
            assert value > LAST_MOMENT  # so near to midnight that it would be rounded to the year 10000
            assert moment == str(value)
        else:
            assert abs(moment - value) <= datetime.timedelta(milliseconds=1)
            assert day.date() == value.date()


@pytest.mark.parametrize(
    ("of", "orientation"),
    [(columns(id="integer", name="text"), "portrait"), (columns(**{f"c{n}": "text" for n in range(12)}), "landscape")],
)
def test_it_is_ready_to_print(of: tuple[Column, ...], orientation: str) -> None:
    """On A4, across when it is wide, one sheet of paper wide, with the header on each; on every sheet."""
    sheet = sheet_of(encode("xlsx", of, table(of, [])))
    assert sheet.page_setup.orientation == orientation
    assert sheet.page_setup.paperSize == int(sheet.PAPERSIZE_A4)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.print_title_rows == "$1:$1"


def test_headers_stand_over_their_values() -> None:
    """On the right where the cells are numbers, dates or times, which spreadsheets put there."""
    sheet = sheet_of(encode("xlsx", EVERY_TYPE, table(EVERY_TYPE, [])))
    right = [cell.value for cell in sheet[1] if cell.alignment.horizontal == "right"]
    assert right == ["id", "ratio", "amount", "precise", "born", "at", "seen", "local"]
    assert all(cell.font.b for cell in sheet[1])
