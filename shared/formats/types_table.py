"""The table of how every column type is rendered in every format, made by encoding an example of each.

``make reference`` writes it to ``docs/reference/types.md``. A type in the registry (``shared/catalog/column_types.py``)
has its row by its example.
"""

import datetime
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from shared.catalog.column_types import COLUMN_TYPES, arrow_type, column_type
from shared.catalog.columns import Column, arrow_schema
from shared.formats import FORMATS
from shared.formats.base import FileSpec
from shared.formats.options import Option
from shared.formats.pdf_layout import printed
from shared.formats.scalars import TextStyle, scalar_text
from shared.formats.whole_file import encode_file
from shared.sources.special_values import special_value

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "types.md"
TIME_ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Example:
    """One row of the table: a column type, a value of it, or a scalar, and what is special about it."""

    type: str
    value: Any
    remark: str = ""


_WITH_PARAMETERS = ("decimal(12,2)", "list<integer>")
"""One of each kind of types that have no name of their own in the registry."""

_REMARKS = {
    "timestamp": f"10:00 UTC, shown in {TIME_ZONE}",
    "interval": "1 year, 2 months, 3 days, 4:05:06.5",
}
"""What is special about the example of a type."""

REMARKABLE: Sequence[Example] = (
    Example("integer", 4_111_111_111_111_111, "over 15 digits"),
    Example("integer", 2**53 + 1, "beyond 2^53"),
    Example("float", -0.0, "negative zero"),
    Example("float", 1e300, "very large"),
    Example("float", float("nan"), "not a number"),
    Example("float", float("-inf"), "infinite"),
    Example("decimal(38,20)", Decimal("0.00000000000000000001"), "very small"),
    Example("decimal(38,2)", Decimal("12345678901234567.89"), "over 15 digits"),
    Example("decimal(12,2)", special_value("NaN", arrow_type("decimal(12,2)")), "not a number"),
    Example("decimal(12,2)", special_value("-Infinity", arrow_type("decimal(12,2)")), "infinite"),
    Example("text", "", "empty, not missing"),
    Example("text", "=1+1", "looks like a formula"),
    Example("text", "note;=1+1", "has a formula behind a delimiter"),
    Example("text", "a\x07b", "control character"),
    Example("json", "{oops", "not JSON"),
    Example("date", datetime.date(1900, 2, 28), "before 1900-03-01"),
    Example("date", datetime.date(9999, 12, 31), "the end of time"),
    Example("date", 11_248_737 + 100_000, "far in the future"),
    Example("date", -735_160, "44 BC"),
    Example("date", special_value("infinity", arrow_type("date")), "infinite"),
    Example("time", datetime.time(23, 59, 59, 123456), "with a fraction"),
    Example("time", special_value("24:00:00", arrow_type("time")), "the end of a day"),
    Example("timestamp", 253_402_300_799_000_000, f"9999-12-31 23:59:59 UTC, shown in {TIME_ZONE}"),
    Example("timestamp", -2_500_000_000_000_000, f"before standard time, in {TIME_ZONE}"),
    Example("timestamp", special_value("-infinity", arrow_type("timestamp")), "infinite"),
    Example("local timestamp", datetime.datetime(2024, 7, 1, 10, 0, 0, 500000), "with a fraction"),  # noqa: DTZ001
    Example("list<integer>", [1, None, 3]),
    Example("list<text>", ["a", 'say "b"']),
    Example("text", None, "missing, of any type"),
)
"""Values that need a remark, beside the example that every type has."""

