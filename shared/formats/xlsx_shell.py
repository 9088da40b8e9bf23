"""Everything of a workbook but its rows, by openpyxl: styles, properties, sheets with their header and print set-up."""

import datetime
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from shared.catalog.column_types import DATE, DECIMAL, FLOAT, INTEGER, LOCAL_TIMESTAMP, TIME, TIMESTAMP
from shared.formats.base import FileSpec
from shared.formats.xlsx_cells import MAX_PLACES, MAX_TEXT, Style
from shared.formats.xml_text import escape_unreadable

_NUMBER_FORMATS = {
    Style.INTEGER: "0",
    Style.DATE: "yyyy-mm-dd",
    Style.TIME: "hh:mm:ss",
    Style.TIMESTAMP: "yyyy-mm-dd hh:mm:ss",
}
_HEADER_FONT = Font(name="Calibri", size=11, bold=True, family=2, scheme="minor")
_RIGHT = Alignment(horizontal="right")
_FORBIDDEN_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f\ufffe\uffff]")
_MAX_SHEET_NAME = 31
_RESERVED_SHEET_NAME = "history"
"""Excel keeps this name, in any case, for its own sheet of tracked changes."""
_TITLE_SHEET = "About"
_TITLE_FONT = Font(name="Calibri", size=16, bold=True, family=2, scheme="minor")
_FONT = re.compile(rb"(?<=<font>).*?(?=</font>)")
_FONT_ORDER = (b"b", b"sz", b"color", b"name", b"family", b"scheme")
"""The order of a font's elements in the schema (18.8.22), which openpyxl does not keep."""
_RIGHT_ALIGNED = {INTEGER, FLOAT, DECIMAL, DATE, TIME, TIMESTAMP, LOCAL_TIMESTAMP}
"""The families whose cells are numbers, which stand on the right; so does their header."""
_UPRIGHT_WIDTH = 85
"""Characters that fit on A4 upright at full size."""
_ROWS_GO_HERE = b"</sheetData>"


@dataclass(frozen=True)
class Shell:
    """The workbook's files by name, and for each sheet its file's name with what stands before and after the rows."""

    files: dict[str, bytes]
    sheets: list[tuple[str, bytes, bytes]]


def build(spec: FileSpec, rows_of_sheets: Sequence[int], widths: Sequence[int]) -> Shell:
    """A workbook with one sheet for each number of data rows, and columns of ``widths`` characters."""
    workbook = Workbook()
    created = datetime.datetime.fromisoformat(spec.created)
    workbook.properties.title = escape_unreadable(spec.title)
    workbook.properties.creator = "Sluice"
    workbook.properties.created = created.astimezone(datetime.UTC).replace(tzinfo=None)
    workbook.calculation.fullCalcOnLoad = False
    sheet = workbook.active
    _register_styles(sheet)
    for number, rows in enumerate(rows_of_sheets, 1):
        if number > 1:
            sheet = workbook.create_sheet()
        sheet.title = _sheet_name(spec.title, number)
        _fill(sheet, spec, rows, widths)
    if spec.options["titleSheet"]:
        _add_title_sheet(workbook, spec, sum(rows_of_sheets), created)
    saved = io.BytesIO()
    workbook.save(saved)
    return _take_apart(saved, spec, rows_of_sheets, created)


def _register_styles(sheet: Worksheet) -> None:
    """Give every style its index: openpyxl numbers them in the order in which cells first use them."""
    cell = WriteOnlyCell(sheet)
    for style in list(Style)[1:]:
        cell = WriteOnlyCell(sheet)
        if style is Style.HEADER:
            cell.font = _HEADER_FONT
        else:
            cell.number_format = _NUMBER_FORMATS.get(style, "#,##0")
        assert cell.style_id == style
    for places in range(1, MAX_PLACES + 1):
        cell = WriteOnlyCell(sheet)
        cell.number_format = "#,##0." + "0" * places
        assert cell.style_id == Style.DECIMAL + places
    cell = WriteOnlyCell(sheet)
    cell.font, cell.alignment = _HEADER_FONT, _RIGHT
    assert cell.style_id == Style.DECIMAL + MAX_PLACES + 1


