"""What a format could not hold is in the log of the export, for the person who gets the file."""

from itertools import repeat

import pytest

from demo.azurite_server import Azurite
from shared.catalog.columns import Column
from shared.requests.query import Query
from tests.databases import Database
from tests.in_process import services_on
from tests.values.running import Running

CASES = [
    (
        "xlsx",
        "text",
        "printf('%.40000c', 'x')",
        "Cut at 32,767 characters, all that a cell of a workbook holds: 2 texts.",
    ),
    (
        "parquet",
        "decimal(12,2)",
        "'NaN'",
        "Left empty, because Parquet has no infinite dates, NaN in decimals or 24:00: 2 values.",
    ),
    ("json", "float", "9e999", "Left empty, because JSON has no NaN and no infinity: 2 numbers."),
    ("ndjson", "decimal(12,2)", "'-Infinity'", "Left empty, because JSON has no NaN and no infinity: 2 numbers."),
    ("pdf", "text", "char(0xE000)", "Shown as a box, because no font has them: 2 characters."),
    ("csv", "decimal(12,2)", "'NaN'", ""),
]


@pytest.mark.parametrize(("name", "kind", "value", "message"), CASES)
def test_a_loss_is_a_warning_in_the_log(
    azurite: Azurite, sqlite: Database, name: str, kind: str, value: str, message: str
) -> None:
    """Counted over all parts."""
    sqlite.execute("create table t (id integer primary key, v)", f"insert into t values (1, {value}), (2, {value})")
    query = Query("t", (Column("id", "Id", "integer"), Column("v", "V", kind)), (Column("id", "Id", "integer"),))
    with services_on(azurite, SOURCE_URL=sqlite.url) as context:
        running = Running.planned(context, sqlite, query, name, repeat(1))
        running.encode(0, 1)
        running.merge()
        assert running.log().get("values-lost", "") == message
