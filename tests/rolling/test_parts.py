"""Parts that two releases made of one export, while a release is brought out or taken back."""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Sequence

import openpyxl
import pytest

from activities.encode_part import encode_range
from demo.azurite_server import Azurite
from shared.catalog.columns import Column
from shared.formats.base import Compression, Facts
from shared.formats.zip_container import fragment
from shared.jobs.plan import part_sizes
from shared.requests.query import Query
from shared.services import Services, plan_of
from shared.storage.names import part_blob, parts_folder
from shared.storage.part_upload import PartUpload, stored_parts
from tests.databases import Database
from tests.in_process import services_on
from tests.values.running import Running

ID, NAME = Column("id", "Id", "integer"), Column("name", "Name")
QUERY = Query("people", (ID, NAME), (ID,))
PARTS = 4


def planned(running_on: Database, context: Services, name: str, compression: Compression = "none") -> Running:
    """An export of twelve rows in four parts."""
    running_on.execute("create table people (id integer primary key, name text)")
    running_on.execute(f"insert into people values {', '.join(f'({n}, {n})' for n in range(1, 13))}")
    return Running.planned(context, running_on, QUERY, name, part_sizes(3, None), compression)


def old_part(running: Running, index: int) -> None:
    """Store a part as release 0.1.0 did: rows of a workbook had no numbers, and in gzip it was a member."""
    plan, plan_hash = plan_of(running.tenant, running.id)
    chunks: list[bytes] = []
    source = running.context.settings.source_url
    rows, facts = encode_range(
        plan, plan.position(index), source, lambda data: chunks.append(bytes(data)), lambda: None
    )
    text = zlib.decompressobj(wbits=-15).decompress(b"".join(chunks))
    made: Facts = {}
    if plan.format == "xlsx":
        data, numbers = fragment(re.sub(rb' r="[A-Z]*[0-9]+"', b"", text), last=False)
        made = {**facts, "crc": numbers.crc, "textBytes": numbers.text_bytes}
    else:
        data = gzip.compress(text, mtime=0)
    upload = PartUpload(running.context.blobs, part_blob(running.tenant, running.id, index))
    upload.write(data)
    upload.commit(index, rows, made, plan_hash)


@pytest.mark.parametrize("old", [(0,), (1, 2), (3,), (0, 1, 2, 3)], ids=str)
def test_a_workbook_numbers_the_rows_of_the_last_releases_parts(
    azurite: Azurite, sqlite: Database, old: Sequence[int]
) -> None:
    """An export that was under way: every row and cell has its place, as in the parts of this release."""
    with services_on(azurite, SOURCE_URL=sqlite.url) as context:
        running = planned(sqlite, context, "xlsx")
        for index in old:
            old_part(running, index)
        running.encode(*range(PARTS))
        _, data = running.merge()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    rows = re.findall(r"<row .*?</row>|<row>.*?</row>", sheet, re.DOTALL)
    numbers = [re.findall(r'r="([^"]+)"', row) for row in rows]
    assert [found[:3] for found in numbers] == [[str(n), f"A{n}", f"B{n}"] for n in range(1, 14)]
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert [row[0] for row in book.worksheets[0].iter_rows(min_row=2, values_only=True)] == list(range(1, 13))


@pytest.mark.parametrize("old", [(0,), (1, 2), (0, 1, 2, 3)], ids=str)
def test_gzip_takes_the_last_releases_parts(azurite: Azurite, sqlite: Database, old: Sequence[int]) -> None:
    """Members by themselves, between those of this release."""
    with services_on(azurite, SOURCE_URL=sqlite.url) as context:
        running = planned(sqlite, context, "csv", "gzip")
        for index in old:
            old_part(running, index)
        running.encode(*range(PARTS))
        _, data = running.merge()
    lines = gzip.decompress(data).decode("utf-8-sig").split()
    assert lines == ["Id,Name", *(f"{n},{n}" for n in range(1, 13))]


@pytest.mark.parametrize(
    ("name", "compression", "taken"),
    [
        ("xlsx", "none", False),
        ("csv", "gzip", False),
        ("json", "gzip", False),
        ("csv", "none", True),
        ("csv", "zip", True),
        ("ndjson", "none", True),
        ("parquet", "none", True),
    ],
)
def test_the_last_release_leaves_out_parts_that_it_would_join_wrongly(
    azurite: Azurite, sqlite: Database, name: str, compression: Compression, taken: bool
) -> None:
    """Its merge takes parts that carry the plan's hash alone, and tries again while others are missing."""
    with services_on(azurite, SOURCE_URL=sqlite.url) as context:
        running = planned(sqlite, context, name, compression)
        running.encode(*range(PARTS))
        _, plan_hash = plan_of(running.tenant, running.id)
        stored = stored_parts(context.blobs, parts_folder(running.tenant, running.id))
        assert [part.plan_hash == plan_hash for part in stored] == [taken] * PARTS
        assert running.merge()[0].rows == PARTS * 3