def _fill(sheet: Worksheet, spec: FileSpec, rows: int, widths: Sequence[int]) -> None:
    _set_up_printing(sheet, sum(widths))
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(spec.columns))}{rows + 1}"
    for index, (column, width) in enumerate(zip(spec.columns, widths, strict=True), 1):
        cell = sheet.cell(1, index)
        cell.value = escape_unreadable(column.title_in(spec.locale))[:MAX_TEXT]
        cell.data_type = "s"  # openpyxl takes a text that starts with = for a formula
        cell.font = _HEADER_FONT
        if column.kind.family in _RIGHT_ALIGNED:
            cell.alignment = _RIGHT
        sheet.column_dimensions[get_column_letter(index)].width = width


def _set_up_printing(sheet: Worksheet, characters: int) -> None:
    """As many sheets of A4 as the rows need, each as wide as the table and with the header, across when it is wide."""
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.orientation = "landscape" if characters > _UPRIGHT_WIDTH else "portrait"
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.print_title_rows = "1:1"


def _add_title_sheet(workbook: Workbook, spec: FileSpec, rows: int, created: datetime.datetime) -> None:
    """A first sheet that says what the file is, for people who got it from somebody else."""
    sheet = workbook.create_sheet(_TITLE_SHEET, 0)
    workbook.active = 0
    for other in workbook.worksheets[1:]:
        other.sheet_view.tabSelected = False
    title = sheet.cell(1, 1)
    title.value = escape_unreadable(spec.title)[:MAX_TEXT]
    title.data_type = "s"
    title.font = _TITLE_FONT
    made = created.astimezone(datetime.UTC).replace(tzinfo=None)
    facts = (
        ("Created (UTC)", made, Style.TIMESTAMP),
        ("Rows", rows, Style.INTEGER),
        ("Times in", spec.time_zone, None),
    )
    for row, (label, value, style) in enumerate(facts, 3):
        sheet.cell(row, 1, label).font = _HEADER_FONT
        cell = sheet.cell(row, 2, value)
        cell.alignment = Alignment(horizontal="left")
        if style is not None:
            cell.number_format = _NUMBER_FORMATS[style]
    sheet.column_dimensions["A"].width = sheet.column_dimensions["B"].width = 22


def _sheet_name(title: str, number: int) -> str:
    name = _FORBIDDEN_IN_SHEET_NAMES.sub(" ", title).strip("' ") or "Export"
    suffix = f" ({number})" if number > 1 or name.lower() == _RESERVED_SHEET_NAME else ""
    return _cut(name, _MAX_SHEET_NAME - len(suffix)).strip("' ") + suffix


def _cut(name: str, length: int) -> str:
    """The beginning of a text, up to ``length`` UTF-16 code units, which is how Excel counts."""
    return name.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def _take_apart(saved: io.BytesIO, spec: FileSpec, rows_of_sheets: Sequence[int], created: datetime.datetime) -> Shell:
    with zipfile.ZipFile(saved) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    # openpyxl writes the time of saving; the file's own time keeps the bytes the same.
    stamp = created.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    files["docProps/core.xml"] = re.sub(
        rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, files["docProps/core.xml"]
    )
    files["xl/styles.xml"] = _FONT.sub(_in_schema_order, files["xl/styles.xml"])
    last_column = get_column_letter(len(spec.columns))
    sheets = []
    first = 2 if spec.options["titleSheet"] else 1
    for number, rows in enumerate(rows_of_sheets, first):
        name = f"xl/worksheets/sheet{number}.xml"
        before, _, after = files.pop(name).partition(_ROWS_GO_HERE)
        dimension = f'<dimension ref="A1:{last_column}{rows + 1}"'.encode()
        before = re.sub(rb'<dimension ref="[^"]*"', dimension, before)
        sheets.append((name, before, _ROWS_GO_HERE + after))
    return Shell(files, sheets)


def _in_schema_order(font: re.Match[bytes]) -> bytes:
    elements = re.findall(rb"<(\w+)[^>]*>", font[0])
    whole = dict(zip(elements, re.findall(rb"<[^>]*>", font[0]), strict=True))
    return b"".join(whole[name] for name in _FONT_ORDER if name in whole)
