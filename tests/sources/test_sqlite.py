"""What is special about SQLite: values without types, files, and locks."""

import gc
from contextlib import closing
from itertools import repeat
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pytest

from shared.catalog.columns import Column
from shared.errors import QueryFailed, SchemaChanged, SourceUnavailable
from shared.requests.query import Condition, KeyRange, Query
from shared.sources import open_source
from shared.sources import sqlite as sqlite_source
from shared.sources.sqlite import SqliteSource
from tests.databases import Database, read

ID = Column("id", "Id", "integer")
ALL = KeyRange(None, (10**9,), 0)


def mixed(database: Database, first: str, rest: str, declared: str) -> pa.Table:
    """Read a column whose value is ``first`` in 30,000 rows, and ``rest`` in another 20,000."""
    database.execute(
        "create table mixed (id integer primary key, value)",
        "insert into mixed with recursive s(n) as (select 1 union all select n + 1 from s limit 50000) "
        f"select n, case when n <= 30000 then {first} else {rest} end from s",
    )
    table = read(database.source, Query("mixed", (ID, Column("value", "Value", declared)), (ID,)), ALL)
    assert list(range(1, 50_001)) == table["id"].to_pylist()
    return table


@pytest.mark.parametrize(
    ("declared", "first", "rest", "expected"),
    [
        ("text", "null", "'a'", (None, "a")),
        ("text", "1", "'a'", ("1", "a")),
        ("text", "1.5", "'a'", ("1.5", "a")),
        ("float", "null", "1.5", (None, "1.5")),
        ("float", "2", "1.5", ("2", "1.5")),
        ("decimal(12,2)", "null", "1.5", (None, "1.50")),
        ("decimal(12,2)", "7", "1.5", ("7.00", "1.50")),
        ("decimal(12,2)", "1.5", "'2.25'", ("1.50", "2.25")),
        ("decimal(12,2)", "'2.25'", "7", ("2.25", "7.00")),
        ("boolean", "1", "'false'", ("true", "false")),
        ("boolean", "null", "1", (None, "true")),
        ("timestamp", "null", "'2024-01-01 00:00:00'", (None, "2024-01-01 00:00:00.000000Z")),
    ],
)
def test_types_that_change_on_the_way(
    sqlite: Database, declared: str, first: str, rest: str, expected: tuple[str | None, str]
) -> None:
    """The driver fixes each type by the first batch; rows that come later are read all the same, once each."""
    values = mixed(sqlite, first, rest, declared)["value"].cast(pa.string()).to_pylist()

    assert [expected[0]] * 30_000 + [expected[1]] * 20_000 == values


def test_blobs_after_nulls(sqlite: Database) -> None:
    """The same for binary."""
    values = mixed(sqlite, "null", "x'00ff'", "binary")["value"].to_pylist()

    assert [None] * 30_000 + [b"\x00\xff"] * 20_000 == values


@pytest.mark.parametrize(
    ("declared", "first", "rest"),
    [("integer", "1", "1.5"), ("integer", "1", "'a'"), ("float", "1.5", "'a'"), ("decimal(12,2)", "1", "'a'")],
)
def test_values_of_another_kind(sqlite: Database, declared: str, first: str, rest: str) -> None:
    """What no reading can make fit is reported with its column."""
    with pytest.raises(SchemaChanged, match="column 'value'"):
        mixed(sqlite, first, rest, declared)


@pytest.mark.parametrize("declared", ["integer", "float"])
def test_text_among_numbers_in_one_batch(sqlite: Database, declared: str) -> None:
    """The driver would turn the numbers into text of a few digits; that is never taken for the value."""
    sqlite.execute(
        "create table mixed (id integer primary key, value)", "insert into mixed values (1, 1.23456789012), (2, 'a')"
    )
    query = Query("mixed", (Column("value", "Value", declared),), (ID,))

    with pytest.raises(SchemaChanged, match="column 'value'"):
        read(sqlite.source, query, ALL)


