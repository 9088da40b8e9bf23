"""What every format promises, whatever it writes."""

import datetime
import gzip
import io
import json
import random
import subprocess
import sys
import zipfile
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pypdf
import pytest

from shared.catalog.columns import Column, arrow_schema
from shared.errors import LimitReached, SchemaChanged, ValidationFailed
from shared.formats import FORMATS, content_type, file_extension, get_format
from shared.formats.base import EncodedPart, FileSpec, PartBytes, PartPosition, Verbatim
from tests.formats.naughty import FORMULAS, NAUGHTY
from tests.formats.readers import READERS, Behind, gunzip, pdf_text, unescaped, unzip
from tests.formats.tables import EVERY_TYPE, columns, encode, table

ALL = list(FORMATS)
WITH_ROWS = list(READERS)
GZIPPED = [name for name, file_format in FORMATS.items() if "gzip" in file_format.compressions]
ZIPPED = [name for name, file_format in FORMATS.items() if "zip" in file_format.compressions]


def every_type_rows(count: int) -> list[list[Any]]:
    """Rows with a value of every type, every seventh value missing."""
    chance = random.Random(7)
    rows = []
    for number in range(count):
        row = [
            number,
            chance.choice([0.1, -2.5e-7, 1e300, 3.0, float(number)]),
            Decimal(chance.randrange(-(10**8), 10**8)).scaleb(-2),
            Decimal(chance.randrange(-(10**14), 10**14)).scaleb(-12),
            chance.random() < 0.5,
            chance.choice(["Zoë", 'a "b", c', "line\nbreak", "山田 太郎", "", " x ", "=1+1", "<&>"]),
            f"00000000-0000-4000-8000-{number:012}",
            json.dumps({"n": number, "t": 'x"y'}),
            bytes(range(number % 7)),
            datetime.date(1990, 1, 1) + datetime.timedelta(number),
            datetime.time(number % 24, 30, 15, chance.choice([0, 250_000])),
            datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
            + datetime.timedelta(hours=number, microseconds=number % 3),
            datetime.datetime(2024, 1, 1) + datetime.timedelta(minutes=number),  # noqa: DTZ001 - has none
            pa.MonthDayNano([number % 30, number, number * 1_000_000_000]),
            ["a", None, 'b"c'][: number % 4],
        ]
        rows.append([row[0]] + [None if chance.random() < 1 / 7 else value for value in row[1:]])
    return rows


@pytest.fixture(scope="module")
def every_type() -> pa.Table:
    return table(EVERY_TYPE, every_type_rows(1_200))


def content(name: str, data: bytes) -> Any:
    """What a reader finds in a file: header and rows, or the words of a PDF without the frame of its pages."""
    if name in READERS:
        return READERS[name](data)
    words = "".join(pdf_text(data))
    return sorted(words)


@pytest.mark.parametrize("name", ALL)
def test_describes_itself(name: str) -> None:
    """A format says its name, title, ending and media type, and every option what it is for."""
    file_format = get_format(name)
    assert file_format.name == name
    assert file_format.title
    assert file_format.summary.endswith(".")
    assert "/" in content_type(file_format, "none")
    assert file_extension(file_format, "none") == file_format.extension
    assert all(option.summary.endswith(".") for option in file_format.option_list)
    assert file_format.options({}) == {option.name: option.default for option in file_format.option_list}


def test_an_unknown_format_is_refused_with_the_nearest_name() -> None:
    """The error names the field, what was received and what is known."""
    with pytest.raises(ValidationFailed, match="format: unknown format 'xslx'; did you mean 'xlsx'"):
        get_format("xslx")


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_option_is_refused(name: str) -> None:
    """The error names the field."""
    with pytest.raises(ValidationFailed) as caught:
        get_format(name).options({"colour": "red"})
    assert [error.field for error in caught.value.errors] == ["options.colour"]


@pytest.mark.parametrize("name", ALL)
def test_the_same_rows_give_the_same_bytes(name: str, every_type: pa.Table) -> None:
    """A part that is encoded again is the same, however the source batches its rows."""
    first = encode(name, EVERY_TYPE, every_type, batch_rows=1_000)
    assert encode(name, EVERY_TYPE, every_type, batch_rows=1_000) == first
    assert encode(name, EVERY_TYPE, every_type, batch_rows=77) == first


@pytest.mark.parametrize("splits", [(1,), (0, 600), (400, 400, 800), (1, 2, 3, 1_200)], ids=str)
@pytest.mark.parametrize("name", WITH_ROWS)
def test_any_split_into_parts_reads_the_same(name: str, splits: tuple[int, ...], every_type: pa.Table) -> None:
    """Also with parts that turn out to be empty, at the start, in the middle and at the end."""
    whole = content(name, encode(name, EVERY_TYPE, every_type))
    assert len(whole[1]) == 1_200
    assert content(name, encode(name, EVERY_TYPE, every_type, splits=splits)) == whole


