"""What databases have and Arrow's types do not: in every format, in lists, beside ordinary values and nulls."""

import csv
import io
import json
import re
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.catalog.columns import Column
from shared.formats import FORMATS
from shared.formats.base import FileSpec, PartPosition
from tests.databases import Database
from tests.formats.readers import pdf_text
from tests.values.exporting import ID, export, fill, rows_of

# PostgreSQL's type and literal, the declared type, and the text; JSON has the same where it is a string.
SPECIAL = [
    ("date", "infinity", "date", "infinity"),
    ("date", "-infinity", "date", "-infinity"),
    ("timestamp", "infinity", "local timestamp", "infinity"),
    ("timestamptz", "-infinity", "timestamp", "-infinity"),
    ("date", "infinity", "timestamp", "infinity"),
    ("timestamptz", "infinity", "date", "infinity"),
    ("time", "24:00", "time", "24:00:00"),
    ("numeric", "NaN", "decimal(12,2)", "NaN"),
    ("numeric", "Infinity", "decimal(38,10)", "Infinity"),
    ("numeric", "-Infinity", "decimal(60,4)", "-Infinity"),
    ("float8", "NaN", "decimal(12,2)", "NaN"),
    ("float8", "-Infinity", "float", "-Infinity"),
    ("real", "Infinity", "float", "Infinity"),
]
ORDINARY = {
    "date": ("2024-02-29", "2024-02-29"),
    "timestamp": ("2024-02-29 12:00+00", "2024-02-29 12:00:00Z"),
    "local timestamp": ("2024-02-29 12:00", "2024-02-29 12:00:00"),
    "time": ("12:00", "12:00:00"),
    "decimal(12,2)": ("-1.5", "-1.50"),
    "decimal(38,10)": ("-1.5", "-1.5000000000"),
    "decimal(60,4)": ("-1.5", "-1.5000"),
    "float": ("-1.5", "-1.5"),
}
NUMBERS = ("decimal", "float")


def facts_of(database: Database, kind: str, name: str, **options: Any) -> Any:
    """What the format notes of the part."""
    columns = (ID, Column("v", "V", kind))
    _, (table,) = rows_of(database, columns)
    spec = FileSpec(columns, options=FORMATS[name].options(options))
    return FORMATS[name].encode_part(table.to_reader(), lambda _: None, spec, PartPosition(0, 1, 0))[1]


@pytest.mark.parametrize(("stored", "literal", "kind", "text"), SPECIAL)
def test_a_special_value_of_postgresql(postgresql: Database, stored: str, literal: str, kind: str, text: str) -> None:
    """Text formats write its name; JSON has no such numbers, Parquet no such values: they are missing, and counted."""
    value, written = ORDINARY[kind]
    if stored == "date":
        value, written = value[:10], {"timestamp": "2024-02-29 00:00:00Z"}.get(kind, written)
    fill(postgresql, stored, f"'{literal}'", f"'{value}'", "null")
    for zone in ("UTC", "Asia/Tokyo") if kind == "timestamp" else ("UTC",):
        rows = list(csv.reader(io.StringIO(export(postgresql, kind, "csv", time_zone=zone).decode())))
        assert rows[1] == ["1", text]
        if zone == "UTC":
            assert rows[2:] == [["2", written], ["3", ""]]
        book = openpyxl.load_workbook(io.BytesIO(export(postgresql, kind, "xlsx", time_zone=zone)))
        assert [book.active["B2"].value, book.active["B2"].data_type] == [text, "s"]
        assert book.active["B3"].data_type in "nd"
        assert book.active["B4"].value is None
    lines = [json.loads(line) for line in export(postgresql, kind, "ndjson").splitlines()]
    assert lines[0]["v"] == (None if kind.startswith(NUMBERS) else text)
    assert lines[2]["v"] is None
    assert "".join(pdf_text(export(postgresql, kind, "pdf"))).count(text) == 1
    parquet = pq.read_table(io.BytesIO(export(postgresql, kind, "parquet")))["v"]
    assert parquet.null_count == (1 if kind == "float" else 2)
    assert facts_of(postgresql, kind, "ndjson").get("emptied", 0) == kind.startswith(NUMBERS)
    assert facts_of(postgresql, kind, "parquet").get("emptied", 0) == (kind != "float")


