"""CSV's own promises: quoting, nulls, and every option."""

import csv
import datetime
import io
from decimal import Decimal
from typing import Any

import pytest

from shared.catalog.columns import Column
from shared.errors import ValidationFailed
from shared.formats.csv import Csv
from tests.formats.naughty import NAUGHTY
from tests.formats.readers import gunzip
from tests.formats.tables import columns, encode, table

TWO = columns(id="integer", value="text")


def lines(rows: list[Any], options: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    """The file's lines of a column of texts beside an id."""
    data = table(TWO, [[1, value] for value in rows])
    return encode("csv", TWO, data, options=options, **spec).decode().split("\r\n")


def test_rows_end_with_crlf_and_cells_are_quoted_only_where_needed() -> None:
    """RFC 4180: the delimiter, a quotation mark and line breaks need quotes, and nothing else."""
    assert lines(["plain", "a,b", 'say "x"', "two\nlines", "semi;colon", " space "]) == [
        "id,value",
        "1,plain",
        '1,"a,b"',
        '1,"say ""x"""',
        '1,"two\nlines"',
        "1,semi;colon",
        "1, space ",
        "",
    ]


def test_missing_and_empty_are_told_apart() -> None:
    """A null is nothing, an empty text is two quotation marks."""
    assert lines([None, ""]) == ["id,value", "1,", '1,""', ""]


def test_an_empty_binary_is_not_a_null() -> None:
    """Its base64 is the empty text."""
    of = columns(id="integer", data="binary")
    assert encode("csv", of, table(of, [[1, b""], [2, None]])) == b'id,data\r\n1,""\r\n2,\r\n'


def test_the_null_text_is_unquoted_and_a_text_like_it_is_quoted() -> None:
    """So a reader that is told the null text can tell them apart."""
    assert lines([None, "NULL", ""], {"nullText": "NULL"}) == ["id,value", "1,NULL", '1,"NULL"', "1,", ""]


def test_a_null_alone_in_its_row_is_not_an_empty_line() -> None:
    """Readers pass over empty lines, and a row would be lost."""
    of = columns(value="text")
    data = encode("csv", of, table(of, [["a"], [None], ["b"]]))
    assert data == b'value\r\na\r\n""\r\nb\r\n'


def test_an_empty_text_alone_in_its_row_is_not_an_empty_line() -> None:
    """Also where a null has a text of its own."""
    of = columns(value="text")
    data = encode("csv", of, table(of, [[""], [None]]), options={"nullText": "NULL"})
    assert data == b'value\r\n""\r\nNULL\r\n'


def test_a_decimal_comma_goes_with_semicolons() -> None:
    """Decimals and floats, not integers and texts."""
    of = columns(id="integer", amount="decimal(8,2)", ratio="float", note="text")
    data = table(of, [[1000, Decimal("-1234.50"), 0.5, "1.5"]])
    assert (
        encode("csv", of, data, options={"decimalSeparator": "comma"}).decode().split("\r\n")[1]
        == "1000;-1234,50;0,5;1.5"
    )


BOM = "\ufeff"


@pytest.mark.parametrize(
    ("locale", "start"),
    [
        ("en", "id,amount\r\n1,1.50"),
        ("en-GB", "id,amount\r\n1,1.50"),
        ("de-CH", BOM + "id,amount\r\n1,1.50"),
        ("fr", BOM + "id;amount\r\n1;1,50"),
        ("PT_br", BOM + "id;amount\r\n1;1,50"),
        ("ja", BOM + "id,amount\r\n1,1.50"),
    ],
)
def test_a_locale_that_is_asked_for_decides(locale: str, start: str) -> None:
    """As the spreadsheets of its people read it; which locales write a comma: tests/app/test_locales.py."""
    of = columns(id="integer", amount="decimal(8,2)")
    data = table(of, [[1, Decimal("1.5")]])
    assert encode("csv", of, data, locale=locale).decode() == start + "\r\n"
    assert encode("csv", of, data, locale=locale, locale_asked=False) == b"id,amount\r\n1,1.50\r\n"
    by_caller = encode("csv", of, data, options={"decimalSeparator": "locale"}, locale=locale, locale_asked=False)
    assert by_caller.decode() == start.removeprefix(BOM) + "\r\n"


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"bom": False}, "id;amount\r\n1;1,50"),
        ({"delimiter": "\t"}, BOM + "id\tamount\r\n1\t1,50"),
        ({"delimiter": ","}, BOM + "id,amount\r\n1,1.50"),
        ({"decimalSeparator": "point"}, BOM + "id,amount\r\n1,1.50"),
        ({"decimalSeparator": "point", "delimiter": ";", "bom": False}, "id;amount\r\n1;1.50"),
    ],
)
def test_every_option_overrides_the_locale(options: dict[str, Any], start: str) -> None:
    """One by one and together; a comma between the cells leaves the point to the decimals."""
    of = columns(id="integer", amount="decimal(8,2)")
    data = encode("csv", of, table(of, [[1, Decimal("1.5")]]), options=options, locale="fr")
    assert data.decode() == start + "\r\n"


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    ("options", "splits"), [({}, ()), ({"header": "names"}, ()), ({"header": "none"}, ()), ({"header": "none"}, (0, 2))]
)
def test_no_file_starts_with_id(options: dict[str, Any], splits: tuple[int, ...], compression: str) -> None:
    """Excel would take it for SYLK, whose first letters these are; a reader of CSV finds the same cells."""
    of = (Column("IDENT", "ID"), Column("v", "V"))
    rows = [["ID1", "a"], ["ID2", None], ["ID3", "c"]]
    file = encode("csv", of, table(of, rows), options=options, splits=splits, compression=compression)
    text = (gunzip(file) if compression == "gzip" else file).decode()
    assert not text.startswith("ID")
    header = {"none": [], "names": [["IDENT", "v"]]}.get(options.get("header", ""), [["ID", "V"]])
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert found == header + [[one, two or ""] for one, two in rows]
    quoted = text.count('"') // 2
    assert quoted == (2 if splits else 1)


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({}, b"Nom,Courriel\r\n"),
        ({"header": "names"}, b"name,email\r\n"),
        ({"header": "none"}, b"a,b\r\n"),
        ({"bom": True}, b"\xef\xbb\xbfNom,Courriel\r\n"),
        ({"delimiter": "\t"}, b"Nom\tCourriel\r\n"),
        ({"delimiter": "|"}, b"Nom|Courriel\r\n"),
    ],
)
def test_header_and_start(options: dict[str, Any], start: bytes) -> None:
    """Titles in the file's locale, names or nothing; a byte order mark when asked."""
    of = (Column("name", "Name", titles={"fr": "Nom"}), Column("email", "E-mail", titles={"fr": "Courriel"}))
    assert encode("csv", of, table(of, [["a", "b"]]), options=options, locale="fr-CA", locale_asked=False).startswith(
        start
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"delimiter": "x"}, "options.delimiter"),
        ({"delimiter": ",", "decimalSeparator": "comma"}, "options.delimiter"),
        ({"nullText": 'a"b'}, "options.nullText"),
        ({"nullText": "x" * 21}, "options.nullText"),
        ({"nullText": "=1+1"}, "options.nullText"),
        ({"nullText": "-1"}, "options.nullText"),
        ({"nullText": "＝1"}, "options.nullText"),
        ({"bom": "yes"}, "options.bom"),
        ({"bom": None}, "options.bom"),
        ({"nullText": "ID", "header": "none"}, "options.nullText"),
        ({"header": None}, "options.header"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], field: str) -> None:
    """Each with its field's name."""
    with pytest.raises(ValidationFailed) as caught:
        Csv().options(given)
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        ("UTC", "2024-07-01T10:00:00", "2024-07-01 10:00:00Z"),
        ("Europe/Berlin", "2024-07-01T10:00:00", "2024-07-01 12:00:00+02:00"),
        ("Europe/Berlin", "2024-10-27T00:30:00", "2024-10-27 02:30:00+02:00"),
        ("Europe/Berlin", "2024-10-27T01:30:00", "2024-10-27 02:30:00+01:00"),
        ("Asia/Kolkata", "2024-01-01T00:00:00.000001", "2024-01-01 05:30:00.000001+05:30"),
        ("America/St_Johns", "2024-01-01T00:00:00", "2023-12-31 20:30:00-03:30"),
        ("Europe/Berlin", "2050-07-01T10:00:00", "2050-07-01 12:00:00+02:00"),
        ("Europe/Berlin", "1880-01-01T00:00:00", "1880-01-01 00:53:00+00:53"),
    ],
)
def test_time_stamps_show_the_files_zone_and_offset(zone: str, moment: str, expected: str) -> None:
    """Also in the doubled hour in autumn, before standard time, and far in the future."""
    of = columns(id="integer", seen="timestamp")
    stamp = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC)
    data = encode("csv", of, table(of, [[1, stamp], [1, None]]), time_zone=zone)
    assert data.decode().split("\r\n")[1:3] == [f"1,{expected}", "1,"]


def test_python_reads_what_its_own_writer_would_write() -> None:
    """The bytes are those of the standard library's writer, where both have the same rules."""
    rows = [[number, text] for number, text in enumerate(NAUGHTY) if text]
    theirs = io.StringIO(newline="")
    csv.writer(theirs).writerows([["id", "value"], *rows])
    ours = encode("csv", TWO, table(TWO, rows), options={"formulaGuard": False})
    assert ours.decode() == theirs.getvalue()


@pytest.mark.parametrize("given", [{"nullText": "-"}, {"nullText": "--"}, {"nullText": "=1", "formulaGuard": False}])
def test_a_dash_for_what_is_missing_is_no_formula(given: dict[str, Any]) -> None:
    """It computes nothing; and without the guard anything goes."""
    assert lines([None], given)[1] == f"1,{given['nullText']}"
