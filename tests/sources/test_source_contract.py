"""What every source promises, checked on real databases."""

import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import date, datetime
from itertools import cycle, repeat
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.columns import Column, arrow_schema
from shared.errors import QueryFailed, SchemaChanged, SourceUnavailable
from shared.requests.query import Condition, Key, KeyRange, Query
from shared.sources import open_source
from tests.databases import Database, read

ID = Column("id", "Id", "integer")
NAME = Column("name", "Name")
PEOPLE = Query("people", (ID, NAME), (ID,))
NAUGHTY = (
    "'; drop table people; --",
    '"; delete from people; --',
    "' or '1'='1",
    "\\'; select 1; --",
    "$1 ? :name %s {} current_setting('x')",
    'a "quoted", {brace} \\ back\\\\slash',
    "NULL",
    "",
    " ",
    "line\nbreak\ttab",
    "Zoë 太郎 👍🏽 \u202e",
    "%_*",
)


def people(database: Database, names: list[str | None]) -> None:
    """A table with these names, numbered from 1."""
    database.execute("create table people (id bigint primary key, name text)")
    database.insert("people", ["bigint", "text"], [[str(n), name] for n, name in enumerate(names, 1)])


def many_people(database: Database, rows: int) -> None:
    """A table of so many rows, with gaps between the keys."""
    numbers = {
        "sqlite": "(with recursive s(n) as (select 1 union all select n + 1 from s where n < {}) select n from s) as s",
        "postgresql": "generate_series(1, {}) as s(n)",
    }[database.dialect].format(rows)
    database.execute(
        "create table people (id bigint primary key, name text)",
        f"insert into people select n * 7, 'name ' || n from {numbers}",
    )


def names(database: Database, condition: Condition) -> list[str | None]:
    query = Query("people", (NAME,), (ID,), (condition,))
    found: list[str | None] = []
    for key_range in database.source.plan(query, repeat(5)):
        found += read(database.source, query, key_range)["name"].to_pylist()
    assert len(found) == database.source.count(query)
    return found


# --- Plans -----------------------------------------------------------------------------------------------------------

integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-50, 50) | st.integers(10**12, 10**12 + 30)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8) | st.sampled_from(NAUGHTY)
uuids = st.uuids().map(str)
dates = st.dates(date(1, 1, 1), date(9999, 12, 31)).map(date.isoformat)
moments = st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01")).map(
    lambda m: m.isoformat(" ", "microseconds")
)
KEYS = {
    "integer": ([("integer", "bigint")], st.tuples(integers.map(str))),
    "text": ([("text", "text")], st.tuples(texts)),
    "uuid": ([("uuid", "uuid")], st.tuples(uuids)),
    "date": ([("date", "date")], st.tuples(dates)),
    "time stamp": ([("timestamp", "timestamptz")], st.tuples(moments)),
    "composite": (
        [("text", "text"), ("integer", "bigint"), ("date", "date")],
        st.tuples(st.sampled_from(["a", "B", "é", "-", ""]), st.integers(-3, 3).map(str), dates),
    ),
}
SQLITE_TYPES = {"uuid": "text", "timestamptz": "text", "date": "text"}


@pytest.mark.parametrize("kind", KEYS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), sizes=st.lists(st.integers(1, 15), min_size=1, max_size=4))
def test_ranges_cover_every_row_once_in_order(
    database: Database, kind: str, data: st.DataObject, sizes: list[int]
) -> None:
    """Ranges have exactly the wanted sizes, and read one after the other they are the table in key order."""
    types, keys = KEYS[kind]
    rows = data.draw(st.lists(keys, max_size=30, unique=True))
    columns = tuple(Column(f"k{n}", f"Key {n}", declared) for n, (declared, _) in enumerate(types))
    stored = [(type_ if database.dialect == "postgresql" else SQLITE_TYPES.get(type_, type_)) for _, type_ in types]
    definition = ", ".join(f"k{n} {type_}" for n, type_ in enumerate(stored))
    key = ", ".join(column.name for column in columns)
    database.execute(
        "drop table if exists keyed", f"create table keyed ({definition}, filler text, primary key ({key}))"
    )
    database.insert("keyed", [*stored, "text"], [[*row, "x"] for row in rows])

    for relation in ("keyed", "(select * from keyed) as selected"):
        query = Query(relation, columns, columns)
        plan = database.source.plan(query, cycle(sizes))

        planned = [part.rows for part in plan]
        wanted = cycle(sizes)
        expected: list[int] = []
        while sum(expected) < len(rows):
            expected.append(min(next(wanted), len(rows) - sum(expected)))
        assert expected == planned
        assert [None, *[part.upper for part in plan[:-1]]][: len(plan)] == [part.lower for part in plan]
        stored_plan = [KeyRange(thawed(p.lower), tuple(json.loads(json.dumps(p.upper))), p.rows) for p in plan]
        parts = [read(database.source, query, part) for part in stored_plan]
        assert planned == [part.num_rows for part in parts]
        whole = [tuple(row.values()) for part in parts for row in part.to_pylist()]
        assert len(rows) == len(set(whole)) == len(whole)
        if whole:
            (in_one,) = database.source.plan(query, repeat(1_000))
            assert [tuple(row.values()) for row in read(database.source, query, in_one).to_pylist()] == whole