def test_a_pdf_in_parts_has_every_row_once(every_type: pa.Table) -> None:
    """Each part starts a new page; pages are numbered through."""
    of = columns(id="integer", name="text")
    data = table(of, [[number, f"row{number}."] for number in range(300)])
    pages = pdf_text(encode("pdf", of, data, splits=(100, 100, 250)))
    assert [page[-3:] for page in pages] == [f"{number}/{len(pages)}"[-3:] for number in range(1, len(pages) + 1)]
    words = "".join(pages)
    assert all(words.count(f"{number}row{number}.") >= 1 for number in range(300))
    assert words.count("row") == 300


@pytest.mark.parametrize("splits", [None, (), (0, 0)], ids=["no parts", "one empty part", "three empty parts"])
@pytest.mark.parametrize("name", ALL)
def test_an_empty_result_is_a_valid_file_with_a_header(name: str, splits: tuple[int, ...] | None) -> None:
    """Where the format has a header at all: JSON has no place for one."""
    data = table(EVERY_TYPE, [])
    if splits is None:
        spec = FileSpec(EVERY_TYPE, options=FORMATS[name].options({}))
        segments = FORMATS[name].assemble([], spec)
        file = b"".join(segment.data for segment in segments)  # type: ignore[union-attr]
    else:
        file = encode(name, EVERY_TYPE, data, splits=splits)
    titles = [column.title for column in EVERY_TYPE]
    if name == "pdf":
        (page,) = pdf_text(file)
        assert all(title in page for title in titles)
        return
    header, rows = READERS[name](file)
    assert rows == []
    assert header == ([] if name in ("json", "ndjson") else titles)


@pytest.mark.parametrize("name", GZIPPED)
def test_gzip_holds_the_same_text(name: str, every_type: pa.Table) -> None:
    """Parts and what stands around them are members of one gzip file."""
    plain = encode(name, EVERY_TYPE, every_type, splits=(0, 500))
    packed = encode(name, EVERY_TYPE, every_type, splits=(0, 500), compression="gzip")
    assert gunzip(packed) == plain
    assert len(packed) < len(plain) / 2
    assert file_extension(FORMATS[name], "gzip") == f"{FORMATS[name].extension}.gz"
    empty = encode(name, EVERY_TYPE, table(EVERY_TYPE, []), compression="gzip")
    assert gunzip(empty) == encode(name, EVERY_TYPE, table(EVERY_TYPE, []))


def test_a_gzip_of_more_than_four_gib_says_its_length_modulo_32_bits() -> None:
    """As RFC 1952 has it (2.3.1, ISIZE)."""
    of = columns(id="integer")
    spec = FileSpec(of, compression="gzip", options=get_format("csv").options({"header": "none"}))
    parts = [EncodedPart(n, 1, 1, {"deflated": [n, 3 * 2**30, 1]}) for n in (0, 1)]
    start, *copied, end = get_format("csv").assemble(parts, spec)
    assert copied == [PartBytes(0), PartBytes(1)]
    assert start.data[:4] == b"\x1f\x8b\x08\x00"
    assert int.from_bytes(end.data[-4:], "little") == 2 * 2**30


def test_parts_of_the_last_release_are_members_by_themselves() -> None:
    """It made gzip members of its parts; an export that was begun then is a sound file of several."""
    of = columns(id="integer")
    spec = FileSpec(of, compression="gzip", options=get_format("csv").options({}))
    contents = [gzip.compress(b"1\r\n2\r\n", mtime=0), b"", gzip.compress(b"4\r\n", mtime=0)]
    made = bytearray()
    rows, facts = get_format("csv").encode_part(table(of, [[3]]).to_reader(), made.extend, spec, PartPosition(1, 3, 2))
    contents[1] = bytes(made)
    parts = [EncodedPart(n, rows, len(data), facts if n == 1 else {}) for n, data in enumerate(contents)]
    segments = get_format("csv").assemble(parts, spec)
    file = b"".join(contents[s.index] if isinstance(s, PartBytes) else s.data for s in segments)
    assert gzip.decompress(file) == b"id\r\n1\r\n2\r\n3\r\n4\r\n"


