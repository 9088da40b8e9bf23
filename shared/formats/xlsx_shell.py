"""Everything of a workbook but its rows, by openpyxl: styles, properties, sheets with header, filter and widths."""

import datetime
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

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
_FORBIDDEN_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f\ufffe\uffff]")
_MAX_SHEET_NAME = 31
_FONT = re.compile(rb"(?<=<font>).*?(?=</font>)")
_FONT_ORDER = (b"b", b"sz", b"color", b"name", b"family", b"scheme")
"""The order of a font's elements in the schema (18.8.22), which openpyxl does not keep."""
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


def _fill(sheet: Worksheet, spec: FileSpec, rows: int, widths: Sequence[int]) -> None:
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(spec.columns))}{rows + 1}"
    for index, (column, width) in enumerate(zip(spec.columns, widths, strict=True), 1):
        cell = sheet.cell(1, index)
        cell.value = escape_unreadable(column.title_in(spec.locale))[:MAX_TEXT]
        cell.data_type = "s"  # openpyxl takes a text that starts with = for a formula
        cell.font = _HEADER_FONT
        sheet.column_dimensions[get_column_letter(index)].width = width


def _sheet_name(title: str, number: int) -> str:
    name = _FORBIDDEN_IN_SHEET_NAMES.sub(" ", title).strip("' ") or "Export"
    suffix = f" ({number})" if number > 1 else ""
    return name[: _MAX_SHEET_NAME - len(suffix)].strip("' ") + suffix


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
    for number, rows in enumerate(rows_of_sheets, 1):
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
