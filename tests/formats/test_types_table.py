"""The table in docs/reference/types.md: up to date, and true."""

import csv
import io
import json

import openpyxl
import pytest

from shared.catalog.column_types import COLUMN_TYPES
from shared.formats import types_table
from shared.formats.types_table import REMARKABLE, Example
from tests.formats.readers import pdf_text

ROWS = types_table.examples()


def test_the_document_is_up_to_date() -> None:
    """Made again by ``make reference``."""
    assert types_table.DOCUMENT.read_text(encoding="utf-8") == types_table.document()


def test_every_type_has_a_row() -> None:
    """Those of the registry, decimals and lists; a remark on a type that is gone is none."""
    shown = {example.type.partition("(")[0].partition("<")[0] for example in ROWS}
    assert shown == {*COLUMN_TYPES, "decimal", "list"}
    assert {example.remark for example in REMARKABLE} <= {example.remark for example in ROWS}


@pytest.mark.parametrize("example", ROWS, ids=lambda example: f"{example.type} {example.remark}")
def test_every_row_is_what_readers_find(example: Example) -> None:
    """The renderings in the table are those that readers of the files see."""
    _, (_, cell) = csv.reader(io.StringIO(types_table.encode("csv", example).decode(), newline=""))
    assert next(csv.reader([types_table.in_csv(example)])) == ([cell] if cell or example.value == "" else [])
    (found,) = json.loads(types_table.encode("json", example))
    assert json.loads(types_table.in_json(example)) == found["value"]
    value = openpyxl.load_workbook(io.BytesIO(types_table.encode("xlsx", example))).active["B2"].value
    kind = {bool: "boolean", str: "text", type(None): "empty"}.get(type(value), "number")
    assert kind in types_table.in_xlsx(example).partition("`")[0]
    (page,) = pdf_text(types_table.encode("pdf", example))
    assert "".join(types_table.in_pdf(example).split()) in page
