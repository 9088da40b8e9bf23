"""Giving up in the middle of one long statement: nobody waits for its end."""

import threading
import time
from itertools import repeat

import pyarrow as pa
import pytest

from shared.catalog.columns import Column, arrow_schema
from shared.errors import ExportCancelled, QueryFailed
from shared.requests.query import KeyRange, Query
from shared.sources import interruption
from shared.sources.base import Source
from shared.sources.interruption import Check, Interrupt, read_beside, run_beside
from tests.databases import Database

ID = Column("id", "Id", "integer")
SLOW = {
    "postgresql": "(select 1 as id, pg_sleep(120)) as slow",
    "sqlite": "(with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000000) "
    "select max(i) as id from n)",
}
RANGE = KeyRange(None, (10_000_000,), 1)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, so that the test is short."""
    monkeypatch.setattr(interruption, "_EVERY_SECONDS", 0.02)


def slow(database: Database) -> Query:
    """One statement that takes long before its first row."""
    return Query(SLOW[database.dialect], (ID,), (ID,))


class Looks:
    """Not wanted any more from the third look on."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count >= 3:
            raise ExportCancelled("the export was cancelled")


def plan(source: Source, query: Query, looks: Check) -> None:
    """Plan beside."""
    interrupt = Interrupt()
    run_beside(lambda: source.plan(query, repeat(10), interrupt=interrupt), looks, interrupt)


def read(source: Source, query: Query, looks: Check) -> pa.Table:
    """Read beside."""
    interrupt = Interrupt()
    opened = source.read(query, RANGE, interrupt=interrupt)
    with read_beside(opened, arrow_schema(query.columns), looks, interrupt) as batches:
        return batches.read_all()


def readers() -> list[threading.Thread]:
    """Threads that talk to a database."""
    return [thread for thread in threading.enumerate() if thread.name == "source"]


@pytest.mark.parametrize("work", [plan, read])
def test_a_long_statement_is_given_up(database: Database, work: object) -> None:
    """PostgreSQL ends it; with SQLite nobody waits, and its thread closes what it opened."""
    looks = Looks()
    with pytest.raises(ExportCancelled):
        work(database.source, slow(database), looks)  # type: ignore[operator]
    assert looks.count == 3
    if database.dialect == "sqlite":
        assert len(readers()) == 1
    end = time.monotonic() + 60  # half as long as PostgreSQL would sleep
    for thread in readers():
        thread.join(end - time.monotonic())
    assert readers() == []


def test_rows_and_errors_come_through(database: Database) -> None:
    """As if read here; and whoever stops in the middle leaves no thread behind."""
    database.execute("create table numbers (id integer primary key)")
    database.insert("numbers", ["integer"], [[str(n)] for n in range(50_000)])
    query = Query("numbers", (ID,), (ID,))
    interrupt, wanted = Interrupt(), lambda: None
    assert read(database.source, query, wanted).column(0).to_pylist() == list(range(50_000))

    opened = database.source.read(query, RANGE, halvings=5, interrupt=interrupt)
    with read_beside(opened, arrow_schema(query.columns), wanted, interrupt) as batches:
        assert batches.read_next_batch().num_rows > 0
    assert readers() == []

    wrong = Query("nowhere", (ID,), (ID,))
    with pytest.raises(QueryFailed, match="nowhere"):
        run_beside(lambda: database.source.plan(wrong, repeat(10)), wanted, interrupt)


def test_an_interrupt_between_two_statements_holds() -> None:
    """What runs is stopped again and again until it ends, and nothing begins any more."""
    interrupt, stopped = Interrupt(), threading.Semaphore(0)
    with interrupt.stops(stopped.release):
        interrupt.fire()
        for _ in range(3):
            assert stopped.acquire(timeout=30)
    with pytest.raises(QueryFailed, match="nobody waits"), interrupt.stops(stopped.release):
        raise AssertionError("it must not begin")