_HEAD = """# Types and formats

How a value of each column type looks in each format. This table is made by encoding the values
(`make reference`), and the tests check that it is up to date.

JSON stands for JSON and NDJSON. In XLSX a number, date or time has a number format, shown in brackets; text is always
text and never a formula. Options that change a rendering: `nullText`, `decimalSeparator`, `delimiter` and
`formulaGuard` of CSV, `bigIntegers` and `decimals` of JSON and NDJSON. A PDF shows text on one line and ends it with
`…` where the column is too narrow.

**The formula guard of CSV.** A spreadsheet takes text for a formula that begins with `=`, `+`, `-` or `@`, with a
full-width form of these (`＝＋－＠`), or with a tab, a carriage return, a line feed or NUL before it: such a text gets
an apostrophe in front. A sign that directly follows `;`, `,`, `|`, a tab or a line break inside a text gets one too,
whatever the file's own delimiter is, because a spreadsheet that splits at another one sees the start of a cell there.
Nothing else is changed: a sign behind a space starts no formula. Guarded are titles, every type of text and lists
of these; numbers and dates never are, nor are negative numbers in JSON. A `nullText` that begins like a formula is
refused. An export type switches the guard off with `formula_guard=False`, a request with `formatOptions.formulaGuard`;
the export's log and the metric `sluice_guarded_cells_total` say how many cells were changed. An export type that writes
its own file has `guard_formulas` (`shared/formats/formula_guard.py`) for a list of texts, and `csv_file`
(`shared/formats/csv_files.py`) for a whole file.

"""

_DECISIONS = """
## Values that need a decision

- **Infinite dates and time stamps** are `infinity` and `-infinity`, as PostgreSQL writes them; a decimal that is not
  a number is `NaN`, `Infinity` or `-Infinity`, as in a float column; the end of a day is `24:00:00`. They are text in
  a workbook. JSON has no such numbers and Parquet no such values: the cell is `null`, and the export's log has a
  warning with their count (`values-lost`).
- **Years** after 9999 have five digits or more. Years before 1 are counted as ISO 8601 does, with a year 0000: 44 BC
  is `-0043`. This holds in every zone: the last second of 9999 is in the year 10000 in Berlin. A workbook has numbers
  from 1900-03-01 to 9999-12-31 and text for all other dates. Time stamps end with the year 294246.
- **Offsets** are whole minutes (RFC 3339). Before standard time zones had seconds; the wall time is then that of the
  nearest whole minute, and the instant is the same.
- **Numbers of more than 15 digits** are text in a workbook, which would change the others. In JSON they are numbers
  unless `bigIntegers` or `decimals` says `"string"`. A float has the shortest digits that read back as the same
  number, a PostgreSQL `real` too.
- **A number of more places than its decimal column** is refused, not rounded. What sums of doubles leave at the end
  (`0.30000000000000004`) does not count as places.
- **An interval** of more than 2,562,046 hours has a day for every 24 of them, which PostgreSQL takes for equal. An
  infinite one is `infinity`.
- **PostgreSQL's types** count by their structure: a domain is what it is based on; an array may be of anything and is
  a `list<...>`; one of several dimensions is refused as a list and nested as `list<list<...>>`; a composite or an
  array in a `json` column is the database's own JSON of it; `inet` has a mask only where one is stored; every type
  may be declared `text` and is then what psql shows. A `timetz` is declared `text`, for a `time` has no offset.
- **In SQLite** an empty text in a column of numbers or dates is an error that names the row by its key; say
  `nullif(column, '')` in the export type to have a missing value.
- **A CSV** follows the locale that the request names, not that of the caller's token, which only chooses the titles.
  No CSV starts with `ID`, for Excel would take it for another format; the first cell is quoted then.
- **Text of more than 32,767 characters** is cut in a workbook, with a warning in the export's log.
"""

_FORMATS = """
## Formats

`format`, `compression` and `formatOptions` of a request. A file packed with `zip` is the only one in its container, and
is named like it.

"""


def document() -> str:
    """The whole of ``docs/reference/types.md``."""
    head = "| Type | Value | CSV | XLSX | JSON | Parquet | PDF |\n|---|---|---|---|---|---|---|\n"
    return _HEAD + head + "".join(map(_row, examples())) + _DECISIONS + _FORMATS + _formats()


def examples() -> list[Example]:
    """The rows of the table: the example of every type in the registry, each with its remarkable values."""
    rows: list[Example] = []
    for kind in (*COLUMN_TYPES.values(), *map(column_type, _WITH_PARAMETERS)):
        rows.append(Example(kind.name, kind.example, _REMARKS.get(kind.name, "")))
        rows += [more for more in REMARKABLE if _base(more.type) == _base(kind.name)]
    return rows


