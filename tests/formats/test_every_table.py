"""Tables that hypothesis makes up, of every type, read again by an independent reader."""

import base64
import datetime
import json
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.columns import Column
from tests.formats.formulas import defused, defused_json
from tests.formats.readers import READERS, pdf_text, read_xlsx_strictly
from tests.formats.tables import encode, table

ZONE = "America/New_York"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
STAMPS = st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2100, 1, 1))  # noqa: DTZ001 - naive on purpose
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | TEXT, lambda inner: st.lists(inner, max_size=3)
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_subnormal=True),
    "decimal(12,2)": st.decimals(-(10**9), 10**9, places=2),
    "decimal(38,20)": st.decimals(-(10**17), 10**17, places=20),
    "boolean": st.booleans(),
    "text": TEXT,
    "uuid": st.uuids().map(str),
    "json": JSON.map(json.dumps),
    "binary": st.binary(max_size=10),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": STAMPS.map(lambda value: value.replace(tzinfo=datetime.UTC)),
    "local timestamp": STAMPS,
    "list<text>": st.lists(st.none() | TEXT, max_size=3),
    "list<integer>": st.lists(st.none() | st.integers(-99, 99), max_size=3),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Column, ...], list[list[Any]]]:
    """An id and some columns of any types, up to twelve rows."""
    kinds = ["integer", *draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=5))]
    of = tuple(Column(f"c{number}", f"Title {number}", kind) for number, kind in enumerate(kinds))
    cells = [st.none() | VALUES[kind] for kind in kinds[1:]]
    rows = draw(st.lists(st.tuples(st.just(1), *cells).map(list), min_size=1, max_size=12))
    return of, rows


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def as_csv(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind.startswith("decimal"):
        return f"{value:.{kind[:-1].partition(',')[2]}f}"
    if kind == "boolean":
        return str(value).lower()
    if kind == "text":
        return defused(value)
    if kind == "json":
        return defused_json(value)
    if kind == "binary":
        return base64.b64encode(value).decode()
    if kind == "timestamp":
        return str(value.astimezone(ZoneInfo(ZONE)))
    if kind.startswith("list"):
        return defused_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return str(value)


@QUICK
@given(tables())
def test_csv(made: tuple[tuple[Column, ...], list[list[Any]]]) -> None:
    """Every cell of a CSV is the documented text; a float reads back as the same number."""
    of, rows = made
    _, found = READERS["csv"](encode("csv", of, table(of, rows), splits=(len(rows) // 2,), time_zone=ZONE))
    for row, cells in zip(rows, found, strict=True):
        for column, value, cell in zip(of, row, cells, strict=True):
            if column.type == "float" and value is not None:
                assert repr(float(cell)) == repr(value) or (math.isnan(value) and cell == "NaN")
            else:
                assert cell == as_csv(column.type, value)


def as_json(kind: str, value: Any) -> Any:
    if value is None or (kind == "float" and not math.isfinite(value)):
        return None
    if kind == "float":
        return value
    if kind == "json":
        return json.loads(value)
    if kind == "binary":
        return base64.b64encode(value).decode()
    if kind == "timestamp":
        return value.astimezone(ZoneInfo(ZONE)).isoformat()
    if kind == "local timestamp":
        return value.isoformat()
    if kind in ("date", "time"):
        return str(value)
    return value


@pytest.mark.parametrize("name", ["json", "ndjson"])
@QUICK
@given(made=tables())
def test_json(name: str, made: tuple[tuple[Column, ...], list[list[Any]]]) -> None:
    """Every value of a JSON object is the documented one, decimals to the last digit."""
    of, rows = made
    _, found = READERS[name](encode(name, of, table(of, rows), splits=(len(rows) // 2,), time_zone=ZONE))
    for row, values in zip(rows, found, strict=True):
        for column, value, got in zip(of, row, values, strict=True):
            expected = as_json(column.type, value)
            if column.type == "float" and expected is not None:
                assert repr(float(got)) == repr(expected)
            else:
                assert got == expected
                assert isinstance(got, bool) == isinstance(expected, bool)


@QUICK
@given(tables())
def test_parquet(made: tuple[tuple[Column, ...], list[list[Any]]]) -> None:
    """Every value of a Parquet file is the value itself."""
    of, rows = made
    data = table(of, rows)
    _, found = READERS["parquet"](encode("parquet", of, data, splits=(len(rows) // 2,)))
    assert repr(found) == repr([list(row.values()) for row in data.to_pylist()])


def as_xlsx(kind: str, value: Any) -> Any:
    """What calamine gives: numbers as floats, nothing as an empty text."""
    if value is None:
        return ""
    if kind == "integer":
        return float(value) if abs(value) < 10**15 else str(value)
    if kind == "float":
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if kind.startswith("decimal"):
        words = as_csv(kind, value)
        digits = words.rstrip("0").replace(".", "").lstrip("-0")
        return float(value) if len(digits) <= 15 else words
    if kind == "date":
        return value if value >= datetime.date(1900, 3, 1) else str(value)
    if kind == "timestamp":
        return value.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    return value if kind in ("boolean", "local timestamp", "time", "text", "json") else as_csv(kind, value)


def near(got: Any, expected: Any) -> bool:
    """A spreadsheet's times are fractions of a day: exact to the millisecond in every reader."""
    if isinstance(expected, datetime.datetime):
        return isinstance(got, datetime.date) and abs(as_datetime(got) - expected) <= datetime.timedelta(milliseconds=1)
    if isinstance(expected, datetime.time):
        if not isinstance(got, datetime.time):
            return (expected.hour, expected.minute) in ((0, 0), (23, 59))  # rounded to midnight, or none at all
        return abs(seconds(got) - seconds(expected)) <= 0.001
    return got == expected and isinstance(got, bool) == isinstance(expected, bool)


def as_datetime(value: datetime.date) -> datetime.datetime:
    return value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())


def seconds(value: datetime.time) -> float:
    return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6


@QUICK
@given(tables())
def test_xlsx(made: tuple[tuple[Column, ...], list[list[Any]]]) -> None:
    """Every cell of a workbook is the documented number, date or text, for a reader other than openpyxl."""
    of, rows = made
    _, found = read_xlsx_strictly(encode("xlsx", of, table(of, rows), splits=(len(rows) // 2,), time_zone=ZONE))
    for row, cells in zip(rows, found, strict=True):
        for column, value, cell in zip(of, row, cells, strict=True):
            assert near(cell, as_xlsx(column.type, value)), (column.type, value, cell)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.text("abcXYZ ÄéŁж山田한", max_size=20)), min_size=1, max_size=40))
def test_pdf(rows: list[tuple[int, str]]) -> None:
    """Every character of a PDF's table is found again, in the order of rows and columns."""
    of = (Column("id", "Number", "integer"), Column("text", "Words"))
    pages = pdf_text(encode("pdf", of, table(of, rows), title="T", created="2024-02-03T04:05:06Z"))
    expected = "".join(f"{number}{''.join(words.split())}" for number, words in rows)
    assert pages == [f"T2024-02-0304:05UTCNumberWords{expected}1/1"]


def test_intervals_are_iso_durations() -> None:
    """Of every sign and size; PostgreSQL has months, days and microseconds apart."""
    of = (Column("id", "id", "integer"), Column("span", "span", "interval"))
    spans = {
        (0, 0, 0): "PT0S",
        (14, 3, 14_706_500_000_000): "P1Y2M3DT4H5M6.5S",
        (-14, 0, 0): "P-1Y-2M",
        (0, -1, -1_500_000_000): "P-1DT-1.5S",
        (0, 0, 1): "PT0.000000001S",
        (0, 0, 86_400_000_000_000): "PT24H",
        (0, 40, 0): "P40D",
    }
    data = table(of, [[1, pa.MonthDayNano(list(span))] for span in spans])
    for name in ("csv", "json", "ndjson", "xlsx", "parquet"):
        _, rows = READERS[name](encode(name, of, data))
        assert [row[1] for row in rows] == list(spans.values())


def test_decimals_of_any_scale_have_no_exponent() -> None:
    """Small values too, where Arrow's own text would have one."""
    of = (Column("id", "id", "integer"), Column("d", "d", "decimal(60,40)"))
    values = [Decimal("1E-40"), Decimal("-1E-40"), Decimal(0), Decimal("-0.5"), Decimal("12345678901234567890.5"), None]
    _, rows = READERS["csv"](encode("csv", of, table(of, [[1, value] for value in values])))
    assert [row[1] for row in rows] == [f"{value:.40f}" if value is not None else "" for value in values]
