"""SQLite's values, which have no declared type: numbers to the last digit, and errors that say which row."""

from itertools import cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.columns import Column
from shared.errors import QueryFailed, SchemaChanged
from shared.formats.base import FileSpec
from shared.jobs.plan import ExportPlan, dump, load
from shared.requests.query import Query
from tests.databases import Database, read
from tests.values.exporting import ID, export, fill, rows_of

QUICK = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
doubles = st.floats(allow_nan=False, allow_infinity=False) | st.floats(2.4e6, 2.5e6) | st.integers(-(10**6), 10**6)


@pytest.mark.parametrize("relation", ["t", "(select * from t) as s"])
@QUICK
@given(keys=st.lists(doubles, min_size=1, max_size=40, unique_by=float), sizes=st.lists(st.integers(1, 7), min_size=1))
def test_real_keys_lose_no_row(sqlite: Database, relation: str, keys: list[float], sizes: list[int]) -> None:
    """Whatever their digits; a plan is stored in between."""
    sqlite.execute("drop table if exists t", "create table t (k real primary key, v integer)")
    sqlite.execute(*[f"insert into t values ({float(key)!r}, {number})" for number, key in enumerate(keys)])
    query = Query(relation, (Column("v", "V", "integer"),), (Column("k", "K", "float"),))
    ranges = tuple(sqlite.source.plan(query, cycle(sizes)))
    stored = load(dump(ExportPlan("t", "csv", FileSpec(query.columns), query=query, ranges=ranges)))
    found = [value for part in stored.ranges for value in read(sqlite.source, query, part)["v"].to_pylist()]
    assert found == [keys.index(key) for key in sorted(keys, key=float)]
    assert [part.rows for part in ranges] == [read(sqlite.source, query, part).num_rows for part in ranges]


def test_keys_of_mixed_types(sqlite: Database) -> None:
    """Integers, reals and texts in one column, beside another key."""
    sqlite.execute("create table t (k, n integer, v integer, primary key (k, n))")
    keys = ["1", "0.1", "2460000.12345671234", "'0.1'", "9007199254740993", "'a'"]
    sqlite.execute(*[f"insert into t values ({key}, 1, {number})" for number, key in enumerate(keys)])
    query = Query("(select * from t) as s", (Column("v", "V", "integer"),), (Column("k", "K"), Column("n", "N")))
    parts = [read(sqlite.source, query, part)["v"].to_pylist() for part in sqlite.source.plan(query, cycle([1]))]
    assert parts == [[1], [0], [2], [4], [3], [5]]


@pytest.mark.parametrize("relation", ["t", "(select * from t) as s"])
def test_an_infinite_key_is_refused(sqlite: Database, relation: str) -> None:
    """A plan is JSON, which has none."""
    sqlite.execute("create table t (k real primary key)", "insert into t values (1.5), (9e999)")
    query = Query(relation, (Column("k", "K", "float"),), (Column("k", "K", "float"),))
    with pytest.raises(QueryFailed, match="infinity"):
        sqlite.source.plan(query, cycle([2]))


@QUICK
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15), min_size=1))
def test_a_real_in_a_text_column_keeps_its_digits(sqlite: Database, values: list[float]) -> None:
    """The text reads back as the same number."""
    sqlite.execute("drop table if exists t")
    fill(sqlite, "", *[repr(value) for value in values], "'a'")
    _, (table,) = rows_of(sqlite, (ID, Column("v", "V", "text")))
    *numbers, text = table["v"].to_pylist()
    assert [float(number) for number in numbers] == values
    assert text == "a"


@pytest.mark.parametrize(
    ("stored", "kind", "expected"),
    [
        ("1234567890123456.7", "text", "1234567890123456.8"),
        ("1.5", "text", "1.5"),
        ("2.0", "text", "2.0"),
        ("12345678901234.56", "decimal(18,2)", "12345678901234.56"),
        ("-99999999999999.99", "decimal(16,2)", "-99999999999999.98"),
        ("0.1", "decimal(38,20)", "0.10000000000000000000"),
        ("1e20", "decimal(38,0)", "100000000000000000000"),
        ("'12345678901234567890.12'", "decimal(38,2)", "12345678901234567890.12"),
        ("9007199254740993", "decimal(18,2)", "9007199254740993.00"),
        ("0.1 + 0.2", "decimal(12,2)", "0.30"),
        ("1234567890123.45", "decimal(15,2)", "1234567890123.45"),
    ],
)
def test_a_number_keeps_the_digits_that_it_has(sqlite: Database, stored: str, kind: str, expected: str) -> None:
    """The shortest that read back; not the end of a sum of doubles."""
    fill(sqlite, "", stored)
    assert export(sqlite, kind, "csv").decode() == f"Id,V\r\n1,{expected}\r\n"


