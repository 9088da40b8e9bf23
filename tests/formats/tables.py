"""Tables for the tests, and the encoding of them in any number of parts."""

import itertools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from shared.catalog.columns import Column, arrow_schema
from shared.formats import FORMATS
from shared.formats.base import FileSpec
from shared.formats.whole_file import encode_file


def columns(**types: str) -> tuple[Column, ...]:
    """Columns of these types by name; the titles are the names."""
    return tuple(Column(name, name, kind) for name, kind in types.items())


def table(of: Sequence[Column], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """An Arrow table of Python values."""
    schema = arrow_schema(of)
    values = list(zip(*rows, strict=True)) if rows else [()] * len(of)
    arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def encode(
    format_name: str,
    of: Sequence[Column],
    data: pa.Table,
    *,
    splits: Sequence[int] = (),
    batch_rows: int = 1_000,
    options: dict[str, Any] | None = None,
    **spec: Any,
) -> bytes:
    """The file of the table, cut into parts at the rows of ``splits``."""
    file_format = FORMATS[format_name]
    edges = [0, *splits, data.num_rows]
    parts = [data.slice(a, b - a).to_reader(batch_rows) for a, b in itertools.pairwise(edges)]
    whole = FileSpec(tuple(of), options=file_format.options(options or {}), **spec)
    return encode_file(file_format, parts, whole)


EVERY_TYPE = columns(
    id="integer",
    ratio="float",
    amount="decimal(12,2)",
    precise="decimal(38,20)",
    active="boolean",
    name="text",
    uid="uuid",
    payload="json",
    blob="binary",
    born="date",
    at="time",
    seen="timestamp",
    local="local timestamp",
    span="interval",
    tags="list<text>",
)
