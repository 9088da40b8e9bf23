"""A column type is one object in one registry: what is put there works in databases, formats, filters and documents."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shared.api.openapi import document
from shared.catalog.column_types import BINARY, COLUMN_TYPES, DECIMAL, INTEGER, JSON, ColumnType, column_type
from shared.catalog.columns import Column
from shared.catalog.export_types import Filter, SqlExport
from shared.catalog.filter_parsers import FilterParser
from shared.errors import FieldError, ValidationFailed
from shared.formats import FORMATS, types_table
from shared.formats.xlsx_cells import MAX_TEXT
from shared.requests.build_query import build_query
from shared.requests.export_request import check_request, parse_request
from tests.databases import Database, read
from tests.formats.formulas import defused, defused_json
from tests.formats.naughty import FORMULAS, NAUGHTY
from tests.formats.readers import READERS, pdf_text, unescaped
from tests.formats.tables import columns, encode, table
from tests.values.exporting import CALLER, ID

Register = Callable[[ColumnType], None]
HOSTILE = (*NAUGHTY, *FORMULAS, 'https://x/"a,b"\n', '"},{"x":"', "</t></is></c><c>", "a;=1+1", "-1", "[1,-2]")


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    return lambda kind: monkeypatch.setitem(COLUMN_TYPES, kind.name, kind)


def _secure(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("https://"):
        raise ValueError("no URL")
    return value


URL = ColumnType(
    "url",
    "https://example.com/?q=1",
    filter=FilterParser(_secure, "a URL such as https://example.com", {"type": "string", "format": "uri"}),
)


def _percent(column: pa.DoubleArray) -> pa.StringArray:
    return pc.binary_join_element_wise("=", pc.cast(column, pa.string()), '"%', "")


PERCENT = ColumnType("percent", 12.5, pa.float64(), render=_percent, filter=None)
"""Its values are numbers, its text is hostile."""


@pytest.mark.parametrize("name", READERS)
def test_a_type_of_text_is_escaped_in_every_format(name: str, register: Register) -> None:
    """Readers find each hostile value as it was, also in lists; CSV has its formulas guarded."""
    register(ColumnType("url", "https://example.com/"))
    of = columns(id="integer", value="url", values="list<url>")
    data = table(of, [[number, value, [value, None]] for number, value in enumerate(HOSTILE)])

    _, rows = READERS[name](encode(name, of, data))

    for wanted, (_, value, values) in zip(HOSTILE, rows, strict=True):
        listed = json.dumps([wanted, None], ensure_ascii=False, separators=(",", ":"))
        if name == "csv":
            assert (value, values) == (defused(wanted), defused_json(listed))
        elif name == "xlsx":
            assert (unescaped(value or ""), unescaped(values)) == (wanted, listed[:MAX_TEXT])
        else:
            assert (value, values) == (wanted, [wanted, None])


def test_a_type_of_text_is_shown_in_a_pdf(register: Register) -> None:
    """The file opens, and printable texts stand in it."""
    register(URL)
    shown = [text for text in HOSTILE if text.isascii() and text.isprintable() and len(text) < 30]
    of = columns(id="integer", value="url")
    words = "".join(pdf_text(encode("pdf", of, table(of, list(enumerate(HOSTILE))))))
    assert all("".join(text.split()) in words for text in shown)


@pytest.mark.parametrize("name", READERS)
def test_what_a_type_renders_is_escaped(name: str, register: Register) -> None:
    """A type makes text of its numbers; Parquet keeps the numbers."""
    register(PERCENT)
    of = columns(id="integer", value="percent")
    _, rows = READERS[name](encode(name, of, table(of, [[1, 12.5], [2, None]])))
    found = {"csv": """'=12.5"%""", "parquet": 12.5}.get(name, '=12.5"%')
    assert rows[0][1] == found
    assert rows[1][1] in ("", None)