@pytest.mark.parametrize("splits", [(), (0, 500), (500, 500, 1_200), (0, 0)], ids=str)
@pytest.mark.parametrize("name", ZIPPED)
def test_zip_holds_the_same_text_under_the_given_name(name: str, splits: tuple[int, ...], every_type: pa.Table) -> None:
    """Parts and what stands around them are one entry, with the checksum of the whole."""
    plain = encode(name, EVERY_TYPE, every_type, splits=splits)
    packed = encode(name, EVERY_TYPE, every_type, splits=splits, compression="zip", file_name="été 山田.txt")
    assert unzip(packed) == ("été 山田.txt", plain)
    assert len(packed) < len(plain) / 2
    assert (file_extension(FORMATS[name], "zip"), content_type(FORMATS[name], "zip")) == ("zip", "application/zip")
    nothing = table(EVERY_TYPE, [])
    empty = encode(name, EVERY_TYPE, nothing, splits=splits and (0,), compression="zip")
    assert unzip(empty) == ("export", encode(name, EVERY_TYPE, nothing))


def test_a_zip_beyond_four_gib_is_zip64() -> None:
    """What the container says of it fits no 32 bits: 12 GiB of text in 6 GiB."""
    of = columns(id="integer")
    gib = 2**30
    spec = FileSpec(of, compression="zip", file_name="large.csv", options=get_format("csv").options({"header": "none"}))
    parts = [EncodedPart(n, 1, 3 * gib, {"deflated": [n, 6 * gib, 3 * gib]}) for n in (0, 1)]
    start, *copied, end = get_format("csv").assemble(parts, spec)
    assert copied == [PartBytes(0), PartBytes(1)]
    assert isinstance(start, Verbatim)
    assert isinstance(end, Verbatim)
    with zipfile.ZipFile(Behind(len(start.data) + 6 * gib, end.data)) as archive:
        (entry,) = archive.infolist()
    assert (entry.filename, entry.file_size, entry.header_offset) == ("large.csv", 12 * gib, 0)
    assert 6 * gib <= entry.compress_size < 6 * gib + 10
    assert start.data[4:6] == bytes([45, 0])


@pytest.mark.parametrize("name", ALL)
def test_facts_are_small_json(name: str) -> None:
    """The merge holds those of all parts: a few bytes for each column, and none for each row."""
    of = tuple(Column(f"column{number}", f"Column {number}") for number in range(80))
    data = table(of, [["text"] * 80] * 50)
    file_format = FORMATS[name]
    spec = FileSpec(of, options=file_format.options({}))
    rows, facts = file_format.encode_part(data.to_reader(), lambda _: None, spec, PartPosition(0, 1, 0))
    _, of_many = file_format.encode_part(
        table(of, [["text"] * 80] * 2_000).to_reader(), lambda _: None, spec, PartPosition(0, 1, 0)
    )
    assert rows == 50
    assert len(json.dumps(facts)) < 200 * len(of)
    assert len(json.dumps(of_many)) < 1.1 * len(json.dumps(facts)) + 1_000
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize("name", ALL)
def test_rows_of_another_shape_are_refused(name: str) -> None:
    """A source whose columns changed since the plan does not give a wrong file."""
    promised, found = columns(id="integer", name="text"), columns(id="text", name="text")
    file_format = FORMATS[name]
    spec = FileSpec(promised, options=file_format.options({}))
    with pytest.raises(SchemaChanged, match="id is string, not int64"):
        file_format.encode_part(table(found, [["a", "b"]]).to_reader(), lambda _: None, spec, PartPosition(0, 1, 0))


@pytest.mark.parametrize("name", ["csv", "ndjson", "json", "parquet"])
def test_naughty_strings_come_back(name: str) -> None:
    """As values, byte for byte; CSV with its guard switched off."""
    of = columns(id="integer", value="text")
    data = table(of, list(enumerate(NAUGHTY)))
    options = {"formulaGuard": False} if name == "csv" else {}
    _, rows = READERS[name](encode(name, of, data, options=options))
    assert [row[1] for row in rows] == list(NAUGHTY)


@pytest.mark.parametrize("name", WITH_ROWS)
def test_naughty_strings_as_column_titles(name: str) -> None:
    """Columns may be called anything, by title and by name; every name is found again."""
    of = tuple(Column(text, text) for text in NAUGHTY)
    options = {"formulaGuard": False} if name == "csv" else {}
    header, rows = READERS[name](encode(name, of, table(of, [["x"] * len(of)]), options=options))
    assert [unescaped(title or "") if name == "xlsx" else title for title in header] == list(NAUGHTY)
    assert rows == [["x"] * len(of)]


def test_naughty_strings_as_column_titles_of_a_pdf() -> None:
    """What a font has a glyph for stands at the head of the page; the rest are boxes, and the file opens."""
    for text in NAUGHTY[::3]:
        of = (Column("id", "id", "integer"), Column("c", text))
        (page,) = pdf_text(encode("pdf", of, table(of, [[7, "end"]]), title="T"))
        assert "7end" in page
        if text.isascii() and text.isprintable() and len(text) < 40:
            assert "id" + "".join(text.split()) + "7end" in page