def columns_of(example: Example) -> tuple[Column, ...]:
    """The example's column, beside one that is never null, so that every row holds something."""
    return (Column("id", "id", "integer"), Column("value", "value", example.type))


def encode(format_name: str, example: Example) -> bytes:
    """A file of one row with the example in its second column."""
    file_format, batch = FORMATS[format_name], _batch(example)
    columns = columns_of(example)
    spec = FileSpec(columns, time_zone=TIME_ZONE, options=file_format.options({}))
    return encode_file(file_format, [pa.RecordBatchReader.from_batches(batch.schema, [batch])], spec)


def in_csv(example: Example) -> str:
    """The cell as it stands in the file."""
    return encode("csv", example).decode().split("\r\n", 1)[1].removeprefix("1,").removesuffix("\r\n")


def in_json(example: Example) -> str:
    """The value as it stands in the file."""
    return encode("ndjson", example).decode().removeprefix('{"id":1,"value":').removesuffix("}\n")


def in_xlsx(example: Example) -> str:
    """The cell's kind, value and number format."""
    data = encode("xlsx", example)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    _, found, cell = sheet.partition('<c r="B2"')
    if not found:
        return "empty cell"
    cell = cell.partition("</c>")[0]
    value = "".join(re.findall(r"<[vt](?: [^>]*)?>(.*?)</[vt]>", cell))
    if 't="inlineStr"' in cell:
        return f"text {_code(value)}" if value else "empty text"
    if 't="b"' in cell:
        return f"boolean {_code(value)}"
    shown = openpyxl.load_workbook(io.BytesIO(data)).active["B2"].number_format
    return f"number {_code(value)} [{shown}]"


def in_parquet(example: Example) -> str:
    """The column's type, and the value."""
    values = pq.read_table(io.BytesIO(encode("parquet", example)))["value"]
    kind, value = values.type, values[0]
    if pa.types.is_temporal(kind) and value.is_valid:  # Python ends with the year 9999
        value = scalar_text(values.combine_chunks(), column_type(example.type), TextStyle())[0]
    return f"{kind}: {_code(str(value))}"


def in_pdf(example: Example) -> str:
    """The text in the table's cell."""
    return str(printed(_batch(example), columns_of(example), TIME_ZONE)[1][0])


def _formats() -> str:
    """What every format says of itself, and a table of all options."""
    formats = "| Format | Compression | What it is |\n|---|---|---|\n"
    options = "\n| Option | Of | Default | Values | Meaning |\n|---|---|---|---|---|\n"
    owners: dict[Option, list[str]] = {}
    for name, file_format in FORMATS.items():
        formats += f"| `{name}` | {', '.join(file_format.compressions)} | {file_format.summary} |\n"
        for option in file_format.option_list:
            owners.setdefault(option, []).append(name)
    for option, names in owners.items():
        values = ", ".join(_code(json.dumps(choice)).replace("|", "\\|") for choice in option.choices)
        if option.kind is bool:
            values = "`true`, `false`"
        default = "by the locale" if option.default is None else _code(json.dumps(option.default))
        values = values or f"up to {option.max_length} characters"
        options += f"| `{option.name}` | {', '.join(names)} | {default} | {values} | {option.summary} |\n"
    return formats + options


def _batch(example: Example) -> pa.RecordBatch:
    schema = arrow_schema(columns_of(example))
    value = example.value
    values = pa.repeat(value, 1) if isinstance(value, pa.Scalar) else pa.array([value], schema.types[1])
    arrays = [pa.array([1], schema.types[0]), values]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _row(example: Example) -> str:
    value = example.remark or " "
    texts = (
        _code(in_csv(example)),
        in_xlsx(example),
        _code(in_json(example)),
        in_parquet(example),
        _code(in_pdf(example)),
    )
    cells = " | ".join(text.replace("|", "\\|") or " " for text in texts)
    return f"| `{example.type}` | {value} | {cells} |\n"


def _base(name: str) -> str:
    return name.partition("(")[0].partition("<")[0]


def _code(text: str) -> str:
    visible = "".join(f"\\x{ord(character):02x}" if character < " " else character for character in text)
    return f"`{visible}`" if text else ""