def thawed(key: Key | None) -> Key | None:
    """The key as a stored plan gives it back."""
    return None if key is None else tuple(json.loads(json.dumps(key)))


def test_integer_keys_are_numbers_in_the_plan(database: Database) -> None:
    """A plan is legible: integer keys are integers in it."""
    people(database, ["a", "b", "c", "d", "e"])

    plan = database.source.plan(PEOPLE, repeat(2))

    assert [KeyRange(None, (2,), 2), KeyRange((2,), (4,), 2), KeyRange((4,), (5,), 1)] == plan


def test_no_row_matches(database: Database) -> None:
    """An empty result is an empty plan."""
    people(database, [])

    assert [] == database.source.plan(PEOPLE, repeat(10))
    assert database.source.count(PEOPLE) == 0


def test_last_range_is_exactly_full(database: Database) -> None:
    """No empty range follows when the rows come out even."""
    people(database, ["a", "b", "c", "d"])

    assert [2, 2] == [part.rows for part in database.source.plan(PEOPLE, repeat(2))]


def test_rows_that_come_after_the_plan_are_not_read(database: Database) -> None:
    """The upper key is frozen by the plan."""
    people(database, ["a", "b", "c"])
    plan = database.source.plan(PEOPLE, repeat(2))
    database.execute("insert into people values (4, 'late')")

    read_names = [name for part in plan for name in read(database.source, PEOPLE, part)["name"].to_pylist()]

    assert ["a", "b", "c"] == read_names


def test_sizes_that_end_too_soon(database: Database) -> None:
    """Rows are never left out in silence."""
    people(database, ["a", "b", "c"])

    with pytest.raises(ValueError, match="must not end before the rows do"):
        database.source.plan(PEOPLE, iter([1, 1]))


# --- Conditions ------------------------------------------------------------------------------------------------------


def test_a_plan_that_is_given_up_leaves_no_statement_open(database: Database) -> None:
    """The keys' reader is closed before its connection is, though the error that goes up still holds it."""
    many_people(database, 50_000)

    def given_up() -> Iterator[int]:
        yield 10
        raise RuntimeError

    with pytest.raises(RuntimeError) as caught:
        database.source.plan(Query("(select * from people) as p", (ID,), (ID,)), given_up())
    held = [frame.f_locals["batches"] for frame, _ in traceback.walk_tb(caught.tb) if frame.f_code.co_name == "walk"]
    assert [keys.gi_frame for keys in held] == [None]


@pytest.mark.parametrize("value", NAUGHTY)
def test_values_are_never_part_of_the_statement(database: Database, value: str) -> None:
    """Whatever a request's value holds, it is only ever compared."""
    people(database, [*NAUGHTY, None])

    assert [value] == names(database, Condition("name", "text", "=", (value,)))
    assert [value] == names(database, Condition("name", "text", "in", (value, "no such name")))
    assert value in names(database, Condition("name", "text", "contains", (value,)))


