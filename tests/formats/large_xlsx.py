"""Five million rows in one workbook; ``make test-large``, for it takes minutes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import python_calamine
from duckdb_extensions import import_extension

from shared.catalog.columns import arrow_schema
from shared.formats import FORMATS
from shared.formats.base import EncodedPart, FileSpec, PartBytes, PartPosition
from shared.jobs.plan import part_sizes
from tests.formats.tables import columns

ROWS = 5_000_000
SHEETS = [1_000_000] * 5
OF = columns(id="integer", amount="decimal(12,2)", seen="local timestamp", note="text")


def rows(start: int, count: int) -> pa.RecordBatchReader:
    """Rows whose cells follow from their number."""
    schema = arrow_schema(OF)

    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(start, start + count, 50_000):
            number = pa.array(range(first, min(first + 50_000, start + count)), pa.int64())
            note = pc.binary_join_element_wise("=<row> & ", pc.cast(number, pa.string()), "")
            cells = [
                number,
                number.cast(pa.decimal128(19, 0)).cast(schema.types[1]),
                number.cast(schema.types[2]),
                note,
            ]
            yield pa.RecordBatch.from_arrays(cells, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def write(path: Path, folder: Path) -> None:
    """The workbook, in parts as an export plans them, each in a file of its own until it is assembled."""
    xlsx, spec = FORMATS["xlsx"], FileSpec(OF, title="Large", options=FORMATS["xlsx"].options({}))
    parts: list[EncodedPart] = []
    start = 0
    for index, size in enumerate(part_sizes(250_000, xlsx.rows_per_group)):
        count = min(size, ROWS - start)
        if not count:
            break
        with (folder / str(index)).open("wb") as file:
            made, facts = xlsx.encode_part(rows(start, count), file.write, spec, PartPosition(index, 0, start))
            parts.append(EncodedPart(index, made, file.tell(), facts))
        start += count
    with path.open("wb") as file:
        for segment in xlsx.assemble(parts, spec):
            if isinstance(segment, PartBytes):
                file.write((folder / str(segment.index)).read_bytes())
            else:
                file.write(segment.data)


def test_five_million_rows_over_five_sheets(tmp_path: Path) -> None:
    """Every row is there once, in order, whichever reader counts; the sheets are full, and the last has the rest."""
    path = tmp_path / "large.xlsx"
    write(path, tmp_path)
    starts = list(itertools.accumulate(SHEETS, initial=0))

    book = python_calamine.CalamineWorkbook.from_path(path)
    assert book.sheet_names == ["Large", *(f"Large ({number})" for number in range(2, 6))]
    for name, start, count in zip(book.sheet_names, starts, SHEETS, strict=False):
        lines = book.get_sheet_by_name(name).iter_rows()
        assert next(lines) == ["id", "amount", "seen", "note"]
        expected = itertools.count(start)
        assert all(row[0] == (n := next(expected)) and row[3] == f"=<row> & {n}" for row in lines)
        assert next(expected) == start + count
    del book

    import_extension("excel")
    with duckdb.connect() as connection:
        connection.execute("load excel")
        for name, start, count in zip(["Large", "Large (5)"], [0, starts[4]], [SHEETS[0], SHEETS[4]], strict=True):
            found = connection.execute(
                "select count(*), min(id), max(id), sum(amount), count(distinct note), count(seen)"
                f" from read_xlsx('{path}', sheet = '{name}', header = true)"
            ).fetchone()
            total = sum(range(start, start + count))
            assert found == (count, start, start + count - 1, total, count, count)

    streamed = openpyxl.load_workbook(path, read_only=True)
    assert [sheet.max_row for sheet in streamed.worksheets] == [count + 1 for count in SHEETS]
    assert [sheet["A2"].value for sheet in streamed.worksheets] == starts[:5]
