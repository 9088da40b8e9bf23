"""Parquet's own promises: types, compression, and the footer that is written for all parts together."""

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.formats.parquet_footer import footer_of, join_footers
from tests.formats.tables import EVERY_TYPE, columns, encode, table

TWO = columns(id="integer", kind="text")


def test_the_columns_have_their_types() -> None:
    """Nothing is text that a reader has a type for."""
    schema = pq.read_schema(io.BytesIO(encode("parquet", EVERY_TYPE, table(EVERY_TYPE, []))))
    assert dict(zip(schema.names, map(str, schema.types), strict=True)) == {
        "id": "int64",
        "ratio": "double",
        "amount": "decimal128(12, 2)",
        "precise": "decimal128(38, 20)",
        "active": "bool",
        "name": "string",
        "uid": "string",
        "payload": "string",
        "blob": "binary",
        "born": "date32[day]",
        "at": "time64[us]",
        "seen": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "span": "string",
        "tags": "list<element: string>",
    }


def test_row_groups_of_all_parts_stand_under_one_footer(tmp_path: Path) -> None:
    """With statistics that another engine can use to skip groups, and zstd in every column."""
    data = table(TWO, [[number, "abc"[number % 3]] for number in range(3_000)])
    file = tmp_path / "joined.parquet"
    file.write_bytes(encode("parquet", TWO, data, splits=(1_000, 1_000, 2_500)))
    metadata = pq.read_metadata(file)
    assert metadata.num_rows == 3_000
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [1_000, 1_500, 500]
    assert metadata.row_group(1).column(0).statistics.min == 1_000
    assert {metadata.row_group(g).column(c).compression for g in range(3) for c in range(2)} == {"ZSTD"}
    query = f"select count(*), min(id), max(id), count(distinct kind) from '{file}' where id between 900 and 2600"
    assert duckdb.connect().execute(query).fetchone() == (1_701, 900, 2_600, 3)


def test_low_cardinality_has_a_dictionary_and_high_has_none() -> None:
    """Judged by the data, so that a file is neither larger nor slower than it has to be."""
    data = table(TWO, [[number, "abc"[number % 3]] for number in range(1_000)])
    group = pq.read_metadata(io.BytesIO(encode("parquet", TWO, data))).row_group(0)
    assert not group.column(0).has_dictionary_page
    assert group.column(1).has_dictionary_page


def test_least_and_greatest_of_what_may_skip_a_group() -> None:
    """Of every column but text of few values: each group has nearly all of those."""
    data = table(TWO, [[number, "abc"[number % 3]] for number in range(1_000)])
    group = pq.read_metadata(io.BytesIO(encode("parquet", TWO, data))).row_group(0)
    assert (group.column(0).statistics.min, group.column(0).statistics.max) == (0, 999)
    assert group.column(1).statistics is None
    data = table(TWO, [[number, f"text {number:04}"] for number in range(1_000)])
    group = pq.read_metadata(io.BytesIO(encode("parquet", TWO, data))).row_group(0)
    assert (group.column(1).statistics.min, group.column(1).statistics.max) == ("text 0000", "text 0999")


def test_many_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of more than fourteen elements, and offsets of several bytes, are written as they are read."""
    monkeypatch.setattr("shared.formats.parquet._GROUP_ROWS", 10)
    monkeypatch.setattr("shared.formats.slices.SLICE_ROWS", 10)
    data = table(TWO, [[number, f"text {number}"] for number in range(1_000)])
    file = encode("parquet", TWO, data, splits=(333, 666))
    assert pq.read_metadata(io.BytesIO(file)).num_row_groups == 34 + 34 + 34
    assert pq.read_table(io.BytesIO(file))["id"].to_pylist() == list(range(1_000))


def test_a_footer_is_written_again_as_it_was() -> None:
    """Joining one file alone changes nothing but what must change: every field is kept, known to us or not."""
    sink = io.BytesIO()
    data = pa.table({"a": [1, 2], "b": [True, None], "c": [[0.5], None]}).replace_schema_metadata({"k": "v"})
    pq.write_table(data, sink)
    file = sink.getvalue()
    footer = footer_of(file)
    rest = file[: -8 - len(footer)]
    again = join_footers([footer], [4])
    joined = pq.read_metadata(io.BytesIO(rest + again))
    assert joined.metadata == pq.read_metadata(io.BytesIO(file)).metadata
    assert pq.read_table(io.BytesIO(rest + again)).equals(data)


def test_what_is_no_parquet_is_refused() -> None:
    """A broken part is an error, not a broken file."""
    with pytest.raises(ValueError, match="not the end of a Parquet file"):
        footer_of(b"\0\0\0\0PARX")