@pytest.mark.parametrize("name", READERS)
def test_a_type_like_another_is_written_like_it(name: str, register: Register) -> None:
    """Numbers of another name and another Arrow type are numbers in every format, and no formulas."""
    register(replace(column_type("integer"), name="year", arrow=pa.int16()))
    register(replace(column_type("decimal(12,2)"), name="price", arrow=pa.decimal128(19, 4)))
    of = columns(year="year", price="price", years="list<year>")
    _, ((year, price, years),) = READERS[name](encode(name, of, table(of, [[-44, Decimal("-1.5"), [-44]]])))
    if name == "csv":
        assert (year, price, years) == ("-44", "-1.5000", "[-44]")
    else:
        assert (year, Decimal(str(price))) == (-44, Decimal("-1.5"))
        assert years in ([-44], "[-44]")
    assert len(pdf_text(encode("pdf", of, table(of, [[-44, Decimal("-1.5"), [-44]]])))) == 1


def test_a_type_is_read_from_databases_and_filtered_on(database: Database, register: Register) -> None:
    """A filter's value is bound, and finds its row, whatever is in it."""
    register(URL)
    hostile = """https://x/'"; drop table t --"""
    database.execute("create table t (id integer primary key, tenant text, link text)")
    links = [hostile, "https://y", None]
    database.insert("t", ["integer", "text", "text"], [[str(n), "acme", link] for n, link in enumerate(links)])
    export_type = _links()
    request = parse_request(json.dumps({"exportType": "links", "filters": {"link": hostile}}).encode())
    check_request(request, CALLER, [export_type])

    query = build_query(export_type, request, CALLER)

    (part,) = database.source.plan(query, iter([10]))
    assert read(database.source, query, part).to_pylist() == [{"id": 0, "link": hostile}]


def test_a_filter_takes_what_its_type_says(register: Register) -> None:
    """The error names what is valid, and the API's document has the type's schema."""
    register(URL)
    wrong = parse_request(b'{"exportType": "links", "filters": {"link": "ftp://x"}}')
    with pytest.raises(ValidationFailed) as refused:
        check_request(wrong, CALLER, [_links()])
    (error,) = refused.value.errors
    assert error == FieldError("filters.link", "takes a URL such as https://example.com, got 'ftp://x'")
    schemas = document([], [_links()], "https://example.com")["components"]["schemas"]
    link = schemas["LinksFilters"]["properties"]["link"]
    assert (link["type"], link["format"]) == ("string", "uri")


def _links() -> SqlExport:
    return SqlExport(
        name="links",
        title="Links",
        summary="Links.",
        relation="t",
        columns=(ID, Column("link", "Link", "url")),
        key=("id",),
        tenant_sql="tenant",
        filters=(Filter("link", "link", "url"),),
        formats=tuple(FORMATS),
    )


@pytest.mark.parametrize("name", ["json", "binary", "interval", "time", "list<text>"])
def test_a_filter_of_a_type_that_has_none_is_an_error_where_it_is_written(name: str) -> None:
    """Not a failure of the first request that names it."""
    with pytest.raises(ValueError, match=f"filter 'f' cannot be of type '{name}'; possible: integer, float, boolean"):
        Filter("f", "f", name)


def test_a_filter_of_an_unknown_type_is_an_error_where_it_is_written() -> None:
    """The error names the types that there are."""
    with pytest.raises(ValueError, match="unknown column type 'strng'; known: integer"):
        Filter("f", "f", "strng")


@pytest.mark.parametrize("family", [INTEGER, DECIMAL, BINARY])
def test_text_cannot_pass_for_a_family_that_is_not_escaped(family: Any) -> None:
    """A type cannot leave out the escaping by a mistake in its declaration."""
    with pytest.raises(ValueError, match="column type 'bad': string cannot be written as the family"):
        ColumnType("bad", "x", pa.string(), family)


@pytest.mark.parametrize("family", [INTEGER, JSON, BINARY])
def test_what_a_type_renders_is_always_text(family: Any) -> None:
    """A rendering in a family that formats do not escape is refused."""
    with pytest.raises(ValueError, match="its family must be TEXT"):
        ColumnType("bad", 1, pa.int64(), family, render=_percent)


def test_the_documents_table_has_a_row_of_a_new_type(register: Register) -> None:
    """By its example, without another edit."""
    register(URL)
    assert (
        "| `url` |   | `https://example.com/?q=1` | text `https://example.com/?q=1` |"
        ' `"https://example.com/?q=1"` | string: `https://example.com/?q=1` | `https://example.com/?q=1` |\n'
    ) in types_table.document()