@pytest.mark.parametrize(("stored", "literal", "kind", "text"), [case for case in SPECIAL if case[0] != "float8"])
def test_a_special_value_in_a_list(postgresql: Database, stored: str, literal: str, kind: str, text: str) -> None:
    """As in a column that is no list."""
    value, _ = ORDINARY[kind]
    ordinary = value[:10] if stored == "date" else value
    fill(postgresql, f"{stored}[]", f"array['{literal}', '{ordinary}', null]::{stored}[]", "'{}'", "null")
    lines = [json.loads(line)["v"] for line in export(postgresql, f"list<{kind}>", "ndjson").splitlines()]
    assert lines[0][0] == (None if kind.startswith(NUMBERS) else text)
    assert lines[0][1] is not None
    assert lines[0][2] is None
    assert lines[1:] == [[], None]
    parquet = pq.read_table(io.BytesIO(export(postgresql, f"list<{kind}>", "parquet")))["v"].combine_chunks()
    assert parquet.flatten().null_count == (1 if kind == "float" else 2)
    assert pa.types.is_list(parquet.type)


@pytest.mark.parametrize("precision", [5, 18, 19, 38, 39, 76])
def test_every_precision_of_a_decimal_has_room_for_them(postgresql: Database, precision: int) -> None:
    """Beside the greatest and the least number of so many digits."""
    nines = "9" * precision
    fill(postgresql, "numeric", "'NaN'", f"'{nines}'", f"'-{nines}'", "'Infinity'", "'-Infinity'")
    lines = export(postgresql, f"decimal({precision},0)", "csv").decode().split("\r\n")[1:-1]
    assert lines == ["1,NaN", f"2,{nines}", f"3,-{nines}", "4,Infinity", "5,-Infinity"]


def test_special_numbers_of_sqlite(sqlite: Database) -> None:
    """An infinity in a REAL, or in text."""
    fill(sqlite, "", "9e999", "-9e999", "1.5", "'NaN'", "'2.5'")
    lines = export(sqlite, "decimal(12,2)", "csv").decode().split("\r\n")[1:-1]
    assert lines == ["1,Infinity", "2,-Infinity", "3,1.50", "4,NaN", "5,2.50"]


FAR = {
    "4713-01-01 BC": "-4712-01-01",
    "0001-12-31 BC": "0000-12-31",
    "0001-01-01": "0001-01-01",
    "9999-12-31": "9999-12-31",
    "10000-01-01": "10000-01-01",
    "32767-12-31": "32767-12-31",
    "32768-02-29": "32768-02-29",
    "99999-12-31": "99999-12-31",
    "294246-12-31": "294246-12-31",
}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
def test_dates_of_any_year(postgresql: Database, zone: str) -> None:
    """Text in every format that a reader of dates would refuse or change, the same day in each."""
    fill(postgresql, "date", *[f"'{literal}'" for literal in FAR], "'5874897-12-31'")
    days = export(postgresql, "date", "csv", time_zone=zone).decode().split("\r\n")[1:-1]
    assert [line.partition(",")[2] for line in days] == [*FAR.values(), "5874897-12-31"]
    postgresql.execute("delete from t where id > 9", "alter table t alter v type timestamptz using v + time '12:00'")
    moments = export(postgresql, "timestamp", "csv", time_zone=zone).decode().split("\r\n")[1:-1]
    for line, day in zip(moments, FAR.values(), strict=True):
        assert line.partition(",")[2].startswith(f"{day} ")
        assert line.endswith("Z") if zone == "UTC" else re.search(r"[+-]\d\d:\d\d$", line)
    book = openpyxl.load_workbook(io.BytesIO(export(postgresql, "timestamp", "xlsx", time_zone="UTC")))
    shown = [row[1] for row in book.active.iter_rows(min_row=2, values_only=True)]
    assert [str(value)[:10] for value in shown] == [day[:10] for day in FAR.values()]
    assert "294246-12-31" in "".join(pdf_text(export(postgresql, "timestamp", "pdf", time_zone=zone)))
