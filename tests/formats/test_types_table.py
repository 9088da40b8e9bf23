"""The table in docs/reference/types.md: up to date, and true."""

import csv
import io
import json

import openpyxl
import pytest

from shared.catalog.columns import arrow_type
from shared.formats import types_table
from shared.formats.scalars import base_type
from shared.formats.types_table import EXAMPLES, Example
from tests.formats.readers import pdf_text


def test_the_document_is_up_to_date() -> None:
    """Made again by ``python -m shared.formats.types_table``."""
    assert types_table.DOCUMENT.read_text(encoding="utf-8") == types_table.document()


def test_every_type_has_an_example() -> None:
    """The error of an unknown type names all that are known."""
    with pytest.raises(ValueError, match="known: ") as caught:
        arrow_type("nothing")
    known = {base_type(name) for name in str(caught.value).partition("known: ")[2].split(", ")}
    assert {base_type(example.type) for example in EXAMPLES} == known


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.type} {example.remark}")
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
