"""Values that broke other exporters, each with the file that a person would want.

Each names the public reports in which the value was seen.
"""

import io
import json
import re
import zipfile
import zlib
from pathlib import Path

import openpyxl
import pytest

from shared.catalog.columns import Column
from shared.errors import SchemaChanged
from shared.formats.pdf_font import advances
from tests.databases import Database
from tests.values.exporting import EVERY_FORMAT, encoded, export, fill, rows_of

PROJECT = Path(__file__).parents[2]


def wrong(reason: str) -> pytest.MarkDecorator:
    """A value that is not right yet, and what is wrong with it."""
    return pytest.mark.xfail(reason=reason, strict=True)


def sheet_xml(workbook: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode()


def test_a_time_stamp_at_the_end_of_time_in_a_workbook(sqlite: Database) -> None:
    """9999-12-31 23:59:59 is the serial number 2958465.99998842, in the last day that Excel knows.

    opensafely-core/cohort-extractor#714, duckdb/duckdb#9520, rilldata/rill#2504, pandas-dev/pandas#48243
    """
    fill(sqlite, "text", "'9999-12-31 23:59:59'", "'2024-01-01 00:00:00'")
    book = openpyxl.load_workbook(io.BytesIO(export(sqlite, "timestamp", "xlsx")))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert str(rows[1][1])[:19] == "9999-12-31 23:59:59"


def test_the_end_of_time_in_a_zone_east_of_utc(sqlite: Database) -> None:
    """A file in every format: the year is then 10000.

    pingcap/tidb#71544, rilldata/rill#2504, transferwise/pipelinewise-tap-postgres#62, mikehasa/agentacct#191
    """
    fill(sqlite, "text", "'9999-12-31 23:59:59'", "'2024-01-01 00:00:00'")
    files = {name: export(sqlite, "timestamp", name, time_zone="Europe/Berlin") for name in EVERY_FORMAT}
    assert files["csv"].split(b"\r\n")[1] == b"1,10000-01-01 00:59:59+01:00"
    assert all(files.values())


def test_rows_and_cells_of_a_workbook_have_positions(sqlite: Database) -> None:
    """Every row and every cell has its ``r``, as Excel itself writes.

    exceljs/exceljs#537, box/spout#267, monitorjbl/excel-streaming-reader#87, tafia/calamine#261, dilshod/xlsx2csv#296,
    ExcelDataReader#115, yukiyokotani/office-open-xml-viewer#832
    """
    fill(sqlite, "text", "'a'", "'b'")
    cells = re.findall(r"<(?:row|c)\b[^>]*>", sheet_xml(export(sqlite, "text", "xlsx")))
    assert len(cells) == 3 + 6
    assert [cell for cell in cells if ' r="' not in cell] == []


def test_a_key_of_type_real(sqlite: Database) -> None:
    """All rows that were planned are read.

    syncular/syncular#59
    """
    sqlite.execute("create table t (at real primary key, tenant text default 'acme', v int)")
    sqlite.execute(*[f"insert into t (at, v) values ({2460000 + n + 0.12345671234!r}, {n})" for n in range(7)])
    planned, tables = rows_of(sqlite, (Column("v", "V", "integer"),), key=(Column("at", "At", "float"),))
    assert (planned, sum(table.num_rows for table in tables)) == (7, 7)


def test_a_decimal_of_sixteen_digits_stored_as_real(sqlite: Database) -> None:
    """The shortest digits that read back as the same number.

    cap-js/cds-dbs#1547, rotki/rotki#14, capire/docs#2524
    """
    fill(sqlite, "numeric", "12345678901234.56", "0.1")
    assert export(sqlite, "decimal(18,2)", "csv") == b"Id,V\r\n1,12345678901234.56\r\n2,0.10\r\n"


def test_an_address_without_a_mask(postgresql: Database) -> None:
    """As psql, COPY and pg_dump write it.

    lesovsky/pgcenter#103, elixir-ecto/postgrex#384, artie-labs/reader#297, django/django#11442
    """
    fill(postgresql, "inet", "'10.0.0.1'", "'2001:db8::1'", "'10.0.0.1/24'")
    assert export(postgresql, "text", "csv") == b"Id,V\r\n1,10.0.0.1\r\n2,2001:db8::1\r\n3,10.0.0.1/24\r\n"


def test_a_real_has_the_digits_that_it_was_given(postgresql: Database) -> None:
    """The shortest digits that read back as the same real, as psql and COPY write it.

    dbeaver/dbeaver#5376, MagicStack/asyncpg#1145, risingwavelabs/risingwave#6412
    """
    fill(postgresql, "real", "19.99", "0.1")
    assert export(postgresql, "float", "csv") == b"Id,V\r\n1,19.99\r\n2,0.1\r\n"
    assert export(postgresql, "float", "ndjson") == b'{"id":1,"v":19.99}\n{"id":2,"v":0.1}\n'


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_an_infinite_time_stamp(postgresql: Database, name: str) -> None:
    """A file in every format; the text formats write infinity.

    psycopg/psycopg#1251, tconbeer/harlequin#690, airbytehq/airbyte#19952, porsager/postgres#1184
    """
    fill(postgresql, "timestamptz", "'infinity'", "'2024-01-01 00:00+00'")
    file = export(postgresql, "timestamp", name)
    assert name != "csv" or file == b"Id,V\r\n1,infinity\r\n2,2024-01-01 00:00:00Z\r\n"


def test_an_infinite_time_stamp_in_a_list(postgresql: Database) -> None:
    """The same rendering as in a column that is no list.

    tconbeer/harlequin#690, Snowflake-Labs/pg_lake#439
    """
    fill(postgresql, "timestamptz[]", "'{2024-07-01 10:00+00,infinity}'")
    expected = b'{"id":1,"v":["2024-07-01T10:00:00Z","infinity"]}\n'
    assert export(postgresql, "list<timestamp>", "ndjson") == expected


def test_an_array_of_an_enum(postgresql: Database) -> None:
    """A list of the enum's labels.

    duckdb/duckdb-postgres#82, psycopg/psycopg2#318, brianc/node-postgres#691, PeerDB-io/peerdb#2738
    """
    postgresql.execute("create type mood as enum ('sad', 'ok')")
    fill(postgresql, "mood[]", "'{sad,ok}'")
    assert export(postgresql, "list<text>", "ndjson") == b'{"id":1,"v":["sad","ok"]}\n'


def test_a_formula_behind_another_delimiter(sqlite: Database) -> None:
    """A formula stays text in a spreadsheet that splits at semicolons, after a line break, and in full-width letters.

    OWASP, CSV Injection
    """
    fill(sqlite, "text", "'note;=1+2'", "char(10) || '=1+4'", "'＝1+5'")
    lines = export(sqlite, "text", "csv").decode().split("\r\n")
    assert lines[1:4] == ["1,note;'=1+2", "2,\"'\n'=1+4\"", "3,'＝1+5"]


def test_gzip_is_one_member(sqlite: Database) -> None:
    """A reader of one member finds all rows.

    101arrowz/fflate#287, madler/zlib#984, dart-lang/sdk#55469, urllib3/urllib3#1285, oven-sh/bun#31522
    """
    fill(sqlite, "text", "'a'", "'b'")
    member = zlib.decompressobj(31)
    text = member.decompress(export(sqlite, "text", "csv", compression="gzip"))
    assert (text, member.unused_data, member.eof) == (b"Id,V\r\n1,a\r\n2,b\r\n", b"", True)


def test_a_csv_whose_first_title_is_id(sqlite: Database) -> None:
    """The title is quoted, so that the file does not start with ``ID``.

    SheetJS/sheetjs#651, synthetichealth/synthea#443, KGD#20, gocodebox/lifterlms#397
    """
    fill(sqlite, "text", "'a'")
    columns = (Column("id", "ID", "integer"), Column("v", "V"))
    _, tables = rows_of(sqlite, columns)
    assert encoded(tables, columns, "csv") == b'"ID",V\r\n1,a\r\n'


def test_integers_of_sixteen_digits_in_a_workbook(sqlite: Database) -> None:
    """Text, as decimals of more than 15 digits are.

    microsoft/azuredatastudio#25455, akvo/akvo-flow#2291, MicrosoftDocs/OfficeDocs-Support#745
    """
    fill(sqlite, "integer", "4111111111111111", "9007199254740991")
    xml = sheet_xml(export(sqlite, "integer", "xlsx"))
    assert "<v>4111111111111111</v>" not in xml
    assert ">4111111111111111</t>" in xml


def test_what_a_format_could_not_show_is_told() -> None:
    """Something outside the formats reads what they count.

    ycphs/openxlsx#145, dbeaver/dbeaver#11106, data-fair/data-fair#392, odoo/odoo#25700
    """
    modules = [
        path for folder in ("activities", "orchestrators", "shared") for path in (PROJECT / folder).rglob("*.py")
    ]
    outside = [path.read_text() for path in modules if "formats" not in path.parts]
    assert [text for text in outside if "truncated" in text or "missingGlyphs" in text]


@wrong("the PDF's fonts have no glyphs of these scripts, which are blank")
@pytest.mark.parametrize("text", ["שלום", "مرحبا", "สวัสดี", "নমস্কার", "வணக்கம்", "გამარჯობა", "Բարեւ", "ሰላም"])
def test_a_script_in_a_pdf(text: str) -> None:
    """Every letter has a glyph.

    Portwood#8, Portwood#338, FastReports/FastReport#172, piersdeseilligny/betterfountain#209
    """
    table = advances().to_pylist()
    assert [letter for letter in text if table[ord(letter)] is None] == []


def test_a_long_interval(postgresql: Database) -> None:
    """2,600,000 hours are more nanoseconds than 64 bits hold; days of 24 hours are equal to PostgreSQL.

    apache/arrow-adbc#908, psycopg/psycopg#719, pgjdbc/pgjdbc#4301
    """
    fill(postgresql, "interval", "'2600000 hours'")
    assert export(postgresql, "interval", "csv") == b"Id,V\r\n1,P108333DT8H\r\n"


def test_decimals_as_strings_in_json(sqlite: Database) -> None:
    """With the option for exact numbers, a decimal that JavaScript would round is a string.

    jcrist/msgspec#440, apache/arrow-rs#5197, rapiddweller/datamimic#253
    """
    fill(sqlite, "text", "'12345678901234567.89'")
    file = export(sqlite, "decimal(38,2)", "ndjson", options={"bigIntegers": "string"})
    assert json.loads(file)["v"] == "12345678901234567.89"


def test_a_time_of_day_with_an_offset(postgresql: Database) -> None:
    """Declared as text it has its offset; declared as a time, which has none, it is refused.

    vladmihalcea/hypersistence-utils#759
    """
    fill(postgresql, "timetz", "'10:00:00+05'")
    assert export(postgresql, "text", "csv") == b"Id,V\r\n1,10:00:00+05\r\n"
    with pytest.raises(SchemaChanged, match=r"column 'v'.*offset"):
        export(postgresql, "time", "csv")


def test_not_a_number_in_a_decimal_column(postgresql: Database) -> None:
    """Written as a NaN of a float column is.

    baserow/baserow#3246, artie-labs/reader#508, CrunchyData/pg_parquet#97, duckdb/duckdb#23971
    """
    fill(postgresql, "numeric", "'NaN'", "1.5")
    assert export(postgresql, "decimal(12,2)", "csv") == b"Id,V\r\n1,NaN\r\n2,1.50\r\n"


@pytest.mark.parametrize("kind", ["integer", "float", "decimal(12,2)", "date"])
def test_an_empty_text_in_a_column_of_numbers_or_dates(sqlite: Database, kind: str) -> None:
    """What an import of a CSV leaves; the error names the row by its key.

    simonw/sqlite-utils, mysql2sqlite#70, SQLite datatypes, section 3.4
    """
    fill(sqlite, kind.partition("(")[0], "1" if kind != "date" else "'2024-01-01'", "''")
    with pytest.raises(SchemaChanged, match=r"column 'v'.*id 2"):
        export(sqlite, kind, "csv")


def test_an_offset_with_seconds(sqlite: Database) -> None:
    """The same instant, with an offset of whole minutes.

    moment/luxon#632, moment/luxon#865, moment/moment-timezone#772, dateutil/dateutil#766
    """
    fill(sqlite, "text", "'1920-06-15 12:00:00'")
    assert re.search(r'[+-]\d\d:\d\d"', export(sqlite, "timestamp", "ndjson", time_zone="Europe/Amsterdam").decode())