@pytest.mark.parametrize("value", NAUGHTY)
def test_keys_are_never_part_of_the_statement(database: Database, value: str) -> None:
    """Keys come from stored plans, and are bound too."""
    people(database, [value])
    query = Query("people", (NAME,), (NAME,))

    assert [value] == read(database.source, query, KeyRange(None, (value,), 1))["name"].to_pylist()


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("=", ("b",), ["b"]),
        ("=", (None,), [None]),
        ("in", (), []),
        ("in", ("a", "c"), ["a", "c"]),
        ("in", ("a", None), ["a", None]),
        ("in", (*(f"no {n}" for n in range(40_000)), "b"), ["b"]),
        (">", ("b",), ["c", "de_f"]),
        (">=", ("b",), ["b", "c", "de_f"]),
        ("<", ("b",), ["a"]),
        ("<=", ("b",), ["a", "b"]),
        ("contains", ("E_",), ["de_f"]),
        ("contains", ("%",), []),
    ],
)
def test_operators(database: Database, operator: str, values: tuple[str, ...], expected: list[str | None]) -> None:
    """Each operator matches what it says; ``in`` takes any number of values."""
    people(database, ["a", "b", "c", "de_f", None])

    assert expected == names(database, Condition("name", "text", operator, values))


def test_conditions_of_other_types(database: Database) -> None:
    """Values are bound as the column's type, time stamps in any zone."""
    sqlite = database.dialect == "sqlite"
    database.execute(
        "create table people (id bigint primary key, name text, active boolean, amount numeric(12,2), "
        f"started {'text' if sqlite else 'timestamptz'}, day date)"
    )
    database.execute(
        f"insert into people values (1, 'one', {'1' if sqlite else 'true'}, 10.5, '2026-01-01 00:00:00', '2026-01-01')",
        f"insert into people values (2, 'two', {'0' if sqlite else 'false'}, 9, '2026-01-01 00:00:01.5', '2026-01-02')",
    )

    assert ["one"] == names(database, Condition("active", "boolean", "=", (True,)))
    assert ["two"] == names(database, Condition("active", "boolean", "in", (False,)))
    assert ["one"] == names(database, Condition("amount", "decimal(12,2)", "=", ("10.50",)))
    assert ["two"] == names(database, Condition("amount", "decimal(12,2)", "<", ("10",)))
    assert ["two"] == names(database, Condition("started", "timestamp", ">", ("2026-01-01T01:00:00+01:00",)))
    assert ["one"] == names(database, Condition("started", "timestamp", "<", ("2026-01-01T00:00:01Z",)))
    assert ["two"] == names(database, Condition("day", "date", ">=", ("2026-01-02",)))
    assert ["two"] == names(database, Condition("id", "integer", "=", (2,)))


def test_values_that_no_database_can_hold(database: Database) -> None:
    """A lone surrogate is refused, in words."""
    people(database, ["a"])

    with pytest.raises(QueryFailed, match="value to compare with is not valid Unicode"):
        names(database, Condition("name", "text", "=", ("a\ud800b",)))


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_batches_have_the_promised_schema(database: Database) -> None:
    """Every batch is of ``arrow_schema(columns)``, metadata too, under the API's names and in their order."""
    people(database, ["a"])
    columns = (Column("theName", "Name", sql="name"), Column("theId", "Id", "integer", "id"), NAME)
    query = Query("people", columns, (ID,))

    table = read(database.source, query, KeyRange(None, (1,), 1))

    assert table.schema.equals(arrow_schema(columns), check_metadata=True)
    assert [{"theName": "a", "theId": 1, "name": "a"}] == table.to_pylist()


def test_text_comes_back_as_it_was_written(database: Database) -> None:
    """Not a character changes; null and empty stay apart."""
    people(database, [*NAUGHTY, None])

    assert [*NAUGHTY, None] == read(database.source, PEOPLE, KeyRange(None, (99,), 0))["name"].to_pylist()


def test_batches_are_bounded_in_rows(database: Database) -> None:
    """A range of any size comes in batches of at most 20,000 rows."""
    many_people(database, 50_000)

    with database.source.read(PEOPLE, KeyRange(None, (350_000,), 50_000)) as reader:
        sizes = [batch.num_rows for batch in reader]

    assert sum(sizes) == 50_000
    assert max(sizes) <= 20_000