def test_decimals_in_text_and_numbers_keep_their_digits(sqlite: Database) -> None:
    """Mixed storage in one batch: each decimal is exact."""
    sqlite.execute(
        "create table mixed (id integer primary key, value)",
        "insert into mixed values (1, 1234567.89), (2, '0.10'), (3, 7), (4, null)",
    )
    query = Query("mixed", (Column("value", "Value", "decimal(12,2)"),), (ID,))

    values = read(sqlite.source, query, ALL)["value"].cast(pa.string()).to_pylist()

    assert ["1234567.89", "0.10", "7.00", None] == values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", "2024-02-29 00:00:00.000000Z"),
        ("2024-02-29T12:30", "2024-02-29 12:30:00.000000Z"),
        ("2024-02-29 12:30:00.123", "2024-02-29 12:30:00.123000Z"),
        ("2024-02-29 12:30:00.1234567", "2024-02-29 12:30:00.123456Z"),
        ("2024-02-29T12:30:00Z", "2024-02-29 12:30:00.000000Z"),
        ("2024-02-29 12:30:00+02", "2024-02-29 10:30:00.000000Z"),
        ("2024-02-29 12:30:00.5-0530", "2024-02-29 18:00:00.500000Z"),
    ],
)
def test_time_stamps_as_frameworks_write_them(sqlite: Database, text: str, expected: str) -> None:
    """With or without a zone, beside each other in one column."""
    sqlite.execute(
        "create table moments (id integer primary key, value text)",
        f"insert into moments values (1, '2020-01-01 00:00:00'), (2, '{text}'), (3, '2020-01-01T00:00:00Z'), (4, null)",
    )
    query = Query("moments", (Column("value", "Value", "timestamp"),), (ID,))

    values = read(sqlite.source, query, ALL)["value"].cast(pa.string()).to_pylist()

    assert ["2020-01-01 00:00:00.000000Z", expected, "2020-01-01 00:00:00.000000Z", None] == values


def test_bytes_that_are_not_text(sqlite: Database) -> None:
    """SQLite takes any bytes for text; a file of UTF-8 cannot."""
    sqlite.execute("create table t (id integer primary key, value)", "insert into t values (1, cast(x'ff' as text))")

    with pytest.raises(SchemaChanged, match=r"column 'value' .*UTF-8"):
        read(sqlite.source, Query("t", (Column("value", "Value"),), (ID,)), ALL)


@pytest.mark.parametrize("collation", ["binary", "nocase", "rtrim"])
def test_text_keys_under_any_collation(sqlite: Database, collation: str) -> None:
    """Ranges follow the column's own order."""
    words = ["a", "B", "c", "D", "e ", "É"]
    sqlite.execute(f"create table t (word text collate {collation} primary key)")
    sqlite.insert("t", ["text"], [[word] for word in words])
    query = Query("t", (Column("word", "Word"),), (Column("word", "Word"),))

    plan = sqlite.source.plan(query, repeat(1))
    found = [read(sqlite.source, query, part)["word"].to_pylist() for part in plan]

    expected = sorted(words, key=str.lower if collation == "nocase" else None)
    assert [[word] for word in expected] == found


def test_keys_that_are_blobs_are_refused(sqlite: Database) -> None:
    """A plan is JSON, and a BLOB is not; the message says what to do."""
    sqlite.execute("create table t (id blob primary key)", "insert into t values (x'01'), (x'02')")

    with pytest.raises(QueryFailed, match="numbers or text"):
        sqlite.source.plan(Query("t", (ID,), (ID,)), repeat(1))


