"""What is special about PostgreSQL: its types, its transactions, and a server that goes away."""

import time
from contextlib import closing
from itertools import repeat

import pytest

from demo.postgresql_server import PostgresqlServer
from shared.catalog.columns import Column
from shared.errors import QueryFailed, SchemaChanged, SettingsError, SourceUnavailable
from shared.requests.query import Condition, KeyRange, Query
from shared.sources import open_source
from tests.databases import Database, read
from tests.sources.test_source_contract import all_that_is_said

ID = Column("id", "Id", "integer")
NUMBERS = Query("generate_series(1, 1000000) as numbers(id)", (ID,), (ID,))


def test_filters_on_the_types_people_use(postgresql: Database) -> None:
    """Enums, char(n), uuid and domains are compared as what they are, with plain text from the request."""
    postgresql.execute(
        "create type mood as enum ('sad', 'ok', 'happy')",
        "create domain short as varchar(5)",
        "create table t (id int primary key, mood mood, code char(4), token uuid, short short)",
        "insert into t values (1, 'sad', 'ab', '00000000-0000-0000-0000-000000000001', 'x')",
        "insert into t values (2, 'happy', 'cd', '00000000-0000-0000-0000-000000000002', 'y')",
    )
    query = Query("t", (ID,), (ID,))

    for sql, type_name, value in (
        ("mood", "text", "happy"),
        ("code", "text", "cd"),
        ("token", "uuid", "00000000-0000-0000-0000-000000000002"),
        ("short", "text", "y"),
    ):
        for operator in ("=", "in"):
            condition = Condition(sql, type_name, operator, (value,))
            assert postgresql.source.count(Query("t", (ID,), (ID,), (condition,))) == 1
    assert postgresql.source.count(query) == 2


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("char(3)", ["'a'", "'ab'", "'b'"]),
        ("varchar(9)", ["'B'", "'a'", "'é'"]),
        ('text collate "C"', ["'B'", "'a'", "'é'"]),
        ('text collate "pg_c_utf8"', ["'B'", "'a'", "'é'"]),
        ("numeric", ["-0.5", "1.10", "1e30"]),
        ("float8", ["-1e300", "0.1", "0.30000000000000004"]),
        ("timestamptz", ["'2024-01-01 00:00:00.000001Z'", "'2024-01-01 00:00:00.000002Z'", "'infinity'"]),
        ("timestamp", ["'0044-03-15 BC'", "'2024-01-01'", "'2024-01-01 00:00:00.5'"]),
        ("time", ["'00:00'", "'00:00:00.000001'", "'24:00'"]),
        ("bytea", [r"'\x'", r"'\x00'", r"'\xff00'"]),
        ("inet", ["'10.0.0.1'", "'10.0.0.2'", "'::1'"]),
        ("boolean", ["false", "true"]),
        ("bit(3)", ["B'001'", "B'010'", "B'111'"]),
        ("interval", ["'1 day'", "'1 month'", "'1 year 3 seconds'"]),
        ('"char"', ["'a'", "'b'", "'c'"]),
    ],
)
def test_keys_of_any_type_that_has_an_order(postgresql: Database, type_: str, values: list[str]) -> None:
    """A key goes into the plan as text and comes back as the same value."""
    postgresql.execute(f"create table t (k {type_} primary key, n int)")
    postgresql.execute(*[f"insert into t values ({value}, {n})" for n, value in enumerate(values)])
    query = Query("t", (Column("n", "N", "integer"),), (Column("k", "Key"),))

    plan = postgresql.source.plan(query, repeat(1))

    assert [[n] for n in range(len(values))] == [read(postgresql.source, query, part)["n"].to_pylist() for part in plan]


def test_a_key_without_values(postgresql: Database) -> None:
    """NULL in a key cannot be ranged over, and is reported."""
    postgresql.execute("create table t (id int)", "insert into t values (1), (null)")

    with pytest.raises(QueryFailed, match="NULL"):
        postgresql.source.plan(Query("t", (ID,), (ID,)), repeat(1))


def test_plans_see_one_snapshot_and_write_nothing(postgresql: Database) -> None:
    """The transaction is read-only, whatever the export type's SQL does."""
    postgresql.execute("create sequence s")

    with pytest.raises(QueryFailed, match="read-only transaction"):
        postgresql.source.count(
            Query("(select nextval('s') as id) as t", (ID,), (ID,), (Condition("id", "integer", "=", (1,)),))
        )


def test_a_statement_that_takes_too_long(postgresql: Database) -> None:
    """It is ended by the server, and worth another try."""
    source = open_source(postgresql.url + "&statement_timeout=1")
    query = Query("(select 1 as id, pg_sleep(30)) as slow", (ID,), (ID,))
    started = time.monotonic()

    with pytest.raises(SourceUnavailable, match="timed out"):
        source.plan(query, repeat(1))
    with pytest.raises(SourceUnavailable, match="timed out"):
        read(
            source,
            Query("(select 1 as id, pg_sleep(30)::text as s) as slow", (ID, Column("s", "S")), (ID,)),
            KeyRange(None, (1,), 1),
        )
    assert time.monotonic() - started < 10


