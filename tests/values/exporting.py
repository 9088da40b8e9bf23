"""One table through the product, in this process: planned, read, and encoded in any formats."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa

from shared.catalog.columns import Column
from shared.catalog.export_types import Role, SqlExport
from shared.formats import FORMATS
from shared.formats.base import FileSpec
from shared.formats.whole_file import encode_file
from shared.identity.caller import Caller
from shared.requests.build_query import build_query
from shared.requests.export_request import parse_request
from tests.databases import Database, read

ID = Column("id", "Id", "integer")
EVERY_FORMAT = tuple(FORMATS)
CALLER = Caller("u", "u@example.com", "U", "acme", (Role.ADMIN,))


def fill(database: Database, column: str, *values: str) -> None:
    """A table ``t`` of one column beside its key and the tenant, with these SQL literals as rows."""
    number = "serial" if database.dialect == "postgresql" else "integer"
    database.execute(f"create table t (id {number} primary key, tenant text default 'acme', v {column})")
    database.execute(*[f"insert into t (v) values ({value})" for value in values])


def rows_of(
    database: Database, columns: Sequence[Column], *, key: Sequence[str | Column] = ("id",), part_rows: int = 50_000
) -> tuple[int, list[pa.Table]]:
    """How many rows of table ``t`` are planned, and the rows of each part as they are read."""
    kind = SqlExport(
        name="t",
        title="T",
        summary="t",
        relation="t",
        columns=tuple(columns),
        key=tuple(key),
        tenant_sql="tenant",
        formats=EVERY_FORMAT,
    )
    query = build_query(kind, parse_request(b'{"exportType": "t"}'), CALLER)
    ranges = database.source.plan(query, repeat(part_rows))
    return sum(part.rows for part in ranges), [read(database.source, query, part) for part in ranges]


def export(
    database: Database, kind: str, name: str, *, title: str = "V", options: dict[str, Any] | None = None, **spec: Any
) -> bytes:
    """The file, in the format ``name``, of table ``t`` with its column ``v`` declared as ``kind``."""
    columns = (ID, Column("v", title, kind))
    _, tables = rows_of(database, columns)
    return encoded(tables, columns, name, options=options, **spec)


def encoded(
    tables: Sequence[pa.Table],
    columns: Sequence[Column],
    name: str,
    *,
    options: dict[str, Any] | None = None,
    **spec: Any,
) -> bytes:
    """The file of these parts."""
    chosen = FORMATS[name]
    whole = FileSpec(tuple(columns), options=chosen.options(options or {}), **spec)
    return encode_file(chosen, [table.to_reader(1_000) for table in tables], whole)