def test_a_writer_at_work(sqlite: Database) -> None:
    """In WAL mode an open write transaction neither blocks a part nor shows in it."""
    sqlite.execute("create table t (id integer primary key)", "insert into t values (1), (2)")
    query = Query("t", (ID,), (ID,))
    with closing(sqlite.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("begin immediate")
        cursor.execute("insert into t values (3)")

        assert [1, 2] == read(sqlite.source, query, ALL)["id"].to_pylist()


def test_a_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without WAL a writer locks readers out; after a while that is an error worth another try."""
    monkeypatch.setattr(sqlite_source, "_BUSY_TIMEOUT_MILLISECONDS", 50)
    database = Database("sqlite", f"sqlite:///{tmp_path / 'locked.db'}")
    database.execute("create table t (id integer primary key)")
    query = Query("t", (ID,), (ID,))
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("begin exclusive")

        with pytest.raises(SourceUnavailable, match="locked"):
            database.source.plan(query, repeat(1))
        with pytest.raises(SourceUnavailable, match="locked"):
            read(database.source, query, ALL)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Trying again would not help."""
    path = tmp_path / "test.db"
    path.write_text("this is not a database, and long enough to be taken for one" * 20)

    with pytest.raises(QueryFailed, match="not a database"):
        open_source(f"sqlite:///{path}").count(Query("t", (ID,), (ID,)))


def test_paths_with_odd_characters(tmp_path: Path) -> None:
    """Spaces, question marks and percent signs are part of a path when they are encoded."""
    folder = tmp_path / "a b?c%20#d"
    folder.mkdir()
    plain = Database("sqlite", f"sqlite:///{tmp_path / 'test.db'}")
    plain.execute("create table t (id integer primary key)", "insert into t values (1)")
    (tmp_path / "test.db").rename(folder / "test.db")

    assert open_source(f"sqlite:///{tmp_path}/a%20b%3Fc%2520%23d/test.db").count(Query("t", (ID,), (ID,))) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_ever_written(sqlite: Database) -> None:
    """The file is opened read-only, whatever the export type's SQL tries."""
    sqlite.execute("create table t (id integer primary key)")
    source = SqliteSource.from_url(sqlite.url)

    def attempt() -> None:
        with source._cursor() as cursor:
            cursor.execute("insert into t values (1)")

    with pytest.raises((adbc_driver_manager.Error, RuntimeError)):
        attempt()
    gc.collect()  # the driver fails to close what failed to write, too
    assert source.count(Query("t", (ID,), (ID,))) == 0


def test_a_key_with_null(sqlite: Database) -> None:
    """SQLite lets NULL into a text primary key; such a row would be in no range, so it is reported."""
    sqlite.execute("create table t (id text primary key)", "insert into t values ('a'), (null)")

    for relation in ("t", "(select * from t) as s"):
        with pytest.raises(QueryFailed, match="NULL"):
            sqlite.source.plan(Query(relation, (ID,), (ID,)), repeat(1))


@pytest.mark.parametrize(
    "made_by",
    [
        "create table t (id integer primary key, tenant text, n integer)",
        "create table t (id integer, tenant text, n integer, primary key (tenant, id)) without rowid",
        "create table t (id integer, tenant text, n integer, primary key (tenant, id))",
        "create table other (id integer primary key, tenant text, n integer)",
    ],
)
def test_dense_and_sparse_ranges_of_one_tenant(sqlite: Database, made_by: str) -> None:
    """However the table is stored, and however many rows of others lie between, a range is the tenant's rows."""
    table = "other" if "other" in made_by else "t"
    sqlite.execute(
        made_by,
        f"create index by_tenant on {table} (tenant, id)",
        f"insert into {table} with recursive s(n) as (select 1 union all select n + 1 from s limit 3000) "
        "select n, case when n > 2000 then 'few' when n % 3 = 0 then 'some' else 'most' end, -n from s",
        f"update {table} set tenant = 'few' where n % 100 = 0",
    )
    if table == "other":
        sqlite.execute("create view t as select * from other")
    for tenant in ("most", "some", "few"):
        query = Query("t", (ID, Column("n", "N", "integer")), (ID,), (Condition("tenant", "text", "=", (tenant,)),))
        parts = [read(sqlite.source, query, part) for part in sqlite.source.plan(query, repeat(100))]

        ids = [id_ for part in parts for id_ in part["id"].to_pylist()]
        assert ids == sorted(ids)
        assert len(ids) == sqlite.source.count(query) > 0
        assert [-id_ for id_ in ids] == [n for part in parts for n in part["n"].to_pylist()]
