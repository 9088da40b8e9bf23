"""Make the demo's databases: ``python -m demo.databases --home .sluice --source sqlite`` (or ``postgresql``).

A database that is complete and of this version is left alone. One that is being made has another name until it is
complete, so that nobody ever sees half of it, whatever happens on the way.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from demo.postgresql_server import PostgresqlServer
from demo.rows import tables
from demo.schema import TABLES, VERSION, Dialect

_ABANDONED_AFTER_SECONDS = 600


def ensure_sqlite(home: Path) -> str:
    """Make ``home/demo.db`` unless it is there, say so in one line, and give its URL."""
    path = home.resolve() / "demo.db"
    url = f"sqlite:///{quote(str(path))}"
    if path.exists() and _sqlite_version(path) == VERSION:
        print(f"Demo database: {path} is there already.")
        return url
    started = time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob("demo.db.*.partial"):
        if time.time() - left_over.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
            left_over.unlink(missing_ok=True)
    partial = path.with_name(f"demo.db.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    rows = _fill_sqlite(partial)
    partial.replace(path)
    print(f"Demo database: {rows:,} rows into {path} in {time.monotonic() - started:.1f} s.")
    return url


def start_postgresql(home: Path) -> PostgresqlServer:
    """Start a PostgreSQL server on ``home/postgresql`` with the demo's database in it; the caller stops it.

    Its ``url`` is that of the demo's database. A server that is running there already is taken over.
    """
    server = PostgresqlServer.start(home.resolve() / "postgresql")
    try:
        return server.with_database(_ensure_postgresql_database(server))
    except BaseException:
        server.stop()
        raise


def _fill_sqlite(path: Path) -> int:
    import adbc_driver_sqlite.dbapi as sqlite

    rows = 0
    with sqlite.connect(f"file:{quote(str(path))}", autocommit=True) as connection, connection.cursor() as cursor:
        # Nothing to protect yet: the file gets its real name when it is complete.
        for setting in ("journal_mode=off", "synchronous=off", "locking_mode=exclusive", "cache_size=-65536"):
            _run(cursor, f"pragma {setting}")
        _run(cursor, "begin")
        for table in TABLES:
            _run(cursor, table.create("sqlite"))
        for name, table_rows in tables():
            rows += table_rows.num_rows
            cursor.adbc_ingest(name, _storable(table_rows, "sqlite"), mode="append")
        for table in TABLES:
            for statement in table.create_indexes():
                _run(cursor, statement)
        _run(cursor, f"pragma user_version={VERSION}")
        _run(cursor, "commit")
        _run(cursor, "analyze")
    return rows


def _sqlite_version(path: Path) -> int:
    """The ``user_version`` in the file's header (SQLite's file format, section 1.3); 0 of what is no database."""
    with path.open("rb") as file:
        header = file.read(100)
    return int.from_bytes(header[60:64]) if header.startswith(b"SQLite format 3\0") else 0


def _ensure_postgresql_database(server: PostgresqlServer) -> str:
    """Make the demo's database unless it is there; give its name, which holds the version."""
    import adbc_driver_postgresql.dbapi as postgresql

    name, partial = f"sluice_demo_v{VERSION}", "sluice_demo_partial"
    with postgresql.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = $1", (name,))
        if cursor.fetchone():
            print(f"Demo database: {name} is in {server.folder} already.")
            return name
        started = time.monotonic()
        _run(cursor, f"drop database if exists {partial} with (force)")
        _run(cursor, f"create database {partial}")
        rows = _fill_postgresql(server.with_database(partial).url)
        _run(cursor, f"alter database {partial} rename to {name}")
    print(f"Demo database: {rows:,} rows into {name} in {server.folder} in {time.monotonic() - started:.1f} s.")
    return name


def _fill_postgresql(url: str) -> int:
    import adbc_driver_postgresql.dbapi as postgresql

    rows = 0
    with postgresql.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for table in TABLES:
            _run(cursor, table.create("postgresql"))
            for statement in table.numerics_as("text"):  # the driver cannot write them
                _run(cursor, statement)
        for name, table_rows in tables():
            rows += table_rows.num_rows
            cursor.adbc_ingest(name, _storable(table_rows, "postgresql"), mode="append")
        for table in TABLES:
            for statement in (*table.numerics_as("numeric"), *table.create_indexes()):
                _run(cursor, statement)
        _run(cursor, "vacuum (analyze)")
    return rows


def _run(cursor: Any, statement: str) -> None:
    cursor.execute(statement)
    if cursor.description:
        cursor.fetchall()


def _storable(rows: pa.Table, dialect: Dialect) -> pa.Table:
    """The columns as the database stores them: see ``demo/schema.py``."""
    columns = [_stored(name, rows[name], dialect) for name in rows.column_names]
    return pa.table(columns, names=rows.column_names)


def _stored(name: str, column: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray | pa.Array:
    if dialect == "postgresql":
        if pa.types.is_decimal(column.type):
            return column.cast(pa.string())
        return _uuid_bytes(column) if name == "token" else column
    if pa.types.is_boolean(column.type):
        return column.cast(pa.int8())
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us")).cast(pa.string())
    if pa.types.is_date(column.type):
        return column.cast(pa.string())
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    return column


def _uuid_bytes(column: pa.ChunkedArray) -> pa.Array:
    digits = pc.replace_substring(column, "-", "").combine_chunks()
    data = bytes.fromhex("".join(digits.to_pylist()))
    return pa.Array.from_buffers(pa.binary(16), len(column), [None, pa.py_buffer(data)])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo.databases", description="Make the demo's databases.")
    parser.add_argument("--home", type=Path, default=Path(".sluice"), help="where the databases live (.sluice)")
    parser.add_argument("--source", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args(arguments)
    if options.source == "sqlite":
        ensure_sqlite(options.home)
    else:
        start_postgresql(options.home).stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
