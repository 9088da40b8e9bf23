"""PostgreSQL's types by their structure: whatever is built of them is written as the database itself writes it."""

import csv
import io
import json
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.columns import Column
from shared.errors import SchemaChanged
from tests.databases import Database
from tests.values.exporting import ID, export, fill, rows_of

TYPES: dict[str, tuple[str, ...]] = {
    "int2": ("1", "-32768"),
    "int8": ("9223372036854775807",),
    "numeric": ("1.50", "-12345678901234567890.123", "NaN"),
    "real": ("19.99", "0.1", "-1e20", "3.4028235e38", "1e-45"),
    "float8": ("19.99", "1e300", "-0.1", "Infinity"),
    "text": ("a", "NULL", "", 'say "x", {y}', "back\\slash", "new\nline", " "),
    "varchar(20)": ("é", "😀"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000",),
    "jsonb": ('{"a": [1, null]}',),
    "date": ("2024-02-29", "infinity", "0044-03-15 BC", "10000-01-01"),
    "time": ("23:59:59.5", "24:00"),
    "timetz": ("10:00:00+05", "10:00:00.25-03:30"),
    "interval": ("1 day", "-1 mon 2 days 03:04:05.5"),
    "inet": ("10.0.0.1", "10.0.0.1/24", "2001:db8::1", "2001:db8::1/64"),
    "cidr": ("10.0.0.0/8", "10.1.2.3/32"),
    "macaddr": ("08:00:2b:01:02:03",),
    "int4range": ("[1,5)", "empty"),
    "point": ("(1,2.5)",),
    "box": ("(2,2),(1,1)",),
    "bit(3)": ("101",),
    "oid": ("4294967295",),
    "mood": ("sad", "so so", 'qu"ote'),
    "pair": ('(1,"x, y")', "(,)"),
    "tsvector": ("'a':1 'b':2",),
}


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def asked(database: Database, statement: str) -> list[Any]:
    """The first column of what the database answers."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("set datestyle = 'ISO'")
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]


def layers(database: Database, name: str) -> list[str]:
    """The type, a domain on it, and a domain on that."""
    database.execute(
        "create type mood as enum ('sad', 'so so', 'qu\"ote')",
        "create type pair as (a int, b text)",
        f"create domain one as {name}",
        "create domain two as one",
    )
    return [name, "one", "two"]


@pytest.mark.parametrize("name", TYPES)
def test_every_type_as_text(postgresql: Database, name: str) -> None:
    """Declared text, in itself and behind domains; declared a list, in arrays of these."""
    values = TYPES[name]
    for type_ in layers(postgresql, name):
        postgresql.execute("drop table if exists t")
        fill(postgresql, type_, *map(quoted, values), "null")
        shown = asked(
            postgresql, "select case when to_jsonb(v) is not null then format('%s', v) end from t order by id"
        )
        assert texts(postgresql, "text") == shown, type_
        postgresql.execute("drop table t")
        fill(postgresql, f"{type_}[]", f"array[{', '.join(map(quoted, values))}, null]::{type_}[]", "'{}'", "null")
        assert lists(postgresql, "text") == [shown, [], None], type_


def texts(database: Database, kind: str) -> list[str | None]:
    (table,) = rows_of(database, (ID, Column("v", "V", kind)))[1]
    found: list[str | None] = table["v"].to_pylist()
    return found


def lists(database: Database, kind: str) -> list[Any]:
    return [json.loads(line)["v"] for line in export(database, f"list<{kind}>", "ndjson").splitlines()]


DECLARED = {
    "int2": ("integer", [1, -32768]),
    "int8": ("integer", [9223372036854775807]),
    "oid": ("integer", [4294967295]),
    "numeric": ("decimal(38,3)", [1.5, -12345678901234567890.123, None]),
    "real": ("float", [19.99, 0.1, -1e20, 3.4028235e38, 1e-45]),
    "float8": ("float", [19.99, 1e300, -0.1, None]),
    "date": ("date", ["2024-02-29", "infinity", "-0043-03-15", "10000-01-01"]),
    "time": ("time", ["23:59:59.500000", "24:00:00"]),
    "interval": ("interval", ["P1D", "P-1M2DT3H4M5.5S"]),
    "uuid": ("uuid", ["123e4567-e89b-12d3-a456-426614174000"]),
    "jsonb": ("json", [{"a": [1, None]}]),
    "mood": ("text", ["sad", "so so", 'qu"ote']),
}


@pytest.mark.parametrize("name", DECLARED)
def test_every_type_as_what_it_is(postgresql: Database, name: str) -> None:
    """Behind domains and in arrays too."""
    kind, expected = DECLARED[name]
    for type_ in layers(postgresql, name):
        postgresql.execute("drop table if exists t")
        fill(postgresql, type_, *map(quoted, TYPES[name]), "null")
        assert [json.loads(line)["v"] for line in export(postgresql, kind, "ndjson").splitlines()] == [
            *expected,
            None,
        ], type_
        postgresql.execute("drop table t")
        fill(postgresql, f"{type_}[]", f"array[{', '.join(map(quoted, TYPES[name]))}, null]::{type_}[]", "'{}'", "null")
        assert lists(postgresql, kind) == [[*expected, None], [], None], type_


def test_booleans_and_bytes_behind_domains(postgresql: Database) -> None:
    """As they are in columns of their own."""
    postgresql.execute("create domain flag as boolean", "create domain blob as bytea", "create domain flags as flag[]")
    for type_, literal, kind, expected in (
        ("flag", "true", "boolean", True),
        ("blob", r"'\x00ff'", "binary", "AP8="),
        ("flag[]", "'{t,f,null}'", "list<boolean>", [True, False, None]),
        ("flags", "'{t,f,null}'", "list<boolean>", [True, False, None]),
        ("blob[]", r"array['\x00ff'::blob]", "list<binary>", ["AP8="]),
        ("boolean[]", "'{t,f}'", "list<text>", ["true", "false"]),
    ):
        postgresql.execute("drop table if exists t")
        fill(postgresql, type_, literal)
        assert json.loads(export(postgresql, kind, "ndjson"))["v"] == expected


@pytest.mark.parametrize("type_", ["int", "text", "mood", "inet", "interval", "d1", "numeric"])
def test_arrays_of_several_dimensions_are_never_flattened(postgresql: Database, type_: str) -> None:
    """Refused as a list, with the column's name; nested as a list of lists; as the database writes them in text."""
    postgresql.execute("create type mood as enum ('1', '2')", "create domain d1 as int")
    literal = {"inet": "{{1.1.1.1},{2.2.2.2}}", "interval": "{{1 day},{2 days}}"}.get(type_, "{{1,2},{2,1}}")
    fill(postgresql, f"{type_}[]", "'{}'", quoted(literal))
    kind = {"int": "integer", "d1": "integer", "interval": "interval", "numeric": "decimal(4,2)"}.get(type_, "text")
    with pytest.raises(SchemaChanged, match=r"dimensions in column 'v'"):
        export(postgresql, f"list<{kind}>", "ndjson")
    assert texts(postgresql, "text") == asked(postgresql, "select v::text from t order by id")
    if kind in ("integer", "text", "decimal(4,2)"):
        nested = json.loads(export(postgresql, f"list<list<{kind}>>", "ndjson").splitlines()[1])["v"]
        texts_ = [["1.1.1.1"], ["2.2.2.2"]] if type_ == "inet" else [["1", "2"], ["2", "1"]]
        assert nested == (texts_ if kind == "text" else [[1, 2], [2, 1]])
        assert json.loads(export(postgresql, "json", "ndjson").splitlines()[1])["v"] is not None


def test_a_composite_or_an_array_declared_json(postgresql: Database) -> None:
    """Is the database's own JSON of it."""
    postgresql.execute("create type pair as (a int, b text)")
    fill(postgresql, "pair[]", "array[row(1, 'x, y')::pair]")
    assert json.loads(export(postgresql, "json", "ndjson"))["v"] == [{"a": 1, "b": "x, y"}]


@pytest.mark.parametrize("kind", ["time", "list<time>"])
def test_times_with_an_offset_are_not_times(postgresql: Database, kind: str) -> None:
    """An offset is not dropped in silence, in lists neither."""
    fill(postgresql, "timetz[]" if kind != "time" else "timetz", "'{10:00+05}'" if kind != "time" else "'10:00+05'")
    with pytest.raises(SchemaChanged, match=r"column 'v' .*offset"):
        export(postgresql, kind, "csv")


LONG = {
    "2562046 hours 59 minutes": "PT2562046H59M",
    "2562047 hours": "P106751DT23H",
    "-2600000 hours": "P-108333DT-8H",
    "3 days 2600000 hours 0.5 seconds": "P108336DT8H0.5S",
    "2147483647 months 5 days": "P178956970Y7M5D",
    "infinity": "infinity",
    "-infinity": "-infinity",
}


def test_intervals_of_any_size(postgresql: Database) -> None:
    """In a column and in a list, in every format that shows them."""
    fill(postgresql, "interval", *map(quoted, LONG), "null")
    found = [line.partition(",")[2] for line in export(postgresql, "interval", "csv").decode().split("\r\n")[1:-2]]
    assert found == list(LONG.values())
    postgresql.execute("drop table t")
    fill(postgresql, "interval[]", f"array[{', '.join(map(quoted, LONG))}, null]::interval[]", "null", "'{}'")
    assert lists(postgresql, "interval") == [[*LONG.values(), None], None, []]


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(numbers, min_size=1, max_size=20))
def test_any_real_is_the_shortest_text_that_reads_back(postgresql: Database, values: list[float]) -> None:
    """The same digits as the database's own."""
    postgresql.execute("drop table if exists t")
    fill(postgresql, "real", *[f"'{value!r}'" for value in values])
    shown = asked(postgresql, "select v::text from t order by id")
    found = [row[1] for row in csv.reader(io.StringIO(export(postgresql, "float", "csv").decode()))][1:]
    assert [float(text) for text in found] == [float(text) for text in shown]
    assert all(len(text.lstrip("-").replace(".", "").strip("0").partition("e")[0]) <= 9 for text in found)
