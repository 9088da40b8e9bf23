"""A small database of the demo's schema, and its rows as a file must show them.

What a file must hold is worked out here from the database itself, by Python's own sqlite3 and rules that are written
out, so that no line of Sluice vouches for another.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo import databases, rows
from demo.postgresql_server import PostgresqlServer
from tests.formats.formulas import defused
from tests.formats.naughty import NAUGHTY

SESSIONS = {"acme": 20_000, "initech": 1_200, "globex": 100, "umbrella": 0}
USERS = {"acme": 400, "initech": 30, "globex": 20, "umbrella": 0}
EVENTS = {"acme": 4_000, "initech": 400, "globex": 200}
EMPLOYEES = {"acme": 300, "initech": 80, "globex": 30}


@contextmanager
def few_rows() -> Iterator[None]:
    """Meanwhile the demo's databases are made small."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SESSIONS", "USERS", "EVENTS", "EMPLOYEES"):
            patch.setattr(rows, name, globals()[name])
        patch.setattr(rows, "EXEMPTIONS", 200)
        yield


@contextmanager
def small_postgresql(home: Path) -> Iterator[PostgresqlServer]:
    """A PostgreSQL server with the small database, without naughty names."""
    with few_rows():
        server = databases.start_postgresql(home)
    try:
        yield server
    finally:
        server.stop()


def make_small_database(home: Path) -> None:
    """The demo's database under ``home``: 20,000 sessions in its largest tenant, whose users have naughty names."""
    with few_rows():
        databases.ensure_sqlite(home)
    with closing(sqlite3.connect(home / "demo.db")) as connection, connection:
        ids = connection.execute("select id from users where organisation_id = 'acme' order by id").fetchall()
        names = [(name, id_) for name, (id_,) in zip(NAUGHTY, ids, strict=False)]
        connection.executemany("update users set name = ? where id = ?", names)


def select(database: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows straight from the database."""
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def as_cells(rows_: Sequence[Sequence[Any]], types: Sequence[str]) -> Iterator[list[str]]:
    """Database values as the cells of a CSV file: null and the empty text alike, for csv.reader tells no difference."""
    for row in rows_:
        yield [_cell(value, type_) for value, type_ in zip(row, types, strict=True)]


def _cell(value: Any, type_: str) -> str:
    if value is None:
        return ""
    if type_ == "boolean":
        return "true" if value else "false"
    if type_ == "money":
        return f"{value:.2f}"
    if type_ == "float":
        return str(int(value)) if value == int(value) else repr(value)
    if type_ == "moment":
        return f"{str(value).removesuffix('.000000')}Z"
    text = str(value)
    return defused(text) if type_ == "text" else text