@pytest.mark.parametrize(("halvings", "most"), [(1, 10_000), (3, 2_500), (40, 1)])
def test_a_worker_short_of_memory_gets_smaller_batches(database: Database, halvings: int, most: int) -> None:
    """The bound is halved each time, down to a row; the rows are the same."""
    many_people(database, 25_000 if most > 1 else 50)
    key_range = KeyRange(None, (350_000,), 0)

    with database.source.read(PEOPLE, key_range, halvings=halvings) as reader:
        batches = list(reader)

    assert max(batch.num_rows for batch in batches) <= most
    assert read(database.source, PEOPLE, key_range) == pa.Table.from_batches(batches)


def test_huge_cells_are_bounded_in_bytes(database: Database) -> None:
    """Cells of 10 MiB make the batches shorter, wherever in the range they are."""
    cell = 10 * 1024 * 1024
    many_people(database, 25_000)
    huge = f"printf('%.{cell}c', 'x')" if database.dialect == "sqlite" else f"repeat('x', {cell})"
    database.execute(f"update people set name = {huge} where id > 140000 and id % 1000 = 0")

    rows = huge_cells = 0
    with database.source.read(PEOPLE, KeyRange(None, (175_000,), 25_000)) as reader:
        for batch in reader:
            assert batch.nbytes <= 80 * 1024 * 1024
            rows += batch.num_rows
            huge_cells += sum(1 for name in batch["name"] if len(name.as_buffer()) == cell)

    assert rows == 25_000
    assert huge_cells == 5  # the keys are multiples of 7


def test_five_hundred_columns(database: Database) -> None:
    """Wide tables are read too, in batches of fewer rows."""
    columns = tuple(Column(f"c{n}", f"C {n}", "integer" if n % 2 else "text") for n in range(500))
    definition = ", ".join(f"c{n} {'bigint' if n % 2 else 'text'}" for n in range(500))
    numbers = ", ".join(str(n) if n % 2 else f"'{n}'" for n in range(1, 500))
    database.execute(
        f"create table wide (id bigint primary key, {definition})",
        *[f"insert into wide values ({id_}, null, {numbers})" for id_ in range(20)],
    )
    query = Query("wide", columns, (ID,))

    table = read(database.source, query, *database.source.plan(query, repeat(100)))

    assert (20, 500) == table.shape
    assert ["498"] * 20 == table["c498"].to_pylist()
    assert [499] * 20 == table["c499"].to_pylist()
    assert table["c0"].null_count == 20


def test_stopping_early_is_quick_and_clean(database: Database) -> None:
    """A reader that is left half-way lets go of the database at once."""
    many_people(database, 200_000)

    with database.source.read(PEOPLE, KeyRange(None, (1_400_000,), 200_000)) as reader:
        first = reader.read_next_batch()
    database.execute("drop table people")

    assert first["id"][0].as_py() == 7


def test_the_readers_own_errors_stay_what_they_are(database: Database) -> None:
    """What fails while a batch is being used is not the database's fault."""
    people(database, ["a"])

    with pytest.raises(OSError, match="disk full"), database.source.read(PEOPLE, KeyRange(None, (1,), 1)):
        raise OSError("disk full")