@pytest.mark.parametrize("name", ALL)
def test_naughty_strings_as_the_title_of_the_export(name: str) -> None:
    """It is a sheet's name, and a document's title; the rows are there whatever it is."""
    of = columns(id="integer", value="text")
    data = table(of, [[7, "end"]])
    expected = content(name, encode(name, of, data))
    for title in (*NAUGHTY[:: 3 if name == "pdf" else 1], "History", "a" * 30 + "😀"):
        file = encode(name, of, data, title=title)
        if name == "pdf":
            assert pypdf.PdfReader(io.BytesIO(file)).metadata["/Title"] == title
        else:
            assert content(name, file) == expected
        if name == "xlsx":
            (sheet,) = openpyxl.load_workbook(io.BytesIO(file)).sheetnames
            assert 0 < len(sheet.encode("utf-16-le")) // 2 <= 31
            assert not set(sheet) & set("[]:*?/\\")
            assert sheet.strip("'") == sheet
            assert sheet.lower() != "history"


@pytest.mark.parametrize("locale", ["pt-BR", "PT_br", "pt-PT", "fr"])
@pytest.mark.parametrize("name", ["csv", "xlsx", "pdf"])
def test_titles_are_in_the_files_locale(name: str, locale: str) -> None:
    """In the region's words, else in the language's, else as they are; however the locale is spelt."""
    of = (Column("bus", "Bus", titles={"pt": "Autocarro", "pt-BR": "Ônibus"}),)
    file = encode(name, of, table(of, []), locale=locale, locale_asked=False)
    expected = {"pt-BR": "Ônibus", "PT_br": "Ônibus", "pt-PT": "Autocarro", "fr": "Bus"}[locale]
    if name == "pdf":
        assert expected in pdf_text(file)[0]
    else:
        assert READERS[name](file)[0] == [expected]


@pytest.mark.parametrize("name", WITH_ROWS)
def test_numbers_are_never_guarded(name: str) -> None:
    """A negative number stays one, next to a text that is guarded."""
    of = columns(id="integer", ratio="float", amount="decimal(5,2)", formula="text")
    data = table(of, [[-12, -0.5, Decimal("-1.25"), payload] for payload in FORMULAS])
    _, rows = READERS[name](encode(name, of, data))
    assert len(rows) == len(FORMULAS)
    for row in rows:
        assert (float(row[0]), float(row[1]), float(row[2])) == (-12.0, -0.5, -1.25)


@pytest.mark.parametrize("name", ["csv", "ndjson", "json", "parquet"])
def test_a_cell_of_ten_mebibytes(name: str) -> None:
    """Large cells go through, many of them in one batch too."""
    of = columns(id="integer", value="text")
    large = "0123456789abcdef" * 655_360
    data = pa.table(
        [pa.array([1, 2, 3], pa.int64()), pa.array([large, None, "=" + large], pa.string())], arrow_schema(of)
    )
    options = {"formulaGuard": False} if name == "csv" else {}
    _, rows = READERS[name](encode(name, of, data, options=options))
    assert [row[1] or None for row in rows] == [large, None, "=" + large]


@pytest.mark.parametrize("name", [name for name in ALL if name != "pdf"])
def test_five_hundred_columns(name: str) -> None:
    """Wide tables go through; a PDF refuses what no sheet can hold."""
    of = tuple(Column(f"c{number}", f"C{number}", "integer") for number in range(500))
    _, rows = READERS[name](encode(name, of, table(of, [list(range(500))] * 3)))
    assert [[int(value) for value in row] for row in rows] == [list(range(500))] * 3


def test_a_row_without_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single row over the limit is an error that says so."""
    monkeypatch.setattr("shared.formats.slices.SLICE_BYTES", 500_000)
    monkeypatch.setattr("shared.formats.slices.ROW_BYTES", 1_000_000)
    of = columns(value="text")
    with pytest.raises(LimitReached, match="the limit is 1,000,000"):
        encode("csv", of, table(of, [["small"], ["x" * 1_000_001]]))


@pytest.mark.parametrize("name", ALL)
def test_memory_does_not_grow_with_the_rows(name: str) -> None:
    """A part of five times the rows holds about as much memory, far below 300 MiB."""
    few, many = (10_000, 50_000) if name == "pdf" else (100_000, 500_000)
    peaks = []
    for rows in (few, many):
        command = [sys.executable, "-m", "tests.formats.peak", name, str(rows)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True).stdout))
    assert peaks[1] < 300
    assert peaks[1] - peaks[0] < 60
