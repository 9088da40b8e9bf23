"""XLSX opens without repair: the schema of Office and every reader that can be had agree about the files."""

import csv
import io
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
import python_calamine
from duckdb_extensions import import_extension
from openxml_audit import FileFormat, OpenXmlValidator
from openxml_audit.errors import ValidationSeverity

from shared.catalog.columns import Column
from tests.formats.naughty import FORMULAS, NAUGHTY
from tests.formats.tables import EVERY_TYPE, columns, encode, table
from tests.formats.test_format_contract import every_type_rows

NUMBERS_AND_TEXT = columns(id="integer", amount="decimal(12,2)", ratio="float", value="text")
PAYLOADS = [[number, None, -number / 8, text] for number, text in enumerate(FORMULAS)]


def naughty() -> bytes:
    """Naughty values under naughty titles, on a sheet with a naughty name."""
    of = tuple(Column(f"c{number}", title) for number, title in enumerate(NAUGHTY))
    return encode("xlsx", of, table(of, [NAUGHTY, NAUGHTY[::-1]]), title="'A/B: [😀]' " + "😀" * 31)


FILES: dict[str, Any] = {
    "every type in three parts": lambda: encode(
        "xlsx", EVERY_TYPE, table(EVERY_TYPE, every_type_rows(300)), splits=(0, 100)
    ),
    "no rows": lambda: encode("xlsx", EVERY_TYPE, table(EVERY_TYPE, [])),
    "naughty": naughty,
    "payloads": lambda: encode("xlsx", NUMBERS_AND_TEXT, table(NUMBERS_AND_TEXT, PAYLOADS)),
    "a title sheet": lambda: encode(
        "xlsx", NUMBERS_AND_TEXT, table(NUMBERS_AND_TEXT, PAYLOADS), options={"titleSheet": True}, title="=A&B <c>"
    ),
    "the name that Excel keeps for itself": lambda: encode(
        "xlsx", NUMBERS_AND_TEXT, table(NUMBERS_AND_TEXT, []), title="History"
    ),
}


def errors(data: bytes, folder: Path) -> list[str]:
    """What Office would object to, as far as the Open XML SDK's rules say."""
    path = folder / "file.xlsx"
    path.write_bytes(data)
    found = OpenXmlValidator(file_format=FileFormat.OFFICE_2019, max_errors=50).validate(path)
    return [str(error) for error in found.errors if error.severity is ValidationSeverity.ERROR]


@pytest.mark.parametrize("name", FILES)
def test_the_schema_of_office_finds_no_error(name: str, tmp_path: Path) -> None:
    """In any of the workbook's files."""
    assert errors(FILES[name](), tmp_path) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", b"<sheetData>", b"<sheetData><cell/>"),
        ("xl/styles.xml", b"<cellXfs", b"<xfs/><cellXfs"),
    ],
)
def test_the_schema_of_office_would_find_one(file: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    """The check above can fail."""
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(FILES["every type in three parts"]())) as from_,
        zipfile.ZipFile(changed, "w") as to,
    ):
        for name in from_.namelist():
            content = from_.read(name)
            if name == file:
                assert old in content
                content = content.replace(old, new)
            to.writestr(name, content)
    assert errors(changed.getvalue(), tmp_path)


def by_openpyxl(path: Path) -> list[list[Any]]:
    return [list(row) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]


def by_calamine(path: Path) -> list[list[Any]]:
    sheet = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    return [[None if cell == "" else cell for cell in row] for row in sheet.to_python()]


def by_duckdb(path: Path) -> list[list[Any]]:
    import_extension("excel")
    with duckdb.connect() as connection:
        connection.execute("load excel")
        relation = connection.execute(f"select * from read_xlsx('{path}', header = true)")
        return [[column[0] for column in relation.description], *map(list, relation.fetchall())]


def by_libreoffice(path: Path) -> list[list[Any]]:
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("LibreOffice is not installed on this machine")
    home = f"-env:UserInstallation={(path.parent / 'profile').as_uri()}"
    to = ["--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", str(path.parent)]
    subprocess.run([program, home, *to, str(path)], check=True, capture_output=True, timeout=120)
    header, *rows = csv.reader(io.StringIO(path.with_suffix(".csv").read_bytes().decode(), newline=""))
    numbers = [[float(cell.replace(",", "")) if cell else None for cell in row[:3]] for row in rows]
    return [header, *([*cells, row[3]] for cells, row in zip(numbers, rows, strict=True))]


@pytest.mark.parametrize("read", [by_openpyxl, by_calamine, by_duckdb, by_libreoffice])
def test_every_reader_finds_texts_and_numbers(read: Any, tmp_path: Path) -> None:
    """A text that looks like a formula is that text and computes nothing; numbers beside it are numbers."""
    rows = [row for row in PAYLOADS if row[3][0] not in "\t\r"]
    path = tmp_path / "file.xlsx"
    path.write_bytes(encode("xlsx", NUMBERS_AND_TEXT, table(NUMBERS_AND_TEXT, rows), splits=(10, 20)))
    header, *found = read(path)
    assert header == ["id", "amount", "ratio", "value"]
    assert found == rows


def undone(text: str) -> str:
    """Calamine undoes all escapes but those of the two noncharacters."""
    return text.replace("_xFFFE_", "\ufffe").replace("_xFFFF_", "\uffff")


def test_titles_are_any_text(tmp_path: Path) -> None:
    """Read by a reader that undoes the escapes of characters which XML cannot hold."""
    path = tmp_path / "file.xlsx"
    path.write_bytes(naughty())
    header, first, second = by_calamine(path)
    for found, wanted in ((header, NAUGHTY), (first, NAUGHTY), (second, NAUGHTY[::-1])):
        assert [undone(cell or "") for cell in found] == list(wanted)
