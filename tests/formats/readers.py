"""Independent readers: from a file's bytes back to its header and rows, without any code of ours."""

import csv
import gzip
import io
import json
import sys
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
    return gzip.decompress(data)