@pytest.mark.parametrize(("stored", "kind"), [("19.999", "decimal(12,2)"), ("-0.001", "decimal(5,2)")])
def test_a_real_of_more_places_is_not_rounded(sqlite: Database, stored: str, kind: str) -> None:
    """In silence, that is: the error names the column and the row."""
    fill(sqlite, "real", "1.5", stored)
    with pytest.raises(SchemaChanged, match=r"column 'v' .*more places, in the row with id 2"):
        export(sqlite, kind, "csv")


MISFITS = [
    ("integer", "1", "''", "nullif(v, '') makes it null"),
    ("integer", "1", "' '", "nullif"),
    ("integer", "1", "'x'", ""),
    ("integer", "1", "1.5", ""),
    ("float", "1.5", "''", "nullif"),
    ("float", "1.5", "x'00'", ""),
    ("decimal(12,2)", "1.5", "''", "nullif"),
    ("decimal(38,2)", "1.5", "''", "nullif"),
    ("decimal(38,2)", "1.5", "'1.234'", ""),
    ("boolean", "1", "''", "nullif"),
    ("boolean", "1", "2", ""),
    ("date", "'2024-01-01'", "''", "nullif"),
    ("date", "'2024-01-01'", "'31.12.2024'", ""),
    ("timestamp", "'2024-01-01 00:00:00'", "''", "nullif"),
    ("local timestamp", "'2024-01-01 00:00:00'", "''", "nullif"),
    ("time", "'12:00'", "''", "nullif"),
    ("list<integer>", "'[1]'", "''", "nullif"),
    ("text", "'a'", "cast(x'61ff' as text)", ""),
]


@pytest.mark.parametrize("before", [1, 45_000])
@pytest.mark.parametrize(("kind", "good", "bad", "advice"), MISFITS)
def test_a_value_that_does_not_fit_is_named_with_its_row(
    sqlite: Database, kind: str, good: str, bad: str, advice: str, before: int
) -> None:
    """By the row's key, in the first batch and far behind; an empty text, which imports of CSV leave, with advice."""
    sqlite.execute(
        "create table t (id integer primary key, tenant text default 'acme', v)",
        f"insert into t (v) with recursive s(n) as (select 1 union all select n + 1 from s limit {before}) "
        f"select {good} from s",
        f"insert into t (v) values ({bad}), ({good})",
    )
    with pytest.raises(SchemaChanged) as caught:
        export(sqlite, kind, "csv")
    message = str(caught.value)
    assert message.startswith("column 'v' does not fit its declared type")
    assert f"in the row with id {before + 1}" in message
    assert advice in message
    assert bool(advice) == ("empty text" in message)


@pytest.mark.parametrize("kind", ["", "text", "varchar(20)", "numeric", "CHARINT", "real"])
@pytest.mark.parametrize("relation", ["t", "main.t", "seen", "(select * from t) as s"])
def test_a_real_keeps_its_digits_in_any_relation(sqlite: Database, kind: str, relation: str) -> None:
    """A column of texts is told by its affinity, in which SQLite has made a text of every number before."""
    sqlite.execute(f"create table t (id integer primary key, v {kind})", "create view seen as select * from t")
    sqlite.execute("insert into t (v) values (12345678901234.56), ('a')")
    query = Query(relation, (Column("v", "V"),), (ID,))
    stored = kind in ("text", "varchar(20)")
    (part,) = sqlite.source.plan(query, cycle([5]))
    assert read(sqlite.source, query, part)["v"].to_pylist() == [
        "12345678901234.6" if stored else "12345678901234.56",
        "a",
    ]
