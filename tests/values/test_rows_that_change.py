"""Rows that are added and deleted between the plan and the parts: a workbook's rows are numbered as they are."""

import io
import zipfile

import openpyxl
import pytest

from demo.azurite_server import Azurite
from shared.catalog.columns import Column
from shared.formats import FORMATS
from shared.jobs import plan as plans
from shared.requests.query import Query
from tests.databases import Database
from tests.in_process import services_on
from tests.values.running import Running

ID, NAME = Column("id", "Id", "integer"), Column("name", "Name")
QUERY = Query("people", (ID, NAME), (ID,))

CHANGES = {
    "more rows in the first part": ("insert into people values (15, 'late'), (16, 'late')", ""),
    "fewer rows in the first part": ("delete from people where id in (10, 20)", ""),
    "a part without rows": ("delete from people where id between 31 and 60", ""),
    "more here and fewer there": (
        "insert into people values (15, 'late')",
        "delete from people where id in (40, 50)",
    ),
    "rows that come and go until the merge": (
        "insert into people values (15, 'late')",
        "insert into people values (75, 'later'), (76, 'later')",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_workbook_has_the_rows_that_are_there(
    azurite: Azurite, sqlite: Database, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Numbered from 2 without a gap, each once, on the sheets that were planned."""
    monkeypatch.setattr("shared.formats.xlsx._ROWS_OF_A_SHEET", 9)
    monkeypatch.setattr(FORMATS["xlsx"], "rows_per_group", 9)
    before, between = CHANGES[change]
    sqlite.execute("create table people (id integer primary key, name text)")
    sqlite.execute(f"insert into people values {', '.join(f'({10 * n}, {n})' for n in range(1, 13))}")
    with services_on(azurite, SOURCE_URL=sqlite.url) as context:
        running = Running.planned(context, sqlite, QUERY, "xlsx", plans.part_sizes(3, 9))
        sqlite.execute(before)
        running.encode(2, 0)
        if between:
            sqlite.execute(between)
        running.encode(1, 3)
        file, data = running.merge()
        logged = running.log()
    book = openpyxl.load_workbook(io.BytesIO(data))
    found = [[tuple(cell.value for cell in row) for row in sheet.iter_rows(min_row=2)] for sheet in book.worksheets]
    everything = [row for sheet in found for row in sheet]
    assert file.rows == len(everything)
    assert all(isinstance(id_, int) for id_, _ in everything)
    assert [id_ for id_, _ in everything] == sorted({id_ for id_, _ in everything})
    assert [id_ for id_, _ in found[1]] == [100, 110, 120]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    assert "rows-changed" in logged