def test_one_source_serves_many_threads(database: Database) -> None:
    """Parts of one export are read side by side."""
    many_people(database, 40_000)
    source = database.source
    plan = source.plan(PEOPLE, repeat(5_000))
    rows: list[int] = []
    threads = [
        threading.Thread(target=lambda part=part: rows.append(read(source, PEOPLE, part).num_rows)) for part in plan
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [5_000] * 8 == rows


_READ_SYNTHETIC_ROWS = """
import resource, sys
from shared.catalog.columns import Column
from shared.requests.query import KeyRange, Query
from shared.sources import open_source
from itertools import repeat
url, relation, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
columns = (Column("n", "N", "integer"), Column("text", "Text"), Column("amount", "Amount", "decimal(12,2)"))
query = Query(relation, columns, columns[:1])
with open_source(url).read(query, KeyRange(None, (rows,), rows)) as reader:
    assert rows == sum(batch.num_rows for batch in reader)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_range(database: Database) -> None:
    """Ten times the rows take the same memory."""
    numbers = {
        "sqlite": "(with recursive s(n) as (select 1 union all select n + 1 from s limit {}) "
        "select n, 'a text of some length, row ' || n as text, n / 100.0 as amount from s) as synthetic",
        "postgresql": "(select n, 'a text of some length, row ' || n as text, n / 100.0 as amount "
        "from generate_series(1, {}) as s(n)) as synthetic",
    }[database.dialect]
    database.execute("create table unused (id bigint)")

    def peak_mebibytes(rows: int) -> int:
        command = [sys.executable, "-c", _READ_SYNTHETIC_ROWS, database.url, numbers.format(rows), str(rows)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        return int(output.stdout)

    small, large = peak_mebibytes(100_000), peak_mebibytes(1_000_000)

    assert large - small < 25, f"{small} MiB for 100,000 rows, {large} MiB for 1,000,000"


# --- Failures --------------------------------------------------------------------------------------------------------


def test_misspelt_column_is_refused_by_the_plan(database: Database) -> None:
    """A type that never worked fails before any part, and names the column."""
    people(database, ["a"])
    query = Query("people", (ID, Column("nmae", "Name")), (ID,))

    with pytest.raises(QueryFailed, match="nmae"):
        database.source.plan(query, repeat(10))


@pytest.mark.parametrize(
    "query",
    [
        Query("no_such_table", (ID,), (ID,)),
        Query("people", (ID,), (Column("no_such_key", "Key"),)),
        Query("people", (ID,), (ID,), (Condition("no_such_filter", "text", "=", ("x",)),)),
    ],
)
def test_names_that_do_not_exist(database: Database, query: Query) -> None:
    """The error names what is missing."""
    people(database, ["a"])

    with pytest.raises(QueryFailed, match="no_such_"):
        database.source.plan(query, repeat(10))


def test_column_dropped_between_plan_and_read(database: Database) -> None:
    """A part that cannot have its columns any more says which one is gone."""
    people(database, ["a"])
    (part,) = database.source.plan(PEOPLE, repeat(10))
    database.execute("alter table people drop column name")

    with pytest.raises(SchemaChanged, match="name"):
        read(database.source, PEOPLE, part)


def test_table_dropped_between_plan_and_read(database: Database) -> None:
    """The same for the whole table."""
    people(database, ["a"])
    (part,) = database.source.plan(PEOPLE, repeat(10))
    database.execute("drop table people")

    with pytest.raises(SchemaChanged, match="people"):
        read(database.source, PEOPLE, part)


def test_column_of_another_type_than_declared(database: Database) -> None:
    """A value that does not fit names the column, the declared type and the reason."""
    people(database, ["twelve"])
    query = Query("people", (Column("name", "Name", "decimal(12,2)"),), (ID,))
    (part,) = database.source.plan(query, repeat(10))

    with pytest.raises(SchemaChanged, match=r"column 'name' .* decimal\(12,2\).*twelve"):
        read(database.source, query, part)


def test_a_wrong_value_deep_in_the_range(database: Database) -> None:
    """What only turns up in a later batch is found as well, while the reader is being drained."""
    many_people(database, 45_000)
    database.execute("update people set name = 'x' where id = 300006", "update people set name = 4 where name <> 'x'")
    query = Query("people", (Column("name", "Name", "integer"),), (ID,))
    if database.dialect == "sqlite":
        database.execute("update people set name = cast(name as integer) where name <> 'x'")

    with pytest.raises(SchemaChanged, match="column 'name'"):
        read(database.source, query, KeyRange(None, (315_000,), 45_000))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_database_that_is_down(dialect: str, tmp_path: Path) -> None:
    """Nothing there to connect to is worth another try, and the message holds no secret."""
    url = {
        "sqlite": f"sqlite:///{tmp_path}/missing/test.db",
        "postgresql": "postgresql://someone:s3cret@127.0.0.1:1/db",
    }[dialect]
    source = open_source(url)

    for attempt in (
        lambda: source.plan(PEOPLE, repeat(1)),
        lambda: source.count(PEOPLE),
        lambda: read(source, PEOPLE, KeyRange(None, (1,), 1)),
    ):
        with pytest.raises(SourceUnavailable) as caught:
            attempt()
        assert "s3cret" not in all_that_is_said(caught.value)
    assert "s3cret" not in repr(source)


def all_that_is_said(error: BaseException) -> str:
    """The message of an error, and of every error that led to it, as a log would show them."""
    return "".join(traceback.format_exception(error))


# --- Values of every type --------------------------------------------------------------------------------------------

DECLARED: tuple[tuple[str, dict[str, str], list[object]], ...] = (
    ("integer", {"sqlite": "9223372036854775807", "postgresql": "9223372036854775807"}, [2**63 - 1]),
    ("integer", {"sqlite": "-1", "postgresql": "(-1)::smallint"}, [-1]),
    ("integer", {"sqlite": "12", "postgresql": "12::numeric(10,0)"}, [12]),
    ("integer", {"sqlite": "12.0", "postgresql": "4000000000::oid"}, [12, 4_000_000_000]),
    ("float", {"sqlite": "1.5", "postgresql": "1.5::float8"}, [1.5]),
    ("float", {"sqlite": "3", "postgresql": "3::int4"}, [3.0]),
    ("float", {"sqlite": "0.1", "postgresql": "0.1::numeric"}, [0.1]),
    ("float", {"sqlite": "9e999", "postgresql": "'Infinity'::float8"}, [float("inf")]),
    ("boolean", {"sqlite": "1", "postgresql": "true"}, [True]),
    ("boolean", {"sqlite": "'false'", "postgresql": "0::int4"}, [False]),
    ("text", {"sqlite": "'ab  '", "postgresql": "'ab  '::text"}, ["ab  "]),
    ("text", {"sqlite": "12", "postgresql": "12::int4"}, ["12"]),
    ("text", {"sqlite": "10.5", "postgresql": "10.5::numeric"}, ["10.5"]),
    ("text", {"sqlite": "'ab'", "postgresql": "'ab'::char(4)"}, ["ab"]),
    ("text", {"sqlite": "'10.0.0.1'", "postgresql": "'10.0.0.1'::inet"}, ["10.0.0.1", "10.0.0.1/32"]),
    ("text", {"sqlite": "'[1,5)'", "postgresql": "'[1,5)'::int4range"}, ["[1,5)"]),
    (
        "uuid",
        {"sqlite": f"'{UUID(int=5)}'", "postgresql": f"'{UUID(int=5)}'::uuid"},
        [str(UUID(int=5))],
    ),
    ("json", {"sqlite": """'{"a": 1}'""", "postgresql": """'{"a": 1}'::json"""}, ['{"a": 1}']),
    ("json", {"sqlite": """'{"a": 1}'""", "postgresql": """'{"a":1}'::jsonb"""}, ['{"a": 1}']),
    ("binary", {"sqlite": "x'00ff'", "postgresql": r"'\x00ff'::bytea"}, [b"\x00\xff"]),
    ("date", {"sqlite": "'2024-02-29'", "postgresql": "'2024-02-29'::date"}, [date(2024, 2, 29)]),
    (
        "date",
        {"sqlite": "'2024-02-29 23:59:59'", "postgresql": "'2024-02-29 23:59:59'::timestamp"},
        [date(2024, 2, 29)],
    ),
    ("date", {"sqlite": "'0001-01-01'", "postgresql": "'0001-01-01'::date"}, [date(1, 1, 1)]),
    (
        "local timestamp",
        {"sqlite": "'2024-02-29T23:59:59.123456'", "postgresql": "'2024-02-29 23:59:59.123456'::timestamp"},
        [datetime.fromisoformat("2024-02-29T23:59:59.123456")],
    ),
)


@pytest.mark.parametrize(("declared", "literals", "expected"), DECLARED)
def test_values_arrive_as_declared(
    database: Database, declared: str, literals: dict[str, str], expected: list[object]
) -> None:
    """Each declared type takes what databases hold for it, and a null beside it."""
    literal = literals[database.dialect]
    assert read_literals(database, declared, [literal, "null"]) in [[value, None] for value in expected]


def read_literals(database: Database, declared: str, literals: list[str]) -> list[object]:
    """Read these literals, one a row, as a column of the declared type."""
    rows = " union all ".join(f"select {n} as id, {literal} as value" for n, literal in enumerate(literals))
    query = Query(f"({rows}) as literals", (Column("value", "Value", declared),), (ID,))
    (part,) = database.source.plan(query, repeat(1_000))
    found: list[object] = read(database.source, query, part)["value"].to_pylist()
    return found


def test_values_of_types_that_python_cannot_show_directly(database: Database) -> None:
    """Decimals keep every digit, times their microseconds, time stamps their instant."""
    sqlite = database.dialect == "sqlite"
    long = "12345678901234567890123456.0123456789"
    cast = (lambda text, _: f"'{text}'") if sqlite else (lambda text, type_: f"'{text}'::{type_}")

    assert [long] == texts_of(database, "decimal(38,10)", [cast(long, "numeric")])
    assert ["10.50", "-0.01"] == texts_of(database, "decimal(12,2)", ["10.5", "-0.01"])
    assert ["10.00"] == texts_of(database, "decimal(12,2)", ["10"])
    assert ["23:59:59.123456"] == texts_of(database, "time", [cast("23:59:59.123456", "time")])
    assert ["2024-02-29 22:59:59.500000Z"] == texts_of(
        database, "timestamp", [cast("2024-02-29 23:59:59.5+01:00", "timestamptz")]
    )
    assert ["2024-02-29 23:59:59.000000Z"] == texts_of(
        database, "timestamp", [cast("2024-02-29 23:59:59", "timestamp")]
    )


def texts_of(database: Database, declared: str, literals: list[str]) -> list[str]:
    rows = " union all ".join(f"select {n} as id, {literal} as value" for n, literal in enumerate(literals))
    query = Query(f"({rows}) as literals", (Column("value", "Value", declared),), (ID,))
    (part,) = database.source.plan(query, repeat(1_000))
    found: list[str] = read(database.source, query, part)["value"].cast(pa.string()).to_pylist()
    return found


def test_lists(database: Database) -> None:
    """Lists come from arrays, or from JSON arrays in text."""
    lists = {
        "sqlite": ("""'[1, 2, null]'""", """'["a", "b\\n"]'""", """'["1.50"]'"""),
        "postgresql": ("array[1, 2, null]", "array['a', E'b\\n']", "array[1.5]"),
    }[database.dialect]

    assert [[1, 2, None], None] == read_literals(database, "list<integer>", [lists[0], "null"])
    assert [["a", "b\n"]] == read_literals(database, "list<text>", [lists[1]])
    assert [["1.50"]] == [
        [str(value) for value in row] for row in read_literals(database, "list<decimal(12,2)>", [lists[2]])
    ]


UNFIT: tuple[tuple[str, dict[str, str], str], ...] = (
    ("integer", {"sqlite": "1.5", "postgresql": "1.5"}, "1.5|truncated"),
    ("integer", {"sqlite": "'x'", "postgresql": "'x'::text"}, "x"),
    ("decimal(4,2)", {"sqlite": "'1.005'", "postgresql": "1.005"}, "data loss"),
    ("decimal(4,2)", {"sqlite": "100", "postgresql": "100"}, "precision|fit"),
    ("boolean", {"sqlite": "2", "postgresql": "2"}, "0 and 1"),
    ("date", {"sqlite": "'31.12.2024'", "postgresql": "'yesterday'::text"}, "31.12.2024|yesterday"),
    ("timestamp", {"sqlite": "'yesterday'", "postgresql": "'294276-12-31'::timestamptz"}, "yesterday|294246"),
    ("time", {"sqlite": "'noon'", "postgresql": "'noon'::text"}, "noon"),
    ("list<timestamp>", {"sqlite": "'[1, {}]'", "postgresql": "array['294276-12-31'::timestamptz]"}, "list|294246"),
)


@pytest.mark.parametrize(("declared", "literals", "reason"), UNFIT)
def test_values_that_do_not_fit(database: Database, declared: str, literals: dict[str, str], reason: str) -> None:
    """Nothing is changed in silence: the error names the column and says why."""
    with pytest.raises(SchemaChanged, match=rf"column 'value' .*({reason})"):
        read_literals(database, declared, [literals[database.dialect]])


def test_intervals(postgresql: Database, sqlite: Database) -> None:
    """PostgreSQL has intervals; SQLite says that it has none."""
    assert [pa.MonthDayNano([14, 3, 4_500_000_000])] == read_literals(
        postgresql, "interval", ["'1 year 2 mons 3 days 4.5 seconds'::interval"]
    )
    with pytest.raises(SchemaChanged, match="no intervals"):
        read_literals(sqlite, "interval", ["'P1D'"])
