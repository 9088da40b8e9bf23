"""Real databases for the tests: SQLite files, and one PostgreSQL server for the whole session."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from demo.postgresql_server import PostgresqlServer
from shared.requests.query import KeyRange, Query
from shared.sources import open_source
from shared.sources.base import Source

_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """An empty database to fill: ``dialect`` is sqlite or postgresql, ``url`` what a source is opened with."""

    dialect: str
    url: str

    @property
    def source(self) -> Source:
        return open_source(self.url)

    def execute(self, *statements: str) -> None:
        """Run statements, each committed at once."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                if cursor.description:
                    cursor.fetchall()

    def insert(self, table: str, types: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
        """Insert rows of texts, each cast to its column's type."""
        if not rows:
            return
        # As JSON, for PostgreSQL's driver binds an empty text as null.
        element = "(row ->> {})::{}" if self.dialect == "postgresql" else "row.value ->> {}"
        each = "json_array_elements($1::json)" if self.dialect == "postgresql" else "json_each(?)"
        values = ", ".join(element.format(n, type_) for n, type_ in enumerate(types))
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"insert into {table} select {values} from {each} as row", (json.dumps(rows),))

    def connect(self) -> Any:
        if self.dialect == "postgresql":
            import adbc_driver_postgresql.dbapi as postgresql

            return postgresql.connect(self.url, autocommit=True)
        import adbc_driver_sqlite.dbapi as sqlite

        return sqlite.connect(f"file:{self.url.removeprefix('sqlite:///')}", autocommit=True)


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """A real server, stopped at the end of the session."""
    with PostgresqlServer.start(tmp_path_factory.mktemp("databases") / "postgresql") as server:
        fast = ["alter system set fsync = off", "alter system set full_page_writes = off", "select pg_reload_conf()"]
        Database("postgresql", server.url).execute(*fast)
        yield server


@pytest.fixture
def postgresql(postgresql_server: PostgresqlServer) -> Iterator[Database]:
    """A schema of its own on the server."""
    schema = f"test_{next(_numbers)}"
    server = Database("postgresql", postgresql_server.url)
    server.execute(f"create schema {schema}")
    yield Database("postgresql", f"{postgresql_server.url}&options={quote(f'-csearch_path={schema}')}")
    server.execute(f"drop schema {schema} cascade")


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    """A file of its own, in WAL mode as most applications have it."""
    database = Database("sqlite", f"sqlite:///{tmp_path / 'test.db'}")
    database.execute("pragma journal_mode=wal")
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the databases in turn."""
    found: Database = request.getfixturevalue(request.param)
    return found


def read(source: Source, query: Query, key_range: KeyRange) -> pa.Table:
    """All rows of a range."""
    with source.read(query, key_range) as reader:
        return reader.read_all()