def test_a_connection_that_is_dropped_half_way(postgresql: Database) -> None:
    """The rows so far are followed by an error, never by a silent end."""
    with postgresql.source.read(NUMBERS, KeyRange(None, (1_000_000,), 0)) as reader:
        rows = reader.read_next_batch().num_rows
        postgresql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice'")

        with pytest.raises(SourceUnavailable):
            reader.read_all()

    assert 0 < rows < 1_000_000


def test_a_value_that_the_server_chokes_on_half_way(postgresql: Database) -> None:
    """An error of the data is permanent also when it comes after the first batches."""
    query = Query(NUMBERS.relation, (ID, Column("x", "X", "integer", "1 / (id - 500000)")), (ID,))

    with pytest.raises(SchemaChanged, match="division by zero"):
        read(postgresql.source, query, KeyRange(None, (1_000_000,), 0))


def test_stopping_early_cancels_the_statement(postgresql: Database) -> None:
    """Rows that nobody wants are not fetched: all of these would be ten gigabytes."""
    postgresql.execute("create table t (id bigint primary key, t text)")
    postgresql.execute("insert into t select n, repeat('x', 1000) from generate_series(1, 100) as s(n)")
    query = Query("t cross join generate_series(1, 100000) as copies(n)", (Column("t", "T"),), (ID,))
    started = time.monotonic()

    with postgresql.source.read(query, KeyRange(None, (100,), 0)) as reader:
        reader.read_next_batch()

    assert time.monotonic() - started < 3


def test_no_connection_is_left_behind(postgresql: Database) -> None:
    """Every call closes what it opened, also when it fails."""
    for _ in range(3):
        postgresql.source.count(NUMBERS)
        with pytest.raises(QueryFailed):
            postgresql.source.plan(Query("nothing", (ID,), (ID,)), repeat(1))
        with postgresql.source.read(NUMBERS, KeyRange(None, (1_000_000,), 0)) as reader:
            reader.read_next_batch()
    deadline = time.monotonic() + 5
    with closing(postgresql.connect()) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("select count(*) from pg_stat_activity where application_name = 'sluice'")
            left = cursor.fetchone()[0]
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.05)
    assert left == 0


@pytest.mark.parametrize(
    ("url", "error", "reason"),
    [
        ("postgresql://u:s3cret@127.0.0.1:1/db", SourceUnavailable, "connection refused"),
        ("postgresql://u:s3cret@no-such-host.invalid/db", SourceUnavailable, "host name is unknown"),
        ("postgresql://u:s3cret@/db?host=%2Fno%2Fsuch%2Ffolder", SourceUnavailable, "not running on that socket"),
        ("postgresql://u:pa@s3cret:word@127.0.0.1:1/db", SettingsError, "percent-encode"),
        ("postgresql://u:s3cret@127.0.0.1:1/db?no_such_option=1", SettingsError, "not valid"),
        ("postgresql://u:s3cret@192.0.2.1/db?connect_timeout=1", SourceUnavailable, "cannot be reached"),
    ],
)
def test_servers_that_cannot_be_reached(url: str, error: type[Exception], reason: str) -> None:
    """The reason is classified; the driver's message, which may quote the URL, is not passed on."""
    with pytest.raises(error, match=reason) as caught:
        open_source(url).count(NUMBERS)
    assert "s3cret" not in all_that_is_said(caught.value)


@pytest.mark.parametrize(
    ("user", "database", "reason"),
    [("nobody_here", "postgres", "does not know the user"), ("postgres", "nothing_here", "no such database")],
)
def test_servers_that_refuse(postgresql_server: PostgresqlServer, user: str, database: str, reason: str) -> None:
    """A wrong user or database will not get better by trying again."""
    url = postgresql_server.url.replace("postgres@/postgres", f"{user}:s3cret@/{database}")

    with pytest.raises(QueryFailed, match=reason) as caught:
        open_source(url).count(NUMBERS)
    assert "s3cret" not in all_that_is_said(caught.value)


def test_least_privilege(postgresql: Database) -> None:
    """SELECT on the tables is all that a source needs; without it the message says so."""
    postgresql.execute("create table t (id int primary key)", "insert into t values (1)")
    postgresql.execute("do $$ begin create role reader login; exception when duplicate_object then null; end $$")
    source = open_source(postgresql.url.replace("postgres@", "reader@"))
    query = Query("t", (ID,), (ID,))
    schema = "current_schema()"
    postgresql.execute(f"do $$ begin execute format('grant usage on schema %I to reader', {schema}); end $$")

    with pytest.raises(QueryFailed, match="permission denied for table t"):
        source.count(query)
    postgresql.execute("grant select on t to reader")

    assert source.count(query) == 1
    assert [1] == read(source, query, *source.plan(query, repeat(1)))["id"].to_pylist()
    postgresql.execute("revoke all on t from reader")
