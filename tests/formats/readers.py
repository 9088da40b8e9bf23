"""Independent readers: from a file's bytes back to its header and rows, without any code of ours."""

import csv
import io
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pypdf
import python_calamine

Table = tuple[list[str], list[list[Any]]]
"""Header and rows."""


def read_csv(data: bytes) -> Table:
    csv.field_size_limit(sys.maxsize)
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    return header, rows


def read_ndjson(data: bytes) -> Table:
    objects = [json.loads(line, parse_float=Decimal) for line in data.decode("utf-8").split("\n")[:-1]]
    return list(objects[0]) if objects else [], [list(row.values()) for row in objects]


def read_json(data: bytes) -> Table:
    objects = json.loads(data, parse_float=Decimal)
    return list(objects[0]) if objects else [], [list(row.values()) for row in objects]


def read_xlsx(data: bytes) -> Table:
    """With openpyxl, all sheets one after the other; every sheet must repeat the header."""
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    header, rows = None, []
    for sheet in book.worksheets:
        first, *rest = (list(row) for row in sheet.iter_rows(values_only=True))
        assert header in (None, first)
        header = first
        rows += rest
    return header, rows


def unescaped(text: str) -> str:
    """Undo ``_xHHHH_`` as Excel does, and openpyxl does not."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)


def read_xlsx_strictly(data: bytes) -> Table:
    """With calamine, which keeps an empty text apart from nothing in no case, but is another parser."""
    header, *rows = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    return header, rows


def read_parquet(data: bytes) -> Table:
    table = pq.read_table(io.BytesIO(data))
    return table.column_names, [list(row.values()) for row in table.to_pylist()]


def pdf_text(data: bytes) -> list[str]:
    """The text of every page, without white space."""
    return ["".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(data), strict=True).pages]


READERS: dict[str, Callable[[bytes], Table]] = {
    "csv": read_csv,
    "ndjson": read_ndjson,
    "json": read_json,
    "xlsx": read_xlsx,
    "parquet": read_parquet,
}
"""By format; a PDF has no rows to read, see ``pdf_text``."""


def gunzip(data: bytes) -> bytes:
    """The text of the only member, checked against its CRC-32 and length; many readers look at no other."""
    member = zlib.decompressobj(31)
    text = member.decompress(data)
    assert member.eof
    assert member.unused_data == b""
    return text


def unzip(data: bytes) -> tuple[str, bytes]:
    """The name and the content of the only file in a container, checked against its CRC-32."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (entry,) = archive.infolist()
        return entry.filename, archive.read(entry)


class Behind(io.RawIOBase):
    """A file of ``gap`` bytes that are never looked at, and then ``data``."""

    def __init__(self, gap: int, data: bytes) -> None:
        self._gap, self._data, self._at = gap, data, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._gap + len(self._data)}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        start = self._at - self._gap
        found = self._data[start : None if size < 0 else start + size]
        self._at += len(found)
        return found
